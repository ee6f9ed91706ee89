//! The exit status: COMMAND's own, however it ends; 125 when withkey fails, 126 when COMMAND cannot be run, 127 when it
//! is not found.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::ffi::c_int;
use std::fs;

use common::{End, Mode, Sandbox, Start};

/// Stop signals and signals ignored by default end nothing.
const HARMLESS: [c_int; 8] = [
    libc::SIGCHLD,
    libc::SIGCONT,
    libc::SIGSTOP,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGURG,
    libc::SIGWINCH,
];

fn deadly_signals() -> impl Iterator<Item = c_int> {
    (1..=64).filter(|signal| !HARMLESS.contains(signal))
}

fn without_core(start: Start) -> Start {
    start.limited(libc::RLIMIT_CORE, 0, 0)
}

in_both_modes! {
    fn every_exit_status_is_commands(mode: Mode) {
        let sandbox = Sandbox::with_key();
        for status in 0..=255 {
            sandbox.probe(mode, &[&format!("exit:{status}")]).run().assert_exit(status);
        }
    }

    /// Not 128 and a number: a caller asks WIFSIGNALED, and the number of a realtime signal has no name.
    fn death_by_a_signal_is_death_by_that_signal(mode: Mode) {
        let sandbox = Sandbox::with_key();
        for signal in deadly_signals() {
            without_core(sandbox.probe(mode, &[&format!("die:{signal}")])).run().assert_end(End::Signal(signal));
        }
    }

    /// withkey inherits the signal as ignored or blocked, and can die by it nevertheless.
    fn death_by_a_signal_that_the_caller_ignored_or_blocked(mode: Mode) {
        let sandbox = Sandbox::with_key();
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGPIPE, libc::SIGQUIT, 34, 64] {
            let die = || without_core(sandbox.probe(mode, &[&format!("die:{signal}")]));
            die().ignoring(&[signal]).run().assert_end(End::Signal(signal));
            die().blocking(&[signal]).run().assert_end(End::Signal(signal));
            die().ignoring(&[signal]).blocking(&[signal]).run().assert_end(End::Signal(signal));
        }
    }

    /// With SIGCHLD ignored the kernel throws a child's status away.
    fn the_status_arrives_though_the_caller_ignores_sigchld(mode: Mode) {
        let sandbox = Sandbox::with_key();
        sandbox.probe(mode, &["exit:7"]).ignoring(&[libc::SIGCHLD]).run().assert_exit(7);
        sandbox.probe(mode, &["exit:7"]).blocking(&[libc::SIGCHLD]).run().assert_exit(7);
        sandbox.probe(mode, &["die:9"]).ignoring(&[libc::SIGCHLD]).run().assert_end(End::Signal(9));
    }

    fn wrong_usage_is_125_and_help_goes_to_stderr(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let wrong: [&[&str]; 5] = [&[], &["--no-such-option", "true"], &["-p"], &["-e", "=", "true"], &["--"]];
        for words in wrong {
            let outcome = sandbox.withkey(mode.options()).args(words).run();
            outcome.assert_exit(125).assert_stdout("").assert_stderr_has("withkey");
        }
    }

    /// envchain, dotenvx and fnox start the command all the same.
    fn a_key_that_cannot_be_read_is_125_and_command_does_not_start(mode: Mode) {
        let refused = |spoil: &dyn Fn(&Sandbox)| {
            let sandbox = Sandbox::with_key();
            spoil(&sandbox);
            let outcome = sandbox.launch(mode, ["touch", "started"]).run();
            outcome.assert_exit(125).assert_stdout("").assert_stderr_has("withkey: error: ");
            assert!(!sandbox.project().join("started").exists(), "COMMAND was started");
        };
        refused(&|sandbox| fs::remove_file(sandbox.identity()).unwrap());
        refused(&|sandbox| fs::remove_file(sandbox.configuration("profiles/default.age")).unwrap());
        refused(&|sandbox| fs::write(sandbox.configuration("profiles/default.age"), "damaged").unwrap());
        refused(&|sandbox| fs::write(sandbox.configuration("profiles/default.toml"), "damaged").unwrap());
    }

    fn a_profile_that_does_not_exist_is_125(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let named = sandbox.withkey(["-p", "unknown"]).args(mode.options()).args(["true"]);
        named.run().assert_exit(125).assert_stdout("").assert_stderr_has("unknown");
        let inherited = sandbox.launch(mode, ["true"]).set("WITHKEY_PROFILE", "unknown");
        inherited.run().assert_exit(125).assert_stdout("").assert_stderr_has("unknown");
        let nothing = Sandbox::new().launch(mode, ["true"]).run();
        nothing.assert_exit(125).assert_stdout("").assert_stderr_has("withkey: error: ");
    }

    fn what_cannot_be_run_is_126(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let plain = sandbox.file("project/plain", "#!/bin/sh\n", 0o644);
        for typed in ["./plain", "/", "..", "./", &plain.display().to_string()] {
            sandbox.launch(mode, [typed]).run().assert_exit(126).assert_stdout("").assert_stderr_has("withkey: error: ");
        }
    }

    fn what_is_not_found_is_127(mode: Mode) {
        let sandbox = Sandbox::with_key();
        for typed in ["no-such-program", "./missing", "/no/such/program", ""] {
            let outcome = sandbox.launch(mode, [typed, "argument"]).run();
            outcome.assert_exit(127).assert_stdout("").assert_stderr_has("withkey: error: ");
        }
    }

    /// withkey's own start just fits into the system's limit; with the key, COMMAND's does not.
    fn an_environment_grown_too_large_is_126(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let long = format!("sk-test-{}", "x".repeat(16_000));
        sandbox.withkey(["add", "long", "FILLER"]).input(format!("{long}\n")).run().assert_exit(0);
        let launch = |profile: &str, filling: usize| {
            let words = [mode.options(), &["-p", profile, "true"]].concat();
            let start = sandbox.withkey(words).limited(libc::RLIMIT_STACK, 1 << 20, 1 << 20);
            // One string may have 128 KiB; all together a quarter of the stack's limit.
            (0..4).fold(start, |start, number| start.set(&format!("FILLING_{number}"), "x".repeat(filling / 4)))
        };
        let (mut fits, mut too_much) = (0, 4 * 100_000);
        while too_much - fits > 1000 {
            let middle = (fits + too_much) / 2;
            match launch("default", middle).try_start() {
                Ok(_) => fits = middle,
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(libc::E2BIG));
                    too_much = middle;
                }
            }
        }
        let outcome = launch("long", fits).run();
        outcome.assert_exit(126).assert_stdout("").assert_stderr_has("withkey: error: ");
        assert!(!outcome.stderr().contains("xxxx"), "the message shows the key:\n{}", outcome.stderr());
        launch("long", fits - 20_000).run().assert_exit(0);
    }
}

