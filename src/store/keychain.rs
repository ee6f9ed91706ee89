//! The keychain store: one item per variable, service `withkey`, user `PROFILE/VARIABLE`.
//!
//! A new variable's item is written and read back, then the description names the variable. A key that replaces another
//! is first written to a second item, `PROFILE/VARIABLE/new`; the description that says so commits it, and readers take
//! it from there; then the first item gets it as well, a description without that word follows, and the second item
//! goes. A removed variable's item goes after the description that owes its deletion. So each crash leaves the old keys or
//! the new ones, and what is left to do stands in the description (ledger.rs): the next change of the profile does it.
//! After a crash before the description was written, an item that nothing names may be left; the next `add` of that
//! variable uses or keeps it.
//!
//! A reader compares the description before and after: between the two no key can have come from another change.

mod item;
mod ledger;
mod wait;

#[cfg(target_os = "linux")]
mod look;
#[cfg(not(target_os = "linux"))]
#[path = "keychain/look_apple.rs"]
mod look;

use std::cell::RefCell;

use item::{Job, Locked};
use ledger::Ledger;
use wait::Patience;

use crate::error::Error;
use crate::error::keychain::Keychain as Failure;
use crate::host::{Folders, Host};
use crate::key::Key;
use crate::profile::description::StoreKind;
use crate::profile::{Description, ProfileName, Variable};
use crate::store::{Change, Store};
use crate::ui::Ui;

/// The keychain of one user.
pub struct Keychain<'a> {
    folders: &'a Folders,
    ui: Ui,
    patience: Patience<'a>,
    /// What was made for a change whose description is not known to be written.
    made: RefCell<Option<Made>>,
}

/// The profile that is changed, the words of its description to come, and the items that were made.
struct Made {
    name: ProfileName,
    data: String,
    users: Vec<String>,
}

impl<'a> Keychain<'a> {
    /// The user's keychain. Opens nothing yet.
    ///
    /// # Errors
    /// When withkey's folders are not known.
    pub fn new(host: &'a Host, ui: Ui) -> Result<Self, Error> {
        Ok(Self { folders: host.folders()?, ui, patience: Patience::new(host, ui), made: RefCell::default() })
    }

    /// Whether a keychain answers here that could take a key, without asking anybody.
    ///
    /// # Errors
    /// Why not.
    pub fn probe(&self) -> Result<(), Error> {
        self.patience.probe(Locked::Leave)
    }

    /// Whether keys could be read here now without anybody being asked.
    ///
    /// # Errors
    /// Why not; that it is locked, for one.
    pub fn is_open(&self) -> Result<(), Error> {
        self.patience.probe(Locked::Fails)
    }

    fn get(&self, users: impl IntoIterator<Item = String>) -> Result<Vec<Option<Key>>, Error> {
        self.patience.perform(users.into_iter().map(Job::read).collect())
    }

    /// Does jobs that give nothing.
    fn perform(&self, jobs: Vec<Job>) -> Result<(), Error> {
        if jobs.is_empty() { Ok(()) } else { self.patience.perform(jobs).map(|_| ()) }
    }

    /// What was made for this profile; what was made for another is none of its business.
    fn take_made(&self, name: &ProfileName) -> Option<Made> {
        self.made.borrow_mut().take_if(|made| made.name == *name)
    }

    fn delete(&self, users: impl IntoIterator<Item = String>) -> Result<(), Error> {
        self.perform(users.into_iter().map(Job::delete).collect())
    }

