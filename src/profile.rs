//! A profile: a named set of variables and their keys.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::Error;
use crate::error::project::Project;
use crate::host::Host;
use crate::key::Key;
use crate::provider;

pub mod binding;
pub mod date;
pub mod description;
pub mod expiry;
pub mod grant;
pub mod injection;
pub mod project;
pub mod resolve;
pub mod variable;
pub mod worktree;

pub use description::Description;
pub use grant::Grant;
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
        if provider::looks_like_key(text) {
            return Err(Error::KeyAsWord);
        }
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

/// What a chosen set of keys goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A profile of the user's own.
    Profile(ProfileName),
    /// A project's dotfile, which has no name but its path.
    Dotfile(PathBuf),
}

impl Name {
    /// The profile's name; none for a dotfile.
    #[must_use]
    pub fn profile(&self) -> Option<&ProfileName> {
        match self {
            Self::Profile(name) => Some(name),
            Self::Dotfile(_) => None,
        }
    }

    /// The dotfile's path; none for a profile.
    #[must_use]
    pub fn dotfile(&self) -> Option<&Path> {
        match self {
            Self::Profile(_) => None,
            Self::Dotfile(path) => Some(path),
        }
    }

    /// Whether this is the reserved profile [`INHERIT`].
    #[must_use]
    pub fn is_inherit(&self) -> bool {
        self.profile().is_some_and(ProfileName::is_inherit)
    }

    /// That there is no key for `variable`; without one, that there is no key at all.
    #[must_use]
    pub fn lacks(&self, variable: Option<&Variable>) -> Error {
        match (self, variable) {
            (Self::Profile(name), _) => Error::VariableMissing {
                profile: name.to_string(),
                variable: variable.map_or_else(|| USUAL_VARIABLE.to_owned(), ToString::to_string),
            },
            (Self::Dotfile(path), Some(variable)) => {
                Project::Lacks { path: path.clone(), variable: variable.to_string() }.into()
            }
            (Self::Dotfile(path), None) => Project::Nothing { path: path.clone() }.into(),
        }
    }
}

impl From<ProfileName> for String {
    fn from(name: ProfileName) -> Self {
        name.0
    }
}

impl From<ProfileName> for Name {
    fn from(name: ProfileName) -> Self {
        Self::Profile(name)
    }
}

/// In a sentence: `profile work`, or the dotfile's path.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile(name) => write!(f, "profile {name}"),
            Self::Dotfile(path) => path.display().fmt(f),
        }
    }
}

/// A chosen profile with what is known of it without opening a store.
#[derive(Debug)]
pub struct Profile {
    /// What it goes by.
    pub name: Name,
    /// Why it was chosen.
    pub source: Source,
    /// Its description: for a dotfile that was found, what the grant says of it. None for the reserved profile
    /// [`INHERIT`], and for a dotfile that `-f` named until it is opened.
    pub description: Option<Description>,
    /// The consent by which a dotfile that was found is used.
    pub grant: Option<Grant>,
    /// The keys of a project's dotfile, once it is opened: all of them, in the description's order.
    pub opened: Option<Vec<(Variable, Key)>>,
}

impl Profile {
    /// Reads the description of the chosen profile.
    ///
    /// # Errors
    /// [`Error::UnknownProfile`] when there is none, and what reading it can fail with.
    pub fn open(chosen: Chosen, host: &Host) -> Result<Self, Error> {
        let Chosen { name, source, grant } = chosen;
        let description = match &name {
            Name::Dotfile(_) => grant.as_ref().map(Description::of_grant),
            Name::Profile(name) if name.is_inherit() => None,
            Name::Profile(name) => {
                let unknown = || Error::UnknownProfile { chosen_by: Some(source.to_string()), name: name.to_string() };
                Some(Description::read(host.folders()?, name)?.ok_or_else(unknown)?)
            }
        };
        Ok(Self { name, source, description, grant, opened: None })
    }
}
