//! What people read, as files: tests/screens. A change of wording shows there as a diff to be reviewed.
//!
//! Each file is a session (see common/session.rs). After a change that is meant:
//!
//!     WITHKEY_REWRITE_SCREENS=1 cargo test --test screens
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/session.rs"]
mod session;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::{env, fs};

use common::{KEY, OTHER_KEY, Sandbox, assert_same};
use session::replay;

#[track_caller]
fn screen(name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(name);
    let expected = fs::read_to_string(&file).unwrap();
    let found = replay(&Sandbox::new(), &expected);
    if env::var_os("WITHKEY_REWRITE_SCREENS").is_some() {
        fs::write(&file, found).unwrap();
    } else {
        assert_same(&format!("tests/screens/{name}"), &expected, &found);
    }
}

#[test]
fn the_help_reads_as_it_was_agreed() {
    screen("help.txt");
}

#[test]
fn the_help_of_each_verb_reads_as_it_was_agreed() {
    let file = include_str!("screens/verbs.txt");
    for verb in withkey::cli::verbs::VERBS {
        assert!(file.contains(&format!("$ withkey {verb} --help\n")), "tests/screens/verbs.txt has no {verb} --help");
    }
    screen("verbs.txt");
}

#[test]
fn the_first_minutes_read_as_they_were_agreed() {
    screen("first-minutes.txt");
}

#[test]
fn the_errors_of_a_launch_read_as_they_were_agreed() {
    screen("launch-errors.txt");
}

#[test]
fn the_errors_of_the_verbs_read_as_they_were_agreed() {
    screen("verb-errors.txt");
}

/// What the lines of a file show on a terminal of that many columns; an escape is written `^[`.
#[track_caller]
fn terminal_screen(name: &str, columns: u16) {
    let sandbox = Sandbox::new();
    sandbox.add("default", KEY);
    let two =
        [("OPENAI_API_KEY", "sk-proj-0123456789abcdefghijklMxYA"), ("ANTHROPIC_API_KEY", "sk-ant-api03-0123456789")];
    sandbox.add_variables("client-a", &two);
    let dated = ["add", "research", "--expires", "2099-12-31", "--created", "2026-11-01"];
    sandbox.withkey(dated).input(OTHER_KEY).run().assert_exit(0);
    for directory in ["src/client-a", "src/client a/long name of a repository"] {
        fs::create_dir_all(sandbox.home().join(directory)).unwrap();
        sandbox.bind("client-a", sandbox.home().join(directory));
    }
    // For `check`, whose answer names the withkey that is found first.
    fs::create_dir(sandbox.home().join("bin")).unwrap();
    symlink(common::withkey_binary(), sandbox.home().join("bin/withkey")).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(name);
    let expected = fs::read_to_string(&file).unwrap();
    let mut found = String::new();
    for command in expected.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let pty = common::Pty::open();
        let line = format!("stty cols {columns}; cd ~/src/client-a; {command}");
        pty.attach(session::shell(&sandbox, &line).set("TERM", "xterm")).start().outcome();
        let text = pty.text().replace("\r\n", "\n");
        session::assert_no_key(command, text.as_bytes());
        let home = sandbox.home().display().to_string();
        // HOME is `~` for a person and itself for a program; help and errors here name no path of this machine.
        let (piped, answer) = (command.ends_with("| cat"), !command.contains(" -h") && !command.contains("2>&1"));
        assert_eq!(text.contains(&home), piped && answer, "{command}: {text}");
        // In a pipe a fact is one line, whole.
        for line in text.lines().map(uncolored).filter(|_| !command.ends_with("| cat")) {
            assert!(line.chars().count() <= usize::from(columns), "{command}: too wide: {line}");
        }
        found += &format!("$ {command}\n{}", session::anonymous(&sandbox, &text.replace('\x1b', "^[")));
    }
    if env::var_os("WITHKEY_REWRITE_SCREENS").is_some() {
        fs::write(&file, found).unwrap();
    } else {
        assert_same(&format!("tests/screens/{name}"), &expected, &found);
    }
}

/// Without the escapes that colour it.
fn uncolored(line: &str) -> String {
    ["\x1b[1;31m", "\x1b[36m", "\x1b[1m", "\x1b[0m"].iter().fold(line.to_owned(), |text, code| text.replace(code, ""))
}

