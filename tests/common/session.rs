//! Sessions: lines as they are typed at a prompt, and what comes back.
//!
//! A line that begins with `$ ` is run by /bin/sh in the sandbox's project; what follows it is its standard output, then
//! its standard error, then `[STATUS]` unless that is 0. `$KEY` and `$OTHER_KEY` stand for the sandbox's keys, `~` for its
//! home, /sandbox for the folder around it, TODAY and NOW for the time, AGE1… for a recipient.
//!
//! On top of what the text says, every session holds that withkey speaks on standard error, that a failing withkey
//! leaves standard output empty, that only a COMMAND shows a key, and that no file below the home holds one in clear.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::common::{End, KEY, OTHER_KEY, Outcome, Sandbox, Start, assert_same, withkey_binary};

/// The shortest piece of a key that counts as the key. A mask shows the first three bytes and the last four.
const PIECE: usize = 8;

/// Types the lines of `transcript` and fails unless the same comes back.
#[track_caller]
pub fn session(sandbox: &Sandbox, transcript: &str) {
    let expected = without_margin(transcript);
    assert_same("the session", &expected, &replay(sandbox, &expected));
}

/// Types the lines of a transcript, and writes down a new one.
#[track_caller]
pub fn replay(sandbox: &Sandbox, transcript: &str) -> String {
    let mut found = String::new();
    for command in transcript.lines().filter_map(|line| line.strip_prefix("$ ")) {
        found += &format!("$ {command}\n{}", answer(sandbox, command));
    }
    assert!(!found.is_empty(), "the session has no line that begins with a dollar sign and a space");
    assert_no_key_in_files(&sandbox.home());
    found
}

/// A shell that knows `withkey`, `$KEY` and `$OTHER_KEY`.
pub fn shell(sandbox: &Sandbox, command: &str) -> Start {
    let binaries = sandbox.path("bin");
    if !binaries.is_dir() {
        fs::create_dir(&binaries).unwrap();
        symlink(withkey_binary(), binaries.join("withkey")).unwrap();
    }
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", binaries.display());
    let script = format!("KEY={KEY} OTHER_KEY={OTHER_KEY}\n{command}");
    sandbox.directly(["/bin/sh", "-c", &script]).set("PATH", path)
}

#[track_caller]
fn answer(sandbox: &Sandbox, command: &str) -> String {
    let outcome = shell(sandbox, command).run();
    let shown = command.contains("printenv") || command.contains("cat ");
    if !shown {
        assert_no_key(command, &outcome.stdout);
    }
    assert_no_key(command, &outcome.stderr);
    let mut text = String::new();
    for line in outcome.stdout().lines() {
        let misplaced = if line.starts_with("withkey: ") { "on standard output: " } else { "" };
        text += &format!("{misplaced}{line}\n");
    }
    for line in outcome.stderr().lines() {
        let misplaced = if line.starts_with("withkey: ") { "" } else { "on standard error: " };
        text += &format!("{misplaced}{line}\n");
    }
    match outcome.end {
        End::Exit(0) => {}
        End::Exit(status) => text += &format!("[{status}]\n"),
        End::Signal(signal) => text += &format!("[signal {signal}]\n"),
    }
    anonymous(sandbox, &text)
}

/// What differs from one run to the next by its name.
pub fn anonymous(sandbox: &Sandbox, text: &str) -> String {
    let today = sandbox.directly(["/bin/date", "-u", "+%F"]).run().stdout();
    let text = text
        .replace(sandbox.home().to_str().unwrap(), "~")
        .replace(sandbox.path("").to_str().unwrap(), "/sandbox/")
        .replace(today.trim(), "TODAY")
        .replace(KEY, "$KEY")
        .replace(OTHER_KEY, "$OTHER_KEY");
    let text = squeezed(&text, "TODAYT", |c| c.is_ascii_digit() || c == ':' || c == 'Z', "NOW");
    squeezed(&text, "age1", |c| c.is_ascii_alphanumeric(), "AGE1…")
}

/// Every `start` and the characters behind it that `belongs` picks, as `name`.
pub fn squeezed(text: &str, start: &str, belongs: fn(char) -> bool, name: &str) -> String {
    let mut parts = text.split(start);
    let mut squeezed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        squeezed += name;
        squeezed += part.trim_start_matches(belongs);
    }
    squeezed
}

/// The transcript as it stands in a file: the margin of a string in Rust taken off.
fn without_margin(transcript: &str) -> String {
    let lines: Vec<_> = transcript.trim_start_matches('\n').trim_end().lines().collect();
    let margin =
        lines.iter().filter(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start().len()).min();
    let inner = lines.iter().map(|line| line.get(margin.unwrap_or(0)..).unwrap_or_default());
    inner.map(|line| format!("{line}\n")).collect()
}

/// Fails when an output holds a piece of one of the sandbox's keys.
#[track_caller]
pub fn assert_no_key(what: &str, output: &[u8]) {
    for key in [KEY, OTHER_KEY] {
        assert_no_piece(what, key.as_bytes(), output);
    }
}

/// Fails when an output holds a piece of a key.
#[track_caller]
pub fn assert_no_piece(what: &str, key: &[u8], output: &[u8]) {
    let shows = output.windows(PIECE).any(|seen| key.windows(PIECE).any(|piece| piece == seen));
    assert!(!shows, "{what}: shows a piece of a key:\n{}", String::from_utf8_lossy(output));
}

/// Fails when neither output may show a key and one does.
#[track_caller]
pub fn assert_no_key_shown(outcome: &Outcome) {
    assert_no_key("standard output", &outcome.stdout);
    assert_no_key("standard error", &outcome.stderr);
}

/// Fails when a file below `folder` holds a key in clear.
#[track_caller]
pub fn assert_no_key_in_files(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            assert_no_key_in_files(&entry.path());
        } else if kind.is_file() && entry.metadata().unwrap().len() < 1 << 20 {
            assert_no_key(&entry.path().display().to_string(), &fs::read(entry.path()).unwrap());
        }
    }
}
