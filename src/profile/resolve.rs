//! Which profile, and why: the first rule that answers, no merging. DESIGN.md §4.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::Error;
use crate::error::project::Project;
use crate::host::{self, Folders, Host};
use crate::profile::binding::{Bindings, Bound};
use crate::profile::grant::{Grant, Said};
use crate::profile::worktree::{self, Git};
use crate::profile::{Name, ProfileName, description, project};
use crate::ui::sanitize;

/// Why a profile was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `-p`.
    Option,
    /// `-f`; the dotfile's path as it was typed.
    File(PathBuf),
    /// WITHKEY_PROFILE.
    Environment,
    /// The nearest binding; its directory.
    Binding(PathBuf),
    /// The nearest dotfile with a grant; its path.
    Dotfile(PathBuf),
    /// Nothing else, so the default.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option => f.write_str("option (-p)"),
            Self::File(path) => write!(f, "file ({})", path.display()),
            Self::Environment => write!(f, "environment ({})", host::PROFILE),
            Self::Binding(directory) => write!(f, "binding ({})", directory.display()),
            Self::Dotfile(path) => write!(f, "dotfile ({})", path.display()),
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
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

impl From<&Source> for SourceJson {
    fn from(source: &Source) -> Self {
        let kind = match source {
            Source::Option => "option",
            Source::File(_) => "file",
            Source::Environment => "environment",
            Source::Binding(_) => "binding",
            Source::Dotfile(_) => "dotfile",
            Source::Default => "default",
        };
        let directory = match source {
            Source::Binding(directory) => Some(sanitize::string(directory.as_os_str())),
            _ => None,
        };
        let path = match source {
            Source::File(path) | Source::Dotfile(path) => Some(sanitize::string(path.as_os_str())),
            _ => None,
        };
        Self { kind, directory, path }
    }
}

/// What was chosen and why it is the one.
#[derive(Debug)]
pub struct Chosen {
    /// What it goes by.
    pub name: Name,
    /// The rule that answered.
    pub source: Source,
    /// The consent to a dotfile that was found.
    pub grant: Option<Grant>,
}

impl Chosen {
    /// A profile of the user's own.
    #[must_use]
    pub fn profile(name: ProfileName, source: Source) -> Self {
        Self { name: name.into(), source, grant: None }
    }

    /// The dotfile that `-f` named, which is consent enough.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self { name: Name::Dotfile(path.to_owned()), source: Source::File(path.to_owned()), grant: None }
    }
}

/// Chooses the profile for the current directory; nothing when no rule answers. `option` is what `-p` named.
///
/// Reads the bindings and looks at each directory on the way up; opens no store.
///
/// # Errors
/// When a rule answers with something unusable: the next rule is then not asked.
pub fn resolve(option: Option<&ProfileName>, host: &Host) -> Result<Option<Chosen>, Error> {
    resolve_and_tell(option, host, &mut Vec::new())
}

/// The same; the dotfiles on the way that the user said never to use go to `passed_over`.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_and_tell(
    option: Option<&ProfileName>,
    host: &Host,
    passed_over: &mut Vec<PathBuf>,
) -> Result<Option<Chosen>, Error> {
    if let Some(name) = option {
        return Ok(Some(Chosen::profile(name.clone(), Source::Option)));
    }
    if let Some(name) = host.variable(host::PROFILE) {
        let name = name.to_str().ok_or_else(|| Error::ProfileName { name: name.to_string_lossy().into_owned() })?;
        return Ok(Some(Chosen::profile(name.parse()?, Source::Environment)));
    }
    let here = host::current_directory()?;
    let folders = host.folders()?;
    let bindings = Bindings::read(folders)?;
    let mut bound = Vec::new();
    let found = walk(&here, |directory, stretch| {
        // In the main checkout of a worktree other bindings matter than above the current directory.
        if directory == stretch {
            match bindings.above(stretch) {
                Ok(there) => bound = there,
                Err(error) => return Some(Err(error)),
            }
        }
        nearest(directory, &bound, folders, passed_over).transpose()
    });
    if let Some(found) = found {
        return found.map(Some);
    }
    if let Some(default) = bound.into_iter().find(|bound| bound.directory.is_none()) {
        return Ok(Some(Chosen::profile(default.profile, Source::Default)));
    }
    let name = ProfileName::usual();
    Ok(description::exists(folders, &name).then(|| Chosen::profile(name, Source::Default)))
}

