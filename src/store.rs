//! Where keys are kept, behind one trait.

use crate::error::Error;
use crate::host::Host;
use crate::key::Key;
use crate::profile::description::StoreKind;
use crate::profile::{Description, ProfileName, Variable};
use crate::store::identity::Identities;
use crate::ui::Ui;

pub mod change;
pub mod current;
pub mod dotenv;
mod dotfile;
pub mod envelope;
pub mod helper;
pub mod identity;
pub mod intake;
mod keychain;
pub mod passphrase;
pub mod project;
pub mod protect;
pub mod recipients;
pub mod rotation;
pub mod salt;
pub mod transfer;
mod turn;
pub mod unlock;

/// A change to one variable of a profile.
#[derive(Debug)]
pub enum Change<'a> {
    /// This key from now on.
    Put(&'a Variable, &'a Key),
    /// No key any more.
    Remove(&'a Variable),
}

impl Change<'_> {
    /// The variable that changes.
    #[must_use]
    pub fn variable(&self) -> &Variable {
        match self {
            Self::Put(variable, _) | Self::Remove(variable) => variable,
        }
    }
}

/// A place that keeps keys.
///
/// A change has three steps, so that a crash leaves the old state or the new one: [`Store::stage`] puts the new state
/// beside the old one and reads it back, writing the description commits it, [`Store::settle`] clears the old one away.
/// Whoever changes something holds the lock of the configuration.
pub trait Store {
    /// Which kind it is, as descriptions say.
    fn kind(&self) -> StoreKind;

    /// Reads the keys of `variables`, in that order. May prompt for what opens the store.
    ///
    /// # Errors
    /// When the store cannot be opened or a key is not there; no key is given then. [`Error::Overtaken`] when the
    /// description is no longer the current one: read it again.
    ///
    /// # Secrets
    /// The keys are the caller's, in protected pages. Nothing else of the store's content stays in memory.
    fn read(&self, name: &ProfileName, description: &Description, variables: &[&Variable]) -> Result<Vec<Key>, Error>;

    /// Makes what a first write needs, asking if it must, before a key is taken in.
    ///
    /// # Errors
    /// When the store could not be written to.
    fn prepare(&self) -> Result<(), Error>;

    /// Puts the changed state beside the old one, reads it back, and gives the words by which the description names it.
    ///
    /// # Errors
    /// When it cannot be written or does not come back; readers see the old state.
    fn stage(&self, name: &ProfileName, old: Option<&Description>, changes: &[Change]) -> Result<String, Error>;

    /// Clears away what the committed `description` no longer names.
    ///
    /// # Errors
    /// When the system refuses; readers see the new state all the same.
    fn settle(&self, name: &ProfileName, description: &Description) -> Result<(), Error>;

    /// Deletes what only the description leads to, before the profile is removed; can be done again.
    ///
    /// # Errors
    /// When the system refuses.
    fn empty(&self, name: &ProfileName, description: &Description) -> Result<(), Error> {
        let _ = (name, description);
        Ok(())
    }

    /// Deletes the copies that a move to another store has left here; can be done again.
    ///
    /// # Errors
    /// When the system refuses.
    fn retire(&self, name: &ProfileName, description: &Description) -> Result<(), Error> {
        self.empty(name, description)
    }

    /// Deletes everything of a profile whose description is gone, or was never written.
    ///
    /// # Errors
    /// When the system refuses.
    fn erase(&self, name: &ProfileName) -> Result<(), Error>;
}

/// The store of that kind. Opens nothing yet.
///
/// # Errors
/// When withkey's folders are not known.
pub fn of<'a>(kind: StoreKind, host: &'a Host, ui: Ui) -> Result<Box<dyn Store + 'a>, Error> {
    match kind {
        StoreKind::Keychain => Ok(Box::new(keychain::Keychain::new(host, ui)?)),
        StoreKind::Dotfile => Ok(Box::new(dotfile::Dotfile::new(host, ui)?)),
        StoreKind::Helper => Ok(Box::new(helper::Helper::new(host)?)),
    }
}

/// Every store of one user, of which each is opened once at most: whatever goes from one to another asks once for what opens
/// them.
pub struct Stores<'a> {
    keychain: Box<dyn Store + 'a>,
    dotfile: Box<dyn Store + 'a>,
    helper: Box<dyn Store + 'a>,
}

impl<'a> Stores<'a> {
    /// All of them. Opens nothing yet.
    ///
    /// # Errors
    /// As [`of`].
    pub fn new(host: &'a Host, ui: Ui) -> Result<Self, Error> {
        let of = |kind| of(kind, host, ui);
        Ok(Self {
            keychain: of(StoreKind::Keychain)?,
            dotfile: of(StoreKind::Dotfile)?,
            helper: of(StoreKind::Helper)?,
        })
    }

    /// The one of that kind.
    #[must_use]
    pub fn of(&self, kind: StoreKind) -> &dyn Store {
        match kind {
            StoreKind::Keychain => &*self.keychain,
            StoreKind::Dotfile => &*self.dotfile,
            StoreKind::Helper => &*self.helper,
        }
    }
}

/// Whether a keychain answers here that could take a key. Asks nobody.
///
/// # Errors
/// Why none does.
pub fn keychain_answers(host: &Host, ui: Ui) -> Result<(), Error> {
    keychain::Keychain::new(host, ui)?.probe()
}

/// Whether the keychain can be read now without anybody being asked.
///
/// # Errors
/// Why not.
pub fn keychain_is_open(host: &Host, ui: Ui) -> Result<(), Error> {
    keychain::Keychain::new(host, ui)?.is_open()
}

/// The store of a new profile for which none is named: the keychain if one answers here, else the dotfile.
///
/// # Errors
/// When withkey's folders are not known, or config.toml cannot be read.
pub fn usual(host: &Host, ui: Ui) -> Result<StoreKind, Error> {
    match keychain_answers(host, ui) {
        Ok(()) => Ok(StoreKind::Keychain),
        Err(Error::Keychain(why)) => {
            if !why.is_absent() {
                let words = Error::Keychain(why).words();
                let cause = words.cause.map_or(String::new(), |cause| format!(": {cause}"));
                ui.notice(&format!("{}{cause}; the store is the dotfile", words.error));
            }
            Ok(StoreKind::Dotfile)
        }
        Err(error) => Err(error),
    }
}

/// The dotfile store that opens with these identities and no other: nobody is asked for anything.
///
/// # Errors
/// When withkey's folders are not known.
pub fn dotfile_opened_by<'a>(identities: Identities, host: &'a Host, ui: Ui) -> Result<Box<dyn Store + 'a>, Error> {
    Ok(Box::new(dotfile::Dotfile::opened_by(identities, host, ui)?))
}
