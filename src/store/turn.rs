//! One question at a time on a terminal: of several withkeys that need the same passphrase one asks, and the others wait.
//!
//! Byte-range locks (fcntl(2)) on one file, two bytes for each session and so for each terminal: the first is held by who
//! asks, the second shared by those who wait. Whoever dies lets go, and the next one asks.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::host::Host;

/// This process's place among those that need a passphrase on this terminal. Dropping it lets the next one ask.
pub struct Turn {
    /// None where no file can be locked: then everybody asks at once, as without withkey.
    file: Option<File>,
    waited: bool,
}

// Constants of another type on each system.
const READ: libc::c_short = libc::F_RDLCK as libc::c_short;
const WRITE: libc::c_short = libc::F_WRLCK as libc::c_short;
const NONE: libc::c_short = libc::F_UNLCK as libc::c_short;

#[derive(Clone, Copy)]
enum Byte {
    Asking,
    Waiting,
}

impl Turn {
    /// Waits until nobody else asks on this terminal. Blocks; Ctrl-C ends the process as ever.
    #[must_use]
    pub fn wait(host: &Host) -> Self {
        let file = open(host);
        let mut turn = Self { file, waited: false };
        if turn.set(Byte::Asking, WRITE, false) == Err(Errno::EAGAIN) {
            turn.waited = true;
            let _ = turn.set(Byte::Waiting, READ, false);
            while turn.set(Byte::Asking, WRITE, true) == Err(Errno::EINTR) {}
        }
        turn
    }

    /// Whether somebody else had asked before.
    #[must_use]
    pub fn waited(&self) -> bool {
        self.waited
    }

    /// Whether others wait for this turn to end.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        let Some(file) = &self.file else { return false };
        // Locks of this process itself are never in its way.
        let mut lock = range(Byte::Waiting, WRITE);
        fcntl(file.as_fd(), FcntlArg::F_GETLK(&mut lock)).is_ok() && lock.l_type != NONE
    }

    fn set(&self, byte: Byte, kind: libc::c_short, wait: bool) -> nix::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let lock = range(byte, kind);
        let argument = if wait { FcntlArg::F_SETLKW(&lock) } else { FcntlArg::F_SETLK(&lock) };
        match fcntl(file.as_fd(), argument) {
            // Both may say that another process holds it: fcntl(2).
            Err(Errno::EACCES) => Err(Errno::EAGAIN),
            done => done.map(|_| ()),
        }
    }
}

/// The file beside the identity that writers lock, or the configuration's. It is made in a folder of this user's only: under
/// sudo with a user's HOME nothing of root's is left there.
fn open(host: &Host) -> Option<File> {
    let folders = host.folders().ok()?;
    let open = |folder: &PathBuf| {
        let own = std::fs::metadata(folder).is_ok_and(|facts| facts.uid() == nix::unistd::geteuid().as_raw());
        let options = &mut OpenOptions::new();
        options.read(true).write(true).create(own).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        options.open(folder.join(".lock")).ok()
    };
    [&folders.data, &folders.config].into_iter().find_map(open)
}

fn range(byte: Byte, kind: libc::c_short) -> libc::flock {
    let session = nix::unistd::getsid(None).map_or(0, nix::unistd::Pid::as_raw);
    let second = match byte {
        Byte::Asking => 0,
        Byte::Waiting => 1,
    };
    libc::flock {
        l_type: kind,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: libc::off_t::from(session) * 2 + second,
        l_len: 1,
        l_pid: 0,
    }
}
