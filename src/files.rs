//! Reading with bounds, replacing in one step, locks, modes and owners. The only file that replaces a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::Error;
use crate::memory::Protected;

pub mod append;

/// The largest text file withkey reads: bindings, a description, an identity's file. In bytes.
pub const LARGEST: usize = 4 * 1024 * 1024;

/// What a file must be before its content counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// A regular file of this user or root that nobody else can change.
    Own,
    /// The same, and nobody else can read it.
    Secret,
    /// The user named it: a pipe will do as well. A regular file must be as [`Guard::Secret`], unless it is root's
    /// (a secret mounted into a container), which nobody else may be able to change.
    Named,
    /// Found in a directory that somebody else may have filled: a regular file of this user, not reached through a link,
    /// that nobody else can change, in a folder of which the same is true.
    Found,
    /// A regular file, not reached through a link; whose it is does not matter, because what it says is only a claim.
    Plain,
    /// No demand at all: a clear file whose content is taken over once.
    None,
}

/// The content of a file that holds no secret, or nothing when there is no such file.
///
/// # Errors
/// When the file is there and cannot be read, is not what `guard` asks for, or is larger than `limit` bytes.
pub fn read(path: &Path, limit: usize, guard: Guard) -> Result<Option<Vec<u8>>, Error> {
    let Some((file, size)) = open(path, guard)? else { return Ok(None) };
    let mut bytes = Vec::with_capacity(size.min(limit) + 1);
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut bytes).map_err(|source| cannot("read", path, source))?;
    if bytes.len() > limit {
        return Err(Error::TooLarge { path: path.to_owned(), limit });
    }
    Ok(Some(bytes))
}

/// The content of a file that holds a secret, which goes straight into protected pages.
///
/// # Errors
/// As [`read`]; also when a regular file changes its size meanwhile.
///
/// # Secrets
/// The content is the caller's, in protected pages, wiped on drop.
pub fn read_secret(path: &Path, limit: usize, guard: Guard) -> Result<Option<Protected>, Error> {
    let Some((file, size)) = open(path, guard)? else { return Ok(None) };
    let expected = if size == 0 { limit } else { size.min(limit) };
    let mut bytes = Protected::zeroed(expected + 1).map_err(|source| cannot("read", path, source))?;
    let filled = fill(&file, bytes.bytes_mut()).map_err(|source| cannot("read", path, source))?;
    if filled > expected {
        return Err(Error::TooLarge { path: path.to_owned(), limit: expected });
    }
    bytes.truncate(filled);
    Ok(Some(bytes))
}

/// Looks whether a file, if there is one, is what `guard` asks for and holds at most `limit` bytes; reads nothing of it.
///
/// # Errors
/// As [`read`].
pub fn judge(path: &Path, limit: usize, guard: Guard) -> Result<(), Error> {
    match open(path, guard)? {
        Some((_, size)) if size > limit => Err(Error::TooLarge { path: path.to_owned(), limit }),
        _ => Ok(()),
    }
}

/// Opens and judges a file; gives it with the size it has now, 0 for a pipe.
fn open(path: &Path, guard: Guard) -> Result<Option<(File, usize)>, Error> {
    // Without O_NONBLOCK a planted FIFO would hold us for ever; one that the user named may make us wait.
    let named = matches!(guard, Guard::Named | Guard::None);
    let flags = match guard {
        Guard::Named | Guard::None => 0,
        Guard::Own | Guard::Secret => libc::O_NONBLOCK,
        Guard::Found | Guard::Plain => libc::O_NONBLOCK | libc::O_NOFOLLOW,
    };
    if guard == Guard::Found {
        own_folder(path)?;
    }
    let file = match OpenOptions::new().read(true).custom_flags(flags | libc::O_NOCTTY).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if guard == Guard::Found && error.raw_os_error() == Some(libc::ELOOP) => {
            return Err(Error::FileKind { path: path.to_owned(), why: "it is a symbolic link" });
        }
        // A component of the path is a file: nothing is there, and nothing can be.
        Err(error) => return Err(cannot("open", path, error)),
    };
    let facts = file.metadata().map_err(|source| cannot("read", path, source))?;
    let (mode, uid) = (facts.mode() & 0o7777, user());
    if facts.is_dir() {
        return Err(Error::FileKind { path: path.to_owned(), why: "it is a directory" });
    }
    if !facts.is_file() {
        return if named {
            Ok(Some((file, 0)))
        } else {
            Err(Error::FileKind { path: path.to_owned(), why: "it is not a regular file" })
        };
    }
    let size = usize::try_from(facts.len()).unwrap_or(usize::MAX);
    if matches!(guard, Guard::None | Guard::Plain) {
        return Ok(Some((file, size)));
    }
    let foreign = facts.uid() != uid && (guard == Guard::Found || (facts.uid() != 0 && uid != 0));
    if foreign {
        return Err(Error::Foreign { path: path.to_owned() });
    }
    let secret = guard == Guard::Secret || (guard == Guard::Named && facts.uid() == uid);
    let forbidden = if secret { 0o077 } else { 0o022 };
    if mode & forbidden != 0 {
        return Err(Error::Exposed { path: path.to_owned(), mode, secret });
    }
    Ok(Some((file, size)))
}

