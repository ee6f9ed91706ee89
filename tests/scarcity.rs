//! Memory that runs out at any point of a launch or a change: it ends with the words that say so, or dies, and neither
//! starts COMMAND without its key nor loses one.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code, reason = "a child is traced")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the README's figures, with --nocapture")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/session.rs"]
mod session;
#[path = "common/traced.rs"]
mod traced;

use common::{End, KEY, Mode, OTHER_KEY, Outcome, Sandbox, Start};
use session::assert_no_key;
use traced::{Next, Traced};

/// From here on the process gets no more of it.
fn limit(process: nix::unistd::Pid, resource: libc::__rlimit_resource_t) {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limits live on this frame; nothing is read back.
    let done = unsafe { libc::prlimit(process.as_raw(), resource, &raw const none, std::ptr::null_mut()) };
    assert_eq!(done, 0, "{}", nix::errno::Errno::last());
}

/// Runs it once for every system call up to `execve` or its end, each time without memory from that call on.
fn without_memory_from_every_call(
    resource: libc::__rlimit_resource_t,
    start: impl Fn() -> Start,
    mut check: impl FnMut(&str, &Outcome),
) -> usize {
    for number in 0.. {
        let mut traced = Traced::of(start());
        let is_last = |next: &Next| matches!(next, Next::Call(libc::SYS_execve | libc::SYS_exit_group));
        // As many calls as it makes this time: where it waits for a helper the number differs by some.
        let mut calls = (0..=number).map(|_| traced.next());
        let Some(reached) = calls.try_fold(None, |_, next| (!is_last(&next)).then_some(Some(next))).flatten() else {
            return number;
        };
        limit(traced.process, resource);
        check(&format!("limit {resource} from call {number} on ({reached:?})"), &traced.let_go());
    }
    unreachable!()
}

/// Words of withkey's own, of the loader or of the C library where they gave up before, or none.
#[track_caller]
fn assert_fit_to_be_read(what: &str, outcome: &Outcome) {
    let text = outcome.stderr();
    assert_no_key(what, &outcome.stderr);
    let ours = text.is_empty() || text.starts_with("withkey: ");
    assert!(ours || outcome.end == End::Exit(127) || gave_up_in_malloc(outcome), "{what}: {outcome:?}");
    for word in ["panicked", "memory allocation of", "RUST_BACKTRACE", "os error"] {
        assert!(!text.contains(word), "{what}: {word:?} in:\n{text}");
    }
}

/// glibc's own end, now and then in a static program: where brk fails, malloc may take its arena for damaged.
fn gave_up_in_malloc(outcome: &Outcome) -> bool {
    outcome.end == End::Signal(libc::SIGABRT) && outcome.stderr().starts_with("Fatal glibc error: malloc")
}

#[test]
fn memory_that_runs_out_stops_a_launch_before_command() {
    let sandbox = Sandbox::with_key();
    sandbox.file("key", format!("{KEY}\n"), 0o600);
    let helper = format!("cat '{}'", sandbox.path("key").display());
    sandbox.withkey(["add", "team", "--helper", &helper]).run().assert_exit(0);
    let (mut points, mut told) = (0, 0);
    for resource in [libc::RLIMIT_AS, libc::RLIMIT_DATA] {
        for mode in Mode::BOTH {
            for profile in ["default", "team"] {
                let start = || sandbox.launch(mode, ["-p", profile, "printenv", "OPENAI_API_KEY"]);
                points += without_memory_from_every_call(resource, start, |what, outcome| {
                    assert_fit_to_be_read(what, outcome);
                    match outcome.end {
                        // COMMAND made do without.
                        End::Exit(0) => _ = outcome.assert_stdout(&format!("{KEY}\n")),
                        End::Exit(125..=127) | End::Signal(libc::SIGSEGV | libc::SIGKILL) => {
                            outcome.assert_stdout("");
                            told += usize::from(outcome.end == End::Exit(125));
                        }
                        _ if gave_up_in_malloc(outcome) => _ = outcome.assert_stdout(""),
                        _ => panic!("{what}: {outcome:?}"),
                    }
                });
            }
        }
    }
    println!("{points} launches without memory from some call on; {told} of them ended with 125");
    assert!(told > 20, "{told} of {points}");
}

