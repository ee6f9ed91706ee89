//! A withkey whose every process is stopped where it ends or becomes another program, and searched for what must not be
//! in its memory. On the way there a system call can be made to fail.
//!
//! Needs root (or CAP_SYS_PTRACE), because withkey makes itself unreadable for its own user, and x86_64, whose registers
//! are read.
#![allow(clippy::print_stdout, reason = "one line a scan, to be counted with --nocapture")]

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::common::{Outcome, Sandbox, Start};

/// Halves that stand nowhere else: a run of digits or letters would be found in the C library's tables.
pub const KEY: &str = "sk-test-Xq7Lw2Rk9Vd4Ht6Bz8Jm3Np5Gs1Fc0Yu";

/// Something that must not be found, and what it is.
#[derive(Clone)]
pub struct Needle {
    pub what: &'static str,
    pub bytes: Vec<u8>,
}

impl Needle {
    pub fn new(what: &'static str, bytes: &[u8]) -> Self {
        Self { what, bytes: bytes.to_vec() }
    }
}

/// Of [`KEY`], and of the sandbox's identity where it has one.
pub fn needles(sandbox: &Sandbox) -> Vec<Needle> {
    let mut needles = of_a_key(KEY);
    if sandbox.identity().exists() {
        needles.extend(of_an_identity(&fs::read_to_string(sandbox.identity()).unwrap()));
    }
    needles
}

pub fn of_a_key(key: &str) -> Vec<Needle> {
    let key = key.as_bytes();
    let (front, back) = key.split_at(key.len() / 2);
    vec![
        Needle::new("the key's first half", front),
        Needle::new("the key's second half", back),
        Needle::new("the key in base64", base64(key).as_bytes()),
    ]
}

/// Of the text of its file.
pub fn of_an_identity(text: &str) -> Vec<Needle> {
    let identity = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap().as_bytes();
    // Behind the prefix that every identity has.
    let (front, back) = identity[15..].split_at(28);
    // Its number, but for the first and last byte, which X25519 changes.
    let number = scalar(identity);
    vec![
        Needle::new("the identity's first half", front),
        Needle::new("the identity's second half", back),
        Needle::new("the first half of the identity's number", &number[1..16]),
        Needle::new("the second half of the identity's number", &number[16..31]),
    ]
}

/// The 32 bytes that an identity's text stands for: Bech32, BIP 173.
fn scalar(identity: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 32] = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
    let digits =
        identity["AGE-SECRET-KEY-1".len()..].iter().map(|digit| DIGITS.iter().position(|d| d == digit).unwrap());
    let bits: Vec<usize> = digits.flat_map(|digit| (0..5).rev().map(move |bit| digit >> bit & 1)).collect();
    let byte = |bits: &[usize]| u8::try_from(bits.iter().fold(0, |byte, bit| byte << 1 | bit)).unwrap();
    bits.chunks_exact(8).take(32).map(byte).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let whole = bytes.chunks_exact(3).map(|three| {
        let number = three.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[number >> shift & 63]))
    });
    whole.flatten().collect()
}

/// Every place in the stopped process where a needle stands.
fn search(process: Pid, needles: &[Needle]) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = File::open(format!("/proc/{process}/mem")).unwrap_or_else(|error| {
        panic!("cannot read the memory of the traced process ({error}): run the tests as root, as tests/run does")
    });
    let (mut hits, mut read) = (Vec::new(), 0);
    for map in maps.lines() {
        let (range, rest) = map.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        if !rest.starts_with('r') || memory.read_exact_at(&mut bytes, start).is_err() {
            // The pages of memfd_secret, which nobody can read, and the kernel's vvar.
            continue;
        }
        read += 1;
        for needle in needles {
            let found = count(&bytes, &needle.bytes);
            if found > 0 {
                hits.push(format!("{} ({found} times) in {map}", needle.what));
            }
        }
    }
    assert!(read > 5, "only {read} mappings were readable");
    hits
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
    assert_eq!(done, 0, "cannot read the vector registers: {}", std::io::Error::last_os_error());
    // Sixteen of them lie in the 512 bytes that every processor saves.
    assert!(filled.iov_len >= 512, "only {} bytes of registers", filled.iov_len);
    bytes.truncate(filled.iov_len);
    let stands = |needle: &&Needle| needle.bytes.windows(8).any(|eight| count(&bytes, eight) > 0);
    needles.iter().filter(stands).map(|needle| format!("{} in part, in a vector register", needle.what)).collect()
}