/// Refuses a folder in which others could put another file in this one's place.
fn own_folder(path: &Path) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let facts = match std::fs::symlink_metadata(folder) {
        Ok(facts) => facts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot("read", folder, error)),
    };
    if !facts.is_dir() {
        return Err(Error::FileKind { path: folder.to_owned(), why: "it is not a directory" });
    }
    if facts.uid() != user() {
        return Err(Error::Foreign { path: folder.to_owned() });
    }
    if facts.mode() & 0o022 != 0 {
        return Err(Error::Exposed { path: folder.to_owned(), mode: facts.mode() & 0o7777, secret: false });
    }
    Ok(())
}

/// Reads until the buffer is full or the file ends.
fn fill(mut file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Puts `bytes` where `path` is in one step: a reader sees the old file or the new one, whole, even after a crash.
///
/// The new file has mode 0600. A symbolic link stays and what it points to is replaced, because files of withkey may
/// live in a repository of dotfiles.
///
/// # Errors
/// When any step fails; the old file is then untouched, but for [`Error::NotDurable`]: the new one is there.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let target = follow(path);
    make_folder(target.parent().unwrap_or(Path::new("/")))?;
    put(path, &target, bytes, 0o600)
}

/// The same for a file of a project, in its folder, with the mode that its readers need.
///
/// # Errors
/// As [`replace`].
pub fn replace_in_project(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    put(path, path, bytes, mode)
}

fn put(path: &Path, target: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let folder = target.parent().unwrap_or(Path::new("/"));
    let temporary = beside(target, ".tmp");
    let written = write_new(&temporary, bytes, mode).and_then(|()| std::fs::rename(&temporary, target));
    written.map_err(|source| {
        // A crash leaves the temporary file; the next writer overwrites it.
        let _ = std::fs::remove_file(&temporary);
        cannot("write", path, source)
    })?;
    make_durable(folder, path)
}

/// Writes a folder's entries to the disk, after one of them changed. Whoever looks sees the change in any case.
fn make_durable(folder: &Path, changed: &Path) -> Result<(), Error> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| Error::NotDurable { path: changed.to_owned(), source })
}

fn write_new(temporary: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    match std::fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(temporary)?;
    // The umask may have taken bits from it.
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Moves a file withkey wrote to its final name, in one step and for good.
///
/// # Errors
/// When the system refuses; both names are then as they were.
pub fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    let target = follow(to);
    std::fs::rename(from, &target).map_err(|source| cannot("replace", to, source))?;
    make_durable(target.parent().unwrap_or(Path::new("/")), to)
}

/// Deletes a file for good; one that is not there is deleted already.
///
/// # Errors
/// When the system refuses.
pub fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(cannot("delete", path, source)),
    }
    make_durable(path.parent().unwrap_or(Path::new("/")), path)
}

/// Makes a folder of withkey's and what is missing above it, each 0700, or checks that it is this user's.
///
/// # Errors
/// When it is another user's, may be written by others, or cannot be made.
pub fn make_folder(path: &Path) -> Result<(), Error> {
    match std::fs::metadata(path) {
        Ok(facts) if !facts.is_dir() => Err(Error::FileKind { path: path.to_owned(), why: "it is not a directory" }),
        Ok(facts) if facts.uid() != user() => Err(Error::Foreign { path: path.to_owned() }),
        Ok(facts) if facts.mode() & 0o022 != 0 => {
            Err(Error::Exposed { path: path.to_owned(), mode: facts.mode() & 0o7777, secret: false })
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(above) = path.parent() {
                own_above(above)?;
            }
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|source| cannot("make the folder", path, source))
        }
        Err(source) => Err(cannot("make the folder", path, source)),
    }
}

/// Refuses to make a folder inside another user's: under sudo with a user's HOME nothing of root's is left there.
fn own_above(folder: &Path) -> Result<(), Error> {
    let existing = folder.ancestors().find_map(|above| std::fs::metadata(above).ok().map(|facts| (above, facts)));
    match existing {
        Some((above, facts)) if facts.uid() != user() && facts.uid() != 0 => {
            Err(Error::Foreign { path: above.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Waits until this process alone may change files below `folder`; dropping the file ends it. Readers are never held up.
///
/// # Errors
/// When the folder cannot be made or the lock's file cannot be opened.
pub fn lock(folder: &Path) -> Result<File, Error> {
    make_folder(folder)?;
    let path = folder.join(".lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(|source| cannot("open", &path, source))?;
    loop {
        match file.lock() {
            Ok(()) => return Ok(file),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(cannot("lock", &path, source)),
        }
    }
}

/// What a chain of links at `path` ends in; `path` itself when it is no link. A dangling link ends where it points.
#[must_use]
pub fn follow(path: &Path) -> PathBuf {
    let mut target = path.to_owned();
    // As many links as the kernel follows: path_resolution(7).
    for _ in 0..40 {
        let Ok(next) = std::fs::read_link(&target) else { break };
        target = target.parent().unwrap_or(Path::new("/")).join(next);
    }
    target
}

/// `path` with `ending` behind its name.
#[must_use]
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The user whose files these must be; the system is asked once.
fn user() -> u32 {
    static USER: OnceLock<u32> = OnceLock::new();
    *USER.get_or_init(|| nix::unistd::geteuid().as_raw())
}

fn cannot(doing: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File { doing, path: path.to_owned(), source }
}