#[test]
fn memory_that_runs_out_in_a_change_loses_no_key() {
    let sandbox = Sandbox::new();
    sandbox.add_variables("work", &[("OPENAI_API_KEY", KEY), ("LLM_KEY", KEY)]);
    let (mut points, mut told) = (0, 0);
    for resource in [libc::RLIMIT_AS, libc::RLIMIT_DATA] {
        let start = || sandbox.withkey(["add", "work", "OPENAI_API_KEY", "--replace"]).input(OTHER_KEY);
        let mut replaced = false;
        points += without_memory_from_every_call(resource, start, |what, outcome| {
            assert_fit_to_be_read(what, outcome);
            outcome.assert_stdout("");
            let found = sandbox.withkey(["-p", "work", "printenv", "OPENAI_API_KEY", "LLM_KEY"]).run();
            let (old, new) = (format!("{KEY}\n{KEY}\n"), format!("{OTHER_KEY}\n{KEY}\n"));
            assert!([&old, &new].contains(&&found.stdout()), "{what}: {outcome:?}, then {found:?}");
            match outcome.end {
                End::Exit(0) => assert_eq!(found.stdout(), new, "{what}: it said that it has stored the key"),
                End::Exit(1 | 125 | 127) | End::Signal(libc::SIGSEGV | libc::SIGKILL) => {}
                _ if gave_up_in_malloc(outcome) => {}
                _ => panic!("{what}: {outcome:?}"),
            }
            told += usize::from(matches!(outcome.end, End::Exit(1 | 125)));
            replaced |= found.stdout() == new;
            // From the same state again.
            sandbox.withkey(["add", "work", "--replace"]).input(KEY).run().assert_exit(0);
        });
        assert!(replaced, "limit {resource}: no change went through");
    }
    println!("{points} changes without memory from some call on; {told} of them said why");
    assert!(told > 10, "{told} of {points}");
}

/// With at most so many bytes of locked pages. Root may lock what it likes, so it gives that right up for good.
fn with_locked_pages(start: Start, most: u64) -> Start {
    const IPC_LOCK: u8 = 14;
    let start = start.limited(libc::RLIMIT_MEMLOCK, most, most);
    // SAFETY: a plain system call.
    let start = start.step(|| unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_int::from(IPC_LOCK), 0, 0, 0) });
    start.step(|| {
        // The third version of the kernel's structures, and this process.
        let (mut header, mut sets) = ([0x2008_0522_u32, 0], [0_u32; 6]);
        // SAFETY: plain system calls on structures of this frame; a bit is taken out of two sets in between.
        let done = unsafe {
            libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr());
            sets[0] &= !(1 << IPC_LOCK);
            sets[1] &= !(1 << IPC_LOCK);
            libc::syscall(libc::SYS_capset, header.as_mut_ptr(), sets.as_mut_ptr())
        };
        i32::try_from(done).unwrap_or(-1)
    })
}

/// Without a page that may be locked there is no memfd_secret either.
#[test]
fn a_launch_does_without_locked_pages() {
    let sandbox = Sandbox::with_key();
    let checked = with_locked_pages(sandbox.withkey(["check"]), 0).run();
    assert!(checked.stdout().contains("memfd_secret is not to be had"), "{checked:?}");
    for most in [0, 1, 4096, 8192, 32 * 1024, 36 * 1024, 64 * 1024] {
        for mode in Mode::BOTH {
            let outcome = with_locked_pages(sandbox.launch(mode, ["printenv", "OPENAI_API_KEY"]), most).run();
            outcome.assert_exit(0).assert_stdout(&format!("{KEY}\n")).assert_stderr("");
        }
        let outcome = with_locked_pages(sandbox.withkey(["add", "--replace"]), most).input(KEY).run();
        outcome.assert_exit(0);
    }
}
