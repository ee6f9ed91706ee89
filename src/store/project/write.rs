//! Changing a project's dotfile: who will be able to open it, and then the file and its grant in one go.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::Error;
use crate::error::project::Project;
use crate::files::{self, Guard};
use crate::host::Host;
use crate::key::Key;
use crate::memory::Protected;
use crate::profile::grant::{Said, Written};
use crate::profile::{Grant, Variable, project};
use crate::provider;
use crate::store::identity::Identities;
use crate::store::project::{Opened, keys, unseal};
use crate::store::recipients::{Recipients, heads};
use crate::store::{Change, dotenv, envelope};
use crate::ui::Ui;

/// The mode of a new dotfile: it is made to be committed and given away.
const MODE: u32 = 0o644;

/// A project's dotfile that is about to be written.
pub struct Draft<'a> {
    path: &'a Path,
    host: &'a Host,
    identities: Identities,
    mode: u32,
    grant: Option<Grant>,
    old: Option<Opened>,
    /// Who will be able to open it.
    pub recipients: Recipients,
    /// Whether they are still to be written down.
    pub recipients_are_new: bool,
}

/// What changes for those who can open the file, in words a person can read.
#[derive(Debug, Default)]
pub struct Audience {
    /// Who could not open it before.
    pub added: Vec<String>,
    /// Who could.
    pub removed: Vec<String>,
    /// What cannot be known.
    pub unknown: Option<String>,
}

impl Audience {
    /// Whether nothing changes, and that is known.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.unknown.is_none()
    }
}

impl<'a> Draft<'a> {
    /// Reads what there is: the dotfile, its grant, its recipients. Makes the user's identity when there is none.
    ///
    /// # Errors
    /// When a dotfile is there that was not allowed or cannot be opened, or the recipients cannot be read.
    pub fn begin(path: &'a Path, host: &'a Host, ui: Ui) -> Result<Self, Error> {
        let folders = host.folders()?;
        let sealed = project::read(path, Guard::Found)?;
        let mode = match &sealed {
            Some(_) => path.symlink_metadata().map_or(MODE, |facts| facts.mode() & 0o755),
            None => MODE,
        };
        let grant = Grant::read(folders, path)?;
        if sealed.is_some() && !matches!(&grant, Some(Grant { said: Said::Allowed { .. }, .. })) {
            return Err(Project::NotAllowed { path: path.to_owned() }.into());
        }
        let recipients = Recipients::read(path)?;
        let identities = Identities::in_force_or_new(host, ui)?;
        let old = sealed.map(|sealed| Opened::of(sealed, path, &identities, host)).transpose()?;
        if let (Some(old), Some(grant)) = (&old, &grant) {
            let difference = grant.compare(&old.keys, folders)?;
            if !difference.is_none() {
                return Err(Project::Changed { path: path.to_owned(), how: difference.words() }.into());
            }
        }
        let recipients_are_new = recipients.is_none();
        let recipients = match recipients {
            Some(recipients) => recipients,
            None => {
                let own = identities.recipient().ok_or(Error::Internal)?;
                Recipients::alone(path, &own)
            }
        };
        if recipients.all.is_empty() {
            return Err(Error::Seal { why: format!("{} names nobody", recipients.file.display()) });
        }
        Ok(Self { path, host, identities, mode, grant, old, recipients, recipients_are_new })
    }

