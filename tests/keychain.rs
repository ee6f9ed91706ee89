//! The keychain store against the real GNOME Keyring, on a bus of the test's own.
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
use std::sync::Mutex;
use std::thread;

use bus::{Bus, PASSWORD, RACE, limit, outliving_the_race};
use common::{End, KEY, Mode, OTHER_KEY, Outcome, Sandbox, until};
use refusal::assert_refused;
use session::assert_no_key_in_files;

/// A limit that no machine comes near, however loaded.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    limit(&sandbox, 600);
    sandbox
}

#[track_caller]
fn assert_launches_with(sandbox: &Sandbox, key: &str) {
    for mode in Mode::BOTH {
        let outcome = sandbox.launch(mode, ["printenv", "OPENAI_API_KEY"]).run();
        outcome.assert_exit(0).assert_stdout(&format!("{key}\n")).assert_stderr("");
    }
}

fn description(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.configuration("profiles/default.toml")).unwrap()
}

#[test]
fn a_key_goes_into_the_keychain_and_comes_out_byte_for_byte() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let bus = Bus::with_keyring(&sandbox);
        let outcome = sandbox.withkey(["add"]).input(KEY).run();
        outcome.assert_exit(0).assert_stderr_has("in profile default, store keychain");
        assert!(description(&sandbox).contains("store = \"keychain\""));
        assert_launches_with(&sandbox, KEY);
        assert_eq!(bus.item("default/OPENAI_API_KEY"), KEY);
        assert!(
            sandbox.withkey(["list"]).run().assert_exit(0).stdout().starts_with("default (keychain, the default)\n")
        );
        assert_no_key_in_files(&sandbox.home());
        assert!(!sandbox.identity().exists(), "an identity was made for nothing");
    });
}

#[test]
fn a_replaced_key_leaves_one_item_and_the_description_without_debts() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let bus = Bus::with_keyring(&sandbox);
        sandbox.add_variables("default", &[("OPENAI_API_KEY", KEY), ("HF_TOKEN", "hf_test_0123456789abcdefghijk")]);
        sandbox.withkey(["add", "--replace"]).input(OTHER_KEY).run().assert_exit(0);
        assert_launches_with(&sandbox, OTHER_KEY);
        assert_eq!(bus.items(), ["default/HF_TOKEN", "default/OPENAI_API_KEY"]);
        assert_eq!(bus.item("default/OPENAI_API_KEY"), OTHER_KEY);
        assert_eq!(bus.item("default/HF_TOKEN"), "hf_test_0123456789abcdefghijk");
        assert!(description(&sandbox).contains("data = \"change 3\""), "{}", description(&sandbox));
    });
}

#[test]
fn removing_takes_the_items_along() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let bus = Bus::with_keyring(&sandbox);
        sandbox.add_variables("default", &[("OPENAI_API_KEY", KEY), ("LLM_KEY", OTHER_KEY)]);
        sandbox.add("other", OTHER_KEY);
        sandbox.withkey(["remove", "default", "LLM_KEY", "--yes"]).run().assert_exit(0);
        assert_eq!(bus.items(), ["default/OPENAI_API_KEY", "other/OPENAI_API_KEY"]);
        sandbox.withkey(["remove", "default", "--yes"]).run().assert_exit(0);
        assert_eq!(bus.items(), ["other/OPENAI_API_KEY"]);
    });
}

#[test]
fn what_secret_tool_stored_is_read_and_an_item_of_nobody_is_kept() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let bus = Bus::with_keyring(&sandbox);
        sandbox.add("default", KEY);
        bus.secret_tool(&["clear", "service", "withkey", "username", "default/OPENAI_API_KEY"], "");
        let missing = "its item default/OPENAI_API_KEY is missing";
        assert_refused(&sandbox.withkey(["true"]).run(), 125, missing);
        bus.store("default/OPENAI_API_KEY", OTHER_KEY);
        assert_launches_with(&sandbox, OTHER_KEY);
        bus.store("new/OPENAI_API_KEY", OTHER_KEY);
        let outcome = sandbox.withkey(["add", "new"]).input(KEY).run();
        outcome.assert_exit(0).assert_stderr_has("its value is kept as new/OPENAI_API_KEY/kept1");
        assert_eq!(bus.item("new/OPENAI_API_KEY"), KEY);
        assert_eq!(bus.item("new/OPENAI_API_KEY/kept1"), OTHER_KEY);
    });
}

