//! A withkey whose every process is stopped where it ends or becomes another program, and searched for what must not be
//! in its memory. On the way there a system call can be made to fail.
//!
//! Needs root (or CAP_SYS_PTRACE), because withkey makes itself unreadable for its own user, and x86_64, whose registers
//! are read.
#![allow(clippy::print_stdout, reason = "the README's figures, with --nocapture")]

#[path = "followed.rs"]
mod followed;
#[path = "search.rs"]
mod search;

use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::unistd::Pid;

use crate::common::{Outcome, Start};
use followed::{Step, follow};
pub use search::*;

/// By all tests so far.
static SCANNED: AtomicUsize = AtomicUsize::new(0);

/// A system call that fails, as on a full disk or where the program has just gone.
#[derive(Clone, Copy)]
pub struct Failure {
    pub call: i64,
    pub errno: i32,
    /// How many of these calls are let through before.
    pub after: usize,
}

/// What was found, and how the first process ended.
#[derive(Debug)]
pub struct Scanned {
    pub hits: Vec<String>,
    /// How often a process was searched.
    pub times: usize,
    /// Whether the call that was to fail was made.
    pub failed: bool,
    pub outcome: Outcome,
}

impl Scanned {
    /// Fails unless nothing was found and the first process ended with this status and said this.
    #[track_caller]
    pub fn assert_clean(&self, what: &str, status: i32, part: &str) -> &Self {
        assert_eq!(self.hits, [""; 0], "{what}: {:?}", self.outcome);
        self.outcome.assert_exit(status).assert_stderr_has(part);
        self
    }
}

/// Runs it, and searches each of its processes at the entry of every `execve` and where it ends. What it has become by
/// `execve` is not withkey any more, and not looked at.
#[track_caller]
pub fn scan(start: Start, needles: &[Needle]) -> Scanned {
    scan_failing(start, needles, None)
}

/// The same, and every call of this kind from one on fails.
#[track_caller]
pub fn scan_failing(start: Start, needles: &[Needle], failure: Option<Failure>) -> Scanned {
    let (mut hits, mut times, mut seen) = (Vec::new(), 0, 0);
    let followed = follow(start, |process, number| {
        if [libc::SYS_execve, libc::SYS_exit_group].contains(&number) {
            hits.extend(search(process.as_raw(), needles));
            if number == libc::SYS_exit_group {
                // At an `execve` they are COMMAND's, which begins with empty ones.
                hits.extend(search_registers(process, needles));
            }
            times += 1;
        }
        match failure.filter(|failure| failure.call == number) {
            Some(failure) => {
                seen += 1;
                if seen > failure.after { Step::Fail(failure.errno) } else { Step::Go }
            }
            None => Step::Go,
        }
    });
    let failed = failure.is_some_and(|failure| seen > failure.after);
    println!("{} processes scanned", SCANNED.fetch_add(times, Ordering::Relaxed) + times);
    Scanned { hits, times, failed, outcome: followed.outcome }
}

/// Every needle of which eight bytes stand in a vector register of the stopped process, as the processor saves them with
/// XSAVE.
fn search_registers(process: Pid, needles: &[Needle]) -> Vec<String> {
    /// linux/elf.h.
    const NT_X86_XSTATE: usize = 0x202;
    let mut bytes = vec![0_u8; 16 * 1024];
    let mut filled = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: the kernel writes into the bytes up to their length, and how many it wrote into the structure.
    let done = unsafe { libc::ptrace(libc::PTRACE_GETREGSET, process.as_raw(), NT_X86_XSTATE, &raw mut filled) };
    if done != 0 && Errno::last() == Errno::ESRCH {
        // Another thread of it ended the process meanwhile; that one is searched.
        return Vec::new();
    }
    assert_eq!(done, 0, "cannot read the vector registers: {}", Errno::last());
    // Sixteen of them lie in the 512 bytes that every processor saves.
    assert!(filled.iov_len >= 512, "only {} bytes of registers", filled.iov_len);
    bytes.truncate(filled.iov_len);
    let stands = |needle: &&Needle| needle.bytes.windows(8).any(|eight| count(&bytes, eight) > 0);
    needles.iter().filter(stands).map(|needle| format!("{} in part, in a vector register", needle.what)).collect()
}