#[test]
fn a_terminal_of_80_columns_shows_what_was_agreed() {
    terminal_screen("terminal-80.txt", 80);
}

#[test]
fn a_terminal_of_200_columns_shows_what_was_agreed() {
    terminal_screen("terminal-200.txt", 200);
}

#[test]
fn what_check_says_reads_as_it_was_agreed() {
    screen("check.txt");
}

/// A file that no test reads would grow old.
#[test]
fn every_screen_is_looked_at() {
    let source = include_str!("screens.rs");
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // The pictures are drawn by tests/recording.rs.
        if name.ends_with(".svg") {
            continue;
        }
        let (whole, wide) = (format!("screen(\"{name}\")"), format!("screen(\"{name}\", "));
        assert!(source.contains(&whole) || source.contains(&wide), "no test reads tests/screens/{name}");
    }
}

#[test]
fn withkey_alone_shows_the_help_on_standard_error_and_fails() {
    let sandbox = Sandbox::new();
    let help = sandbox.withkey(["-h"]).run();
    help.assert_exit(0).assert_stderr("");
    let nothing: [&str; 0] = [];
    sandbox.withkey(nothing).run().assert_exit(125).assert_stdout("").assert_stderr(&help.stdout());
}

#[test]
fn no_line_of_the_help_is_wider_than_a_terminal_may_be() {
    let verbs = withkey::cli::verbs::VERBS.iter().map(|verb| vec![*verb]);
    for before in std::iter::once(Vec::new()).chain(verbs) {
        for help in ["-h", "--help"] {
            let text = Sandbox::new().withkey([&before[..], &[help]].concat()).run().stdout();
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{before:?} {help}: {line}");
            }
        }
    }
}

/// Answers and errors, with `--color` where the words have room for it.
const COLORED: [&[&str]; 7] = [
    &["list", "--color"],
    &["status", "--color"],
    &["check", "--color"],
    &["--color", "-h"],
    &["use", "--color", "--help"],
    &["--color", "-n", "true"],
    &["--color", "-p", "nobody", "true"],
];

/// Variables, what `--color` says, and whether there is colour on a terminal and in a pipe.
const WAYS: [(&[(&str, &str)], &str, [bool; 2]); 8] = [
    (&[("TERM", "xterm")], "auto", [true, false]),
    (&[("TERM", "xterm")], "never", [false, false]),
    (&[("TERM", "xterm")], "always", [true, true]),
    (&[("TERM", "dumb")], "auto", [false, false]),
    (&[], "auto", [false, false]),
    (&[("TERM", "xterm"), ("NO_COLOR", "1")], "auto", [false, false]),
    (&[("TERM", "xterm"), ("NO_COLOR", "1")], "always", [true, true]),
    (&[("TERM", "dumb")], "always", [true, true]),
];

#[test]
fn color_is_used_where_it_is_asked_for_and_never_bears_the_meaning() {
    let sandbox = Sandbox::new();
    sandbox.add("default", KEY);
    let shown = |words: &[&str], variables: &[(&str, &str)], color: &str, on_terminal: bool| {
        let words = words.iter().flat_map(|word| [Some(*word), (*word == "--color").then_some(color)]).flatten();
        let start = variables.iter().fold(sandbox.withkey(words), |start, (name, value)| start.set(name, value));
        if on_terminal {
            let pty = common::Pty::open();
            pty.attach(start).start().outcome();
            pty.text()
        } else {
            let outcome = start.run();
            outcome.stdout() + &outcome.stderr()
        }
    };
    for words in COLORED {
        for (place, on_terminal) in [true, false].into_iter().enumerate() {
            let plain = shown(words, &[], "never", on_terminal);
            for (variables, color, colored) in WAYS {
                let text = shown(words, variables, color, on_terminal);
                let way = format!("{words:?}, {variables:?}, {color}, on a terminal: {on_terminal}");
                assert_eq!(text.contains('\x1b'), colored[place], "{way}: {text}");
                assert_eq!(text.lines().map(uncolored).collect::<Vec<_>>(), plain.lines().collect::<Vec<_>>(), "{way}");
            }
        }
    }
    let error = shown(&["--color", "-p", "nobody", "true"], &[], "always", false);
    assert!(error.starts_with("withkey: \x1b[1;31merror\x1b[0m: "), "{error:?}");
}