#[test]
fn three_thousand_launches_eight_at_a_time_all_succeed() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let bus = Bus::with_keyring(&sandbox);
        sandbox.add("default", KEY);
        let bus = Mutex::new((bus, 0));
        let launch = || sandbox.withkey(["printenv", "OPENAI_API_KEY"]).run();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..375 {
                        let mut outcome = launch();
                        // Counted in `revived`, and bounded there.
                        while outcome.end != End::Exit(0) {
                            assert_refused(&outcome, 125, "withkey: error: the keychain ");
                            revive(&bus, &outcome);
                            outcome = launch();
                        }
                        outcome.assert_stdout(&format!("{KEY}\n")).assert_stderr("");
                    }
                });
            }
        });
    });
}

/// Starts the daemon anew if its own race has ended it; any other reason for a launch to fail is ours. Another thread
/// that met the same end may have been faster.
#[track_caller]
fn revive(bus: &Mutex<(Bus, u32)>, outcome: &Outcome) {
    let mut bus = bus.lock().unwrap();
    let (bus, revived) = &mut *bus;
    if bus.keyring_lives() {
        assert!(*revived > 0, "the daemon lives: {outcome:?}");
        return;
    }
    let said = bus.last_errors();
    assert!(said.contains(RACE), "{outcome:?}\nthe daemon ended, and said:\n{said}");
    *revived += 1;
    assert!(*revived < 20, "the daemon ended {revived} times");
    bus.keyring_anew();
}

#[test]
fn writers_at_once_lose_nothing() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let bus = Bus::with_keyring(&sandbox);
        sandbox.add("default", KEY);
        thread::scope(|scope| {
            for number in 0..6 {
                let sandbox = &sandbox;
                scope.spawn(move || {
                    let variable = format!("LLM_KEY_{number}");
                    sandbox.withkey(["add", "default", &variable]).input(OTHER_KEY).run().assert_exit(0);
                });
            }
        });
        let expected: Vec<_> = (0..6).map(|number| format!("default/LLM_KEY_{number}")).collect();
        assert_eq!(bus.items(), [expected, vec!["default/OPENAI_API_KEY".to_owned()]].concat());
        assert_launches_with(&sandbox, KEY);
    });
}

#[test]
fn a_locked_keychain_without_a_screen_is_said_with_the_line_that_unlocks_it() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let bus = Bus::with_keyring(&sandbox);
        sandbox.add("default", KEY);
        bus.lock();
        for (variables, part) in [
            (&[][..], "neither DISPLAY nor WAYLAND_DISPLAY is set"),
            (&[("DISPLAY", ":77")], "cause: no program here shows its prompt"),
            (&[("DISPLAY", ":77"), ("SSH_CONNECTION", "192.0.2.1 5 192.0.2.2 22")], "not in this ssh session"),
        ] {
            for mode in Mode::BOTH {
                let launch = sandbox.launch(mode, ["touch", "started"]);
                let launch = variables.iter().fold(launch, |launch, (name, value)| launch.set(name, value));
                assert_refused(&launch.run(), 125, part);
            }
        }
        let outcome = sandbox.withkey(["add", "more"]).input(OTHER_KEY).run();
        outcome.assert_exit(0).assert_stderr_has("in profile more, store dotfile");
        assert!(!sandbox.project().join("started").exists());
    });
}

#[test]
fn a_dismissed_prompt_does_not_start_command() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let mut bus = Bus::with_keyring(&sandbox);
        sandbox.add("default", KEY);
        bus.lock();
        bus.prompter(&["dismiss"]);
        let outcome = sandbox.withkey(["touch", "started"]).set("DISPLAY", ":77").run();
        assert_refused(&outcome, 125, "cause: its prompt was dismissed");
        assert!(!sandbox.project().join("started").exists());
    });
}

#[test]
fn an_answered_prompt_lets_the_launch_go_on() {
    outliving_the_race(|| {
        for mode in Mode::BOTH {
            let sandbox = sandbox();
            let mut bus = Bus::with_keyring(&sandbox);
            sandbox.add("default", KEY);
            bus.lock();
            bus.prompter(&["accept", PASSWORD]);
            let outcome = sandbox.launch(mode, ["printenv", "OPENAI_API_KEY"]).set("DISPLAY", ":77").run();
            outcome.assert_exit(0).assert_stdout(&format!("{KEY}\n"));
            let waited = "withkey: waiting for the keychain's prompt to be answered\n";
            assert!(["", waited].contains(&&outcome.stderr()[..]), "{outcome:?}");
            assert!(bus.last_output().contains("asked"));
        }
    });
}

