//! One line typed on the terminal, and the terminal's modes restored on every way out.

#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sys::select::{FdSet, pselect};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, raise, sigaction, sigprocmask};
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};

use crate::memory::Protected;

/// The kernel's line editor holds this many bytes and silently drops what goes beyond: N_TTY_BUF_SIZE, termios(3).
pub const LONGEST_LINE: usize = 4095;

/// Signals that end or stop a program at its prompt.
const ENDING: [Signal; 5] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTSTP];

static CAUGHT: AtomicI32 = AtomicI32::new(0);

extern "C" fn remember(signal: libc::c_int) {
    CAUGHT.store(signal, Ordering::Relaxed);
}

/// Signals of [`ENDING`] are noted instead of acted upon, until this is dropped.
struct Watch {
    before: Vec<(Signal, SigAction)>,
    mask: SigSet,
}

impl Watch {
    fn start() -> nix::Result<Self> {
        let mut mask = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&ENDING.into_iter().collect()), Some(&mut mask))?;
        CAUGHT.store(0, Ordering::Relaxed);
        let note = SigAction::new(SigHandler::Handler(remember), SaFlags::empty(), SigSet::empty());
        let mut watch = Self { before: Vec::new(), mask };
        for signal in ENDING {
            // SAFETY: the handler stores one atomic number and does nothing else.
            let before = unsafe { sigaction(signal, &note) }?;
            if matches!(before.handler(), SigHandler::SigIgn) {
                // SAFETY: puts back what was there. An ignored signal stays ignored (nohup).
                unsafe { sigaction(signal, &before) }?;
            } else {
                watch.before.push((signal, before));
            }
        }
        Ok(watch)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            // SAFETY: puts back what was there.
            let _ = unsafe { sigaction(*signal, before) };
        }
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.mask), None);
    }
}

/// The terminal shows nothing of what is typed, until this is dropped.
struct Silence<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Silence<'a> {
    fn start(terminal: &'a File) -> nix::Result<Self> {
        let before = termios::tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        silent.local_flags.insert(LocalFlags::ECHONL | LocalFlags::ICANON | LocalFlags::ISIG);
        termios::tcsetattr(terminal, SetArg::TCSAFLUSH, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // What was pasted behind the first line is thrown away: else the shell would show and run it.
        let _ = termios::tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

/// Reads one line, without its end, after `ask` has shown the question; blocks until it is typed.
///
/// Ctrl-C, a termination or a Ctrl-Z act on this process as ever, with the terminal's modes restored before; after a
/// Ctrl-Z and `fg` the question is asked again.
///
/// # Errors
/// When the terminal closes, or the line is longer than [`LONGEST_LINE`] bytes.
///
/// # Secrets
/// The line is the caller's, in protected pages.
pub fn read_line(mut terminal: &File, hidden: bool, ask: impl Fn()) -> io::Result<Protected> {
    loop {
        let watch = Watch::start()?;
        let silence = if hidden { Some(Silence::start(terminal)?) } else { None };
        ask();
        let mut readable = FdSet::new();
        readable.insert(terminal.as_fd());
        match pselect(None, &mut readable, None, None, None, &watch.mask) {
            Ok(_) => {
                let mut line = Protected::zeroed(LONGEST_LINE + 1)?;
                let count = terminal.read(line.bytes_mut())?;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let ended = line.bytes().get(count - 1) == Some(&b'\n');
                if !ended && count >= LONGEST_LINE {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                line.truncate(if ended { count - 1 } else { count });
                if line.bytes().len() >= LONGEST_LINE - 1 {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                return Ok(line);
            }
            Err(Errno::EINTR) => {
                drop(silence);
                drop(watch);
                if let Ok(signal) = Signal::try_from(CAUGHT.load(Ordering::Relaxed)) {
                    raise(signal)?;
                }
            }
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// How many columns the terminal at standard output has, 80 when it does not say; nothing when that is no terminal.
#[must_use]
pub fn columns() -> Option<usize> {
    let stdout = io::stdout();
    if !io::IsTerminal::is_terminal(&stdout) {
        return None;
    }
    // SAFETY: all zeros are a valid winsize, and TIOCGWINSZ fills one.
    let size = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size);
        size
    };
    Some(usize::from(size.ws_col)).map(|columns| if columns == 0 { 80 } else { columns.max(40) })
}
