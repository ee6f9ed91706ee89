//! Nothing is lost: withkey is killed at every system call of what touches a project's dotfile, of consent to one, and of
//! a move from one store to the other. tests/faults.rs does it to the other verbs.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code, reason = "a child is traced")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

#[path = "common/bus.rs"]
mod bus;
mod common;
#[path = "common/project.rs"]
mod project;
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
use common::{End, KEY, OTHER_KEY, Pty, Sandbox, Start};
use refusal::assert_refused;
use session::assert_no_key_in_files;
use terminal::Terminal;
use traced::{Traced, killed_at_every_call_of};

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

/// Typed ahead, so that the answer is there when the question comes.
fn on_a_terminal(pty: &Pty, start: Start, answer: &str) -> Traced {
    pty.type_in(answer);
    Traced::of(pty.attach(start))
}

#[test]
fn consent_survives_a_kill_at_every_call() {
    let (sandbox, app) = with_project();
    let path = app.join(".env.age");
    let pty = std::cell::RefCell::new(Pty::open());
    let asked = || {
        *pty.borrow_mut() = Pty::open();
        on_a_terminal(&pty.borrow(), sandbox.withkey(["allow"]).args([&path]), "y\n")
    };
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

/// Both keys of the profile `default`, whichever store they are in.
#[track_caller]
fn assert_both_keys(what: &str, sandbox: &Sandbox) {
    for (profile, keys) in [("default", both(KEY)), ("beside", both(BYSTANDER))] {
        let outcome = sandbox.withkey(["-p", profile, "printenv", "OPENAI_API_KEY", "LLM_KEY"]).run();
        assert_eq!(outcome.stdout(), keys, "{what}: {outcome:?}");
    }
}

/// Killed at every call of withkey itself. Who asks the keychain for it ends with it, wherever that is; tests/keychain.rs
/// kills that process at every message it sends.
fn a_move_is_killed_at_every_call(from: &str, to: &str) {
    outliving_the_race(|| {
        let sandbox = Sandbox::new();
        limit(&sandbox, 600);
        let bus = Bus::with_keyring(&sandbox);
        for (name, store, key) in [("default", from, KEY), ("beside", to, BYSTANDER)] {
            let words = ["add", name, "OPENAI_API_KEY", "LLM_KEY", "--store", store];
            sandbox.withkey(words).input(format!("{key}\n{BYSTANDER}\n")).run().assert_exit(0);
        }
        let items = ["default/OPENAI_API_KEY", "default/LLM_KEY"];
        let start = || {
            // The home is as it was; so be the keychain.
            for (item, key) in items.into_iter().zip([KEY, BYSTANDER]) {
                bus.secret_tool(&["clear", "service", "withkey", "username", item], "");
                if from == "keychain" {
                    bus.store(item, key);
                }
            }
            Traced::of(sandbox.withkey(["move", "default", to]))
        };
        killed_at_every_call_of(&sandbox, &format!("move to the {to}"), start, |what| {
            assert_both_keys(what, &sandbox);
            assert_no_key_in_files(&sandbox.home().join(".config"));
            sandbox.withkey(["move", "default", to]).run().assert_exit(0);
            assert_both_keys(&format!("{what}, then once more"), &sandbox);
            let kept = bus.items().iter().filter(|item| item.starts_with("default/")).count();
            assert_eq!(kept, if to == "keychain" { 2 } else { 0 }, "{what}, then once more");
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
