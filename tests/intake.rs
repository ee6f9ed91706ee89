//! What becomes of a value on its way in: cleaned, refused in words, or stored byte for byte, never changed.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use common::{End, KEY, Outcome, Sandbox};
use refusal::{Tree, assert_refused};
use session::assert_no_piece;

/// Stores one value under one variable of the profile `x`; `line` is what standard input gives, with its line end.
fn add(sandbox: &Sandbox, variable: &str, line: &[u8]) -> Outcome {
    sandbox.withkey(["add", "x", variable, "--replace"]).input(line).run()
}

/// What COMMAND gets, without the line end that printenv adds.
#[track_caller]
fn got(sandbox: &Sandbox, variable: &str) -> Vec<u8> {
    let outcome = sandbox.withkey(["-p", "x", "printenv", variable]).run();
    outcome.assert_exit(0).assert_stderr("");
    outcome.stdout.strip_suffix(b"\n").unwrap().to_vec()
}

#[test]
fn what_a_copy_brings_along_is_taken_off_and_told() {
    let sandbox = Sandbox::with_key();
    for (line, told) in [
        (format!("  {KEY}\t\n"), "white space"),
        (format!("{KEY}\r\n"), "white space"),
        (format!("{KEY}\r"), "white space"),
        (format!("\"{KEY}\"\n"), "quotes"),
        (format!("'{KEY}'\n"), "quotes"),
        (format!("\u{feff}{KEY}\n"), "a byte order mark"),
        (format!("export OPENAI_API_KEY='{KEY}'\r\n"), "white space, export, the variable's name, quotes"),
        (format!("OPENAI_API_KEY={KEY}\n"), "the variable's name"),
    ] {
        let outcome = add(&sandbox, "OPENAI_API_KEY", line.as_bytes());
        outcome.assert_exit(0).assert_stdout("");
        outcome.assert_stderr_has(&format!("withkey: took {told} off the value for OPENAI_API_KEY\n"));
        assert_no_piece("add", KEY.as_bytes(), &outcome.stderr);
        assert_eq!(got(&sandbox, "OPENAI_API_KEY"), KEY.as_bytes(), "{line:?}");
    }
    for line in [KEY.to_owned(), format!("{KEY}\n"), format!("{KEY}\n\n \n")] {
        add(&sandbox, "OPENAI_API_KEY", line.as_bytes())
            .assert_exit(0)
            .assert_stderr("withkey: stored OPENAI_API_KEY (sk-…ghij) in profile x, store dotfile\n");
    }
}

#[test]
fn what_cannot_be_a_key_is_refused_in_words_and_nothing_changes() {
    let sandbox = Sandbox::with_key();
    let before = Tree::of(&sandbox);
    for (value, why) in [
        ("   ", "it is empty"),
        ("''", "it is empty"),
        ("sk-test-0123456789 klmnopqrst", "it holds white space"),
        ("sk-test-0123456789\u{1b}klmnopqrst", "it holds white space or control characters"),
        ("sk-test-0123456789\u{7f}klmnopqrst", "it holds white space or control characters"),
        ("sk-test-0123456789é-klmnopqrst", "it holds characters that are not ASCII"),
        ("sk-test-0123456789\u{a0}klmnopqrst", "it holds characters that are not ASCII"),
        ("sk-test-01234567890", "it is under 20 bytes"),
        ("sk-...", "it is a placeholder"),
        ("sk-proj-xxxxxxxxxxxxxxxxxxxxxxxx", "it is a placeholder"),
        ("your-api-key-is-to-go-here", "it is a placeholder"),
        ("<paste-your-key-into-here>", "it is a placeholder"),
        ("sk-admin-0123456789abcdefghijklmnop", "it is an admin key"),
    ] {
        let outcome = add(&sandbox, "OPENAI_API_KEY", format!("{value}\n").as_bytes());
        assert_refused(&outcome, 1, why);
        if value.len() > 12 {
            assert_no_piece("add", &value.as_bytes()[4..], &outcome.stderr);
        }
    }
    for value in [&b"sk-test-0123456789\0klmnopqrst\n"[..], b"sk-test-0123456789\xffklmnopqrst\n"] {
        assert_refused(
            &add(&sandbox, "OPENAI_API_KEY", value),
            1,
            "not stored: the value for OPENAI_API_KEY cannot be a key",
        );
    }
    before.assert_unchanged("add", &sandbox);
}

