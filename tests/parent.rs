//! `--spawn`: the parent that stays has never held a key. While COMMAND runs, everything readable in it is searched.
//!
//! Needs root (or CAP_SYS_PTRACE), because withkey makes itself unreadable for its own user.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use common::{Mode, Sandbox, Start};

/// Halves that stand nowhere else: a run of digits or letters would be found in the C library's tables.
const KEY: &str = "sk-test-Xq7Lw2Rk9Vd4Ht6Bz8Jm3Np5Gs1Fc0Yu";

/// Every needle that stands in a readable mapping of the process.
fn found_in(process: i32, needles: &[(&'static str, Vec<u8>)]) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = File::open(format!("/proc/{process}/mem"));
    let memory = memory.unwrap_or_else(|error| panic!("{error}: run the tests as root, as tests/run does"));
    let (mut found, mut read, mut stack) = (Vec::new(), 0, false);
    for map in maps.lines() {
        let (range, rest) = map.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        if !rest.starts_with('r') || memory.read_exact_at(&mut bytes, start).is_err() {
            assert!(!map.contains("secretmem"), "the parent keeps a page for secrets: {map}");
            continue;
        }
        read += 1;
        stack |= map.contains("[stack]");
        let here = needles.iter().filter(|(_, needle)| bytes.windows(needle.len()).any(|window| window == needle));
        found.extend(here.map(|(what, _)| format!("{what} in {map}")));
    }
    assert!(stack && read > 5, "only {read} mappings were readable");
    found
}

/// What the parent holds while COMMAND runs.
#[track_caller]
fn held(sandbox: &Sandbox, identity: &str, words: &[&str], state: impl Fn(Start) -> Start) -> Vec<String> {
    let identity = identity.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap();
    let (front, back) = KEY.split_at(KEY.len() / 2);
    let (identity_front, identity_back) = identity[15..].split_at(28);
    let needles = [
        ("the key's first half", front),
        ("the key's second half", back),
        ("the identity's first half", identity_front),
        ("the identity's second half", identity_back),
    ];
    let needles = needles.map(|(what, text)| (what, text.as_bytes().to_vec()));
    let running = state(sandbox.probe(Mode::Spawn, &[&["listen:"], words].concat())).start();
    running.output_with("ready ");
    found_in(running.process, &needles)
}

fn sandbox() -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    sandbox.add("default", KEY);
    let identity = fs::read_to_string(sandbox.identity()).unwrap();
    (sandbox, identity)
}

#[test]
fn while_command_runs_the_parent_holds_neither_key_nor_identity() {
    let (sandbox, identity) = sandbox();
    assert_eq!(held(&sandbox, &identity, &[], |start| start), [""; 0]);
}

/// The kernel put it onto the parent's first stack, before withkey ran.
#[test]
fn an_identity_given_as_text_is_gone_from_the_parents_first_stack() {
    let (sandbox, identity) = sandbox();
    fs::remove_file(sandbox.identity()).unwrap();
    assert_eq!(held(&sandbox, &identity, &[], |start| start.set("WITHKEY_IDENTITY", &identity)), [""; 0]);
    let entry = format!("WITHKEY_IDENTITY={identity}");
    let twice = |start: Start| start.entry(entry.as_bytes()).entry(entry.as_bytes());
    assert_eq!(held(&sandbox, &identity, &[], twice), [""; 0]);
}

#[test]
fn the_search_finds_a_copy_that_was_planted() {
    let (sandbox, identity) = sandbox();
    let found = held(&sandbox, &identity, &[KEY], |start| start);
    assert!(
        found.iter().any(|found| found.starts_with("the key's first half") && found.contains("[stack]")),
        "{found:?}"
    );
}
