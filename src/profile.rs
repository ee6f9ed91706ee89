//! A profile: a named set of variables and their keys.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::host::Host;

pub mod binding;
pub mod date;
pub mod description;
pub mod expiry;
pub mod injection;
pub mod resolve;
pub mod variable;

pub use description::Description;
pub use resolve::{Chosen, Source};
pub use variable::Variable;

/// The profile that injects nothing and demands that the key is there already.
pub const INHERIT: &str = "inherit";
/// The profile that `add` names when the user does not, and that is used when nothing else is chosen.
pub const DEFAULT: &str = "default";
/// The variable under which COMMAND gets a key unless said otherwise.
pub const USUAL_VARIABLE: &str = "OPENAI_API_KEY";

/// A profile's name: `[a-z0-9][a-z0-9._-]{0,63}`, and so a file name that leads nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProfileName(String);

impl ProfileName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the reserved profile [`INHERIT`].
    #[must_use]
    pub fn is_inherit(&self) -> bool {
        self.0 == INHERIT
    }

    /// The profile [`DEFAULT`].
    #[must_use]
    pub fn usual() -> Self {
        Self(DEFAULT.to_owned())
    }
}

impl FromStr for ProfileName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if first && text.len() <= 64 && text.bytes().all(inner) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::ProfileName { name: text.to_owned() })
        }
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A chosen profile with what is known of it without opening a store.
#[derive(Debug)]
pub struct Profile {
    /// Its name.
    pub name: ProfileName,
    /// Why it was chosen.
    pub source: Source,
    /// Its description; none for the reserved profile [`INHERIT`].
    pub description: Option<Description>,
}

impl Profile {
    /// Reads the description of the chosen profile.
    ///
    /// # Errors
    /// [`Error::UnknownProfile`] when there is none, and what reading it can fail with.
    pub fn open(chosen: Chosen, host: &Host) -> Result<Self, Error> {
        let Chosen { name, source } = chosen;
        if name.is_inherit() {
            return Ok(Self { name, source, description: None });
        }
        match Description::read(host.folders()?, &name)? {
            Some(description) => Ok(Self { name, source, description: Some(description) }),
            None => Err(Error::UnknownProfile { chosen_by: Some(source.to_string()), name: name.to_string() }),
        }
    }
}