#[test]
fn an_odd_format_warns_and_is_stored() {
    let sandbox = Sandbox::with_key();
    for (variable, value, warning) in [
        (
            "OPENAI_API_KEY",
            "zz-test-0123456789abcdefghij",
            "OpenAI keys usually begin with sk-proj- or sk-svcacct- or sk-admin- or sk-",
        ),
        ("OPENAI_API_KEY", "sk-ant-0123456789abcdefghij", "looks like one of Anthropic, not OpenAI"),
        ("ANTHROPIC_API_KEY", "sk-test-0123456789abcdefghij", "looks like one of OpenAI or DeepSeek, not Anthropic"),
        ("OPENAI_ADMIN_KEY", "sk-test-0123456789abcdefghij", "admin keys usually begin with sk-admin-"),
        ("OPENAI_API_KEY", "sk-test-0123456789+/abcdefghij=", "keys are usually made of letters, digits, - and _ only"),
    ] {
        let outcome = add(&sandbox, variable, format!("{value}\n").as_bytes());
        outcome.assert_exit(0).assert_stderr_has("withkey: warning: ").assert_stderr_has(warning);
        assert_no_piece("add", value.as_bytes(), &outcome.stderr);
        assert_eq!(got(&sandbox, variable), value.as_bytes());
    }
    let admin = "sk-admin-0123456789abcdefghijklmnop";
    add(&sandbox, "OPENAI_ADMIN_KEY", admin.as_bytes()).assert_exit(0);
    assert_eq!(got(&sandbox, "OPENAI_ADMIN_KEY"), admin.as_bytes());
}

/// Every character that a shell, dotenv or TOML could understand.
#[test]
fn a_key_arrives_byte_for_byte_whatever_is_in_it() {
    let sandbox = Sandbox::with_key();
    for piece in [
        "$HOME", "${HOME}", "${X}", "$X", "$(id)", "`id`", "#", "#x", "'", "''", "'\\''", "\"", "\"\"", "\\", "\\\\",
        "\\n", "\\'", "\\\"", "%s", "!", "=", "==", "&&", ";", "|", "*", "~", "{}", "[]", "A=B", "${", "$'", "'$HOME'",
        "export",
    ] {
        for value in [
            format!("sk-test-{piece}0123456789abcdef"),
            format!("sk-test-0123456789abcdef{piece}"),
            format!("{piece}-test-0123456789abcdef"),
            format!("sk-test-{piece}{piece}-0123456{piece}789abcdef"),
        ] {
            let outcome = add(&sandbox, "OPENAI_API_KEY", format!("{value}\n").as_bytes());
            outcome.assert_exit(0).assert_stdout("");
            assert_no_piece("add", &value.as_bytes()[3..], &outcome.stderr);
            assert_eq!(String::from_utf8_lossy(&got(&sandbox, "OPENAI_API_KEY")), value);
        }
    }
}

/// Under a name that is not in the provider table nothing is cleaned or judged.
#[test]
fn a_value_of_any_other_name_arrives_byte_for_byte() {
    let sandbox = Sandbox::with_key();
    let all: Vec<u8> = (1..=127).filter(|byte| *byte != b'\n').collect();
    for value in [
        &b"x"[..],
        b" two spaces  ",
        b"\ttab\t",
        b"with a return\r",
        b"\xef\xbb\xbfwith a mark",
        b"\"quoted\"",
        b"'quoted'",
        b"'",
        b"\\",
        b"MY_SECRET=x",
        b"export x",
        b"sk-...",
        b"<key>",
        b"sk-admin-0123456789abcdefghijklmnop",
        b"$HOME",
        b"#",
        b"caf\xc3\xa9",
        b"\x1b[31m",
        "\u{a0}\u{2028}\u{85}".as_bytes(),
        &all,
    ] {
        let outcome = add(&sandbox, "MY_SECRET", &[value, b"\n"].concat());
        outcome.assert_exit(0).assert_stdout("").assert_stderr_has("withkey: stored MY_SECRET (");
        assert_eq!(got(&sandbox, "MY_SECRET").escape_ascii().to_string(), value.escape_ascii().to_string());
    }
}

