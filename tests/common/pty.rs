//! A terminal to type on and to read from.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use super::{Start, look_for};

/// The user's side of a pseudo-terminal.
pub struct Pty {
    keyboard: File,
    terminal: OwnedFd,
    /// Everything shown so far.
    screen: RefCell<Vec<u8>>,
    /// How much of it has been waited for.
    read: Cell<usize>,
}

impl Pty {
    /// It does not echo: what is typed must not be mistaken for an answer.
    pub fn open() -> Self {
        let pair = openpty(None, None).unwrap();
        let mut modes = tcgetattr(&pair.slave).unwrap();
        modes.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&pair.slave, SetArg::TCSANOW, &modes).unwrap();
        fcntl(&pair.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        for end in [pair.master.as_fd(), pair.slave.as_fd()] {
            fcntl(end, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC)).unwrap();
        }
        Self { keyboard: File::from(pair.master), terminal: pair.slave, screen: RefCell::default(), read: Cell::new(0) }
    }

    /// Makes this the terminal of the process: 0, 1 and 2, and the controlling one of its session.
    pub fn attach(&self, start: Start) -> Start {
        (0..3)
            .fold(start, |start, number| start.descriptor(number, self.terminal.try_clone().unwrap()))
            // SAFETY: standard input is the terminal by now.
            .step(|| unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })
    }

    /// The end that a process has as its terminal.
    pub fn terminal(&self) -> OwnedFd {
        self.terminal.try_clone().unwrap()
    }

    /// As a person would: `\x03` is Ctrl-C, `\x1a` Ctrl-Z, `\x1c` Ctrl-\, `\x04` Ctrl-D.
    pub fn type_in(&self, text: &str) {
        (&self.keyboard).write_all(text.as_bytes()).unwrap();
    }

    /// Waits until `text` is shown after what was waited for before, and returns everything up to it.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        let shown = look_for(|| {
            let new = self.shown().split_off(self.read.get());
            let at = new.windows(text.len()).position(|window| window == text.as_bytes())?;
            self.read.set(self.read.get() + at + text.len());
            Some(String::from_utf8_lossy(&new[..at]).into_owned())
        });
        shown.unwrap_or_else(|| panic!("no {text:?} on the terminal, which shows:\n{}", self.text()))
    }

    /// Everything shown so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown()).into_owned()
    }

    fn shown(&self) -> Vec<u8> {
        let mut screen = self.screen.borrow_mut();
        let mut bytes = [0; 4096];
        loop {
            match (&self.keyboard).read(&mut bytes) {
                Ok(length) => screen.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return screen.clone(),
                Err(error) => panic!("the terminal cannot be read: {error}"),
            }
        }
    }
}
