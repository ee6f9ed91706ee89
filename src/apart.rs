//! Work in a process of its own, which can be ended at any time.
//!
//! A D-Bus library may hang for ever, as the look-up of a host's name may, and a thread of theirs can be neither ended nor
//! wiped. So the keychain is asked by a forked child: its threads, its descriptors and what it does to signals are not
//! COMMAND's to inherit. What it finds it writes into protected pages that both processes see; no pipe or socket ever holds
//! a key. Because nothing else starts a thread, withkey itself has one only, and forking is sound. (macOS: apart/thread.rs.)

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use crate::memory::{self, Protected};

/// A task under way. Letting go of it ends it.
pub struct Apart {
    child: libc::pid_t,
    /// Its other end is closed when the child ends.
    ended: OwnedFd,
    answer: Option<Protected>,
    sigchld: Sigchld,
    reaped: bool,
}

impl Apart {
    /// Starts `task`, which leaves its answer in the `size` bytes it is given; they are zero at first, and stay so when
    /// it fails in the midst.
    ///
    /// # Errors
    /// When there is no memory, or no process more.
    ///
    /// # Secrets
    /// What the task holds on its heap and stack is wiped before its process ends by itself. One that is killed, because of
    /// the time limit or withkey's own end, wipes nothing; like withkey it can be neither dumped nor traced by its user.
    pub fn start(size: usize, task: impl FnOnce(&mut [u8])) -> io::Result<Self> {
        let mut answer = Protected::shared(size)?;
        let (ended, alive) = pipe()?;
        let sigchld = Sigchld::look();
        // SAFETY: a plain system call.
        let parent = unsafe { libc::getpid() };
        // SAFETY: this process has one thread, so the child may go on as if nothing had happened.
        let child = unsafe { libc::fork() };
        match child {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                end_with(parent);
                memory::work_apart();
                drop(ended);
                let _ = panic::catch_unwind(AssertUnwindSafe(|| task(answer.bytes_mut())));
                memory::scrub_stack::<{ 64 * 1024 }>();
                memory::scrub_registers();
                // SAFETY: ends this process and its threads at once; nothing of the parent's is run or flushed twice.
                unsafe { libc::_exit(0) }
            }
            _ => {
                drop(alive);
                Ok(Self { child, ended, answer: Some(answer), sigchld, reaped: false })
            }
        }
    }

    /// Waits for its end, up to `time`; gives whether it has come.
    ///
    /// # Errors
    /// When the system cannot wait.
    pub fn ends_within(&mut self, time: Duration) -> io::Result<bool> {
        let mut poll = libc::pollfd { fd: self.ended.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let time = libc::c_int::try_from(time.as_millis()).unwrap_or(libc::c_int::MAX);
        // SAFETY: one structure, ours, for the time of the call.
        match unsafe { libc::poll(&raw mut poll, 1, time) } {
            0 => Ok(false),
            -1 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
                error => Err(error),
            },
            _ => Ok(true),
        }
    }

    /// What it left, when it has ended; ends it when it has not.
    pub fn answer(mut self) -> Option<Protected> {
        self.reap();
        self.answer.take()
    }

    fn reap(&mut self) {
        if !self.reaped {
            self.reaped = true;
            // SAFETY: our own child, not waited for before: the number is nobody else's. Where SIGCHLD is ignored there is
            // nothing to wait for, and the call returns when the child is gone.
            unsafe {
                libc::kill(self.child, libc::SIGKILL);
                while libc::waitpid(self.child, std::ptr::null_mut(), 0) == -1
                    && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
                {}
            }
            self.sigchld.take_back();
        }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        self.reap();
    }
}

/// Both ends of a pipe that no program inherits.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: fills two numbers, which are new descriptors and nobody else's.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) == -1 {
            return Err(io::Error::last_os_error());
        }
        let [read, write] = ends;
        Ok((OwnedFd::from_raw_fd(read), OwnedFd::from_raw_fd(write)))
    }
}

/// In the child: when the parent is killed, there is nobody left to end this process.
fn end_with(parent: libc::pid_t) {
    // SAFETY: plain system calls. The setting is this child's alone, which runs no other program.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::getppid() != parent {
            libc::_exit(0);
        }
    }
}

/// Whether a SIGCHLD was waiting already: where it is blocked, that of our child must not wait for COMMAND.
struct Sigchld {
    waiting: bool,
}

impl Sigchld {
    fn look() -> Self {
        // SAFETY: fills a set that is ours.
        let waiting = unsafe {
            let mut set = std::mem::zeroed();
            libc::sigpending(&raw mut set);
            libc::sigismember(&raw const set, libc::SIGCHLD) == 1
        };
        Self { waiting }
    }

    fn take_back(&self) {
        if self.waiting || !Self::look().waiting {
            return;
        }
        // SAFETY: takes one signal that is blocked and waiting, without waiting for one.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGCHLD);
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            libc::sigtimedwait(&raw const set, std::ptr::null_mut(), &raw const now);
        }
    }
}