#[test]
fn an_open_prompt_is_waited_for_and_ends_with_withkey() {
    outliving_the_race(|| {
        let sandbox = Sandbox::new();
        limit(&sandbox, 600);
        let mut bus = Bus::with_keyring(&sandbox);
        sandbox.add("default", KEY);
        bus.lock();
        bus.prompter(&["wait"]);
        let mut launch = sandbox.withkey(["touch", "started"]).set("DISPLAY", ":77").start();
        until("withkey says that it waits", || launch.errors().contains("waiting for the keychain's prompt"));
        assert!(bus.last_output().contains("asked"));
        launch.signal(libc::SIGTERM);
        launch.wait().assert_end(End::Signal(libc::SIGTERM));
        assert!(!sandbox.project().join("started").exists());
    });
}

#[test]
fn two_items_of_one_name_are_refused() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let bus = Bus::with_keyring(&sandbox);
        sandbox.add("default", KEY);
        bus.secret_tool(
            &["store", "--label=second", "service", "withkey", "username", "default/OPENAI_API_KEY", "more", "x"],
            OTHER_KEY,
        );
        assert_refused(&sandbox.withkey(["true"]).run(), 125, "several items default/OPENAI_API_KEY");
        bus.secret_tool(&["clear", "more", "x"], "");
        assert_launches_with(&sandbox, KEY);
    });
}

#[test]
fn the_line_that_unlocks_from_elsewhere_does() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let mut bus = Bus::with_keyring(&sandbox);
        sandbox.add("default", KEY);
        bus.lock();
        // Without `--foreground`, which lets the test end it, and the rest of GNOME's daemons.
        assert_refused(&sandbox.withkey(["true"]).run(), 125, "| gnome-keyring-daemon --replace --unlock");
        bus.keyring_again(PASSWORD);
        assert_launches_with(&sandbox, KEY);
    });
}

#[test]
fn check_reads_what_is_kept_and_asks_for_nothing() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let mut bus = Bus::with_keyring(&sandbox);
        sandbox.add("default", KEY);
        // Whoever asks here would be seen to ask.
        bus.prompter(&["dismiss"]);
        let check = || sandbox.withkey(["check"]).set("DISPLAY", ":77").run();
        let found = check();
        assert!(found.stdout().contains("it answers; 1 profile is kept there"), "{found:?}");
        assert!(found.stdout().contains("default opens: OPENAI_API_KEY"), "{found:?}");
        bus.lock();
        let found = check();
        found.assert_exit(0);
        assert!(found.stdout().contains("its keys were not read: it is locked"), "{found:?}");
        assert!(!bus.last_output().contains("asked"), "check asked: {}", bus.last_output());
    });
}

#[test]
fn check_misses_a_key_that_the_keychain_lost() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let bus = Bus::with_keyring(&sandbox);
        sandbox.add("default", KEY);
        bus.secret_tool(&["clear", "service", "withkey", "username", "default/OPENAI_API_KEY"], "");
        let found = sandbox.withkey(["check"]).run();
        found.assert_exit(1);
        assert!(found.stdout().contains("the keychain has no key for OPENAI_API_KEY of profile default"), "{found:?}");
    });
}

#[test]
fn a_profile_moves_both_ways_with_all_that_belongs_to_it() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let bus = Bus::with_keyring(&sandbox);
        let words = ["add", "--store", "dotfile", "--expires", "2030-01-31", "--created", "2026-01-01", "--use"];
        sandbox.withkey(words).input(KEY).run().assert_exit(0);
        sandbox.withkey(["add", "default", "LLM_KEY"]).input(OTHER_KEY).run().assert_exit(0);
        let path = sandbox.configuration("profiles/default.toml");
        fs::write(&path, format!("# mine\n{}\n[set]\nOPENAI_ORG_ID = \"org-1\"\n", description(&sandbox))).unwrap();
        let stays = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with("store =") && !line.starts_with("data ="));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let before = (stays(&description(&sandbox)), fs::read(sandbox.configuration("bindings")).unwrap());
        for (store, items) in [
            ("keychain", &["default/LLM_KEY", "default/OPENAI_API_KEY"][..]),
            ("dotfile", &[]),
            ("keychain", &["default/LLM_KEY", "default/OPENAI_API_KEY"]),
        ] {
            let outcome = sandbox.withkey(["move", "default", store]).run();
            outcome.assert_exit(0).assert_stderr_has(&format!("profile default is kept in the store {store} now"));
            assert_eq!(bus.items(), items);
            assert_eq!(sandbox.configuration("profiles/default.age").exists(), store == "dotfile");
            assert_eq!((stays(&description(&sandbox)), fs::read(sandbox.configuration("bindings")).unwrap()), before);
            assert_launches_with(&sandbox, KEY);
            let outcome = sandbox.withkey(["-e", "LLM_KEY", "printenv", "LLM_KEY"]).run();
            outcome.assert_exit(0).assert_stdout(&format!("{OTHER_KEY}\n"));
            sandbox.withkey(["move", "default", store]).run().assert_exit(0).assert_stderr_has("already");
        }
    });
}

