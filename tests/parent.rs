//! `--spawn`: the parent that stays has never held a key. While COMMAND runs, everything readable in it is searched.
//!
//! Needs root (or CAP_SYS_PTRACE), because withkey makes itself unreadable for its own user.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "memory is searched by the C library")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the README's figures, with --nocapture")]
#![allow(dead_code, reason = "what the tests share is used in part")]

#[path = "common/bus.rs"]
mod bus;
mod common;
#[path = "common/protected.rs"]
mod protected;
#[path = "common/search.rs"]
mod search;

use std::fs;

use bus::{Bus, limit, outliving_the_race};
use common::{Mode, Sandbox, Start};
use search::{KEY, Needle, PASSPHRASE, needles, of_a_passphrase, search};

/// What the parent holds while COMMAND runs.
#[track_caller]
fn held(
    what: &str,
    sandbox: &Sandbox,
    needles: &[Needle],
    words: &[&str],
    state: impl Fn(Start) -> Start,
) -> Vec<String> {
    let running = state(sandbox.probe(Mode::Spawn, &[&["listen:"], words].concat())).start();
    running.output_with("ready ");
    let maps = fs::read_to_string(format!("/proc/{}/maps", running.process)).unwrap();
    assert!(!maps.contains("secretmem"), "{what}: the parent keeps a page for secrets: {maps}");
    let hits = search(running.process, needles);
    println!("searched the parent: {what}");
    hits
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add("default", KEY);
    sandbox
}

#[test]
fn while_command_runs_the_parent_holds_neither_key_nor_identity() {
    let sandbox = sandbox();
    let needles = needles(&sandbox);
    assert_eq!(held("dotfile", &sandbox, &needles, &[], |start| start), [""; 0]);
    let file = sandbox.file("key", format!("{KEY}\n"), 0o600);
    sandbox.withkey(["add", "team", "--helper", &format!("cat '{}'", file.display())]).run().assert_exit(0);
    let team = |start: Start| start.set("WITHKEY_PROFILE", "team");
    assert_eq!(held("helper", &sandbox, &needles, &[], team), [""; 0]);
}

#[test]
fn nor_a_key_from_the_keychain() {
    outliving_the_race(|| {
        let sandbox = Sandbox::new();
        limit(&sandbox, 600);
        let _bus = Bus::with_keyring(&sandbox);
        sandbox.withkey(["add", "--store", "keychain"]).input(KEY).run().assert_exit(0);
        assert_eq!(held("keychain", &sandbox, &needles(&sandbox), &[], |start| start), [""; 0]);
    });
}

#[test]
fn nor_a_passphrase_or_what_it_opens() {
    let sandbox = sandbox();
    let needles = [needles(&sandbox), of_a_passphrase()].concat();
    protected::protect_with(&sandbox, PASSPHRASE);
    let file = sandbox.file("passphrase", PASSPHRASE, 0o600);
    let opened = |start: Start| start.set("WITHKEY_PASSPHRASE_FILE", &file);
    assert_eq!(held("a passphrase", &sandbox, &needles, &[], opened), [""; 0]);
}

/// The kernel put it onto the parent's first stack, before withkey ran.
#[test]
fn an_identity_given_as_text_is_gone_from_the_parents_first_stack() {
    let sandbox = sandbox();
    let needles = needles(&sandbox);
    let identity = fs::read_to_string(sandbox.identity()).unwrap();
    fs::remove_file(sandbox.identity()).unwrap();
    let once = |start: Start| start.set("WITHKEY_IDENTITY", &identity);
    assert_eq!(held("an identity as text", &sandbox, &needles, &[], once), [""; 0]);
    let entry = format!("WITHKEY_IDENTITY={identity}");
    let twice = |start: Start| start.entry(entry.as_bytes()).entry(entry.as_bytes());
    assert_eq!(held("an identity as text, twice", &sandbox, &needles, &[], twice), [""; 0]);
}

#[test]
fn the_search_finds_a_copy_that_was_planted() {
    let sandbox = sandbox();
    let found = held("a planted copy", &sandbox, &needles(&sandbox), &[KEY], |start| start);
    assert!(
        found.iter().any(|found| found.starts_with("the key's first half") && found.contains("[stack]")),
        "{found:?}"
    );
}
