//! COMMAND's environment: the inherited one byte for byte, but for the injected names and withkey's own secrets.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the README's figures, with --nocapture")]

mod common;

use std::fs;

use common::{KEY, Mode, OTHER_KEY, Report, Sandbox, Start, assert_same, escaped, probe_binary};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Adds `entries` to what the sandbox sets and checks that COMMAND gets `expected` after that.
#[track_caller]
fn assert_entries<E: AsRef<[u8]>, F: AsRef<[u8]>>(sandbox: &Sandbox, mode: Mode, entries: &[E], expected: &[F]) {
    let add = |start: Start| entries.iter().fold(start, |start, entry| start.entry(entry.as_ref()));
    let surroundings = sandbox.launch(mode, ["true"]).environment();
    let found = sandbox.launched(mode, add).environment();
    let expected = surroundings.iter().map(Vec::as_slice).chain(expected.iter().map(AsRef::as_ref));
    assert_same("COMMAND's environment", &escaped(expected), &found);
}

/// The rule: the injected variable takes the place of the first of its name, later ones of that name go; else it is last.
fn injected(entries: &[Vec<u8>], name: &[u8], value: &[u8]) -> Vec<Vec<u8>> {
    let entry = [name, b"=", value].concat();
    let named = |entry: &[u8]| entry.strip_prefix(name).is_some_and(|rest| rest.starts_with(b"="));
    let Some(first) = entries.iter().position(|entry| named(entry)) else {
        return [entries, &[entry]].concat();
    };
    let mut result = entries.to_vec();
    result.retain(|entry| !named(entry));
    result.insert(first, entry);
    result
}

