//! `withkey rotate` on the keychain: the previous key is an item of its own, and goes with what it belongs to.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

#[path = "common/bus.rs"]
mod bus;
mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use std::fs;

use bus::{Bus, limit, outliving_the_race};
use common::{End, KEY, OTHER_KEY, Outcome, Sandbox, withkey_binary};
use refusal::assert_refused;
use session::{assert_no_key_in_files, session};

const THIRD_KEY: &str = "sk-test-third-zxcvbnmasdfghjklqwertyu";

/// The item of the previous key of `work`.
const PREVIOUS: &str = "work/WITHKEY_PREVIOUS_OPENAI_API_KEY";

/// A limit that no machine comes near, however loaded.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    limit(&sandbox, 600);
    sandbox
}

/// Two keys of `name` in the keychain.
#[track_caller]
fn add(sandbox: &Sandbox, name: &str) {
    let words = ["add", name, "OPENAI_API_KEY", "LLM_KEY", "--store", "keychain"];
    sandbox.withkey(words).input(format!("{KEY}\n{THIRD_KEY}\n")).run().assert_exit(0);
}

#[track_caller]
fn rotate(sandbox: &Sandbox, name: &str) {
    sandbox.withkey(["rotate", name, "OPENAI_API_KEY"]).input(OTHER_KEY).run().assert_exit(0);
}

/// What a launch injects.
#[track_caller]
fn keys(sandbox: &Sandbox, name: &str) -> String {
    let outcome = sandbox.withkey(["-p", name, "printenv", "OPENAI_API_KEY", "LLM_KEY"]).run();
    outcome.assert_exit(0).assert_stderr("").stdout()
}

fn both(key: &str) -> String {
    format!("{key}\n{THIRD_KEY}\n")
}

#[test]
fn a_key_in_the_keychain_is_replaced_and_finished() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let bus = Bus::with_keyring(&sandbox);
        add(&sandbox, "work");
        session(
            &sandbox,
            "
        $ echo $OTHER_KEY | withkey rotate work OPENAI_API_KEY
        withkey: replacing OPENAI_API_KEY (sk-…ghij) of profile work
        withkey: a new key is made at https://platform.openai.com/api-keys
        withkey: stored OPENAI_API_KEY (sk-…tsrq) in profile work, store keychain
        withkey: the previous key (sk-…ghij) is kept in the same store until you finish
        withkey: hint: when all works with the new key: withkey rotate work OPENAI_API_KEY --finish; to go back: withkey rotate work OPENAI_API_KEY --undo
        $ withkey -p work printenv OPENAI_API_KEY; withkey -p work env | grep -c PREVIOUS
        $OTHER_KEY
        0
        [1]
        ",
        );
        assert_eq!(bus.items(), ["work/LLM_KEY", "work/OPENAI_API_KEY", PREVIOUS]);
        assert_eq!((bus.item("work/OPENAI_API_KEY"), bus.item(PREVIOUS)), (OTHER_KEY.to_owned(), KEY.to_owned()));
        session(
            &sandbox,
            "
        $ withkey rotate work --finish 2>/dev/null
        $ withkey -p work printenv OPENAI_API_KEY
        $OTHER_KEY
        ",
        );
        assert_eq!(bus.items(), ["work/LLM_KEY", "work/OPENAI_API_KEY"]);
        assert_eq!(bus.item("work/OPENAI_API_KEY"), OTHER_KEY);
        assert!(!sandbox.identity().exists(), "an identity was made for nothing");
    });
}

