//! No memory dump and no other process of the same user gets at a key while withkey holds one.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code, reason = "a child is traced")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the README's figures, with --nocapture")]
#![allow(dead_code, reason = "what the tests share is used in part")]

#[path = "common/bus.rs"]
mod bus;
mod common;
#[path = "common/followed.rs"]
mod followed;
#[path = "common/traced.rs"]
mod traced;
#[path = "common/user.rs"]
mod user;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use bus::{Bus, limit, outliving_the_race};
use common::{End, KEY, OTHER_KEY, Outcome, Sandbox, Start};
use followed::{Followed, Step, follow};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use traced::{Next, Traced};
use user::{as_user, by_user, users};

fn cores(sandbox: &Sandbox) -> Vec<String> {
    let names = fs::read_dir(sandbox.project()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("core")).collect()
}

/// The process's files below /proc are root's while it may not be dumped: proc(5).
fn is_closed(process: Pid) -> bool {
    !fs::metadata(format!("/proc/{process}/environ")).is_ok_and(|facts| facts.uid() != 0)
}

/// Its memory may be dumped whole, and who asks may trace it, where Yama lets only a parent do that: prctl(2).
fn unprotected(start: Start) -> Start {
    let start = start.limited(libc::RLIMIT_CORE, libc::RLIM_INFINITY, libc::RLIM_INFINITY);
    start.step(|| {
        // SAFETY: a plain system call, which fails where there is no Yama.
        unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY) };
        0
    })
}

/// Each process of what is started is crashed at every `step`th call that it makes before it ends or becomes another
/// program, each time in a run of its own, and none leaves a memory dump.
#[track_caller]
fn crashed_at_every_call(what: &str, sandbox: &Sandbox, step: usize, start: impl Fn() -> Start) {
    let (mut crashes, mut processes) = (0, 1);
    for signal in [Signal::SIGSEGV, Signal::SIGABRT] {
        let (mut nth, mut at) = (0, 1);
        while nth < processes {
            let what = format!("{what}: {signal} at call {at} of process {nth}");
            let (made, followed) = crashed(&what, unprotected(start()), nth, at, signal);
            assert_eq!(cores(sandbox), [""; 0], "{what}: {followed:?}");
            processes = processes.max(made.len());
            if made.get(nth).is_none_or(|calls| *calls < at) {
                (nth, at) = (nth + 1, 1);
                continue;
            }
            assert!(followed.deaths.iter().all(|(_, core)| !core), "{what}: {followed:?}");
            // A thread whose process ends just then makes no call any more.
            crashes += usize::from(followed.deaths.contains(&(signal, false)));
            at += step;
        }
    }
    println!("{what}: {processes} processes, crashed {crashes} times");
    assert!(crashes > 20, "{what}: crashed only {crashes} times");
}

/// Crashes the `nth` process at the `at`th call after withkey has closed itself, which it does first thing. How many calls
/// each process has made, in the order of their birth.
#[track_caller]
fn crashed(what: &str, start: Start, nth: usize, at: usize, signal: Signal) -> (Vec<usize>, Followed) {
    let (mut numbers, mut made, mut closes) = (HashMap::new(), Vec::new(), false);
    let followed = follow(start, |process, call| {
        if !closes {
            closes = call == libc::SYS_prctl;
            return Step::Go;
        }
        assert!(is_closed(process), "{what}: {process} may be dumped at {call}");
        if [libc::SYS_execve, libc::SYS_exit, libc::SYS_exit_group].contains(&call) {
            return Step::Go;
        }
        let born = numbers.len();
        let number = *numbers.entry(process).or_insert(born);
        made.resize(numbers.len(), 0);
        made[number] += 1;
        if (number, made[number]) == (nth, at) { Step::Die(signal) } else { Step::Go }
    });
    (made, followed)
}

#[test]
fn a_crash_at_any_system_call_leaves_no_memory_dump() {
    let sandbox = Sandbox::with_key();
    let file = sandbox.file("key", format!("{KEY}\n"), 0o600);
    sandbox.withkey(["add", "team", "--helper", &format!("cat '{}'", file.display())]).run().assert_exit(0);
    let sandbox = users(sandbox);
    // The first launch makes the log; only the ones after it are alike.
    as_user(&sandbox, ["true"]).run().assert_exit(0);
    crashed_at_every_call("a launch", &sandbox, 1, || as_user(&sandbox, ["true"]));
    crashed_at_every_call("--spawn", &sandbox, 1, || as_user(&sandbox, ["--spawn", "true"]));
    crashed_at_every_call("a helper", &sandbox, 1, || as_user(&sandbox, ["-p", "team", "true"]));
    crashed_at_every_call("add", &sandbox, 1, || as_user(&sandbox, ["add", "--replace"]).input(OTHER_KEY));
}