    /// An item that no description names may hold the only copy of a key: it is copied to another item.
    fn keep(&self, item: &str, key: &Key) -> Result<(), Error> {
        for number in 1..1000 {
            let aside = format!("{item}/kept{number}");
            match self.get([aside.clone()])?.pop().flatten() {
                Some(kept) if kept.expose() != key.expose() => {}
                Some(_) => return Ok(()),
                None => {
                    self.perform(vec![Job::write(aside.clone(), copy(key)?)])?;
                    self.ui.warn(&format!(
                        "the keychain's item {item} belonged to no profile; its value is kept as {aside}"
                    ));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The jobs of a change to `old`, which is settled, and the words of the description to come.
    fn plan(
        &self,
        name: &ProfileName,
        old: Option<&Description>,
        changes: &[Change],
    ) -> Result<(Vec<Job>, Ledger), Error> {
        let mut ledger = old.map_or_else(Ledger::default, Ledger::of).next();
        // Of previous keys too: whatever a description names is replaced by way of a second item.
        let kept = old.map_or(Ok(Vec::new()), Description::kept)?;
        let mut jobs = Vec::new();
        for change in changes {
            let item = user(name, change.variable());
            match change {
                Change::Remove(variable) => ledger.gone.push((*variable).clone()),
                Change::Put(variable, key) if kept.contains(variable) => {
                    jobs.push(Job::write(staged(name, variable), copy(key)?));
                    ledger.staged.push((*variable).clone());
                }
                Change::Put(_, key) => match self.get([item.clone()])?.pop().flatten() {
                    Some(there) if there.expose() == key.expose() => {}
                    Some(there) => {
                        self.keep(&item, &there)?;
                        jobs.push(Job::write(item, copy(key)?));
                    }
                    None => jobs.push(Job::write(item, copy(key)?)),
                },
            }
        }
        Ok((jobs, ledger))
    }

    /// Does what a committed description owes, and writes it down.
    fn pay(&self, name: &ProfileName, description: &Description, ledger: &Ledger) -> Result<(), Error> {
        let new = self.get(ledger.staged.iter().map(|variable| staged(name, variable)))?;
        let mut jobs = Vec::new();
        for (variable, key) in ledger.staged.iter().zip(new) {
            // Where it is missing somebody deleted it; the first item stays as it is.
            jobs.extend(key.map(|key| Job::write(user(name, variable), key)));
        }
        jobs.extend(ledger.gone.iter().map(|variable| Job::delete(user(name, variable))));
        self.perform(jobs)?;
        let mut settled = description.clone();
        settled.belong_to(ledger.next().to_string())?;
        settled.write(self.folders, name)?;
        self.delete(ledger.staged.iter().map(|variable| staged(name, variable)))
    }
}

impl Store for Keychain<'_> {
    fn kind(&self) -> StoreKind {
        StoreKind::Keychain
    }

    fn read(&self, name: &ProfileName, description: &Description, variables: &[&Variable]) -> Result<Vec<Key>, Error> {
        let ledger = Ledger::of(description);
        let item = |variable: &Variable| match ledger.staged.contains(variable) {
            true => staged(name, variable),
            false => user(name, variable),
        };
        let keys = self.get(variables.iter().map(|variable| item(variable)))?;
        if Description::read(self.folders, name)?.map(|now| now.data) != Some(description.data.clone()) {
            return Err(Error::Overtaken { profile: name.to_string() });
        }
        let missing = |variable: &Variable| {
            Error::Keychain(Failure::Missing { profile: name.to_string(), variable: variable.to_string() })
        };
        let keys = keys.into_iter().zip(variables).map(|(key, variable)| {
            let key = key.ok_or_else(|| missing(variable))?;
            match fault(key.expose()) {
                Some(why) => Err(Error::Keychain(Failure::NoKey { item: user(name, variable), why })),
                None => Ok(key),
            }
        });
        keys.collect()
    }

    fn prepare(&self) -> Result<(), Error> {
        self.patience.probe(Locked::Unlock)
    }

    fn stage(&self, name: &ProfileName, old: Option<&Description>, changes: &[Change]) -> Result<String, Error> {
        let mut settled = None;
        if let Some(old) = old {
            // What is owed must not be forgotten over what will be owed.
            self.settle(name, old)?;
            settled = Description::read(self.folders, name)?;
        }
        let (jobs, ledger) = self.plan(name, settled.as_ref(), changes)?;
        let data = ledger.to_string();
        let users = jobs.iter().map(|job| job.user.clone()).collect();
        *self.made.borrow_mut() = Some(Made { name: name.clone(), data: data.clone(), users });
        self.perform(jobs).inspect_err(|_| {
            let _ = self.erase(name);
        })?;
        Ok(data)
    }

    fn settle(&self, name: &ProfileName, description: &Description) -> Result<(), Error> {
        if let Some(made) = self.take_made(name).filter(|made| description.data.as_ref() != Some(&made.data)) {
            // The description of the change was not written: what was made for it goes.
            self.delete(made.users)?;
        }
        let ledger = Ledger::of(description);
        if ledger.owes() { self.pay(name, description, &ledger) } else { Ok(()) }
    }

    fn empty(&self, name: &ProfileName, description: &Description) -> Result<(), Error> {
        let ledger = Ledger::of(description);
        let kept = description.kept()?;
        // A rotation that was cut short may have left a previous key that no description names.
        let unnamed: Vec<_> = kept.iter().filter_map(|variable| variable.previous().ok()).collect();
        let variables = kept.iter().chain(&unnamed).chain(&ledger.gone);
        self.delete(variables.flat_map(|variable| [user(name, variable), staged(name, variable)]))
    }

    fn erase(&self, name: &ProfileName) -> Result<(), Error> {
        match self.take_made(name) {
            Some(made) => self.delete(made.users),
            None => Ok(()),
        }
    }
}

/// The item of a variable, which `secret-tool lookup service withkey username PROFILE/VARIABLE` shows.
fn user(name: &ProfileName, variable: &Variable) -> String {
    format!("{name}/{variable}")
}

/// The item of a key that is to replace another.
fn staged(name: &ProfileName, variable: &Variable) -> String {
    format!("{name}/{variable}/new")
}

/// Why a value cannot be handed to COMMAND; other programs write items, too.
fn fault(value: &[u8]) -> Option<&'static str> {
    if value.is_empty() {
        Some("it is empty")
    } else if value.contains(&0) {
        Some("it holds a NUL byte, which no environment can carry")
    } else if std::str::from_utf8(value).is_err() {
        Some("it is not UTF-8 text")
    } else {
        None
    }
}

fn copy(key: &Key) -> Result<Key, Error> {
    Key::new(key.expose()).map_err(|source| Error::System { doing: "keep a key in memory", source })
}
