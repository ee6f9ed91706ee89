//! Which profile, and why: the first rule that answers, no merging. DESIGN.md §4.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::Error;
use crate::host::{self, Host};
use crate::profile::binding::Bindings;
use crate::profile::{ProfileName, description};
use crate::ui::sanitize;

/// A project's dotfile.
const PROJECT_DOTFILE: &str = ".env.age";

/// Why a profile was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `-p`.
    Option,
    /// WITHKEY_PROFILE.
    Environment,
    /// The nearest binding; its directory.
    Binding(PathBuf),
    /// Nothing else, so the default.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option => f.write_str("option (-p)"),
            Self::Environment => write!(f, "environment ({})", host::PROFILE),
            Self::Binding(directory) => write!(f, "binding ({})", directory.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A [`Source`] for JSON.
#[derive(Debug, Serialize)]
pub struct SourceJson {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<String>,
}

impl From<&Source> for SourceJson {
    fn from(source: &Source) -> Self {
        let kind = match source {
            Source::Option => "option",
            Source::Environment => "environment",
            Source::Binding(_) => "binding",
            Source::Default => "default",
        };
        let directory = match source {
            Source::Binding(directory) => Some(sanitize::string(directory.as_os_str())),
            _ => None,
        };
        Self { kind, directory }
    }
}

/// A profile's name and why it is the one.
#[derive(Debug)]
pub struct Chosen {
    /// The name.
    pub name: ProfileName,
    /// The rule that answered.
    pub source: Source,
}

/// Chooses the profile for the current directory; nothing when no rule answers. `option` is what `-p` named.
///
/// Reads the bindings and looks at each directory on the way up; opens no store.
///
/// # Errors
/// When a rule answers with something unusable: the next rule is then not asked.
pub fn resolve(option: Option<&ProfileName>, host: &Host) -> Result<Option<Chosen>, Error> {
    if let Some(name) = option {
        return Ok(Some(Chosen { name: name.clone(), source: Source::Option }));
    }
    if let Some(name) = host.variable(host::PROFILE) {
        let name = name.to_str().ok_or_else(|| Error::ProfileName { name: name.to_string_lossy().into_owned() })?;
        return Ok(Some(Chosen { name: name.parse()?, source: Source::Environment }));
    }
    let here = host::current_directory()?;
    let folders = host.folders()?;
    let bound = Bindings::read(folders)?.above(&here)?;
    for directory in within_file_system(&here)? {
        if let Some(binding) =
            bound.iter().find(|bound| bound.directory.as_deref().is_some_and(|bound| same(bound, directory)))
        {
            return Ok(Some(Chosen { name: binding.profile.clone(), source: Source::Binding(directory.to_owned()) }));
        }
        refuse_project_dotfile(directory)?;
    }
    if let Some(default) = bound.into_iter().find(|bound| bound.directory.is_none()) {
        return Ok(Some(Chosen { name: default.profile, source: Source::Default }));
    }
    let name = ProfileName::usual();
    Ok(description::exists(folders, &name).then_some(Chosen { name, source: Source::Default }))
}

/// `here` and the directories above it, up to the root or a file system's boundary; each is looked at when it is asked for.
fn within_file_system(here: &Path) -> Result<impl Iterator<Item = &Path>, Error> {
    let device = |directory: &Path| std::fs::symlink_metadata(directory).map(|facts| facts.dev());
    let home = device(here).map_err(|source| Error::NoCurrentDirectory { source })?;
    let above =
        here.ancestors().skip(1).take_while(move |directory| device(directory).is_ok_and(|device| device == home));
    Ok(std::iter::once(here).chain(above))
}

/// Equal as bytes; a binding written by hand may end in a slash.
fn same(bound: &Path, directory: &Path) -> bool {
    let bound = bound.as_os_str().as_bytes();
    let trimmed = bound.strip_suffix(b"/").filter(|rest| !rest.is_empty()).unwrap_or(bound);
    trimmed == directory.as_os_str().as_bytes()
}

/// A dotfile on the way that is not used must not be passed over in silence: its project expects its own key.
fn refuse_project_dotfile(directory: &Path) -> Result<(), Error> {
    let path = directory.join(PROJECT_DOTFILE);
    match std::fs::symlink_metadata(&path) {
        Ok(_) => Err(Error::ProjectDotfile { path }),
        // A directory that may be passed through but not looked into holds nothing for this user.
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_of_the_root_is_the_roots_and_a_slash_at_the_end_means_nothing() {
        let same = |bound: &str, directory: &str| super::same(Path::new(bound), Path::new(directory));
        assert!(same("/", "/") && same("/a/", "/a") && same("/a", "/a"));
        assert!(!same("/", "/a") && !same("/a", "/") && !same("/a/b", "/a"));
    }
}
