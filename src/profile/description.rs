//! A profile's description: `profiles/NAME.toml`. What is known of a profile without opening its store.
//!
//! It is the commit point of every change: it names the data it belongs to, and is replaced in one step. People edit it
//! by hand (`set`, `allow_endpoint`), so comments and order survive. An unknown field is an error, not a silence.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use toml_edit::{Datetime, DocumentMut, Item, value};

use crate::error::Error;
use crate::files::{self, Guard};
use crate::host::Folders;
use crate::profile::grant::{Grant, Granted, Said};
use crate::profile::{ProfileName, Variable};

mod plain;
mod toml;

/// The tables of the keys, and of those before them.
const VARIABLES: &str = "variables";
const PREVIOUS: &str = "previous";

/// The largest description, in bytes.
const LARGEST: usize = 1024 * 1024;

/// Where a profile's keys are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// The keychain of the operating system.
    Keychain,
    /// An age file of the profile's own.
    Dotfile,
    /// Nowhere of withkey's: a program of the user's choice prints them.
    Helper,
}

impl StoreKind {
    /// Every store, in the order in which they are told.
    pub const ALL: [Self; 3] = [Self::Keychain, Self::Dotfile, Self::Helper];

    /// The stores that withkey itself writes keys into: those that `move` can move to.
    pub const OWN: [Self; 2] = [Self::Keychain, Self::Dotfile];

    /// The word for it in descriptions and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keychain => "keychain",
            Self::Dotfile => "dotfile",
            Self::Helper => "helper",
        }
    }
}

impl FromStr for StoreKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| format!("the store {text} is not known to this withkey"))
    }
}

/// What is known of one key without reading it.
#[derive(Clone, Debug)]
pub struct Described {
    /// The variable it is kept under.
    pub variable: Variable,
    /// Prefix and last four characters.
    pub masked: String,
    /// A salted hash, by which the key is recognised where it stands in clear; for keys of the provider table only.
    pub hash: Option<String>,
    /// When withkey took it in.
    pub added: Option<Datetime>,
    /// When the provider made it.
    pub created: Option<Datetime>,
    /// When it stops working.
    pub expires: Option<Datetime>,
    /// In the store `helper`, the program that prints the key, by its absolute path, and its arguments. Else empty.
    pub helper: Vec<String>,
}

impl Described {
    /// Nothing known yet.
    pub(super) fn of(variable: Variable) -> Self {
        Self {
            variable,
            masked: String::new(),
            hash: None,
            added: None,
            created: None,
            expires: None,
            helper: Vec::new(),
        }
    }
}

/// A description, as it was read or will be written.
#[derive(Clone, Debug)]
pub struct Description {
    text: String,
    /// Where its keys are kept.
    pub store: StoreKind,
    /// Which state of the store it belongs to, in the store's own words.
    pub data: Option<String>,
    /// The store that the profile was moved from, as long as its copies there are not deleted.
    pub leaving: Option<StoreKind>,
    /// Hosts to which inherited endpoint variables may send the key without a warning.
    pub allow_endpoint: Vec<String>,
    /// Plain variables that are injected too: the user speaking.
    pub set: Vec<(Variable, String)>,
    /// The keys, in order.
    pub variables: Vec<Described>,
    /// The keys that a rotation replaced and that are still kept, each under the variable it belongs to.
    pub previous: Vec<Described>,
}

/// Where the description of `name` lies.
#[must_use]
pub fn path(folders: &Folders, name: &ProfileName) -> PathBuf {
    folders.profiles().join(format!("{name}.toml"))
}

/// Whether something stands where the description of `name` lies, readable or not.
#[must_use]
pub fn exists(folders: &Folders, name: &ProfileName) -> bool {
    path(folders, name).symlink_metadata().is_ok()
}

/// The names of all profiles, sorted. Reads the folder, no description.
///
/// # Errors
/// When the folder cannot be read.
pub fn names(folders: &Folders) -> Result<Vec<ProfileName>, Error> {
    names_beginning(folders, "")
}