/// Where COMMAND leaves a memory dump, one is enough: withkey's would overwrite it.
#[test]
fn the_parent_leaves_no_core_dump() {
    let sandbox = Sandbox::with_key();
    let unlimited = |start: Start| start.limited(libc::RLIMIT_CORE, libc::RLIM_INFINITY, libc::RLIM_INFINITY);
    for signal in [libc::SIGABRT, libc::SIGQUIT] {
        let outcome = unlimited(sandbox.probe(Mode::Spawn, &[&format!("die:{signal}")])).run();
        outcome.assert_end(End::Signal(signal));
        assert!(!outcome.core, "withkey wrote a memory dump");
    }
}

/// The status was lost when COMMAND ended before the parent had made SIGCHLD default: strace holds the parent up at each
/// change of a signal, and lets the child run.
#[test]
fn a_command_that_is_faster_than_its_parent_keeps_its_status() {
    let sandbox = Sandbox::with_key();
    let slow = ["/usr/bin/strace", "-qq", "-o", "/dev/null", "-e", "trace=rt_sigaction"];
    let hold = ["-e", "inject=rt_sigaction:delay_exit=20000", "/usr/bin/env", "--ignore-signal=CHLD"];
    let start = sandbox.directly(slow).args(hold).args([common::withkey_binary()]);
    let outcome = start.args(["--spawn", "sh", "-c", "exit 7"]).run();
    assert_eq!(outcome.end, End::Exit(7), "strace is needed: apt-get install strace\n{outcome:?}");
}
