//! A withkey that is led from one system call to the next, and killed, hit by a signal or left standing at any of them.
//!
//! Needs root (or CAP_SYS_PTRACE), because withkey makes itself unreadable for its own user, and x86_64, whose registers
//! are read.
#![allow(clippy::print_stdout, reason = "the README's figures, with --nocapture")]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::common::{Outcome, Pty, Running, Sandbox, Start};

/// By all tests so far.
static KILLED: AtomicUsize = AtomicUsize::new(0);

/// A stopped process, which ends with the test.
pub struct Traced {
    pub process: Pid,
    ended: bool,
    /// Lets go of what else runs in its session.
    running: Option<Running>,
    /// The terminal it runs on, and what is still to be typed there.
    keyboard: Option<(Pty, std::vec::IntoIter<String>)>,
}

/// What a process has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is about to make this system call.
    Call(i64),
    Exited(i32),
    /// By which signal, and whether a memory dump was written.
    Killed(Signal, bool),
}

impl Traced {
    /// What is to be started; it stands where its program begins.
    #[track_caller]
    pub fn of(start: Start) -> Self {
        // SAFETY: a plain system call.
        let traced = || i32::try_from(unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) }).unwrap_or(-1);
        let running = start.step(traced).start();
        let process = Pid::from_raw(running.process);
        assert_eq!(waitpid(process, None).unwrap(), WaitStatus::Stopped(process, Signal::SIGTRAP));
        ptrace::setoptions(process, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL).unwrap();
        Self { process, ended: false, running: Some(running), keyboard: None }
    }

    /// The same on a terminal; each time it waits there, the next answer is typed.
    #[track_caller]
    pub fn on_a_terminal(start: Start, answers: &[&str]) -> Self {
        let pty = Pty::open();
        let mut traced = Self::of(pty.attach(start));
        let answers: Vec<_> = answers.iter().map(|answer| format!("{answer}\n")).collect();
        traced.keyboard = Some((pty, answers.into_iter()));
        traced
    }

    /// Goes on to the entry of the next system call.
    #[track_caller]
    pub fn next(&mut self) -> Next {
        let mut signal = None;
        loop {
            ptrace::syscall(self.process, signal.take()).unwrap();
            match waitpid(self.process, None).unwrap() {
                // At an entry the kernel has put -ENOSYS there; a call that returns that was refused by a filter.
                WaitStatus::PtraceSyscall(_) => {
                    let registers = ptrace::getregs(self.process).unwrap();
                    if registers.rax.cast_signed() == -i64::from(libc::ENOSYS) {
                        let number = registers.orig_rax.cast_signed();
                        if let Some((pty, answers)) = &mut self.keyboard
                            && number == libc::SYS_pselect6
                        {
                            answers.next().iter().for_each(|answer| pty.type_in(answer));
                        }
                        return Next::Call(number);
                    }
                }
                WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
                WaitStatus::Stopped(_, other) => signal = Some(other),
                WaitStatus::Exited(_, status) => return self.end(Next::Exited(status)),
                WaitStatus::Signaled(_, signal, core) => return self.end(Next::Killed(signal, core)),
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    fn end(&mut self, next: Next) -> Next {
        self.ended = true;
        next
    }

    /// Goes on to the entry of this call. Nothing when it ends before.
    #[track_caller]
    pub fn until(&mut self, wanted: impl Fn(i64) -> bool) -> Option<i64> {
        loop {
            match self.next() {
                Next::Call(number) if wanted(number) => return Some(number),
                Next::Call(_) => {}
                _ => return None,
            }
        }
    }

    /// Sends a signal, which ends it before it makes another step.
    #[track_caller]
    pub fn die_by(&mut self, signal: Signal) -> Next {
        kill(self.process, signal).unwrap();
        loop {
            match self.next() {
                Next::Call(_) => {}
                end => return end,
            }
        }
    }

    /// Lets go of it, which was made of a [`Start`]: it goes on to its end.
    #[track_caller]
    pub fn let_go(mut self) -> Outcome {
        self.ended = true;
        ptrace::detach(self.process, None).unwrap();
        self.running.take().unwrap().outcome()
    }

    /// Lets go of it: it makes this one call, and then stands still, stopped as by `kill -STOP`.
    #[track_caller]
    pub fn leave_standing(&mut self) {
        kill(self.process, Signal::SIGSTOP).unwrap();
        ptrace::detach(self.process, None).unwrap();
        let flags = nix::sys::wait::WaitPidFlag::WUNTRACED;
        assert_eq!(waitpid(self.process, Some(flags)).unwrap(), WaitStatus::Stopped(self.process, Signal::SIGSTOP));
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if !self.ended {
            let _ = kill(self.process, Signal::SIGKILL);
            while waitpid(self.process, None).is_ok_and(|status| !matches!(status, WaitStatus::Signaled(..))) {}
        }
    }
}

/// Not a call that changes no file and opens none: to be killed at its entry is to be killed at the next other one's.
pub fn is_of_account(number: i64) -> bool {
    use libc::*;
    ![
        SYS_read,
        SYS_pread64,
        SYS_readv,
        SYS_mmap,
        SYS_munmap,
        SYS_mprotect,
        SYS_mremap,
        SYS_madvise,
        SYS_brk,
        SYS_fstat,
        SYS_stat,
        SYS_lstat,
        SYS_newfstatat,
        SYS_statx,
        SYS_access,
        SYS_faccessat,
        SYS_faccessat2,
        SYS_lseek,
        SYS_readlink,
        SYS_readlinkat,
        SYS_getcwd,
        SYS_geteuid,
        SYS_getuid,
        SYS_getpid,
        SYS_getrandom,
        SYS_rt_sigaction,
        SYS_rt_sigprocmask,
        SYS_sigaltstack,
        SYS_fcntl,
        SYS_ioctl,
        SYS_poll,
        SYS_prctl,
        SYS_arch_prctl,
        SYS_set_tid_address,
        SYS_set_robust_list,
        SYS_rseq,
        SYS_prlimit64,
        SYS_futex,
        SYS_getdents64,
        SYS_memfd_secret,
        SYS_sched_getaffinity,
    ]
    .contains(&number)
}

/// Whether a call makes, changes or removes a file for sure, or locks one.
pub fn is_a_change(number: i64) -> bool {
    use libc::*;
    [SYS_mkdir, SYS_mkdirat, SYS_flock, SYS_rename, SYS_renameat, SYS_renameat2, SYS_unlink, SYS_unlinkat, SYS_fsync]
        .contains(&number)
}

/// Kills `withkey WORDS` at the entry of every system call from the first that changes a file on, each time from the same
/// HOME, and lets `check` look at what is left; it is told which call that was. Gives how many there were.
#[track_caller]
pub fn killed_at_every_call(sandbox: &Sandbox, words: &[&str], input: &str, check: impl FnMut(&str)) -> usize {
    let start = || Traced::of(sandbox.withkey(words).input(input));
    killed_at_every_call_of(sandbox, &format!("{words:?}"), start, check)
}

/// The same for what `start` starts, after it has put back what else has changed.
#[track_caller]
pub fn killed_at_every_call_of(
    sandbox: &Sandbox,
    what: &str,
    start: impl Fn() -> Traced,
    check: impl FnMut(&str),
) -> usize {
    killed_at(is_of_account, sandbox, what, start, check)
}

/// The same at those calls only that are `wanted`, and the first that changes a file.
#[track_caller]
pub fn killed_at(
    wanted: impl Fn(i64) -> bool,
    sandbox: &Sandbox,
    what: &str,
    start: impl Fn() -> Traced,
    mut check: impl FnMut(&str),
) -> usize {
    let (home, saved) = (sandbox.home(), sandbox.path("saved"));
    let copy = |from: &Path, to: &Path| {
        sandbox.directly(["/bin/cp".as_ref(), "-a".as_ref(), from.as_os_str(), to.as_os_str()]).run().assert_exit(0);
    };
    copy(&home, &saved);
    let mut killed = 0;
    loop {
        std::fs::remove_dir_all(&home).unwrap();
        copy(&saved, &home);
        let mut traced = start();
        let first = traced.until(is_a_change);
        let first = first.unwrap_or_else(|| panic!("{what} changes no file"));
        let mut call = Some(first);
        for _ in 0..killed {
            call = traced.until(&wanted);
        }
        let Some(number) = call.filter(|number| *number != libc::SYS_exit_group) else { break };
        drop(traced);
        check(&format!("{what}, killed at call {} after the first change (number {number})", killed + 1));
        killed += 1;
    }
    std::fs::remove_dir_all(&saved).unwrap();
    println!("{what}: killed {killed} times, {} in all", KILLED.fetch_add(killed, Ordering::Relaxed) + killed);
    assert!(killed >= 5, "{what}: killed only {killed} times");
    killed
}
