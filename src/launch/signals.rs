//! Signals in the parent that stays (`--spawn`): passed on, or left alone.

#![allow(unsafe_code)]

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

use libc::{c_int, c_void, siginfo_t};

/// Never handled: they stop and continue (the parent follows its child), or their default does nothing.
const LEFT_ALONE: [c_int; 8] = [
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGCONT,
    libc::SIGWINCH,
    libc::SIGCHLD,
    libc::SIGURG,
    libc::SIGSTOP,
];

/// Raised by a fault of the process itself, unless somebody sends them.
const FAULTS: [c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS];

static CHILD: AtomicI32 = AtomicI32::new(0);

/// Sends a signal that was sent to us on to COMMAND. One that the terminal sends has reached COMMAND already, since it
/// goes to the whole process group (its `si_code` is positive); one that COMMAND sends is not for itself. A fault of our
/// own ends us, as if there were no handler.
extern "C" fn pass_on(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    let child = CHILD.load(Ordering::Relaxed);
    // SAFETY: the kernel gives a valid siginfo with SA_SIGINFO; the fields are read only where its si_code has them.
    // kill(2) is async-signal-safe, and errno is put back for the code that was interrupted.
    unsafe {
        let sender = ((*info).si_code <= 0).then(|| (*info).si_pid());
        if FAULTS.contains(&signal) && sender.is_none_or(|sender| sender == libc::getpid()) {
            // It is blocked while it is handled, and comes again as soon as this function returns.
            libc::signal(signal, libc::SIG_DFL);
            libc::kill(libc::getpid(), signal);
        } else if child > 0 && sender.is_some_and(|sender| sender != child) {
            let errno = nix::errno::Errno::last_raw();
            libc::kill(child, signal);
            nix::errno::Errno::set_raw(errno);
        }
    }
}

/// A set of signals as the kernel takes it.
pub struct Mask(libc::sigset_t);

impl Mask {
    /// Blocks every signal; gives what was blocked before.
    pub fn block_all() -> Self {
        Self::change(libc::SIG_SETMASK, |set| {
            // SAFETY: fills a set that is ours.
            unsafe { libc::sigfillset(set) };
        })
    }

    /// Makes this the set of blocked signals again.
    pub fn restore(&self) {
        // SAFETY: reads a set that is ours.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }

    /// The same for the parent of a COMMAND, in which keyboard stops are blocked, and what is passed on is not.
    ///
    /// Whether the job stops is COMMAND's to decide, and the parent follows it; its own default would stop it, and show
    /// the shell a stopped job, although COMMAND goes on. A signal inherited as blocked is so in COMMAND, where it waits;
    /// it must not wait here, out of COMMAND's sight. Nor must one that was pending before the fork, which the child has
    /// not inherited.
    pub fn restore_in_parent(mut self) {
        for signal in handled() {
            // SAFETY: takes a signal's number out of a set that is ours.
            unsafe { libc::sigdelset(&raw mut self.0, signal) };
        }
        for signal in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
            // SAFETY: adds a signal's number to a set that is ours.
            unsafe { libc::sigaddset(&raw mut self.0, signal) };
        }
        self.restore();
    }

    fn change(how: c_int, fill: impl Fn(&mut libc::sigset_t)) -> Self {
        // SAFETY: a signal set is plain numbers, and both sets are ours.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            fill(&mut set);
            libc::sigprocmask(how, &raw const set, &raw mut before);
            Self(before)
        }
    }
}

/// How SIGCHLD was inherited.
pub struct Sigchld(libc::sigaction);

impl Sigchld {
    /// Makes SIGCHLD default. Ignored, the kernel would throw COMMAND's status away as soon as it ends: wait(2). So this
    /// comes before the fork.
    pub fn to_default() -> Self {
        // SAFETY: both structures are ours; an all-zero one is the default with no flags.
        unsafe {
            let default: libc::sigaction = std::mem::zeroed();
            let mut before: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGCHLD, &raw const default, &raw mut before);
            Self(before)
        }
    }

    /// Makes it what it was, in the child.
    pub fn restore(&self) {
        // SAFETY: puts back what was there.
        unsafe { libc::sigaction(libc::SIGCHLD, &raw const self.0, std::ptr::null_mut()) };
    }
}

