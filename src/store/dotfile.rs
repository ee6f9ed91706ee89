//! The dotfile store: one age file per profile, `profiles/NAME.age`, whose plaintext is dotenv text.
//!
//! The description names the age file by its hash. A new state is staged as `NAME.age.new`, committed by the description
//! that names its hash, and settled by renaming it to `NAME.age`. A reader takes whichever of the two the description
//! names, and so never waits; a file that it does not name was made by hand, with `age -e`, and is read as it is.

use std::cell::OnceCell;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::files::{self, Guard};
use crate::host::{Folders, Host};
use crate::key::Key;
use crate::profile::description::StoreKind;
use crate::profile::{Description, ProfileName, Variable};
use crate::store::identity::Identities;
use crate::store::{Change, Store, dotenv, envelope};
use crate::ui::Ui;

/// Where an age file lies, and its bytes.
type AgeFile = (PathBuf, Vec<u8>);

/// The dotfile store of one user.
pub struct Dotfile<'a> {
    host: &'a Host,
    folders: &'a Folders,
    ui: Ui,
    identities: OnceCell<Identities>,
}

impl<'a> Dotfile<'a> {
    /// The store below the user's configuration folder. Opens nothing yet.
    ///
    /// # Errors
    /// When that folder is not known.
    pub fn new(host: &'a Host, ui: Ui) -> Result<Self, Error> {
        Ok(Self { host, folders: host.folders()?, ui, identities: OnceCell::new() })
    }

    /// The same, with identities that are at hand.
    ///
    /// # Errors
    /// As [`Dotfile::new`].
    pub fn opened_by(identities: Identities, host: &'a Host, ui: Ui) -> Result<Self, Error> {
        Ok(Self { identities: identities.into(), ..Self::new(host, ui)? })
    }

    fn path(&self, name: &ProfileName) -> PathBuf {
        self.folders.profiles().join(format!("{name}.age"))
    }

    /// Beside the file itself, where `NAME.age` is a link, so that it can be renamed to it.
    fn staged(&self, name: &ProfileName) -> PathBuf {
        files::beside(&files::follow(&self.path(name)), ".new")
    }

    fn identities(&self, load: impl Fn(&Host) -> Result<Identities, Error>) -> Result<&Identities, Error> {
        if self.identities.get().is_none() {
            let _ = self.identities.set(load(self.host)?);
        }
        self.identities.get().ok_or(Error::Internal)
    }

    /// The age file that belongs to the profile's description, and where it lies; nothing when there is none.
    fn sealed(&self, name: &ProfileName, description: &Description) -> Result<Option<AgeFile>, Error> {
        let mut before = None;
        loop {
            let mut by_hand = None;
            for (path, own) in [(self.path(name), true), (self.staged(name), false)] {
                let Some(bytes) = files::read(&path, files::LARGEST, Guard::Own)? else { continue };
                if description.data.as_deref() == Some(&hash(&bytes)) {
                    return Ok(Some((path, bytes)));
                }
                if own {
                    by_hand = Some((path, bytes));
                }
            }
            // Neither is named. Either a writer was between two of our looks, or the file was made by hand: then it
            // stays the same, and so does the description.
            if Description::read(self.folders, name)?.and_then(|now| now.data) != description.data {
                return Err(Error::Overtaken { profile: name.to_string() });
            }
            if before.as_ref() == Some(&by_hand) {
                return Ok(by_hand);
            }
            before = Some(by_hand);
        }
    }

    fn plaintext(&self, name: &ProfileName, description: &Description) -> Result<crate::memory::Protected, Error> {
        let (path, sealed) = self
            .sealed(name, description)?
            .ok_or_else(|| Error::DotfileGone { path: self.path(name), profile: name.to_string() })?;
        self.identities(Identities::in_force)?.open(&sealed, &path)
    }

    /// Opens what was staged and compares it with what was asked for; gives the words that name it.
    fn read_back(&self, staged: &Path, changes: &[Change]) -> Result<String, Option<Error>> {
        let sealed = files::read(staged, files::LARGEST, Guard::Own)?.unwrap_or_default();
        let opened = self.identities(Identities::in_force)?.open(&sealed, staged)?;
        let variables: Vec<_> = changes.iter().map(Change::variable).collect();
        let read = dotenv::read(opened.bytes(), &variables, &staged.display().to_string())?;
        let as_asked = changes.iter().zip(&read).all(|(change, read)| match (change, read) {
            (Change::Put(_, key), Some(read)) => read.expose() == key.expose(),
            (Change::Remove(_), None) => true,
            _ => false,
        });
        if as_asked { Ok(hash(&sealed)) } else { Err(None) }
    }

