//! A name -> the file to run, by execvp's rules (execvp(3), and POSIX.1-2024 on PATH).

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use crate::error::{self, Error};
use crate::host::{Host, value_of};

mod interpreter;

/// Where execvp looks when PATH is not set: glibc's confstr(_CS_PATH).
const WITHOUT_PATH: &[u8] = b"/bin:/usr/bin";

/// NAME_MAX of the file systems in use, in bytes.
const LONGEST_NAME: usize = 255;

/// Directories where programs lie that PATH often forgets, for the hint.
const ELSEWHERE: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/bin:/snap/bin";

/// The file COMMAND's first word led to, and which file that was.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Program {
    /// Finds what `name` leads to without running it.
    ///
    /// A name with a slash is that file. Else the directories of the inherited PATH are tried in order, an empty one
    /// being the current directory; a file that may not be run, or whose interpreter is missing, is passed over.
    ///
    /// # Errors
    /// [`error::program::Program::CannotRun`] when what is there may not be run,
    /// [`error::program::Program::NotFound`] when nothing is.
    pub fn find(name: &CStr, host: &Host) -> Result<Self, Error> {
        let bytes = name.to_bytes();
        if bytes.contains(&b'/') {
            return Self::at(bytes).map_err(|source| failed(name, bytes, source, host));
        }
        let path = host.environment.iter().find_map(|entry| value_of(entry, "PATH")).unwrap_or(WITHOUT_PATH);
        let mut refused = None;
        let mut last = (bytes.to_vec(), io::Error::from_raw_os_error(libc::ENOENT));
        for directory in path.split(|&byte| byte == b':').filter(|_| !bytes.is_empty()) {
            let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
            let candidate = [directory, slash, bytes].concat();
            match Self::at(&candidate) {
                Ok(program) => return Ok(program),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EACCES) => {
                        refused.get_or_insert((candidate, error));
                    }
                    Some(libc::ENOENT | libc::ESTALE | libc::ENOTDIR | libc::ENODEV | libc::ETIMEDOUT) => {
                        last = (candidate, error);
                    }
                    // A directory's name may be too long; a name may not.
                    Some(libc::ENAMETOOLONG) if bytes.len() <= LONGEST_NAME => {}
                    _ => return Err(failed(name, &candidate, error, host)),
                },
            }
        }
        let (candidate, error) = refused.unwrap_or(last);
        Err(failed(name, &candidate, error, host))
    }

    /// The file at `path`, with the error that `execve` would give.
    fn at(path: &[u8]) -> io::Result<Self> {
        let path = Path::new(OsStr::from_bytes(path));
        let facts = std::fs::metadata(path)?;
        if !facts.is_file() {
            return Err(io::Error::from_raw_os_error(libc::EACCES));
        }
        access(path, AccessFlags::X_OK)?;
        interpreter::check(path)?;
        Ok(Self { path: path.to_owned(), device: facts.dev(), inode: facts.ino() })
    }

    /// The file, as it was found: relative when PATH or the name was.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file found still stands there, after a prompt for instance.
    #[must_use]
    pub fn is_still_there(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|facts| (facts.dev(), facts.ino()) == (self.device, self.inode))
    }

    /// What went wrong when `execve` of the found file failed.
    #[must_use]
    pub fn refused(self, source: io::Error) -> Error {
        Error::Program(error::program::Program::CannotRun { program: self.path, source, elsewhere: None })
    }
}

/// The error for a program that is not run: 127 when there is none, 126 for every other reason, as env(1) has it.
fn failed(name: &CStr, candidate: &[u8], source: io::Error, host: &Host) -> Error {
    let program = PathBuf::from(OsStr::from_bytes(candidate));
    let elsewhere = elsewhere(name, host);
    if source.raw_os_error() == Some(libc::ENOENT) {
        return Error::Program(error::program::Program::NotFound {
            name: name.to_string_lossy().into_owned(),
            elsewhere,
        });
    }
    // execve(2) says EACCES for a directory too, which has its own sentence.
    let source = if program.is_dir() { io::Error::from_raw_os_error(libc::EISDIR) } else { source };
    Error::Program(error::program::Program::CannotRun { elsewhere, program, source })
}

/// A program of that name off the PATH, for the hint. Asked only when the launch has failed.
fn elsewhere(name: &CStr, host: &Host) -> Option<PathBuf> {
    let name = OsStr::from_bytes(name.to_bytes());
    if name.is_empty() || name.as_bytes().contains(&b'/') {
        return None;
    }
    let mut directories: Vec<PathBuf> = std::env::split_paths(ELSEWHERE).collect();
    directories.extend(host.home().map(|home| home.join(".local/bin")));
    directories.extend(host.home().map(|home| home.join(".cargo/bin")));
    let directories = std::env::join_paths(directories).ok()?;
    which::which_in(name, Some(directories), "/").ok()
}