    /// Whether the dotfile is there already.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.old.is_some()
    }

    /// Whether the dotfile has a key for `variable`.
    #[must_use]
    pub fn has(&self, variable: &Variable) -> bool {
        self.old.as_ref().is_some_and(|old| old.keys.iter().any(|(held, _)| held == variable))
    }

    /// The user's own recipient.
    #[must_use]
    pub fn own(&self) -> Option<String> {
        self.identities.recipient()
    }

    /// How those who will be able to open the dotfile differ from those who can now.
    #[must_use]
    pub fn audience(&self) -> Audience {
        let mut audience = Audience::default();
        let Some(old) = &self.old else {
            audience.added = self.recipients.all.iter().map(|person| person.words()).collect();
            return audience;
        };
        if let Some(before) = self.grant.as_ref().and_then(|grant| grant.recipients_of(&old.sealed)) {
            let is_new = |recipient: &String| !before.contains(recipient);
            let new = self.recipients.all.iter().filter(|person| is_new(&person.recipient));
            audience.added = new.map(|person| person.words()).collect();
            let now = self.recipients.sorted();
            audience.removed = before.iter().filter(|before| !now.contains(before)).cloned().collect();
            return audience;
        }
        let Some(heads) = heads(&old.sealed) else {
            audience.unknown = Some("the file does not tell who can open it now".to_owned());
            return audience;
        };
        // Somebody else wrote the file: its head is all that is known.
        let (tagged, anonymous): (Vec<_>, Vec<_>) =
            self.recipients.all.iter().map(|person| (person, person.tag())).partition(|(_, tag)| tag.is_some());
        let has = |tag: &Option<String>| tag.as_ref().is_some_and(|tag| heads.tags.contains(tag));
        audience.added = tagged.iter().filter(|(_, tag)| !has(tag)).map(|(person, _)| person.words()).collect();
        let gone = heads.tags.iter().filter(|tag| !tagged.iter().any(|(_, known)| known.as_ref() == Some(*tag)));
        audience.removed = gone.map(|tag| format!("an SSH key with the tag {tag}")).collect();
        if heads.anonymous > 0 || !anonymous.is_empty() {
            let (theirs, ours) = (heads.anonymous, anonymous.len());
            let (they_are, these) = if theirs == 1 { ("it is", "this") } else { ("they are", "these") };
            audience.unknown = Some(format!(
                "somebody else wrote the file, and age keeps {theirs} of its recipients anonymous: whether {they_are} \
                 {these} {ours} cannot be known"
            ));
        }
        audience
    }

    /// Writes the dotfile with `changes` made, and the grant for it; nothing else of the plaintext changes.
    ///
    /// # Errors
    /// When the dotfile or its recipients have changed since [`Draft::begin`], the writer could not open it, or something
    /// cannot be written; the dotfile and its grant are then as they were.
    pub fn write(self, changes: &[Change], ui: Ui) -> Result<(), Error> {
        let (path, folders) = (self.path, self.host.folders()?);
        let shown = path.display().to_string();
        let text = match &self.old {
            Some(old) => dotenv::change(old.text.bytes(), changes, &shown)?,
            None => dotenv::change(b"", changes, &shown)?,
        };
        let keys = keys(&text, path)?;
        let sealed = envelope::seal_as_text(text.bytes(), &self.recipients.parsed()?)?;
        self.must_open(&sealed, &text)?;
        self.warn_of_personal_keys(&keys, ui);
        let _lock = files::lock(&folders.config)?;
        self.must_be_unchanged()?;
        let written = Written::new(&sealed, self.recipients.sorted());
        let grant = Grant::to(path, &keys, Some(written), folders)?;
        if self.recipients_are_new {
            files::replace_in_project(&self.recipients.file, self.recipients.text().as_bytes(), MODE)?;
        }
        // The grant first, good for both states: a reader, or a crash, in between finds what it allows.
        grant.with_before(self.grant.as_ref()).write(folders)?;
        match files::replace_in_project(path, &sealed, self.mode) {
            Ok(()) => {}
            // It is there all the same.
            Err(error @ Error::NotDurable { .. }) => return Err(error),
            Err(error) => {
                // What may be left of this failure is a grant for a state that was never written.
                let _ = match &self.grant {
                    Some(grant) => grant.write(folders),
                    None => Grant::forget(folders, path).map(|_| ()),
                };
                return Err(error);
            }
        }
        if project::read(path, Guard::Found)?.as_ref() != Some(&sealed) {
            return Err(Project::ReadBack { path: path.to_owned() }.into());
        }
        // It is done, and allowed. What could not be taken back is consent to what the user had consented to.
        if grant.write(folders).is_err() {
            ui.warn(&format!("what {} held before stays allowed too, until it is written again", path.display()));
        }
        Ok(())
    }

    /// Opens what was sealed, as its writer will.
    fn must_open(&self, sealed: &[u8], text: &Protected) -> Result<(), Error> {
        match unseal(sealed, self.path, &self.identities, self.host) {
            Ok(opened) if opened.bytes() == text.bytes() => Ok(()),
            Ok(_) => Err(Project::ReadBack { path: self.path.to_owned() }.into()),
            Err(Error::Project(Project::NotARecipient { recipient, .. })) => {
                Err(Project::WriterLeftOut { file: self.recipients.file.clone(), recipient }.into())
            }
            Err(error) => Err(error),
        }
    }

    /// What was shown and asked about must be what is replaced.
    fn must_be_unchanged(&self) -> Result<(), Error> {
        let changed = |path: &Path| Err(Project::ChangedMeanwhile { path: path.to_owned() }.into());
        let old = self.old.as_ref().map(|old| &old.sealed);
        if project::read(self.path, Guard::Found)?.as_ref() != old {
            return changed(self.path);
        }
        let recipients = Recipients::read(self.path)?;
        let same = match &recipients {
            Some(recipients) => recipients.all == self.recipients.all && !self.recipients_are_new,
            None => self.recipients_are_new,
        };
        if same { Ok(()) } else { changed(&self.recipients.file) }
    }

    /// A key that acts for a person should not be used by others; a service account is made for that.
    fn warn_of_personal_keys(&self, keys: &[(Variable, Key)], ui: Ui) {
        let people = self.recipients.all.len();
        let personal = keys.iter().filter(|(variable, key)| {
            provider::of_variable(variable.as_str()).is_some_and(|row| row.is_personal(key.expose()))
        });
        for (variable, key) in personal.filter(|_| people > 1) {
            ui.warn(&format!(
                "{variable} ({}) may be a person's own key, and {people} people share it; a service account's key \
                 (sk-svcacct-…) is made for that",
                key.masked()
            ));
        }
    }
}