/// Holds for blocks of any bytes, with the names that matter among them: whole entries, malformed ones, duplicates.
fn for_any_entries(cases: u32, holds: impl Fn(Vec<Vec<u8>>)) {
    let name = prop_oneof![
        4 => proptest::collection::vec(1_u8..=255, 0..8),
        1 => Just(b"OPENAI_API_KEY".to_vec()),
        1 => Just(b"OPENAI_API_KEY_2".to_vec()),
        1 => Just(b"MISTRAL_API_KEY".to_vec()),
        1 => Just(b"ANTHROPIC_API_KEY".to_vec()),
        1 => Just(b"A".to_vec()),
    ];
    let value = proptest::collection::vec(1_u8..=255, 0..40);
    let entry = (name, any::<bool>(), value).prop_map(|(name, with_equals, value)| match with_equals {
        true => [&name[..], b"=", &value].concat(),
        false => [name, value].concat(),
    });
    // What withkey itself reads decides more than the bytes that arrive; it has its own rows.
    let entry = entry.prop_filter("withkey's own name", |entry| !entry.starts_with(b"WITHKEY_"));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&proptest::collection::vec(entry, 0..30), |entries| {
        holds(entries);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    println!("{cases} environments");
}

in_both_modes! {
    fn the_key_replaces_the_first_of_its_name_and_the_rest_stays(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let key = format!("OPENAI_API_KEY={KEY}");
        let key = key.as_bytes();
        type Entries<'a> = &'a [&'a [u8]];
        let table: [(Entries, Entries); 10] = [
            // A new name goes to the end.
            (&[], &[key]),
            (&[b"Z=1", b"A=2"], &[b"Z=1", b"A=2", key]),
            // An inherited one is replaced where it stands, and its duplicates go.
            (&[b"Z=1", b"OPENAI_API_KEY=old", b"A=2"], &[b"Z=1", key, b"A=2"]),
            (&[b"OPENAI_API_KEY=", b"A=2", b"OPENAI_API_KEY=old", b"B="], &[key, b"A=2", b"B="]),
            // Duplicates of any other name stay: C reads the first, sh and Python the last.
            (&[b"A=1", b"A=2", b"A=1"], &[b"A=1", b"A=2", b"A=1", key]),
            // Malformed entries stay, one that is only the name among them.
            (&[b"A", b"", b"=", b"=A", b"=OPENAI_API_KEY=x", b"A"], &[b"A", b"", b"=", b"=A", b"=OPENAI_API_KEY=x", b"A", key]),
            (&[b"OPENAI_API_KEY", b"OPENAI_API_KEY=old"], &[b"OPENAI_API_KEY", key]),
            // Names that only look alike.
            (
                &[b"OPENAI_API_KEYS=1", b"OPENAI_API_KE=2", b"openai_api_key=3", b"XOPENAI_API_KEY=4", b" OPENAI_API_KEY=5"],
                &[b"OPENAI_API_KEYS=1", b"OPENAI_API_KE=2", b"openai_api_key=3", b"XOPENAI_API_KEY=4", b" OPENAI_API_KEY=5", key],
            ),
            // Any byte but NUL.
            (&[b"A=\xff\x80\n\r\t\x1b[1m", b"\xc3\x28=\xa0"], &[b"A=\xff\x80\n\r\t\x1b[1m", b"\xc3\x28=\xa0", key]),
            (&[b"A=a=b==", b"A ==", b"()=() { :; }"], &[b"A=a=b==", b"A ==", b"()=() { :; }", key]),
        ];
        for (entries, expected) in table {
            assert_entries(&sandbox, mode, entries, expected);
        }
    }

    fn any_environment_arrives_byte_for_byte(mode: Mode) {
        let sandbox = Sandbox::with_key();
        for_any_entries(500, |entries| {
            assert_entries(&sandbox, mode, &entries, &injected(&entries, b"OPENAI_API_KEY", KEY.as_bytes()));
        });
    }

    fn any_environment_arrives_but_for_the_names_that_change(mode: Mode) {
        let sandbox = Sandbox::new();
        sandbox.add_variables("default", &[("OPENAI_API_KEY", KEY), ("MISTRAL_API_KEY", OTHER_KEY)]);
        let surroundings = sandbox.launch(mode, ["true"]).environment();
        let words = [&["--drop-other-keys"], mode.options()].concat();
        for_any_entries(250, |entries| {
            let start = sandbox.withkey(&words).args(sandbox.report_words());
            let start = entries.iter().fold(start, |start, entry| start.entry(entry));
            let found = Report::of(start, &sandbox.report_path()).environment();
            // Two new ones stand at the end, in either order.
            let keys = [("OPENAI_API_KEY", KEY), ("MISTRAL_API_KEY", OTHER_KEY)];
            let [one, other] = [keys, [keys[1], keys[0]]].map(|keys| {
                let mut expected = [&surroundings[..], &entries].concat();
                expected.retain(|entry| !entry.starts_with(b"ANTHROPIC_API_KEY="));
                let inject = |entries: Vec<_>, (name, key): (&str, &str)| injected(&entries, name.as_bytes(), key.as_bytes());
                escaped(keys.into_iter().fold(expected, inject))
            });
            if found != other {
                assert_same("COMMAND's environment", &one, &found);
            }
        });
    }

    fn a_large_environment_arrives_whole(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let entries: Vec<_> = (0..5000).map(|number| format!("NAME_{number}={}", "x".repeat(100)).into_bytes()).collect();
        assert_entries(&sandbox, mode, &entries, &injected(&entries, b"OPENAI_API_KEY", KEY.as_bytes()));
        let longest = [[&b"LONG="[..], &vec![b'x'; 131_066]].concat()];
        assert_entries(&sandbox, mode, &longest, &injected(&longest, b"OPENAI_API_KEY", KEY.as_bytes()));
    }

    fn every_variable_of_a_profile_follows_the_rule_for_itself(mode: Mode) {
        let sandbox = Sandbox::new();
        sandbox.add_variables("default", &[("OPENAI_API_KEY", KEY), ("MISTRAL_API_KEY", OTHER_KEY)]);
        let (openai, mistral) = (format!("OPENAI_API_KEY={KEY}"), format!("MISTRAL_API_KEY={OTHER_KEY}"));
        let entries = ["MISTRAL_API_KEY=1", "A=1", "OPENAI_API_KEY=1", "MISTRAL_API_KEY=2"];
        assert_entries(&sandbox, mode, &entries, &[&mistral, "A=1", &openai]);
        assert_entries(&sandbox, mode, &["MISTRAL_API_KEY=1", "A=1"], &[&mistral, "A=1", &openai]);
        // Two new ones stand at the end, in either order.
        let found = sandbox.launched(mode, |start| start.entry(b"A=1"));
        let mut last: Vec<_> = found.values("env").into_iter().skip_while(|entry| *entry != "A=1").skip(1).collect();
        last.sort_unstable();
        assert_eq!(last, [&mistral, &openai]);
    }

    fn a_renamed_variable_leaves_its_own_name_alone(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let words = [&["-e", "LLM_KEY=OPENAI_API_KEY"], mode.options()].concat();
        let start = sandbox.withkey(words).args(sandbox.report_words());
        let start = start.entry(b"LLM_KEY=old").entry(b"OPENAI_API_KEY=mine").entry(b"LLM_KEY=older");
        let found = Report::of(start, &sandbox.report_path());
        assert_eq!(found.values("env")[3..], [&format!("LLM_KEY={KEY}"), "OPENAI_API_KEY=mine"]);
    }

    fn withkeys_own_secrets_are_removed(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let identity = fs::read_to_string(sandbox.identity()).unwrap();
        let elsewhere = sandbox.path("elsewhere.txt");
        fs::rename(sandbox.identity(), &elsewhere).unwrap();
        let key = format!("OPENAI_API_KEY={KEY}");
        let text = format!("WITHKEY_IDENTITY={identity}");
        let file = format!("WITHKEY_IDENTITY_FILE={}", elsewhere.display());
        assert_entries(&sandbox, mode, &["A=1", &text, "B=2"], &["A=1", "B=2", &key]);
        assert_entries(&sandbox, mode, &["A=1", &file, "B=2"], &["A=1", "B=2", &key]);
        // Both, and each twice; the names that only look alike stay, as does what COMMAND's own withkey needs.
        let entries = [&text, "WITHKEY_PROFILE=default", &file, "WITHKEY_IDENTITIES=x", &text, &file];
        assert_entries(&sandbox, mode, &entries, &["WITHKEY_PROFILE=default", "WITHKEY_IDENTITIES=x", &key]);
    }

    fn withkeys_own_secrets_are_removed_though_they_are_not_needed(mode: Mode) {
        let sandbox = Sandbox::new();
        let entries = [
            "OPENAI_API_KEY=sk-test-inherited-0123456789",
            "WITHKEY_PROFILE=inherit",
            "WITHKEY_IDENTITY=AGE-SECRET-KEY-1",
            "WITHKEY_IDENTITY_FILE=/nowhere",
            "OPENAI_API_KEY=sk-test-inherited-0123456789",
        ];
        assert_entries(&sandbox, mode, &entries, &[entries[0], entries[1], entries[4]]);
    }

    fn other_providers_keys_stay_unless_they_are_to_be_dropped(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let key = format!("OPENAI_API_KEY={KEY}");
        let entries = ["ANTHROPIC_API_KEY=1", "OPENAI_ADMIN_KEY=2", "HF_TOKEN=3", "OPENAI_ORG_ID=4", "ANTHROPIC_API_KEY=5"];
        assert_entries(&sandbox, mode, &entries, &[&entries[..], &[&key]].concat());
        let words = [&["--drop-other-keys"], mode.options()].concat();
        let start = sandbox.withkey(words).args(sandbox.report_words());
        let start = entries.iter().fold(start, |start, entry| start.entry(entry.as_bytes()));
        let found = Report::of(start, &sandbox.report_path());
        assert_eq!(found.values("env")[3..], ["OPENAI_ORG_ID=4", &key]);
    }
}

/// The probe's own comparison rests on this.
#[test]
fn the_probe_reports_its_environment_as_it_is() {
    let sandbox = Sandbox::new();
    let entries: [&[u8]; 5] = [b"B=1", b"", b"A", b"\xff=\n", b"B=2"];
    let start = Start::new(probe_binary()).args(&sandbox.report_words()[1..]);
    let start = entries.iter().fold(start, |start, entry| start.entry(entry));
    assert_same("entries", &escaped(entries), &Report::of(start, &sandbox.report_path()).environment());
}