/// What `directory` itself answers: its binding, else its dotfile.
fn nearest(
    directory: &Path,
    bound: &[Bound],
    folders: &Folders,
    passed_over: &mut Vec<PathBuf>,
) -> Result<Option<Chosen>, Error> {
    let here = |bound: &&Bound| bound.directory.as_deref().is_some_and(|bound| same(bound, directory));
    if let Some(binding) = bound.iter().find(here) {
        return Ok(Some(Chosen::profile(binding.profile.clone(), Source::Binding(directory.to_owned()))));
    }
    let Some(path) = dotfile_in(directory) else { return Ok(None) };
    match Grant::read(folders, &path)? {
        // A dotfile that is not used must not be passed over in silence: its project expects its own key.
        None => {
            // Nor is consent asked for to what would be refused then.
            project::judge(&path)?;
            Err(Project::NotAllowed { path }.into())
        }
        Some(grant) if matches!(grant.said, Said::Never) => {
            passed_over.push(path);
            Ok(None)
        }
        grant => Ok(Some(Chosen { name: Name::Dotfile(path.clone()), source: Source::Dotfile(path), grant })),
    }
}

/// The nearest project's dotfile here or above, whatever was said of it.
///
/// # Errors
/// When the current directory has no path.
pub fn nearest_dotfile() -> Result<Option<PathBuf>, Error> {
    Ok(walk(&host::current_directory()?, |directory, _| dotfile_in(directory)))
}

/// The dotfile of a directory. One that may be passed through but not looked into holds nothing for this user.
fn dotfile_in(directory: &Path) -> Option<PathBuf> {
    let path = directory.join(project::DOTFILE);
    std::fs::symlink_metadata(&path).is_ok().then_some(path)
}

/// Shows `look` each directory that may answer, nearest first, with the one its stretch begins at, and gives the first
/// answer: `here` and those above it, up to the root. From the top of a linked worktree on it is those of the main
/// checkout, beginning at the same place in it.
///
/// An answer behind a file system's boundary is none, and ends the walk; that is looked at only where there is an answer.
fn walk<T>(here: &Path, mut look: impl FnMut(&Path, &Path) -> Option<T>) -> Option<T> {
    let mut stretch = here.to_owned();
    // git looks no further than the first `.git`, and a main checkout is no worktree.
    let mut below_top = true;
    'stretches: loop {
        for directory in stretch.ancestors() {
            if let Some(answer) = look(directory, &stretch) {
                return is_one_file_system(&stretch, directory).then_some(answer);
            }
            match if below_top { worktree::look(directory) } else { Git::Nothing } {
                Git::Nothing => {}
                Git::Top => below_top = false,
                Git::Worktree(main) => {
                    if !is_one_file_system(&stretch, directory) {
                        return None;
                    }
                    below_top = false;
                    let inside = stretch.strip_prefix(directory).unwrap_or(Path::new(""));
                    stretch = same_place(&main, inside);
                    continue 'stretches;
                }
            }
        }
        return None;
    }
}

/// The directory `inside` of `main`, or the nearest above it that is there and not reached through a link.
fn same_place(main: &Path, inside: &Path) -> PathBuf {
    // Joined with nothing a path would end in a slash, and paths are compared as bytes.
    let place = main.components().chain(inside.components()).collect::<PathBuf>();
    let is_physical =
        |directory: &&Path| directory.is_dir() && directory.canonicalize().is_ok_and(|real| real == **directory);
    place.ancestors().take_while(|directory| directory.starts_with(main)).find(is_physical).unwrap_or(main).to_owned()
}

/// Whether all directories from `from` up to `to`, which lies above it, are of one file system.
fn is_one_file_system(from: &Path, to: &Path) -> bool {
    if from == to {
        return true;
    }
    let device = |directory: &Path| std::fs::symlink_metadata(directory).map(|facts| facts.dev()).ok();
    let first = device(from);
    // What lies above is shorter; to compare component by component would cost the depth's square.
    let up_to = |above: &&Path| above.as_os_str().len() >= to.as_os_str().len();
    first.is_some() && from.ancestors().skip(1).take_while(up_to).all(|above| device(above) == first)
}

/// Equal as bytes; a binding written by hand may end in a slash.
fn same(bound: &Path, directory: &Path) -> bool {
    let bound = bound.as_os_str().as_bytes();
    let trimmed = bound.strip_suffix(b"/").filter(|rest| !rest.is_empty()).unwrap_or(bound);
    trimmed == directory.as_os_str().as_bytes()
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
