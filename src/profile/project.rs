//! A project's dotfile as a file: its name, its bound, and what it must be before it is opened.

use std::path::Path;

use nix::unistd::geteuid;

use crate::error::Error;
use crate::error::project::Project;
use crate::files::{self, Guard};

/// How it is called in every directory.
pub const DOTFILE: &str = ".env.age";

/// The largest dotfile of a project, in bytes.
const LARGEST: usize = 1024 * 1024;

/// The age file itself, which must be what `guard` asks for; nothing when there is none.
///
/// # Errors
/// When it cannot be read or is not what it must be.
pub fn read(path: &Path, guard: Guard) -> Result<Option<Vec<u8>>, Error> {
    files::read(path, LARGEST, guard).map_err(|error| unfit(error, path, guard))
}

/// Judges a dotfile that was found before anything was said of it: consent is asked for only what may be allowed.
///
/// # Errors
/// As [`read`].
pub fn judge(path: &Path) -> Result<(), Error> {
    files::judge(path, LARGEST, Guard::Found).map_err(|error| unfit(error, path, Guard::Found))
}

/// The sentences of a dotfile that is not what it must be.
fn unfit(error: Error, path: &Path, guard: Guard) -> Error {
    let named = guard != Guard::Found;
    let unfit = |what: String, why: String| Project::Unfit { path: path.to_owned(), what, why, named }.into();
    match error {
        Error::FileKind { path: whose, why } => unfit(format!("cannot use {}", whose.display()), why.to_owned()),
        // A folder like /tmp is everybody's on purpose, and chmod would spoil it.
        Error::Exposed { path: whose, mode, .. } if !named && whose != path && mode & 0o1000 != 0 => unfit(
            format!("other users may change {}", whose.display()),
            format!("its mode is {mode:04o}: anybody may put a dotfile there"),
        ),
        Error::TooLarge { limit, .. } => {
            unfit(format!("{} is too large", path.display()), format!("it is over {limit} bytes"))
        }
        // For root the usual words are right: they speak of sudo.
        Error::Foreign { path: whose } if !named && !geteuid().is_root() => unfit(
            format!("{} belongs to another user", whose.display()),
            "a dotfile that is found must be yours, and so must its folder".to_owned(),
        ),
        other => other,
    }
}
