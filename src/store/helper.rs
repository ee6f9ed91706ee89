//! The helper store: withkey keeps no key. A program of the user's choice prints it when it is needed.
//!
//! The description names the program by its absolute path, with its arguments. A change of the key is made where the
//! program reads it, so nothing is staged here; another program is put in the description's place.

use std::path::Path;

use crate::error::{Error, helper as error};
use crate::files;
use crate::host::{Folders, Host};
use crate::key::{self, Intake, Key};
use crate::profile::description::StoreKind;
use crate::profile::{Description, ProfileName, Variable};
use crate::store::{Change, Store};

mod run;

/// The helper store of one user.
pub struct Helper<'a> {
    host: &'a Host,
    folders: &'a Folders,
}

impl<'a> Helper<'a> {
    /// Runs nothing yet.
    ///
    /// # Errors
    /// When withkey's folders are not known.
    pub fn new(host: &'a Host) -> Result<Self, Error> {
        Ok(Self { host, folders: host.folders()? })
    }
}

impl Store for Helper<'_> {
    fn kind(&self) -> StoreKind {
        StoreKind::Helper
    }

    fn read(&self, name: &ProfileName, description: &Description, variables: &[&Variable]) -> Result<Vec<Key>, Error> {
        let key = |variable: &&Variable| {
            let described = description.variable(variable).filter(|described| !described.helper.is_empty());
            let none = || error::Helper::NoHelper { profile: name.to_string(), variable: variable.to_string() };
            let helper = &described.ok_or_else(|| Error::Helper(none()))?.helper;
            Ok(ask(variable, helper, self.host)?.key)
        };
        variables.iter().map(key).collect()
    }

    fn prepare(&self) -> Result<(), Error> {
        files::make_folder(&self.folders.profiles())
    }

    fn stage(&self, name: &ProfileName, _old: Option<&Description>, changes: &[Change]) -> Result<String, Error> {
        match changes.iter().find(|change| matches!(change, Change::Put(..))) {
            Some(_) => Err(Error::Helper(error::Helper::KeptElsewhere { profile: name.to_string() })),
            None => Ok(String::new()),
        }
    }

    fn settle(&self, _name: &ProfileName, _description: &Description) -> Result<(), Error> {
        Ok(())
    }

    fn erase(&self, _name: &ProfileName) -> Result<(), Error> {
        Ok(())
    }
}

/// Runs a helper and judges what it prints: the key and nothing else, byte for byte, with one line's end at most.
///
/// May take as long as config.toml allows, and ask for what opens the place where the key is kept.
///
/// # Errors
/// [`error::Helper`]: it cannot be run, fails, or prints what cannot be a key.
///
/// # Secrets
/// The key is the caller's, in protected pages; what was read is wiped.
pub fn ask(variable: &Variable, helper: &[String], host: &Host) -> Result<Intake, Error> {
    let program = Path::new(helper.first().ok_or(Error::Internal)?);
    let no_key = |why: String| {
        let (program, variable, by_hand) = (program.to_owned(), variable.to_string(), line(helper));
        Error::Helper(error::Helper::NoKey { program, variable, why, by_hand })
    };
    let printed = run::run(helper, host)?.map_err(no_key)?;
    let text = printed.bytes();
    let text = text.strip_suffix(b"\n").map_or(text, |text| text.strip_suffix(b"\r").unwrap_or(text));
    if text.is_empty() {
        return Err(no_key("it printed nothing".to_owned()));
    }
    let intake = key::take_in(variable.as_str(), text);
    let intake = intake.map_err(|refusal| no_key(format!("what it printed cannot be a key: {}", refusal.why)))?;
    match intake.taken_off.as_slice() {
        [] => Ok(intake),
        more => Err(no_key(format!("it printed more than the key: {}", more.join(", ")))),
    }
}

/// A helper as a shell takes it.
fn line(helper: &[String]) -> String {
    shlex::try_join(helper.iter().map(String::as_str)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_key_is_put_where_none_is_kept() {
        let host = Host::new(vec![], vec![c"HOME=/nowhere"], None);
        let (name, variable) = ("work".parse().unwrap(), "OPENAI_API_KEY".parse().unwrap());
        let stage = |change| Helper::new(&host).unwrap().stage(&name, None, &[change]);
        let key = Key::new(b"sk-test-0123456789abcdef").unwrap();
        let put = stage(Change::Put(&variable, &key));
        assert!(matches!(put, Err(Error::Helper(error::Helper::KeptElsewhere { .. }))));
        assert_eq!(stage(Change::Remove(&variable)).unwrap(), "");
    }
}
