//! A change cut short at every step: each call made to fail, and withkey killed at each.
#![allow(clippy::print_stdout, reason = "the README's figures, with --nocapture")]

use std::fs;
use std::path::Path;

use crate::common::{Outcome, Sandbox, withkey_binary};
use crate::session::assert_no_key_in_files;

/// What happens to which call.
const STEPS: [(&str, &str); 11] = [
    ("openat", "error=EIO"),
    ("write", "error=ENOSPC"),
    ("fsync", "error=ENOSPC"),
    ("rename", "error=ENOSPC"),
    ("fchmod", "error=EPERM"),
    ("openat", "signal=KILL"),
    ("write", "signal=KILL"),
    ("fsync", "signal=KILL"),
    ("rename", "signal=KILL"),
    ("unlink", "signal=KILL"),
    ("close", "signal=KILL"),
];

/// Those where a file changes.
const WRITES: [(&str, &str); 6] = [
    ("write", "error=ENOSPC"),
    ("rename", "error=ENOSPC"),
    ("write", "signal=KILL"),
    ("fsync", "signal=KILL"),
    ("rename", "signal=KILL"),
    ("unlink", "signal=KILL"),
];

/// withkey under strace, which lets the `number`th of these calls fail or kills the process at it. `None` when there are
/// fewer.
pub fn cut_short(
    sandbox: &Sandbox,
    words: &[&str],
    input: &str,
    call: &str,
    effect: &str,
    number: usize,
) -> Option<Outcome> {
    let trace = sandbox.path("trace");
    let inject = format!("inject={call}:{effect}:when={number}");
    let start = sandbox.directly(["/usr/bin/strace", "-qq", "-e", &format!("trace={call}"), "-e", &inject, "-o"]);
    let outcome = start.args([trace.as_os_str(), withkey_binary().as_os_str()]).args(words).input(input).run();
    let text =
        fs::read_to_string(&trace).unwrap_or_else(|_| panic!("strace is needed: apt-get install strace\n{outcome:?}"));
    assert!(text.contains(call), "strace has seen no {call}:\n{}", outcome.stderr());
    (text.contains("(INJECTED)") || text.contains("killed by SIGKILL")).then_some(outcome)
}

/// Cuts a change short at every step, each time from the same state, and looks at what is left.
pub fn at_every_step(sandbox: &Sandbox, words: &[&str], input: &str, check: impl Fn(&str, &Outcome)) {
    let steps = at_these_steps(sandbox, &STEPS, words, input, check);
    // A static program opens no libraries first, and so has fewer.
    assert!(steps > 20, "only {steps} steps were tried");
}

/// The same where a file changes; it takes a quarter of the time.
pub fn at_every_write(sandbox: &Sandbox, words: &[&str], input: &str, check: impl Fn(&str, &Outcome)) {
    let steps = at_these_steps(sandbox, &WRITES, words, input, check);
    assert!(steps > 10, "only {steps} steps were tried");
}

fn at_these_steps(
    sandbox: &Sandbox,
    effects: &[(&str, &str)],
    words: &[&str],
    input: &str,
    check: impl Fn(&str, &Outcome),
) -> usize {
    let (home, saved) = (sandbox.home(), sandbox.path("saved"));
    copy(sandbox, &home, &saved);
    let mut steps = 0;
    for &(call, effect) in effects {
        for number in 1.. {
            fs::remove_dir_all(&home).unwrap();
            copy(sandbox, &saved, &home);
            let Some(outcome) = cut_short(sandbox, words, input, call, effect, number) else { break };
            check(&format!("{words:?}, {call} {number}: {effect}"), &outcome);
            assert_no_key_in_files(&home);
            steps += 1;
        }
    }
    println!("{words:?}: cut short at {steps} steps");
    steps
}

fn copy(sandbox: &Sandbox, from: &Path, to: &Path) {
    let words = ["/bin/cp", "-a", from.to_str().unwrap(), to.to_str().unwrap()];
    sandbox.directly(words).run().assert_exit(0);
}
