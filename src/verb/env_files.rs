//! The `.env` files of a directory, direnv's, dotenv's and their kin, in which keys lie in clear: `check` and `rotate` look
//! into them.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files::{self, Guard};
use crate::memory::Protected;

/// The files of `directory` whose name begins with `.env`, sorted; what is encrypted is not in clear.
///
/// # Errors
/// When the directory cannot be read.
pub fn of(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let cannot = |source| Error::File { doing: "read", path: directory.to_owned(), source };
    let entries = std::fs::read_dir(directory).map_err(cannot)?.flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|path| is_named_so(path)).collect();
    files.sort_unstable();
    Ok(files)
}

fn is_named_so(path: &Path) -> bool {
    let name = path.file_name().map_or(&b""[..], |name| name.as_encoded_bytes());
    name.starts_with(b".env") && !name.ends_with(b".age")
}

/// What stands in a file that may hold keys in clear; nothing when it is none, or no regular one: a pipe would hold us up.
///
/// # Errors
/// When it cannot be read, or is too large.
///
/// # Secrets
/// The text lies in protected pages.
pub fn text(file: &Path) -> Result<Option<Protected>, Error> {
    if !file.metadata().is_ok_and(|facts| facts.is_file()) {
        return Ok(None);
    }
    files::read_secret(file, files::LARGEST, Guard::None)
}