/// The names of the profiles that begin with `start`, sorted. Of ten thousand files only those that count take memory.
///
/// # Errors
/// When the folder cannot be read.
pub fn names_beginning(folders: &Folders, start: &str) -> Result<Vec<ProfileName>, Error> {
    let folder = folders.profiles();
    let cannot = |errno: Errno| Error::File { doing: "read", path: folder.clone(), source: errno.into() };
    let mut entries = match Dir::open(&folder, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()) {
        Ok(entries) => entries,
        Err(Errno::ENOENT) => return Ok(Vec::new()),
        Err(errno) => return Err(cannot(errno)),
    };
    let mut names = Vec::new();
    for entry in entries.iter() {
        let entry = entry.map_err(cannot)?;
        let name =
            entry.file_name().to_bytes().strip_suffix(b".toml").filter(|name| name.starts_with(start.as_bytes()));
        names.extend(name.and_then(|name| std::str::from_utf8(name).ok()?.parse().ok()));
    }
    names.sort_unstable();
    Ok(names)
}

impl Description {
    /// Reads the description of `name`; nothing when there is no such profile.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is of a newer withkey.
    pub fn read(folders: &Folders, name: &ProfileName) -> Result<Option<Self>, Error> {
        let path = path(folders, name);
        let Some(bytes) = files::read(&path, LARGEST, Guard::Own)? else { return Ok(None) };
        let damaged = |why: String| Error::Description { path: path.clone(), why };
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not UTF-8 text".to_owned()))?;
        Self::parse(text, &path).map(Some)
    }

    /// A description of no key yet.
    #[must_use]
    pub fn new(store: StoreKind) -> Self {
        let text = format!("version = 1\nstore = \"{}\"\n", store.as_str());
        Self {
            text,
            store,
            data: None,
            leaving: None,
            allow_endpoint: Vec::new(),
            set: Vec::new(),
            variables: Vec::new(),
            previous: Vec::new(),
        }
    }

    /// What a grant says of a project's dotfile.
    #[must_use]
    pub fn of_grant(grant: &Grant) -> Self {
        let keys: &[Granted] = match &grant.said {
            Said::Allowed { keys, .. } => keys,
            Said::Never => &[],
        };
        Self::of_dotfile(keys.iter().map(|granted| (granted.variable.clone(), granted.masked.clone())))
    }

    /// What is known of a project's dotfile: names and masks. It is never written.
    #[must_use]
    pub fn of_dotfile(keys: impl Iterator<Item = (Variable, String)>) -> Self {
        let mut description = Self::new(StoreKind::Dotfile);
        let described = |(variable, masked)| Described { masked, ..Described::of(variable) };
        description.variables = keys.map(described).collect();
        description
    }

    /// Writes the description in one step. The lock of the configuration must be held.
    ///
    /// # Errors
    /// When the file cannot be written; the old one is then untouched.
    pub fn write(&self, folders: &Folders, name: &ProfileName) -> Result<(), Error> {
        files::replace(&path(folders, name), self.text.as_bytes())
    }

    /// What is known of `variable`'s key.
    #[must_use]
    pub fn variable(&self, variable: &Variable) -> Option<&Described> {
        self.variables.iter().find(|described| described.variable == *variable)
    }

    /// What is known of the key that `variable` had before an unfinished rotation.
    #[must_use]
    pub fn previous(&self, variable: &Variable) -> Option<&Described> {
        self.previous.iter().find(|described| described.variable == *variable)
    }

    /// Every name under which the store keeps something of this profile: its variables, and those of previous keys.
    ///
    /// # Errors
    /// As [`Variable::previous`].
    pub fn kept(&self) -> Result<Vec<Variable>, Error> {
        let variables = self.variables.iter().map(|described| Ok(described.variable.clone()));
        variables.chain(self.previous.iter().map(|described| described.variable.previous())).collect()
    }

    /// Names the state of the store that this description belongs to.
    ///
    /// # Errors
    /// When the text is no TOML, which reading it has excluded.
    pub fn belong_to(&mut self, data: String) -> Result<(), Error> {
        self.edit(|document| {
            document.insert("data", value(&data));
        })?;
        self.data = Some(data);
        Ok(())
    }

