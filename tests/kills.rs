//! Nothing is lost: withkey is killed at every system call of what touches a project's dotfile, of consent to one, of what
//! touches the keychain, and of a new passphrase. tests/faults.rs does it to the other verbs.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code, reason = "a child is traced")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

#[path = "common/bus.rs"]
mod bus;
mod common;
#[path = "common/project.rs"]
mod project;
#[path = "common/protected.rs"]
mod protected;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;
#[path = "common/terminal.rs"]
mod terminal;
#[path = "common/traced.rs"]
mod traced;

use std::fs;
use std::path::PathBuf;

use bus::{Bus, limit, outliving_the_race};
use common::{End, KEY, OTHER_KEY, Sandbox};
use protected::{PASSPHRASE, protected};
use refusal::assert_refused;
use session::assert_no_key_in_files;
use terminal::Terminal;
use traced::{Traced, is_a_change, is_of_account, killed_at, killed_at_every_call_of};

/// A key that no change touches.
const BYSTANDER: &str = "sk-test-bystander-0123456789abcdef";

/// The profile `beside`, and a project below the home, whose dotfile holds two keys.
fn with_project() -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    sandbox.add("beside", BYSTANDER);
    let app = sandbox.home().join("app");
    fs::create_dir(&app).unwrap();
    let text = format!("# ours\nOPENAI_API_KEY='{KEY}'\nLLM_KEY='{BYSTANDER}'\n");
    project::seal(&sandbox, &app.join(".env.age"), &text);
    fs::write(app.join(".age-recipients"), format!("{}\n", project::recipient(&sandbox))).unwrap();
    (sandbox, app)
}

/// What a launch in the project finds: both keys, or in what words it is refused.
#[track_caller]
fn found(what: &str, sandbox: &Sandbox, app: &PathBuf) -> Result<String, String> {
    let beside = sandbox.withkey(["-p", "beside", "printenv", "OPENAI_API_KEY"]).run();
    assert_eq!(beside.stdout(), format!("{BYSTANDER}\n"), "{what}: {beside:?}");
    assert_no_key_in_files(&sandbox.home());
    let outcome = sandbox.withkey(["printenv", "OPENAI_API_KEY", "LLM_KEY"]).in_directory(app).run();
    match outcome.end {
        End::Exit(0) => Ok(outcome.stdout()),
        _ => {
            assert_refused(&outcome, 125, "withkey: error: ");
            Err(outcome.stderr())
        }
    }
}

fn both(key: &str) -> String {
    format!("{key}\n{BYSTANDER}\n")
}

#[test]
fn a_written_projects_dotfile_survives_a_kill_at_every_call() {
    for (words, after) in [(&["OPENAI_API_KEY", "--replace"][..], both(OTHER_KEY)), (&["HF_TOKEN"], both(KEY))] {
        let (sandbox, app) = with_project();
        let path = app.join(".env.age");
        project::allow(&sandbox, &path);
        // Written by withkey once, so that it is known who can open it and nobody has to be asked.
        let terminal = Terminal::run(&sandbox, &format!("withkey add -f {}", path.display()));
        terminal.answer("write it? [y/N] ", "y\n");
        terminal.ends(0);
        let typed = [&["add", "-f", path.to_str().unwrap()], words].concat();
        let start = || Traced::of(sandbox.withkey(&typed).input(OTHER_KEY));
        killed_at_every_call_of(&sandbox, &format!("add -f .env.age {words:?}"), start, |what| {
            // It stays allowed, whatever was written last.
            let now = found(what, &sandbox, &app);
            assert!([both(KEY), after.clone()].map(Ok).contains(&now), "{what}: {now:?}");
            sandbox.withkey(&typed[..4]).args(["--replace"]).input(OTHER_KEY).run().assert_exit(0);
            assert_eq!(found(what, &sandbox, &app), Ok(after.clone()), "{what}, then once more");
        });
    }
}

/// The file is not there before, so that its readers have to be agreed to, and the keys are typed.
#[test]
fn a_projects_first_keys_survive_a_kill_at_every_call() {
    let (sandbox, app) = with_project();
    let path = app.join(".env.age");
    fs::remove_file(&path).unwrap();
    let words = ["add", "-f", path.to_str().unwrap(), "OPENAI_API_KEY", "LLM_KEY"];
    let start = || Traced::on_a_terminal(sandbox.withkey(words), &["y", KEY, BYSTANDER]);
    killed_at_every_call_of(&sandbox, "the first add -f", start, |what| {
        assert!(path.exists() || found(what, &sandbox, &app).unwrap_err().contains("no profile for "), "{what}");
        if !path.exists() {
            start().until(|_| false);
        }
        if let Err(words) = found(what, &sandbox, &app) {
            assert!(words.contains("withkey allow"), "{what}: {words}");
            project::allow(&sandbox, &path);
        }
        assert_eq!(found(what, &sandbox, &app), Ok(both(KEY)), "{what}");
    });
}

