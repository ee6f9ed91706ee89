//! Files that are not what they should be: COMMAND is not started, nothing is changed, and the words say what to do.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use common::{End, KEY, OTHER_KEY, Sandbox};
use nix::sys::stat;
use nix::unistd::mkfifo;
use refusal::{
    DESCRIPTION, DOTFILE, IDENTITY, Tree, assert_not_added, assert_not_started, assert_refused,
    assert_the_key_or_nothing, damaged,
};

#[test]
fn something_else_in_the_place_of_a_file_is_refused() {
    type Spoil = fn(&Path);
    let put: [(&str, Spoil, &str); 8] = [
        ("a folder", |path| fs::create_dir(path).unwrap(), "it is a directory"),
        ("a FIFO", |path| mkfifo(path, stat::Mode::S_IRWXU).unwrap(), "it is not a regular file"),
        ("a link to itself", |path| symlink(path.file_name().unwrap(), path).unwrap(), "withkey: error: cannot open "),
        ("a link to a device", |path| symlink("/dev/zero", path).unwrap(), "it is not a regular file"),
        ("a socket", |path| drop(UnixListener::bind(path).unwrap()), "withkey: error: cannot "),
        ("1 GiB of nothing", |path| fs::File::create(path).unwrap().set_len(1 << 30).unwrap(), " is too large"),
        ("a file that others may change", |path| writable(path), "withkey: error: other users may "),
        ("bytes that are no text", |path| fs::write(path, b"\xff\xfe\0\0").unwrap(), "withkey: error: "),
    ];
    for file in [DESCRIPTION, DOTFILE, IDENTITY, "bindings", "config.toml"] {
        for (what, spoil, part) in &put {
            let sandbox = Sandbox::with_key();
            let path = sandbox.configuration(file);
            let _ = fs::remove_file(&path);
            spoil(&path);
            if path.is_file() {
                let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
                fs::set_permissions(&path, Permissions::from_mode(if mode == 0o622 { mode } else { 0o600 })).unwrap();
            }
            let what = format!("{what} in the place of {file}");
            assert_not_started(&what, &sandbox, part);
            if file != "bindings" {
                assert_not_added(&what, &sandbox, "withkey: error: ");
            }
            assert_refused_or_answered(&what, &sandbox);
        }
    }
}

fn writable(path: &Path) {
    fs::write(path, "").unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o622)).unwrap();
}

/// What only looks must not hang or change anything either.
#[track_caller]
fn assert_refused_or_answered(what: &str, sandbox: &Sandbox) {
    let before = Tree::of(sandbox);
    for words in [&["status"][..], &["list"], &["list", "--json"], &["-n", "true"], &["status", "--json"]] {
        let outcome = sandbox.withkey(words).run();
        if outcome.end == End::Exit(0) {
            outcome.assert_stderr("");
        } else if words == ["list"] {
            outcome.assert_exit(1).assert_stderr_has("withkey: error: ");
        } else {
            assert_refused(&outcome, if words[0] == "-n" { 125 } else { 1 }, "withkey: error: ");
        }
    }
    before.assert_unchanged(what, sandbox);
}

#[test]
fn a_description_that_others_may_change_is_refused() {
    for (file, mode) in [(DESCRIPTION, 0o660), (DESCRIPTION, 0o602), (DOTFILE, 0o660), ("bindings", 0o620)] {
        let sandbox = Sandbox::with_key();
        sandbox.bind("default", ".");
        fs::set_permissions(sandbox.configuration(file), Permissions::from_mode(mode)).unwrap();
        assert_not_started(
            file,
            &sandbox,
            &format!("withkey: hint: chmod go-w {}", sandbox.configuration(file).display()),
        );
        // Readable by all is no danger: there is no key in clear in it.
        fs::set_permissions(sandbox.configuration(file), Permissions::from_mode(0o644)).unwrap();
        sandbox.withkey(["true"]).run().assert_exit(0).assert_stderr("");
    }
}