#[test]
fn undo_changes_the_two_items_places_until_one_is_finished_with() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let bus = Bus::with_keyring(&sandbox);
        add(&sandbox, "work");
        rotate(&sandbox, "work");
        let outcome = sandbox.withkey(["rotate", "work", "OPENAI_API_KEY"]).input(THIRD_KEY).run();
        assert_refused(&outcome, 1, "delete it: withkey rotate work OPENAI_API_KEY --finish, or go back to it: ");
        for (key, other) in [(KEY, OTHER_KEY), (OTHER_KEY, KEY), (KEY, OTHER_KEY)] {
            sandbox.withkey(["rotate", "work", "--undo"]).run().assert_exit(0);
            assert_eq!(keys(&sandbox, "work"), both(key));
            // No third item: nothing was kept aside, and what was staged is gone.
            assert_eq!(bus.items(), ["work/LLM_KEY", "work/OPENAI_API_KEY", PREVIOUS]);
            assert_eq!((bus.item("work/OPENAI_API_KEY"), bus.item(PREVIOUS)), (key.to_owned(), other.to_owned()));
        }
        sandbox.withkey(["rotate", "work", "--finish"]).run().assert_exit(0);
        assert_eq!(keys(&sandbox, "work"), both(KEY));
        assert_eq!(bus.items(), ["work/LLM_KEY", "work/OPENAI_API_KEY"]);
        assert_refused(
            &sandbox.withkey(["rotate", "work", "OPENAI_API_KEY", "--undo"]).run(),
            1,
            "there is no previous key",
        );
    });
}

#[test]
fn an_unfinished_rotation_moves_along_both_ways() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let bus = Bus::with_keyring(&sandbox);
        add(&sandbox, "work");
        rotate(&sandbox, "work");
        sandbox.withkey(["move", "work", "dotfile"]).run().assert_exit(0);
        assert_eq!(bus.items(), [""; 0]);
        assert_eq!(keys(&sandbox, "work"), both(OTHER_KEY));
        sandbox.withkey(["move", "work", "keychain"]).run().assert_exit(0);
        assert_eq!(bus.items(), ["work/LLM_KEY", "work/OPENAI_API_KEY", PREVIOUS]);
        let left = fs::read_dir(sandbox.configuration("profiles")).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), ["work.toml"]);
        sandbox.withkey(["rotate", "work", "--undo"]).run().assert_exit(0);
        assert_eq!(keys(&sandbox, "work"), both(KEY));
        sandbox.withkey(["move", "work", "dotfile"]).run().assert_exit(0);
        sandbox.withkey(["rotate", "work", "--undo"]).run().assert_exit(0);
        assert_eq!(keys(&sandbox, "work"), both(OTHER_KEY));
        assert_eq!(bus.items(), [""; 0]);
    });
}

#[test]
fn removing_during_a_rotation_leaves_no_item() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let bus = Bus::with_keyring(&sandbox);
        add(&sandbox, "work");
        rotate(&sandbox, "work");
        sandbox.withkey(["remove", "work", "OPENAI_API_KEY", "--yes"]).run().assert_exit(0);
        assert_eq!(bus.items(), ["work/LLM_KEY"]);
        sandbox.withkey(["add", "work", "OPENAI_API_KEY"]).input(KEY).run().assert_exit(0);
        assert_refused(
            &sandbox.withkey(["rotate", "work", "OPENAI_API_KEY", "--undo"]).run(),
            1,
            "there is no previous key",
        );
        rotate(&sandbox, "work");
        sandbox.withkey(["remove", "work", "--yes"]).run().assert_exit(0);
        assert_eq!(bus.items(), [""; 0]);
    });
}

/// The calls at which withkey is killed: where a file changes, where it starts to ask the keychain (each `clone` of its
/// own process), and where the process that asks sends a message.
const CALLS: [&str; 5] = ["fsync", "rename", "unlink", "clone", "sendmsg"];

/// `rotate NAME OPENAI_API_KEY` with these options, killed at the `number`th such call of a process; `None` when there
/// are fewer.
fn killed(sandbox: &Sandbox, name: &str, options: &[&str], call: &str, number: usize) -> Option<Outcome> {
    let trace = sandbox.path("trace");
    let inject = format!("inject={call}:signal=KILL:when={number}");
    let start = sandbox.directly(["/usr/bin/strace", "-f", "-qq", "-e", &format!("trace={call}"), "-e", &inject, "-o"]);
    let start = start.args([trace.as_os_str(), withkey_binary().as_os_str()]);
    let outcome = start.args(["rotate", name, "OPENAI_API_KEY"]).args(options).input(OTHER_KEY).run();
    let text = fs::read_to_string(&trace).unwrap_or_else(|_| panic!("strace is needed\n{outcome:?}"));
    // A process of the keychain's is killed at its end in any case.
    let at_the_call = text.contains("(INJECTED)") || outcome.end != End::Exit(0);
    at_the_call.then_some(outcome)
}