    /// Names another store from now on, and the one before as left but not emptied yet.
    ///
    /// # Errors
    /// As [`Description::belong_to`].
    pub fn move_to(&mut self, store: StoreKind) -> Result<(), Error> {
        let before = self.store;
        self.edit(|document| {
            // In place, so that a comment behind it stays.
            match document.get_mut("store").and_then(Item::as_value_mut) {
                Some(old) => {
                    let around = old.decor().clone();
                    *old = store.as_str().into();
                    *old.decor_mut() = around;
                }
                None => drop(document.insert("store", value(store.as_str()))),
            }
            document.insert("leaving", value(before.as_str()));
        })?;
        (self.store, self.leaving) = (store, Some(before));
        Ok(())
    }

    /// The store that was left is emptied.
    ///
    /// # Errors
    /// As [`Description::belong_to`].
    pub fn have_left(&mut self) -> Result<(), Error> {
        self.edit(|document| drop(document.remove("leaving")))?;
        self.leaving = None;
        Ok(())
    }

    /// Describes a key, in place of what was said of that variable.
    ///
    /// # Errors
    /// As [`Description::belong_to`].
    pub fn describe(&mut self, described: Described) -> Result<(), Error> {
        self.edit(|document| toml::write(document, VARIABLES, &described))?;
        put(&mut self.variables, described);
        Ok(())
    }

    /// Describes the previous key of a variable, which a rotation replaced.
    ///
    /// # Errors
    /// As [`Description::belong_to`].
    pub fn describe_previous(&mut self, described: Described) -> Result<(), Error> {
        self.edit(|document| toml::write(document, PREVIOUS, &described))?;
        put(&mut self.previous, described);
        Ok(())
    }

    /// Says nothing more of `variable`, nor of its previous key.
    ///
    /// # Errors
    /// As [`Description::belong_to`].
    pub fn forget(&mut self, variable: &Variable) -> Result<(), Error> {
        self.edit(|document| toml::erase(document, VARIABLES, variable))?;
        self.variables.retain(|described| described.variable != *variable);
        self.forget_previous(variable)
    }

    /// Says nothing more of the previous key of `variable`.
    ///
    /// # Errors
    /// As [`Description::belong_to`].
    pub fn forget_previous(&mut self, variable: &Variable) -> Result<(), Error> {
        self.edit(|document| toml::erase(document, PREVIOUS, variable))?;
        self.previous.retain(|described| described.variable != *variable);
        Ok(())
    }

    /// Changes the text where it has to change; comments and order stay.
    fn edit(&mut self, change: impl FnOnce(&mut DocumentMut)) -> Result<(), Error> {
        let mut document: DocumentMut = self.text.parse().map_err(|_| Error::Internal)?;
        change(&mut document);
        self.text = document.to_string();
        Ok(())
    }

    /// Reads a description's text; `path` is for its errors.
    ///
    /// # Errors
    /// What is wrong with the text, by field.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        plain::read(text).map_or_else(|| Self::parse_toml(text, path), Ok)
    }

    /// As [`Description::parse`], by TOML's whole grammar: what the short way is held to.
    ///
    /// # Errors
    /// As [`Description::parse`].
    pub fn parse_toml(text: &str, path: &Path) -> Result<Self, Error> {
        let damaged = |why: String| Error::Description { path: path.to_owned(), why };
        let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
            let line = error.span().map_or(0, |span| text.get(..span.start).unwrap_or(text).lines().count().max(1));
            damaged(format!("line {line}: {}", error.message().lines().next().unwrap_or("not TOML")))
        })?;
        match document.get("version").and_then(Item::as_integer) {
            Some(1) => {}
            Some(version) => return Err(Error::NewerVersion { path: path.to_owned(), version }),
            None => return Err(damaged("it has no `version`".to_owned())),
        }
        toml::read(&document, text).map_err(damaged)
    }
}

/// As the text has it: in place of what was said of that variable, else at the end.
fn put(keys: &mut Vec<Described>, described: Described) {
    match keys.iter_mut().find(|known| known.variable == described.variable) {
        Some(known) => *known = described,
        None => keys.push(described),
    }
}

#[cfg(test)]
mod tests;