    /// An age file that may hold the only copy of a key is kept under another name, and it is said `why`.
    fn set_aside(&self, name: &ProfileName, why: &str) -> Result<(), Error> {
        let path = self.path(name);
        if !path.exists() {
            return Ok(());
        }
        let free = (1..).map(|number| files::beside(&path, &format!(".kept{number}"))).find(|aside| !aside.exists());
        let Some(aside) = free else { return Ok(()) };
        files::rename(&path, &aside)?;
        self.ui.warn(&format!("{} {why} and is kept as {}", path.display(), aside.display()));
        Ok(())
    }
}

impl Store for Dotfile<'_> {
    fn kind(&self) -> StoreKind {
        StoreKind::Dotfile
    }

    fn read(&self, name: &ProfileName, description: &Description, variables: &[&Variable]) -> Result<Vec<Key>, Error> {
        let plaintext = self.plaintext(name, description)?;
        let found = dotenv::read(plaintext.bytes(), variables, &self.path(name).display().to_string())?;
        let missing =
            |variable: &Variable| Error::VariableMissing { profile: name.to_string(), variable: variable.to_string() };
        let keys = found
            .into_iter()
            .zip(variables)
            .map(|(key, variable)| key.filter(|key| !key.expose().is_empty()).ok_or_else(|| missing(variable)));
        keys.collect()
    }

    fn prepare(&self) -> Result<(), Error> {
        files::make_folder(&self.folders.profiles())?;
        let ui = self.ui;
        self.identities(|host| Identities::in_force_or_new(host, ui)).map(|_| ())
    }

    fn stage(&self, name: &ProfileName, old: Option<&Description>, changes: &[Change]) -> Result<String, Error> {
        let file = self.path(name).display().to_string();
        let before = match old {
            Some(description) => {
                // What was committed and not settled, because of a crash, must not be overwritten by what is staged now.
                self.settle(name, description)?;
                Some(self.plaintext(name, description)?)
            }
            None => {
                self.set_aside(name, "had no description")?;
                None
            }
        };
        let plaintext = dotenv::change(before.as_ref().map_or(b"", |before| before.bytes()), changes, &file)?;
        let identities = self.identities(Identities::in_force)?;
        let sealed = envelope::seal(plaintext.bytes(), &identities.recipients()?)?;
        let staged = self.staged(name);
        files::replace(&staged, &sealed)?;
        self.read_back(&staged, changes).map_err(|error| match files::remove(&staged) {
            Ok(()) => error.unwrap_or_else(|| Error::ReadBack { profile: name.to_string() }),
            Err(error) => error,
        })
    }

    fn settle(&self, name: &ProfileName, description: &Description) -> Result<(), Error> {
        let staged = self.staged(name);
        match files::read(&staged, files::LARGEST, Guard::Own)? {
            Some(bytes) if description.data.as_deref() == Some(&hash(&bytes)) => {
                files::rename(&staged, &self.path(name))
            }
            Some(_) => files::remove(&staged),
            None => Ok(()),
        }
    }

    fn retire(&self, name: &ProfileName, description: &Description) -> Result<(), Error> {
        if let Some((path, sealed)) = self.sealed(name, description)? {
            let opened = self.identities(Identities::in_force)?.open(&sealed, &path)?;
            let moved = description.kept()?;
            let names = dotenv::names(opened.bytes(), &path.display().to_string())?;
            // What the description does not know was not moved.
            if let Some(other) = names.iter().find(|name| !moved.iter().any(|moved| moved.as_str() == name.as_str())) {
                return self.set_aside(name, &format!("also holds {other}, which was not moved,"));
            }
        }
        self.erase(name)
    }

    fn erase(&self, name: &ProfileName) -> Result<(), Error> {
        files::remove(&self.staged(name))?;
        files::remove(&self.path(name))
    }
}

/// The words by which a description names an age file.
fn hash(bytes: &[u8]) -> String {
    let mut words = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        let _ = write!(words, "{byte:02x}");
    }
    words
}
