//! A launch from the keychain is as transparent as any other: the process that asked it, its threads, its descriptors and
//! what it did to signals are not COMMAND's to find.
//!
//! The measure is the same program started in the same state without withkey.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

#[path = "common/bus.rs"]
mod bus;
mod common;

use std::ffi::c_int;
use std::fs::{self, File};

use bus::{Bus, limit, outliving_the_race};
use common::{KEY, Mode, Report, Sandbox, Start, assert_same, pipe, until};

/// What differs by itself from one process to the next.
const OF_THE_PROCESS: [&str; 5] = ["pid", "pgid", "sid", "foreground", "env"];

/// What fork(2) gives no child, so that COMMAND under `--spawn` cannot have it from withkey's caller.
const LOST_BY_FORK: [&str; 6] = ["ppid", "pending", "ShdPnd", "itimer 0", "parent death signal", "subreaper"];

/// Signals 32 and 33 are the C library's own, and 9 and 19 have one disposition only.
fn all_signals() -> Vec<c_int> {
    (1..=64).filter(|signal| ![9, 19, 32, 33].contains(signal)).collect()
}

/// Fails unless COMMAND finds everything as if it had been started directly, and the key.
#[track_caller]
fn assert_nothing_differs(mode: Mode, odd: impl Fn(Start) -> Start) -> Report {
    let sandbox = Sandbox::new();
    limit(&sandbox, 600);
    let _bus = Bus::with_keyring(&sandbox);
    sandbox.withkey(["add", "--store", "keychain"]).input(KEY).run().assert_exit(0);
    let (direct, launched) = sandbox.directly_and_launched(mode, odd);
    let mut different = OF_THE_PROCESS.to_vec();
    if mode == Mode::Spawn {
        different.extend(LOST_BY_FORK);
    }
    assert_same("what COMMAND finds", &direct.without(&different), &launched.without(&different));
    let expected = format!("{}\nOPENAI_API_KEY={KEY}", direct.environment());
    assert_same("COMMAND's environment", &expected, &launched.environment());
    launched
}

in_both_modes! {
    fn an_ordinary_start_is_the_same(mode: Mode) {
        outliving_the_race(|| {
        let found = assert_nothing_differs(mode, |start| start);
        let values = ["dumpable", "NoNewPrivs", "parent death signal", "Threads", "children", "VmLck"];
        assert_eq!(values.map(|name| found.value(name)), ["1", "0", "0", "1", "none", "0 kB"]);
        });
    }

    /// The kernel then reaps withkey's children by itself, the one that asked the keychain among them.
    fn an_ignored_end_of_children_stays_ignored(mode: Mode) {
        outliving_the_race(|| {
        assert_nothing_differs(mode, |start| start.ignoring(&[libc::SIGCHLD]));
        });
    }

    fn ignored_signals_stay_ignored(mode: Mode) {
        outliving_the_race(|| {
        assert_nothing_differs(mode, |start| start.ignoring(&all_signals()));
        });
    }

    /// Blocked, the end of the child that asked the keychain would wait for COMMAND.
    fn blocked_signals_stay_blocked_and_none_waits(mode: Mode) {
        outliving_the_race(|| {
        let found = assert_nothing_differs(mode, |start| start.blocking(&all_signals()));
        assert_eq!(found.value("pending"), "");
        });
    }

    fn no_descriptor_of_withkeys_is_commands(mode: Mode) {
        outliving_the_race(|| {
        let (read_end, write_end) = pipe().unwrap();
        assert_nothing_differs(mode, |start| {
            start
                .descriptor(3, read_end.try_clone().unwrap())
                .descriptor(9, write_end.try_clone().unwrap())
                .descriptor(200, File::open("/").unwrap())
                .input("for COMMAND alone\n")
        });
        });
    }

    fn closed_standard_descriptors_stay_closed(mode: Mode) {
        outliving_the_race(|| {
        assert_nothing_differs(mode, |start| start.closed(0).closed(1).closed(2));
        });
    }

    fn limits_stay(mode: Mode) {
        outliving_the_race(|| {
        assert_nothing_differs(mode, |start| {
            start.limited(libc::RLIMIT_MEMLOCK, 4096, 65536).limited(libc::RLIMIT_NOFILE, 900, 1000)
        });
        });
    }
}

/// Only in exec mode: fork(2) gives pending signals to no child.
#[test]
fn pending_signals_are_still_pending() {
    outliving_the_race(|| {
        let pending = [libc::SIGTERM, libc::SIGCHLD, libc::SIGUSR2];
        let found = assert_nothing_differs(Mode::Exec, |start| {
            pending.iter().fold(start, |start: Start, signal| start.pending(*signal))
        });
        assert_eq!(found.value("pending"), "12 15 17");
    });
}

/// The process that asks does not outlive withkey, though nobody is left to end it.
#[test]
fn when_withkey_is_killed_nobody_goes_on_asking() {
    outliving_the_race(|| {
        let sandbox = Sandbox::new();
        let description = "version = 1\nstore = \"keychain\"\ndata = \"change 1\"\n\n[variables.OPENAI_API_KEY]\n";
        sandbox.file("home/.config/withkey/profiles/default.toml", description, 0o600);
        limit(&sandbox, 600);
        let mut bus = Bus::start(&sandbox);
        bus.service("silent");
        let mut launch = sandbox.withkey(["touch", "started"]).start();
        let asks = || {
            let path = format!("/proc/{0}/task/{0}/children", launch.process);
            fs::read_to_string(path).unwrap_or_default().split_whitespace().next().map(str::to_owned)
        };
        until("withkey asks the keychain", || asks().is_some());
        let child = asks().unwrap();
        launch.signal(libc::SIGKILL);
        launch.wait().assert_end(common::End::Signal(libc::SIGKILL));
        until("the process that asks has ended", || {
            // Gone, or a zombie that whoever adopted it does not wait for.
            fs::read_to_string(format!("/proc/{child}/stat")).map_or(true, |stat| stat.contains(") Z "))
        });
        assert!(!sandbox.project().join("started").exists());
    });
}