/// Every point at which a rotation can be cut short, each with a new profile; `before` brings it where the rotation
/// begins, and `again` looks at what is left, in the keychain too. Nothing stays in the keychain when the profile is removed.
#[track_caller]
fn killed_everywhere(options: &[&str], before: fn(&Sandbox, &str), again: fn(&Sandbox, &Bus, &str, &Outcome)) {
    let sandbox = sandbox();
    let bus = Bus::with_keyring(&sandbox);
    let mut points = 0;
    for call in CALLS {
        for number in 1.. {
            let name = format!("{call}{number}");
            add(&sandbox, &name);
            before(&sandbox, &name);
            let outcome = killed(&sandbox, &name, options, call, number);
            if let Some(outcome) = &outcome {
                points += 1;
                let found = keys(&sandbox, &name);
                assert!([both(KEY), both(OTHER_KEY)].contains(&found), "{name}: {outcome:?}, then {found}");
                // Every other profile is removed as the kill has left it.
                if points % 2 == 0 {
                    again(&sandbox, &bus, &name, outcome);
                }
            }
            sandbox.withkey(["remove", &name, "--yes"]).run().assert_exit(0);
            assert_eq!(bus.items(), [""; 0], "{name}: {outcome:?}");
            if outcome.is_none() {
                break;
            }
        }
    }
    assert_no_key_in_files(&sandbox.home());
    assert!(points > 10, "only {points} points were tried");
}

#[test]
fn a_rotation_that_is_killed_anywhere_leaves_the_old_key_or_the_way_back() {
    outliving_the_race(|| {
        killed_everywhere(
            &[],
            |_, _| {},
            |sandbox, _, name, outcome| {
                let found = keys(sandbox, name);
                let undo = ["rotate", name, "OPENAI_API_KEY", "--undo"];
                let back = sandbox.withkey(undo).run();
                if found == both(OTHER_KEY) {
                    back.assert_exit(0);
                } else {
                    assert_refused(&back, 1, "there is no previous key");
                    assert_ne!(outcome.end, End::Exit(0), "{name}: it said that it has stored the key");
                }
                assert_eq!(keys(sandbox, name), both(KEY), "{name}");
                // The same line works again, when the newer key is deleted.
                sandbox.withkey(["rotate", name, "OPENAI_API_KEY", "--finish"]).run();
                rotate(sandbox, name);
                assert_eq!(keys(sandbox, name), both(OTHER_KEY), "{name}");
                sandbox.withkey(undo).run().assert_exit(0);
                assert_eq!(keys(sandbox, name), both(KEY), "{name}");
            },
        );
    });
}

#[test]
fn an_undo_that_is_killed_anywhere_loses_neither_key() {
    outliving_the_race(|| {
        killed_everywhere(&["--undo"], rotate, |sandbox, _, name, outcome| {
            let found = keys(sandbox, name);
            // The other one is one step away, and this one again behind that.
            for there in if found == both(KEY) { [OTHER_KEY, KEY] } else { [KEY, OTHER_KEY] } {
                sandbox.withkey(["rotate", name, "OPENAI_API_KEY", "--undo"]).run().assert_exit(0);
                assert_eq!(keys(sandbox, name), both(there), "{name}: {outcome:?}");
            }
        });
    });
}

#[test]
fn a_finish_that_is_killed_anywhere_can_be_typed_again() {
    outliving_the_race(|| {
        killed_everywhere(&["--finish"], rotate, |sandbox, bus, name, _| {
            let outcome = sandbox.withkey(["rotate", name, "OPENAI_API_KEY", "--finish"]).run();
            let done = outcome.end == End::Exit(0) || outcome.stderr().contains("there is no previous key");
            assert!(done, "{name}: {outcome:?}");
            let items = ["LLM_KEY", "OPENAI_API_KEY"].map(|variable| format!("{name}/{variable}"));
            assert_eq!(bus.items(), items, "{name}: {outcome:?}");
            assert_eq!(keys(sandbox, name), both(OTHER_KEY), "{name}");
        });
    });
}
