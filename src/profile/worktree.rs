//! git's linked worktrees: which main checkout a directory belongs to, proved without git.
//!
//! A worktree's `.git` is a file that names its git folder, and that is a claim: anybody can write one. It is believed
//! when the folder lies physically at `<main>/.git/worktrees/<id>`, is the user's, and its file `gitdir` names this very
//! `.git` file (gitrepository-layout(5)). What the folder says of a `commondir` elsewhere is not asked.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::files::{self, Guard};

/// The largest of the two files that name a path, in bytes: PATH_MAX and some words.
const LARGEST: usize = 8 * 1024;

/// What git made of a directory.
#[derive(Debug, PartialEq, Eq)]
pub enum Git {
    /// Nothing that decides: no `.git`, or a file that makes a submodule, which belongs to what lies around it, or that
    /// only claims to make a worktree.
    Nothing,
    /// The top of a repository.
    Top,
    /// The top of a linked worktree of the main checkout at this path.
    Worktree(PathBuf),
}

/// Looks at `directory`, whose path is physical.
#[must_use]
pub fn look(directory: &Path) -> Git {
    let dot_git = directory.join(".git");
    match std::fs::symlink_metadata(&dot_git) {
        Err(_) => Git::Nothing,
        Ok(facts) if facts.is_file() => main_checkout(directory, &dot_git).map_or(Git::Nothing, Git::Worktree),
        Ok(_) => Git::Top,
    }
}

/// The main checkout, when the claim is proved.
fn main_checkout(directory: &Path, dot_git: &Path) -> Option<PathBuf> {
    let claim = named_path(dot_git, b"gitdir:")?;
    let folder = directory.join(claim).canonicalize().ok()?;
    let worktrees = folder.parent()?;
    let git = worktrees.parent()?;
    let placed = worktrees.file_name() == Some(OsStr::new("worktrees")) && git.file_name() == Some(OsStr::new(".git"));
    let owned = [&folder, worktrees, git].into_iter().all(is_own_folder);
    let back = folder.join(named_path(&folder.join("gitdir"), b"").filter(|_| placed && owned)?);
    // A file that is named through a link is named all the same; the link lies in the user's own git folder.
    (back.canonicalize().ok()? == dot_git).then(|| git.parent().map(Path::to_owned))?
}

fn is_own_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path)
        .is_ok_and(|facts| facts.is_dir() && facts.uid() == geteuid().as_raw() && facts.mode() & 0o022 == 0)
}

/// The path that stands in a file behind `word`.
fn named_path(file: &Path, word: &[u8]) -> Option<PathBuf> {
    let text = files::read(file, LARGEST, Guard::Plain).ok()??;
    let path = text.strip_prefix(word)?.trim_ascii();
    (!path.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(path)))
}