/// Who asks the keychain for withkey makes hundreds of calls. The session's bus is root's, and so is withkey here.
#[test]
fn nor_does_a_crash_of_who_asks_the_keychain() {
    outliving_the_race(|| {
        let sandbox = Sandbox::new();
        limit(&sandbox, 600);
        let _bus = Bus::with_keyring(&sandbox);
        sandbox.withkey(["add", "--store", "keychain"]).input(KEY).run().assert_exit(0);
        sandbox.withkey(["true"]).run().assert_exit(0);
        crashed_at_every_call("the keychain", &sandbox, 3, || sandbox.withkey(["true"]));
    });
}

/// Where the system lets a process dump its memory at all, it is withkey's doing that it does not; and COMMAND may again.
#[test]
fn the_control_another_program_is_open() {
    let sandbox = users(Sandbox::with_key());
    let mut traced = Traced::of(unprotected(by_user(sandbox.directly(["/bin/sleep", "60"]))));
    traced.next();
    assert!(!is_closed(traced.process), "every process is closed here");
    let dumped = traced.die_by(Signal::SIGSEGV);
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if !pattern.starts_with('|') && !pattern.starts_with('/') && !pattern.trim().is_empty() {
        assert_eq!(dumped, Next::Killed(Signal::SIGSEGV, true));
        assert_eq!(cores(&sandbox).len(), 1);
    }
    let mut traced = Traced::of(as_user(&sandbox, ["sleep", "60"]));
    traced.until(|number| number == libc::SYS_execve).unwrap();
    traced.next();
    assert!(!is_closed(traced.process), "COMMAND cannot be debugged by its own user");
}

/// The user's own tools, turned on a process of the user's.
fn look_into(sandbox: &Sandbox, process: i32) -> Outcome {
    let script = format!(
        "for file in environ maps mem auxv; do
             head -c 1 /proc/{process}/$file 2>&1 >/dev/null | grep -q 'Permission denied' && echo $file is closed
         done
         timeout 20 strace -o /dev/null -p {process} 2>&1 | grep -c 'Operation not permitted'"
    );
    by_user(sandbox.directly(["/bin/sh", "-c", &script])).run()
}

/// Where Yama leaves tracing to root or to nobody, strace is refused everywhere: Documentation/admin-guide/LSM/Yama.rst.
fn strace_is_refused_everywhere() -> bool {
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    scope.trim().parse().is_ok_and(|scope: u32| scope >= 2)
}

#[test]
fn a_process_of_the_same_user_cannot_look_into_withkey_while_it_holds_a_key() {
    let sandbox = users(Sandbox::with_key());
    let calls_to_execve = || {
        let mut traced = Traced::of(unprotected(as_user(&sandbox, ["true"])));
        let calls = std::iter::from_fn(|| Some(traced.next()));
        calls.take_while(|next| *next != Next::Call(libc::SYS_execve)).count()
    };
    // The first launch makes the log; only the ones after it are alike.
    calls_to_execve();
    let count = calls_to_execve();
    let mut traced = Traced::of(unprotected(as_user(&sandbox, ["true"])));
    for _ in 0..count {
        traced.next();
    }
    // The last call but one: the key is read, the block is built, and nobody traces it.
    traced.leave_standing();
    let outcome = look_into(&sandbox, traced.process.as_raw());
    outcome.assert_stdout("environ is closed\nmaps is closed\nmem is closed\nauxv is closed\n1\n");
    // The control: the same user looks into another process of its own.
    let start = sandbox.directly(["/bin/sleep", "60"]).entry(format!("OPENAI_API_KEY={KEY}").as_bytes());
    let sleep = unprotected(by_user(start)).start();
    let outcome = look_into(&sandbox, sleep.process);
    assert!(!outcome.stdout().contains("environ is closed"), "{outcome:?}");
    assert_eq!(outcome.end == End::Exit(0), strace_is_refused_everywhere(), "is strace refused? {outcome:?}");
}
