//! No memory dump and no other process of the same user gets at a key while withkey holds one.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code, reason = "a child is traced")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/traced.rs"]
mod traced;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr;

use common::{End, KEY, Outcome, Sandbox, withkey_binary};
use nix::sys::signal::Signal;
use traced::{Next, Traced};

/// A user of no name.
const USER: u32 = 12_345;

/// Everything in the sandbox is the user's, and a copy of withkey, and sleep's.
fn users(sandbox: Sandbox) -> Sandbox {
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::geteuid() }, 0, "another user's process needs root: run the tests as tests/run does");
    sandbox.program("bin/withkey", fs::read(withkey_binary()).unwrap());
    give(&sandbox.path(""));
    sandbox
}

fn give(path: &Path) {
    std::os::unix::fs::lchown(path, Some(USER), Some(USER)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path()));
    }
}

fn cores(sandbox: &Sandbox) -> Vec<String> {
    let names = fs::read_dir(sandbox.project()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("core")).collect()
}

/// The process's files below /proc are root's while it may not be dumped: proc(5).
fn is_closed(traced: &Traced) -> bool {
    fs::metadata(format!("/proc/{}/environ", traced.process)).unwrap().uid() == 0
}

/// Goes on until withkey has closed itself, which it does first thing.
fn until_closed(traced: &mut Traced) {
    assert!(traced.until(|number| number == libc::SYS_prctl).is_some(), "withkey does not close itself");
}

#[test]
fn a_crash_at_any_system_call_leaves_no_memory_dump() {
    let sandbox = users(Sandbox::with_key());
    for signal in [Signal::SIGSEGV, Signal::SIGABRT] {
        let mut calls = 0;
        for number in 1.. {
            let mut traced = Traced::withkey(&sandbox, Some(USER), &["true"], "");
            until_closed(&mut traced);
            let reached = (0..number).map(|_| traced.next()).last();
            if reached == Some(Next::Call(libc::SYS_execve)) {
                break;
            }
            assert!(is_closed(&traced), "at call {number} ({reached:?}) withkey may be dumped");
            assert_eq!(traced.die_by(signal), Next::Killed(signal, false), "at call {number} ({reached:?})");
            assert_eq!(cores(&sandbox), [""; 0], "at call {number} ({reached:?})");
            calls = number;
        }
        assert!(calls > 20, "only {calls} calls");
    }
}

/// Where the system lets a process dump its memory at all, it is withkey's doing that it does not; and COMMAND may again.
#[test]
fn the_control_another_program_is_open() {
    let sandbox = users(Sandbox::with_key());
    let mut traced = Traced::start(&sandbox, Path::new("/bin/sleep"), Some(USER), &["60"], "");
    traced.next();
    assert!(!is_closed(&traced), "every process is closed here");
    let dumped = traced.die_by(Signal::SIGSEGV);
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if !pattern.starts_with('|') && !pattern.starts_with('/') && !pattern.trim().is_empty() {
        assert_eq!(dumped, Next::Killed(Signal::SIGSEGV, true));
        assert_eq!(cores(&sandbox).len(), 1);
    }
    let mut traced = Traced::withkey(&sandbox, Some(USER), &["sleep", "60"], "");
    traced.until(|number| number == libc::SYS_execve).unwrap();
    traced.next();
    assert!(!is_closed(&traced), "COMMAND cannot be debugged by its own user");
}

/// The user's own tools, turned on a process of the user's.
fn look_into(sandbox: &Sandbox, process: i32) -> Outcome {
    let script = format!(
        "for file in environ maps mem auxv; do
             head -c 1 /proc/{process}/$file 2>&1 >/dev/null | grep -q 'Permission denied' && echo $file is closed
         done
         timeout 20 strace -o /dev/null -p {process} 2>&1 | grep -c 'Operation not permitted'"
    );
    // SAFETY: plain system calls; the pointer to no groups is not read.
    let start = sandbox.directly(["/bin/sh", "-c", &script]).step(|| unsafe { libc::setgroups(0, ptr::null()) });
    // SAFETY: plain system calls.
    start.step(|| unsafe { libc::setgid(USER) }).step(|| unsafe { libc::setuid(USER) }).run()
}

#[test]
fn a_process_of_the_same_user_cannot_look_into_withkey_while_it_holds_a_key() {
    let sandbox = users(Sandbox::with_key());
    let calls_to_execve = || {
        let mut traced = Traced::withkey(&sandbox, Some(USER), &["true"], "");
        let calls = std::iter::from_fn(|| Some(traced.next()));
        calls.take_while(|next| *next != Next::Call(libc::SYS_execve)).count()
    };
    // The first launch makes the log; only the ones after it are alike.
    calls_to_execve();
    let count = calls_to_execve();
    let mut traced = Traced::withkey(&sandbox, Some(USER), &["true"], "");
    for _ in 0..count {
        traced.next();
    }
    // The last call but one: the key is read, the block is built, and nobody traces it.
    traced.leave_standing();
    let outcome = look_into(&sandbox, traced.process.as_raw());
    outcome.assert_stdout("environ is closed\nmaps is closed\nmem is closed\nauxv is closed\n1\n");
    // The control: the same user looks into another process of its own.
    let start = sandbox.directly(["/bin/sleep", "60"]).entry(format!("OPENAI_API_KEY={KEY}").as_bytes());
    // SAFETY: plain system calls.
    let sleep = start.step(|| unsafe { libc::setgid(USER) }).step(|| unsafe { libc::setuid(USER) }).start();
    let outcome = look_into(&sandbox, sleep.process);
    assert!(!outcome.stdout().contains("environ is closed"), "{outcome:?}");
    assert_ne!(outcome.end, End::Exit(0), "strace was refused too: {outcome:?}");
}
