//! A withkey that is followed with all its processes, from one system call to the next, until each has ended or become
//! another program.
//!
//! Needs root (or CAP_SYS_PTRACE), because withkey makes itself unreadable for its own user, and x86_64, whose registers
//! are read.

use std::collections::{HashMap, HashSet};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::common::{Outcome, Start};

/// What becomes of a process that is about to make a call.
#[derive(Clone, Copy)]
pub enum Step {
    Go,
    /// The call is not made, and fails with this errno.
    Fail(i32),
    /// It dies by this signal instead, of its own doing: a fault, or abort(3).
    Die(Signal),
}

/// What a process has done that was followed.
#[derive(Debug)]
pub struct Followed {
    /// Of the first process.
    pub outcome: Outcome,
    /// Of all that died by a signal: by which, and whether a memory dump was written.
    pub deaths: Vec<(Signal, bool)>,
}

/// Starts it and asks `judge` at the entry of every call that it or one of its processes makes. What a process has become
/// by `execve` is not withkey any more, and not looked at.
#[track_caller]
pub fn follow(start: Start, mut judge: impl FnMut(Pid, i64) -> Step) -> Followed {
    // SAFETY: a plain system call.
    let running =
        start.step(|| i32::try_from(unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) }).unwrap_or(-1)).start();
    let first = Pid::from_raw(running.process);
    assert_eq!(waitpid(first, None).unwrap(), WaitStatus::Stopped(first, Signal::SIGTRAP));
    let children = Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACEEXEC;
    ptrace::setoptions(first, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL | children).unwrap();
    ptrace::syscall(first, None).unwrap();
    let (mut failing, mut deaths, mut status) = (HashMap::new(), Vec::new(), None);
    // A new process may be heard of before its parent tells of it.
    let (mut alive, mut gone) = (HashSet::from([first]), HashSet::new());
    while !alive.is_empty() {
        // Of this thread's own processes only: other tests have theirs.
        let news = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)).unwrap();
        let process = news.pid().unwrap();
        let mut signal = None;
        match news {
            WaitStatus::PtraceSyscall(_) => call(process, &mut failing, &mut judge),
            WaitStatus::PtraceEvent(_, _, event) if event == Event::PTRACE_EVENT_EXEC as i32 => {
                alive.remove(&process);
                gone.insert(process);
                ptrace::detach(process, None).unwrap();
                continue;
            }
            WaitStatus::PtraceEvent(..) => {
                let new = Pid::from_raw(i32::try_from(ptrace::getevent(process).unwrap()).unwrap());
                if !gone.contains(&new) {
                    alive.insert(new);
                }
            }
            // A new one's first stop is no signal.
            WaitStatus::Stopped(_, stop) => signal = Some(stop).filter(|stop| *stop != Signal::SIGSTOP),
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => {
                if let WaitStatus::Signaled(_, signal, core) = news {
                    deaths.push((signal, core));
                }
                if process == first {
                    status = Some(news);
                }
                alive.remove(&process);
                gone.insert(process);
                continue;
            }
            _ => {}
        }
        // It may have been killed meanwhile.
        let _ = ptrace::syscall(process, signal);
    }
    let outcome = match status {
        Some(status) => running.ended(status),
        None => running.outcome(),
    };
    Followed { outcome, deaths }
}

/// A process stands at the entry of a call or at its end.
fn call(process: Pid, failing: &mut HashMap<Pid, i32>, judge: &mut impl FnMut(Pid, i64) -> Step) {
    // A thread is gone when its process ends meanwhile.
    let Ok(mut registers) = ptrace::getregs(process) else { return };
    if let Some(errno) = failing.remove(&process) {
        registers.rax = i64::from(-errno).cast_unsigned();
    // At an entry the kernel has put -ENOSYS there.
    } else if registers.rax.cast_signed() == -i64::from(libc::ENOSYS) {
        match judge(process, registers.orig_rax.cast_signed()) {
            Step::Go => return,
            Step::Fail(errno) => {
                // No call has this number: nothing is done.
                registers.orig_rax = u64::MAX;
                failing.insert(process, errno);
            }
            Step::Die(signal) => {
                // It sends itself the signal, as abort(3) does; no mask holds that up, or a fault.
                let none = 0_u64;
                // SAFETY: the kernel reads a mask of the size that is said.
                let set = unsafe { libc::ptrace(libc::PTRACE_SETSIGMASK, process.as_raw(), 8_usize, &raw const none) };
                assert!(set == 0 || Errno::last() == Errno::ESRCH, "{}", Errno::last());
                registers.orig_rax = libc::SYS_kill.cast_unsigned();
                registers.rdi = u64::try_from(process.as_raw()).unwrap();
                registers.rsi = signal as u64;
            }
        }
    } else {
        return;
    }
    let _ = ptrace::setregs(process, registers);
}