/// Values that are no text: either of the two, but never a third thing.
#[test]
fn a_value_that_is_not_utf8_arrives_whole_or_changes_nothing() {
    let sandbox = Sandbox::with_key();
    for value in [&b"caf\xe9 secret"[..], b"\xff", b"\xf0\x9f\x92", b"\xc0\xaf", b"\xed\xa0\x80", b"'\xff'", b"\\\xff"]
    {
        let before = Tree::of(&sandbox);
        let outcome = sandbox.withkey(["add", "y", "MY_SECRET"]).input([value, b"\n"].concat()).run();
        if outcome.end == End::Exit(0) {
            let found = sandbox.withkey(["-p", "y", "printenv", "MY_SECRET"]).run().stdout;
            assert_eq!(found.escape_ascii().to_string(), [value, b"\n"].concat().escape_ascii().to_string());
            sandbox.withkey(["remove", "y", "--yes"]).run().assert_exit(0);
        } else {
            // It was no line of any file: it came through standard input.
            assert_refused(&outcome, 1, "withkey: error: not stored: the value for MY_SECRET");
            before.assert_unchanged("add", &sandbox);
        }
    }
}

#[test]
fn a_value_may_have_64_kib_and_not_a_byte_more() {
    let sandbox = Sandbox::with_key();
    let key = format!("sk-test-{}", "Ab3_".repeat(16_382));
    assert_eq!(key.len(), 64 * 1024);
    add(&sandbox, "OPENAI_API_KEY", key.as_bytes())
        .assert_exit(0)
        .assert_stderr_has("stored OPENAI_API_KEY (sk-…Ab3_)");
    assert!(got(&sandbox, "OPENAI_API_KEY") == key.as_bytes());
    // Each of these takes four bytes in the file.
    let quotes = "'".repeat(64 * 1024);
    add(&sandbox, "MY_SECRET", format!("{quotes}\n").as_bytes()).assert_exit(0);
    assert!(got(&sandbox, "MY_SECRET") == quotes.as_bytes());
    let before = Tree::of(&sandbox);
    for (variable, value) in
        [("OPENAI_API_KEY", format!("{key}x")), ("MY_SECRET", format!("{quotes}'")), ("MY_SECRET", "x".repeat(1 << 20))]
    {
        let outcome = add(&sandbox, variable, format!("{value}\n").as_bytes());
        assert_refused(&outcome, 1, "withkey: error: ");
        assert!(outcome.stderr().len() < 400, "the value is in the message");
        before.assert_unchanged("add", &sandbox);
    }
}

#[test]
fn an_empty_value_and_a_nul_are_refused_under_any_name() {
    let sandbox = Sandbox::with_key();
    let before = Tree::of(&sandbox);
    assert_refused(&add(&sandbox, "MY_SECRET", b"\n"), 1, "withkey: error: ");
    assert_refused(&add(&sandbox, "MY_SECRET", b"a\0b\n"), 1, "it holds a NUL byte");
    let both = sandbox.withkey(["add", "y", "A", "B"]).input("\nb\n").run();
    assert_refused(&both, 1, "not stored: the value for A cannot be a key");
    before.assert_unchanged("add", &sandbox);
}

/// Only an empty one is refused under a name outside the table.
#[test]
fn a_value_of_blanks_alone_arrives_too() {
    let sandbox = Sandbox::with_key();
    add(&sandbox, "MY_SECRET", b"  \n").assert_exit(0);
    assert_eq!(got(&sandbox, "MY_SECRET"), b"  ");
}