#[test]
fn a_description_says_what_is_wrong_with_it() {
    let sandbox = Sandbox::with_key();
    let file = sandbox.configuration(DESCRIPTION);
    let good = fs::read_to_string(&file).unwrap();
    let deep = |open: &str| format!("{good}\nx = {}", open.repeat(100_000));
    for (text, part) in [
        (
            good.replace("version = 1", "version = 2\nfuture = true"),
            "withkey: error: PATH is of a newer withkey\nwithkey: cause: it has version 2, this withkey knows version 1\nwithkey: hint: install the newer withkey\n",
        ),
        (good.replace("version = 1", "version = 9223372036854775807"), "PATH is of a newer withkey"),
        (good.replace("version = 1", ""), "it has no `version`"),
        (good.replace("version = 1", "version = \"1\""), "withkey: error: cannot read the description PATH"),
        (good.replace("store = \"dotfile\"", ""), "it has no `store`"),
        (good.replace("store = \"dotfile\"", "store = \"cloud\""), "the store cloud is not known"),
        (good.replace("store = \"dotfile\"", "store = 1"), "`store` is not a string"),
        (good.replace("version = 1", "version = 1\nvresion = 1"), "it has an unknown field `vresion`"),
        (good.replace("masked =", "mask ="), "OPENAI_API_KEY has an unknown field `mask`"),
        (good.replace("added = ", "added = 5 # "), "`added` of OPENAI_API_KEY is not a date"),
        (good.replace("OPENAI_API_KEY", "LD_PRELOAD"), "LD_PRELOAD"),
        (good.replace("OPENAI_API_KEY", "\"A B\""), "A B"),
        (format!("{good}\n[set]\nHF_TOKEN = \"x\"\n"), "a key does not stand in clear"),
        (format!("{good}\n[set]\nX = \"\\u0000\"\n"), "`set` cannot hold X"),
        (format!("{good}\n[set]\nWITHKEY_PROFILE = \"x\"\n"), "`set` cannot hold WITHKEY_PROFILE"),
        (format!("{good}\n[set]\n\"A=B\" = \"x\"\n"), "withkey: error: cannot read the description PATH"),
        (format!("{good}\n[variables.OPENAI_API_KEY]\n"), "withkey: error: cannot read the description PATH"),
        (
            format!("{good}\n[set]\nOPENAI_API_KEY_X = \"\u{1b}[31m\"\n"),
            "withkey: error: cannot read the description PATH",
        ),
        (
            "version = 1\nstore = \"dotfile\"\n".to_owned(),
            "withkey: error: profile default has no key for OPENAI_API_KEY",
        ),
        ("[[[[".to_owned(), "withkey: cause: line 1: "),
        (deep("["), "withkey: error: cannot read the description PATH"),
        (deep("{x="), "withkey: error: cannot read the description PATH"),
        (format!("{good}\n{}x = 1", "x.".repeat(20_000)), "withkey: error: cannot read the description PATH"),
    ] {
        fs::write(&file, &text).unwrap();
        let part = part.replace("PATH", &file.display().to_string());
        let what = text.get(..200).unwrap_or(&text).to_owned();
        assert_not_started(&what, &sandbox, &part);
        if !text.ends_with("dotfile\"\n") {
            assert_not_added(&what, &sandbox, &part);
        }
    }
}

#[test]
fn a_damaged_description_never_gives_another_key() {
    let sandbox = Sandbox::with_key();
    let file = sandbox.configuration(DESCRIPTION);
    let mut refused = 0;
    for (what, bytes) in damaged(&fs::read(&file).unwrap()) {
        fs::write(&file, bytes).unwrap();
        let outcome = assert_the_key_or_nothing(&what, &sandbox);
        refused += usize::from(outcome.end != End::Exit(0));
    }
    assert!(refused > 100, "only {refused} were refused");
}

/// A bit may make another path of it, and so another choice; what it never makes is a key of no profile, or a crash.
#[test]
fn damaged_bindings_choose_a_profile_or_say_what_is_wrong() {
    let sandbox = Sandbox::with_key();
    sandbox.add("work", OTHER_KEY);
    sandbox.bind("work", ".");
    sandbox.withkey(["use", "--default", "default"]).run().assert_exit(0);
    let file = sandbox.configuration("bindings");
    for (what, bytes) in damaged(&fs::read(&file).unwrap()) {
        fs::write(&file, bytes).unwrap();
        let outcome = sandbox.withkey(["printenv", "OPENAI_API_KEY"]).run();
        match outcome.end {
            End::Exit(0) => assert!([KEY, OTHER_KEY].contains(&outcome.stdout().trim_end()), "{what}: {outcome:?}"),
            _ => assert_refused(&outcome, 125, "withkey: error: "),
        }
    }
}