/// Whether the identity opens with this passphrase, and every profile with it.
#[track_caller]
fn opens(what: &str, sandbox: &Sandbox, passphrase: &str) -> bool {
    let file = sandbox.file("passphrase", passphrase, 0o600);
    let read = |profile| {
        let start = sandbox.withkey(["-p", profile, "printenv", "OPENAI_API_KEY"]);
        start.set("WITHKEY_PASSPHRASE_FILE", &file).run()
    };
    let first = read("default");
    let opened = first.end == End::Exit(0);
    if opened {
        first.assert_stdout(&format!("{KEY}\n"));
        let second = read("beside");
        assert_eq!(second.stdout(), format!("{BYSTANDER}\n"), "{what}: {second:?}");
    }
    opened
}

/// To seal it takes the work that withkey itself demands, which is seconds; the file is replaced in the same way without.
#[test]
fn the_identity_survives_a_kill_at_every_call_of_a_new_passphrase() {
    for (new, calls) in [("", is_of_account as fn(i64) -> bool), ("another one", is_a_change)] {
        let sandbox = protected();
        let file = sandbox.file("passphrase", PASSPHRASE, 0o600);
        let start = sandbox.withkey(["add", "beside"]).set("WITHKEY_PASSPHRASE_FILE", file);
        start.input(BYSTANDER).run().assert_exit(0);
        let answers = [PASSPHRASE, new, new];
        let start = || Traced::on_a_terminal(sandbox.withkey(["unlock", "--set-passphrase"]), &answers);
        killed_at(calls, &sandbox, &format!("--set-passphrase to {new:?}"), start, |what| {
            assert!([PASSPHRASE, new].iter().any(|passphrase| opens(what, &sandbox, passphrase)), "{what}");
        });
        start().until(|_| false);
        assert!(opens("not killed", &sandbox, new));
    }
}

#[test]
fn consent_survives_a_kill_at_every_call() {
    let (sandbox, app) = with_project();
    let path = app.join(".env.age");
    let asked = || Traced::on_a_terminal(sandbox.withkey(["allow"]).args([&path]), &["y"]);
    let check = |what: &str| {
        match found(what, &sandbox, &app) {
            Ok(keys) => assert_eq!(keys, both(KEY), "{what}"),
            Err(words) => assert!(words.contains("withkey allow"), "{what}: {words}"),
        }
        if found(what, &sandbox, &app).is_err() {
            project::allow(&sandbox, &path);
        }
        assert_eq!(found(what, &sandbox, &app), Ok(both(KEY)), "{what}, then allowed");
    };
    killed_at_every_call_of(&sandbox, "allow", asked, check);
    // A file that has changed since it was allowed.
    project::seal(&sandbox, &path, &format!("OPENAI_API_KEY='{OTHER_KEY}'\nLLM_KEY='{BYSTANDER}'\n"));
    killed_at_every_call_of(&sandbox, "allow, of a changed file", asked, |what| match found(what, &sandbox, &app) {
        Ok(keys) => assert_eq!(keys, both(OTHER_KEY), "{what}"),
        Err(words) => assert!(words.contains("OPENAI_API_KEY has another key"), "{what}: {words}"),
    });
    // Taken back, nothing is said of it; said never, it is passed over.
    for (option, after) in [("--revoke", "withkey allow"), ("--never", "no profile for ")] {
        if found(option, &sandbox, &app).is_err() {
            project::allow(&sandbox, &path);
        }
        let start = || Traced::of(sandbox.withkey(["allow", option]).args([&path]));
        killed_at_every_call_of(&sandbox, &format!("allow {option}"), start, |what| {
            match found(what, &sandbox, &app) {
                Ok(keys) => assert_eq!(keys, both(OTHER_KEY), "{what}"),
                Err(words) => assert!(words.contains(after), "{what}: {words}"),
            }
            sandbox.withkey(["allow", option]).args([&path]).run();
            let now = found(what, &sandbox, &app).unwrap_err();
            assert!(now.contains(after), "{what}, then once more: {now}");
        });
    }
}

// ---- the keychain ----

/// Both keys of the profile `default`, whichever store they are in.
#[track_caller]
fn assert_both_keys(what: &str, sandbox: &Sandbox) {
    for (profile, keys) in [("default", both(KEY)), ("beside", both(BYSTANDER))] {
        let outcome = sandbox.withkey(["-p", profile, "printenv", "OPENAI_API_KEY", "LLM_KEY"]).run();
        assert_eq!(outcome.stdout(), keys, "{what}: {outcome:?}");
    }
}

const ITEMS: [(&str, &str); 2] = [("default/OPENAI_API_KEY", KEY), ("default/LLM_KEY", BYSTANDER)];