/// From now on signals sent to this process go to `child`, but those that were ignored stay ignored.
pub fn pass_on_to(child: c_int) {
    CHILD.store(child, Ordering::Relaxed);
    for signal in handled().filter(|signal| !is_ignored(*signal)) {
        set(signal, pass_on as *const () as libc::sighandler_t, libc::SA_SIGINFO | libc::SA_RESTART);
    }
}

/// Every signal that is passed on, unless it was inherited as ignored.
fn handled() -> impl Iterator<Item = c_int> {
    (1..=last_signal()).filter(|signal| *signal != libc::SIGKILL && !LEFT_ALONE.contains(signal))
}

/// Stops this process as its child was stopped, and returns when both are continued.
pub fn stop_by(signal: c_int, child: c_int) {
    act(signal);
    // SAFETY: asks for our own number.
    if unsafe { libc::getpid() } != 1 {
        continue_with(child);
    }
    // The kernel does not stop PID 1, which simply waits until its child goes on.
}

/// Continues `child` if it is still in the stop that was told last: who continues this process alone, by its number,
/// means COMMAND. A shell continues the whole group, and usually the child has gone on by then; a short wait keeps it
/// from a second SIGCONT when this process was the quicker one.
fn continue_with(child: c_int) {
    for _ in 0..20 {
        if has_moved(child) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    // SAFETY: plain system call; the child has not been waited for, so its number is its own.
    unsafe { libc::kill(child, libc::SIGCONT) };
}

/// Whether `child` has ended, gone on or stopped anew since `wait` told of its stop. Takes none of that from `wait`.
fn has_moved(child: c_int) -> bool {
    let changes = libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG | libc::WNOWAIT;
    let Ok(id) = libc::id_t::try_from(child) else { return true };
    // SAFETY: an all-zero siginfo is a valid value, which is ours to be filled; without a change its number stays 0.
    unsafe {
        let mut info: siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_PID, id, &raw mut info, changes) != 0 || info.si_pid() != 0
    }
}

/// Ends this process by the same signal as its child; returns only when the kernel does not let it, as for PID 1.
pub fn die_by(signal: c_int) {
    // No second core file: COMMAND's own is the one that tells.
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: reads a structure that is ours. Only this process is concerned, which runs nothing any more.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    act(signal);
}

/// Lets `signal` do to this process what it does by default.
fn act(signal: c_int) {
    set(signal, libc::SIG_DFL, 0);
    // SAFETY: kill takes numbers; the signal stays pending while blocked. raise(3) refuses those the C library uses itself.
    unsafe { libc::kill(libc::getpid(), signal) };
    let before = Mask::change(libc::SIG_UNBLOCK, |set| {
        // SAFETY: adds a signal's number to a set that is ours.
        unsafe { libc::sigaddset(set, signal) };
    });
    before.restore();
}

fn last_signal() -> c_int {
    #[cfg(target_os = "linux")]
    return libc::SIGRTMAX();
    #[cfg(not(target_os = "linux"))]
    return 31;
}

fn is_ignored(signal: c_int) -> bool {
    // SAFETY: only asks, into a structure that is ours.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}

fn set(signal: c_int, handler: libc::sighandler_t, flags: c_int) {
    // SAFETY: the handler is SIG_DFL or `pass_on`, which fits SA_SIGINFO. Signals the C library keeps for itself fail.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

/// How a process changed, as `wait` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It ended with this status.
    Exited(u8),
    /// It was ended by this signal.
    Killed(c_int),
    /// It was stopped by this signal.
    Stopped(c_int),
}

/// Waits until `child` ends or stops. As PID 1 every orphan is reaped meanwhile.
///
/// The raw status is read, because nix gives an error for a child killed by a real-time signal and the status is lost.
///
/// # Errors
/// When there is no such child.
pub fn wait(child: c_int) -> io::Result<Change> {
    // SAFETY: asks for our own number.
    let whom = if unsafe { libc::getpid() } == 1 { -1 } else { child };
    loop {
        let mut status = 0;
        // SAFETY: writes one number that is ours.
        let changed = unsafe { libc::waitpid(whom, &raw mut status, libc::WUNTRACED) };
        if changed < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        } else if changed == child {
            if libc::WIFSTOPPED(status) {
                return Ok(Change::Stopped(libc::WSTOPSIG(status)));
            }
            if libc::WIFSIGNALED(status) {
                return Ok(Change::Killed(libc::WTERMSIG(status)));
            }
            return Ok(Change::Exited(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX)));
        }
    }
}
