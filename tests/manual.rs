//! The manual withkey(1), made from the help's own source. After a change that is meant:
//!
//!     WITHKEY_REWRITE_SCREENS=1 cargo test --test manual
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::{env, fs};

use common::{Outcome, Sandbox, assert_same};
use withkey::cli::help::manual;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/completions/withkey.1");

#[test]
fn the_manual_says_what_the_help_says() {
    if env::var_os("WITHKEY_REWRITE_SCREENS").is_some() {
        fs::write(PAGE, manual()).unwrap();
    }
    assert_same("completions/withkey.1", &fs::read_to_string(PAGE).unwrap(), &manual());
}

#[track_caller]
fn read_by(program: &str, words: &[&str]) -> Outcome {
    assert!(Path::new(program).exists(), "{program} is needed: apt-get install mandoc man-db");
    let sandbox = Sandbox::new();
    let start = sandbox.directly([&[program], words].concat());
    start.set("LANG", "C.UTF-8").set("MANROFFSEQ", "").set("MANWIDTH", "80").run()
}

#[test]
fn the_readers_of_manuals_have_nothing_to_complain_of() {
    let lint = read_by("/usr/bin/mandoc", &["-T", "lint", "-W", "warning", PAGE]);
    lint.assert_exit(0).assert_stdout("").assert_stderr("");
    let man = read_by("/usr/bin/man", &["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", PAGE]);
    man.assert_exit(0).assert_stderr("");
    let text = read_by("/usr/bin/mandoc", &["-T", "utf8", PAGE]).stdout();
    // A bold letter is a letter, a backspace and the letter again.
    let text = text.split_inclusive('\u{8}').map(|piece| {
        piece
            .strip_suffix('\u{8}')
            .map_or(piece, |kept| kept.char_indices().next_back().map_or("", |(last, _)| &kept[..last]))
    });
    let text: String = text.collect();
    for part in [
        "EXAMPLES",
        "withkey -e LLM_KEY=OPENAI_API_KEY ./app",
        "~/.config/withkey/bindings",
        "--drop-other-keys",
        "--helper PROGRAM ARG",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

/// A verb without a text would have no examples.
#[test]
fn every_verb_has_its_text_and_examples() {
    for verb in withkey::cli::verbs::VERBS {
        let text = withkey::cli::help::texts::of(verb);
        assert!(text.is_some_and(|text| !text.examples.is_empty() && !text.usage.is_empty()), "{verb}");
    }
    assert_eq!(withkey::cli::help::texts::VERBS.len(), withkey::cli::verbs::VERBS.len());
}