/// Killed at every call of withkey itself. Who asks the keychain for it ends with it, wherever that is; tests/keychain.rs
/// kills that process at every message it sends. Each time the home is as it was, and so is the keychain, which holds the
/// keys of the profile `default` or not.
#[track_caller]
fn killed_beside_the_keychain(
    sandbox: &Sandbox,
    bus: &Bus,
    holds: bool,
    words: &[&str],
    input: &str,
    check: impl FnMut(&str),
) {
    let start = || {
        for (item, key) in ITEMS {
            bus.secret_tool(&["clear", "service", "withkey", "username", item], "");
            if holds {
                bus.store(item, key);
            }
        }
        Traced::of(sandbox.withkey(words).input(input))
    };
    killed_at_every_call_of(sandbox, &format!("{words:?}, a keychain"), start, check);
}

fn items(bus: &Bus) -> usize {
    bus.items().iter().filter(|item| item.starts_with("default/")).count()
}

/// A sandbox with a keychain, which `test` begins anew when its daemon ends by itself.
fn beside_a_keychain(test: impl Fn(&Sandbox, &Bus)) {
    outliving_the_race(|| {
        let sandbox = Sandbox::new();
        limit(&sandbox, 600);
        let bus = Bus::with_keyring(&sandbox);
        test(&sandbox, &bus);
    });
}

/// The profile with two keys in a store.
#[track_caller]
fn add_both(sandbox: &Sandbox, profile: &str, store: &str, key: &str) {
    let words = ["add", profile, "OPENAI_API_KEY", "LLM_KEY", "--store", store];
    sandbox.withkey(words).input(format!("{key}\n{BYSTANDER}\n")).run().assert_exit(0);
}

fn a_move_is_killed_at_every_call(from: &str, to: &str) {
    beside_a_keychain(|sandbox, bus| {
        add_both(sandbox, "default", from, KEY);
        add_both(sandbox, "beside", to, BYSTANDER);
        let words = ["move", "default", to];
        killed_beside_the_keychain(sandbox, bus, from == "keychain", &words, "", |what| {
            assert_both_keys(what, sandbox);
            assert_no_key_in_files(&sandbox.home().join(".config"));
            sandbox.withkey(words).run().assert_exit(0);
            assert_both_keys(&format!("{what}, then once more"), sandbox);
            assert_eq!(items(bus), if to == "keychain" { 2 } else { 0 }, "{what}, then once more");
            assert_eq!(
                sandbox.configuration("profiles/default.age").exists(),
                to == "dotfile",
                "{what}, then once more"
            );
        });
    });
}

#[test]
fn a_move_to_the_keychain_survives_a_kill_at_every_call() {
    a_move_is_killed_at_every_call("dotfile", "keychain");
}

#[test]
fn a_move_to_the_dotfile_survives_a_kill_at_every_call() {
    a_move_is_killed_at_every_call("keychain", "dotfile");
}

/// Both keys of the profile, or in what words it is refused; another one in the keychain is as it was.
#[track_caller]
fn both_or_none(what: &str, sandbox: &Sandbox) -> Option<String> {
    let launch = |profile| sandbox.withkey(["-p", profile, "printenv", "OPENAI_API_KEY", "LLM_KEY"]).run();
    launch("beside").assert_exit(0).assert_stdout(&both(BYSTANDER));
    let outcome = launch("default");
    if outcome.end == End::Exit(0) {
        assert_eq!(outcome.stdout(), both(KEY), "{what}");
        return None;
    }
    assert_refused(&outcome, 125, "withkey: error: ");
    Some(outcome.stderr())
}

#[test]
fn a_new_profile_in_the_keychain_survives_a_kill_at_every_call() {
    beside_a_keychain(|sandbox, bus| {
        add_both(sandbox, "beside", "keychain", BYSTANDER);
        let words = ["add", "default", "OPENAI_API_KEY", "LLM_KEY"];
        let input = both(KEY);
        killed_beside_the_keychain(sandbox, bus, false, &words, &input, |what| {
            both_or_none(what, sandbox);
            sandbox.withkey(words).args(["--replace"]).input(&input).run().assert_exit(0);
            assert_eq!((both_or_none(what, sandbox), items(bus)), (None, 2), "{what}, then once more");
        });
    });
}

#[test]
fn a_removal_from_the_keychain_survives_a_kill_at_every_call() {
    beside_a_keychain(|sandbox, bus| {
        add_both(sandbox, "default", "keychain", KEY);
        add_both(sandbox, "beside", "keychain", BYSTANDER);
        let words = ["remove", "default", "--yes"];
        killed_beside_the_keychain(sandbox, bus, true, &words, "", |what| {
            both_or_none(what, sandbox);
            let again = sandbox.withkey(words).run();
            assert!(matches!(again.end, End::Exit(0 | 1)), "{what}, then once more: {again:?}");
            let left = (both_or_none(what, sandbox).is_some(), items(bus));
            assert_eq!(left, (true, 0), "{what}, then once more: {again:?}");
        });
    });
}
