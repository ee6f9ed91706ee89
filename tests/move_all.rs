//! `withkey move` of several profiles: what they share is asked for once, and what befalls one of them does not touch the others.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

#[path = "common/bus.rs"]
mod bus;
mod common;
#[path = "common/protected.rs"]
mod protected;

use std::io::Write;

use bus::{Bus, limit, outliving_the_race};
use common::{KEY, OTHER_KEY, Outcome, Sandbox, withkey_binary};

/// A pipe gives the passphrase once: whoever asks again gets none.
fn with_one_passphrase(sandbox: &Sandbox, words: &[&str]) -> Outcome {
    let (read_end, mut pipe) = common::pipe().unwrap();
    writeln!(pipe, "{}", protected::PASSPHRASE).unwrap();
    drop(pipe);
    sandbox.withkey(words).descriptor(9, read_end).set("WITHKEY_PASSPHRASE_FILE", "/dev/fd/9").run()
}

#[test]
fn the_passphrase_is_asked_for_once_whatever_is_moved() {
    outliving_the_race(|| {
        let sandbox = Sandbox::new();
        limit(&sandbox, 600);
        for (profile, key) in [("play", KEY), ("work", OTHER_KEY), ("zoo", KEY)] {
            sandbox.add(profile, key);
        }
        protected::protect(&sandbox);
        let bus = Bus::with_keyring(&sandbox);
        with_one_passphrase(&sandbox, &["move", "zoo", "keychain"]).assert_exit(0);
        with_one_passphrase(&sandbox, &["move", "--all", "keychain"]).assert_exit(0);
        assert_eq!(bus.items(), ["play/OPENAI_API_KEY", "work/OPENAI_API_KEY", "zoo/OPENAI_API_KEY"]);
        with_one_passphrase(&sandbox, &["move", "--all", "dotfile"]).assert_exit(0);
        assert_eq!(bus.items(), [""; 0]);
        for (profile, key) in [("play", KEY), ("work", OTHER_KEY), ("zoo", KEY)] {
            let outcome = with_one_passphrase(&sandbox, &["-p", profile, "printenv", "OPENAI_API_KEY"]);
            outcome.assert_exit(0).assert_stdout(&format!("{key}\n"));
        }
    });
}

/// A description that is written and whose folder cannot be synced may name items already: they are nobody's leavings.
#[test]
fn a_disk_that_fails_under_one_profile_costs_no_key_of_any() {
    outliving_the_race(|| {
        let sandbox = Sandbox::new();
        limit(&sandbox, 600);
        let profiles = [("play", KEY), ("work", OTHER_KEY), ("zoo", KEY)];
        for (profile, key) in profiles {
            sandbox.withkey(["add", profile, "--store", "dotfile"]).input(key).run().assert_exit(0);
        }
        let _bus = Bus::with_keyring(&sandbox);
        let trace = sandbox.path("trace");
        let mut failed = 0;
        for number in 1.. {
            // One of them is there already, by more than one change.
            sandbox.withkey(["move", "work", "keychain"]).run().assert_exit(0);
            sandbox.withkey(["add", "work", "--replace"]).input(OTHER_KEY).run().assert_exit(0);
            let inject = format!("inject=fsync:error=EIO:when={number}");
            let strace = ["/usr/bin/strace", "-qq", "-e", "trace=fsync", "-e", &inject, "-o"];
            let start = sandbox.directly(strace).args([trace.as_os_str(), withkey_binary().as_os_str()]);
            let outcome = start.args(["move", "--all", "keychain"]).run();
            let text = std::fs::read_to_string(&trace).unwrap_or_else(|_| panic!("strace is needed\n{outcome:?}"));
            for (profile, key) in profiles {
                let found = sandbox.withkey(["-p", profile, "printenv", "OPENAI_API_KEY"]).run();
                assert_eq!(found.stdout(), format!("{key}\n"), "fsync {number}: {outcome:?}, then {found:?}");
            }
            sandbox.withkey(["move", "--all", "dotfile"]).run().assert_exit(0);
            if !text.contains("(INJECTED)") {
                break;
            }
            failed += 1;
        }
        assert!(failed > 5, "only {failed} failures");
    });
}
