//! Files that grow by whole lines, written by many processes at once without waiting for each other.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit};

use super::{cannot, make_folder, user};
use crate::error::Error;

/// How often a writer looks again when others keep putting the file aside.
const LOOKS: usize = 100;

/// Adds `line` to the file at `path` in one write. A file that would grow over `full` bytes is first put aside as `older`,
/// in place of the one that was there.
///
/// Never waits: where another process is putting the file aside, the line goes into the file that is already open, and is
/// found in `older`. The descriptor stays open, for `execve` to close.
///
/// # Errors
/// When the file cannot be made or written, or is not this user's own, or others may read it.
pub fn add_line(path: &Path, older: &Path, full: u64, line: &[u8]) -> Result<(), Error> {
    let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
    for _ in 0..LOOKS {
        let (file, size) = open(path)?;
        if size > 0 && size.saturating_add(length) > full {
            match file.try_lock() {
                // The lock ends with the file.
                Ok(()) => put_aside(&file, path, older)?,
                Err(_) => return write(file, size.saturating_add(length), path, line),
            }
        } else {
            return write(file, size.saturating_add(length), path, line);
        }
    }
    Err(cannot("write", path, io::ErrorKind::ResourceBusy.into()))
}

/// Opens a file to add to, made if need be: a regular file of this user's, with mode 0600. Gives its size in bytes too.
///
/// # Errors
/// When it is anything else, or cannot be opened or made.
fn open(path: &Path) -> Result<(File, u64), Error> {
    let file = match options().open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_folder(path.parent().unwrap_or(Path::new("/")))?;
            options().create(true).open(path)
        }
        opened => opened,
    };
    judged(file, path)
}

/// Whether a line could be added, as far as that is known without making the file.
///
/// # Errors
/// As [`add_line`], when the file is there.
pub fn probe(path: &Path) -> Result<(), Error> {
    match options().open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => judged(opened, path).map(|_| ()),
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    // A planted link, FIFO or terminal is neither followed nor waited for.
    options.append(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    options
}

fn judged(file: io::Result<File>, path: &Path) -> Result<(File, u64), Error> {
    let file = file.map_err(|source| match source.raw_os_error() {
        Some(libc::ELOOP) => Error::FileKind { path: path.to_owned(), why: "it is a symbolic link" },
        Some(libc::ENXIO) => Error::FileKind { path: path.to_owned(), why: "it is not a regular file" },
        _ => cannot("open", path, source),
    })?;
    let facts = file.metadata().map_err(|source| cannot("read", path, source))?;
    if !facts.is_file() {
        return Err(Error::FileKind { path: path.to_owned(), why: "it is not a regular file" });
    }
    if facts.uid() != user() {
        return Err(Error::Foreign { path: path.to_owned() });
    }
    if facts.mode() & 0o077 != 0 {
        return Err(Error::Exposed { path: path.to_owned(), mode: facts.mode() & 0o7777, secret: true });
    }
    Ok((file, facts.len()))
}

/// One write, whole: whatever others write comes before it or after it.
fn write(mut file: File, grown: u64, path: &Path, line: &[u8]) -> Result<(), Error> {
    // Over the caller's `ulimit -f` the kernel would not refuse, but end this process: setrlimit(2).
    if getrlimit(Resource::RLIMIT_FSIZE).is_ok_and(|(soft, _)| grown > soft) {
        return Err(cannot("write", path, io::Error::from_raw_os_error(libc::EFBIG)));
    }
    loop {
        match file.write(line) {
            Ok(count) if count == line.len() => {
                // A system call less: `execve` closes it.
                let _ = file.into_raw_fd();
                return Ok(());
            }
            // The disk is full, and a piece of the line stands there. Whoever reads knows where the next one begins.
            Ok(_) => return Err(cannot("write", path, io::Error::from_raw_os_error(libc::ENOSPC))),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(cannot("write", path, source)),
        }
    }
}

/// Renames the locked file, unless another process has done so since it was opened.
fn put_aside(locked: &File, path: &Path, older: &Path) -> Result<(), Error> {
    let place = |facts: std::fs::Metadata| (facts.dev(), facts.ino());
    let opened = locked.metadata().map(place);
    match (opened, std::fs::symlink_metadata(path).map(place)) {
        (Ok(opened), Ok(there)) if opened == there => {
            std::fs::rename(path, older).map_err(|source| cannot("replace", older, source))
        }
        _ => Ok(()),
    }
}