#[test]
fn all_profiles_move_and_one_that_cannot_does_not_keep_the_others() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let bus = Bus::with_keyring(&sandbox);
        for name in ["a", "b", "c"] {
            sandbox.withkey(["add", name, "--store", "dotfile"]).input(KEY).run().assert_exit(0);
        }
        fs::write(sandbox.configuration("profiles/b.age"), "damaged").unwrap();
        let outcome = sandbox.withkey(["move", "--all", "keychain"]).run();
        outcome.assert_exit(1).assert_stderr_has("profile c is kept in the store keychain now");
        assert_eq!(bus.items(), ["a/OPENAI_API_KEY", "c/OPENAI_API_KEY"]);
        assert_eq!(fs::read_to_string(sandbox.configuration("profiles/b.age")).unwrap(), "damaged");
    });
}

#[test]
fn what_the_description_does_not_know_stays_in_the_dotfile() {
    outliving_the_race(|| {
        let sandbox = sandbox();
        let _bus = Bus::with_keyring(&sandbox);
        sandbox.withkey(["add", "--store", "dotfile"]).input(KEY).run().assert_exit(0);
        sandbox.withkey(["add", "default", "LLM_KEY"]).input(OTHER_KEY).run().assert_exit(0);
        let path = sandbox.configuration("profiles/default.toml");
        let text = description(&sandbox);
        fs::write(&path, text.split("\n[variables.LLM_KEY]").next().unwrap()).unwrap();
        let outcome = sandbox.withkey(["move", "default", "keychain"]).run();
        outcome.assert_exit(0).assert_stderr_has("also holds LLM_KEY, which was not moved");
        assert!(sandbox.configuration("profiles/default.age.kept1").exists());
        assert_launches_with(&sandbox, KEY);
    });
}

/// Killed at every write, rename and deletion of a file that a line makes: the key before or the key after is there, and
/// the same line again does what it says.
#[track_caller]
fn killed_everywhere(words: &[&str], input: &str, store: &str, before: &str, after: &str) {
    for call in ["fsync", "rename", "unlink", "sendmsg"] {
        for when in 1..60 {
            let sandbox = sandbox();
            let bus = Bus::with_keyring(&sandbox);
            sandbox.withkey(["add", "--store", store]).input(before).run().assert_exit(0);
            let log = sandbox.path("strace.log");
            let inject = format!("inject={call}:signal=KILL:when={when}");
            let trace = ["/usr/bin/strace", "-f", "-o", log.to_str().unwrap(), "-e", &inject];
            let outcome = sandbox.directly(trace).args([common::withkey_binary()]).args(words).input(input).run();
            let launch = sandbox.withkey(["printenv", "OPENAI_API_KEY"]).run();
            launch.assert_exit(0);
            let found = launch.stdout();
            assert!([before, after].contains(&found.trim_end()), "{call} {when}: {found}");
            if outcome.end == End::Exit(0) {
                assert_eq!(found.trim_end(), after);
                break;
            }
            sandbox.withkey(words).input(input).run().assert_exit(0);
            assert_launches_with(&sandbox, after);
            let store = if description(&sandbox).contains("\"dotfile\"") { "dotfile" } else { "keychain" };
            let items: &[&str] = if store == "keychain" { &["default/OPENAI_API_KEY"] } else { &[] };
            assert_eq!(bus.items(), items, "{call} {when}");
            assert_eq!(sandbox.configuration("profiles/default.age").exists(), store == "dotfile", "{call} {when}");
        }
    }
}

#[test]
fn a_move_to_the_keychain_that_is_killed_anywhere_loses_nothing() {
    outliving_the_race(|| {
        killed_everywhere(&["move", "default", "keychain"], "", "dotfile", KEY, KEY);
    });
}

#[test]
fn a_move_to_the_dotfile_that_is_killed_anywhere_loses_nothing() {
    outliving_the_race(|| {
        killed_everywhere(&["move", "default", "dotfile"], "", "keychain", KEY, KEY);
    });
}

#[test]
fn a_replacement_that_is_killed_anywhere_leaves_the_old_key_or_the_new_one() {
    outliving_the_race(|| {
        killed_everywhere(&["add", "--replace"], OTHER_KEY, "keychain", KEY, OTHER_KEY);
    });
}