/// How often it stands there. By the C library, which is many times as fast as a test's own code.
fn count(mut bytes: &[u8], needle: &[u8]) -> usize {
    let mut count = 0;
    loop {
        let (start, length) = (bytes.as_ptr(), bytes.len());
        // SAFETY: memmem reads no byte behind either length, and gives null or an address in the first range.
        let at = unsafe {
            let found = libc::memmem(start.cast(), length, needle.as_ptr().cast(), needle.len()).cast::<u8>();
            if found.is_null() {
                return count;
            }
            found.cast_const().offset_from_unsigned(start)
        };
        count += 1;
        bytes = &bytes[at + 1..];
    }
}

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
    // SAFETY: a plain system call.
    let running =
        start.step(|| i32::try_from(unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) }).unwrap_or(-1)).start();
    let first = Pid::from_raw(running.process);
    assert_eq!(waitpid(first, None).unwrap(), WaitStatus::Stopped(first, Signal::SIGTRAP));
    let follow = Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACEEXEC;
    ptrace::setoptions(first, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL | follow).unwrap();
    ptrace::syscall(first, None).unwrap();
    let mut scan = Scan { needles, failure, seen: 0, failing: HashMap::new(), hits: Vec::new(), times: 0 };
    // A new process may be heard of before its parent tells of it.
    let (mut alive, mut gone) = (HashSet::from([first]), HashSet::new());
    while !alive.is_empty() {
        // Of this thread's own processes only: other tests have theirs.
        let status = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)).unwrap();
        let done = match status {
            WaitStatus::PtraceSyscall(process) => scan.call(process).then_some(process),
            WaitStatus::PtraceEvent(process, _, event) if event == Event::PTRACE_EVENT_EXEC as i32 => Some(process),
            WaitStatus::PtraceEvent(process, ..) => {
                let new = Pid::from_raw(i32::try_from(ptrace::getevent(process).unwrap()).unwrap());
                if !gone.contains(&new) {
                    alive.insert(new);
                }
                let _ = ptrace::syscall(process, None);
                None
            }
            WaitStatus::Stopped(process, signal) => {
                // A new one's first stop is no signal.
                let signal = Some(signal).filter(|signal| *signal != Signal::SIGSTOP);
                let _ = ptrace::syscall(process, signal);
                None
            }
            WaitStatus::Exited(process, _) | WaitStatus::Signaled(process, ..) => {
                assert_ne!(process, first, "withkey ended without a last system call");
                Some(process)
            }
            _ => None,
        };
        if let Some(process) = done {
            alive.remove(&process);
            gone.insert(process);
            // The first one is let go of last: its end must not be taken for a step of this loop.
            if process != first {
                let _ = ptrace::detach(process, None);
            }
        }
    }
    ptrace::detach(first, None).unwrap();
    let failed = failure.is_some_and(|failure| scan.seen > failure.after);
    Scanned { hits: scan.hits, times: scan.times, failed, outcome: running.outcome() }
}

struct Scan<'a> {
    needles: &'a [Needle],
    failure: Option<Failure>,
    /// How many calls of the kind that fails were made.
    seen: usize,
    /// The processes in a call that fails, and how.
    failing: HashMap<Pid, i32>,
    hits: Vec<String>,
    times: usize,
}

impl Scan<'_> {
    /// A process stands at the entry of a call or at its end. It goes on, unless the call is its last: then this is true.
    fn call(&mut self, process: Pid) -> bool {
        let mut registers = ptrace::getregs(process).unwrap();
        if let Some(errno) = self.failing.remove(&process) {
            registers.rax = i64::from(-errno).cast_unsigned();
            ptrace::setregs(process, registers).unwrap();
        // At an entry the kernel has put -ENOSYS there.
        } else if registers.rax.cast_signed() == -i64::from(libc::ENOSYS) {
            let number = registers.orig_rax.cast_signed();
            if [libc::SYS_execve, libc::SYS_exit_group].contains(&number) {
                self.hits.extend(search(process, self.needles));
                self.times += 1;
                println!("scanned process {process} at call {number}");
            }
            if number == libc::SYS_exit_group {
                // At an `execve` they are COMMAND's, which begins with empty ones.
                self.hits.extend(search_registers(process, self.needles));
                return true;
            }
            self.fail(process, number, registers);
        }
        let _ = ptrace::syscall(process, None);
        false
    }

    /// Lets the call fail, if it is one that is to.
    fn fail(&mut self, process: Pid, number: i64, mut registers: libc::user_regs_struct) {
        let Some(failure) = self.failure.filter(|failure| failure.call == number) else { return };
        self.seen += 1;
        if self.seen > failure.after {
            // No call has this number: nothing is done.
            registers.orig_rax = u64::MAX;
            ptrace::setregs(process, registers).unwrap();
            self.failing.insert(process, failure.errno);
        }
    }
}
