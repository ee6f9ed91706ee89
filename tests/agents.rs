//! In a coding agent's environment: what a person has to do is left to the person. And nowhere does a verb print a key.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;
#[path = "common/terminal.rs"]
mod terminal;

use common::{KEY, OTHER_KEY, Sandbox};
use refusal::{Tree, assert_refused};
use session::{assert_no_key, assert_no_key_shown, shell};
use terminal::Terminal;
use withkey::cli::verbs::VERBS;
use withkey::host::AGENTS;

/// Lines that only a person may type, and the hint.
const A_PERSONS: &[(&str, &[&str])] = &[
    ("add", &["add"]),
    ("add", &["add", "work", "LLM_KEY", "--replace"]),
    ("add", &["add", "work", "--helper", "printenv X"]),
    ("remove", &["remove", "default"]),
    ("remove", &["remove", "default", "--yes"]),
    ("rotate", &["rotate", "default"]),
    ("rotate", &["rotate", "default", "--undo"]),
    ("rotate", &["rotate", "default", "--finish"]),
    ("allow", &["allow"]),
    ("allow", &["allow", "--never"]),
    ("allow", &["allow", "--revoke"]),
    ("unlock", &["unlock"]),
    ("unlock", &["unlock", "--set-passphrase"]),
];

#[test]
fn what_only_a_person_may_do_is_refused_and_says_what_to_type() {
    let sandbox = Sandbox::with_key();
    sandbox.file("project/.env.age", "", 0o600);
    let before = Tree::of(&sandbox);
    for (verb, words) in A_PERSONS {
        let line = shlex_join(words);
        let hint = format!("withkey: hint: type it yourself, in a terminal of your own: withkey {line}\n");
        let error = format!(
            "withkey: error: {verb} is for a person to do\nwithkey: cause: a coding agent runs this command (CODEX_CI is set)\n{hint}"
        );
        // With a key on standard input or without.
        for input in [OTHER_KEY, ""] {
            let outcome = sandbox.withkey(*words).input(input).set("CODEX_CI", "1").run();
            assert_refused(&outcome, 1, &error);
        }
        let text = Terminal::run_with(&sandbox, &[("CODEX_CI", "1")], &format!("withkey {line}")).ends(1);
        assert!(text.starts_with(&error), "{line}: {text}");
        before.assert_unchanged(&line, &sandbox);
    }
}

fn shlex_join(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| if word.contains(' ') { format!("'{word}'") } else { (*word).to_owned() })
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn every_agents_variable_counts_and_an_empty_one_does_not() {
    let sandbox = Sandbox::with_key();
    for name in AGENTS {
        let outcome = sandbox.withkey(["add", "work"]).input(OTHER_KEY).set(name, "1").run();
        assert_refused(&outcome, 1, &format!("({name} is set)"));
    }
    sandbox.withkey(["add", "work"]).input(OTHER_KEY).set("CLAUDECODE", "").run().assert_exit(0);
}

#[test]
fn an_agent_launches_and_looks() {
    let sandbox = Sandbox::with_key();
    let agent = |words: &[&str]| sandbox.withkey(words).set("CLAUDECODE", "1").run();
    agent(&["printenv", "OPENAI_API_KEY"]).assert_exit(0).assert_stdout(&format!("{KEY}\n"));
    for words in [&["status"][..], &["list"], &["log"], &["-n", "true"], &["add", "--help"], &["use", "default"]] {
        agent(words).assert_exit(0);
    }
}

/// Typed in the wrong place, a key is not handed on to the screen.
#[test]
fn a_word_that_looks_like_a_key_is_not_repeated() {
    let sandbox = Sandbox::with_key();
    let outcome = sandbox.withkey(["remove", OTHER_KEY, "--yes"]).set("CLAUDECODE", "1").run();
    assert_refused(&outcome, 1, "in a terminal of your own: withkey remove\n");
}

/// Lines for every verb that could show a key if it were badly made, in an order in which most of them have work to do.
const ALL_VERBS: &[&str] = &[
    "echo $OTHER_KEY | withkey add work OPENAI_API_KEY --use",
    "echo $KEY | withkey add work OPENAI_API_KEY",
    "echo $KEY | withkey add work OPENAI_API_KEY --replace",
    "printf 'LLM_KEY=%s\\n' $OTHER_KEY > env; withkey add work LLM_KEY --from env; rm env",
    "echo $OTHER_KEY > secret; withkey add team --helper \"cat $PWD/secret\"; withkey add bad --helper \"echo $KEY\"",
    "withkey use default; withkey use work .; withkey use --default work",
    "withkey status; withkey status --json; withkey status -p team",
    "withkey list; withkey list --json",
    "withkey check; withkey check --json; withkey check --all",
    "withkey -v true; withkey -n true; withkey -n --json true",
    "withkey log; withkey log --json",
    "withkey completions bash; withkey completions zsh; withkey completions fish; withkey __complete -p wo",
    "echo $OTHER_KEY | withkey rotate work OPENAI_API_KEY; withkey rotate work OPENAI_API_KEY --undo",
    "withkey move work dotfile; withkey move work keychain; withkey move --all dotfile",
    "withkey allow; withkey allow --list; withkey allow --list --json; withkey allow --revoke",
    "withkey unlock; withkey unlock --for 1m; withkey lock",
    "withkey remove work LLM_KEY --yes; withkey remove work --yes; withkey remove team",
];

#[test]
fn no_verb_prints_a_key() {
    let verbs_left: Vec<_> =
        VERBS.iter().filter(|verb| !ALL_VERBS.iter().any(|line| line.contains(&format!("withkey {verb}")))).collect();
    assert!(verbs_left.is_empty(), "no line for {verbs_left:?}");
    let piped = Sandbox::with_key();
    let shown = Sandbox::with_key();
    for line in ALL_VERBS {
        let outcome = shell(&piped, line).run();
        assert_no_key_shown(&outcome);
        // A terminal to write on, and nobody to ask: setsid takes the controlling one away.
        let line = format!("setsid -w sh -c '{}' < /dev/null; true", line.replace('\'', "'\\''"));
        let text = Terminal::run(&shown, &format!("export KEY OTHER_KEY; {line}")).ends(0);
        assert_no_key(&line, text.as_bytes());
    }
}
