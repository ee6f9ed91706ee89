//! The dotfile and the identity that opens it: missing, damaged, another's, made by hand.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use age::x25519;
use common::{End, KEY, OTHER_KEY, Sandbox};
use refusal::{
    DESCRIPTION, DOTFILE, IDENTITY, assert_not_added, assert_not_started, assert_refused, assert_the_key_or_nothing,
    damaged,
};

#[test]
fn an_identity_that_others_may_read_is_refused() {
    for mode in [0o644, 0o640, 0o604, 0o660, 0o601] {
        let sandbox = Sandbox::with_key();
        fs::set_permissions(sandbox.identity(), Permissions::from_mode(mode)).unwrap();
        let part = format!(
            "withkey: cause: its mode is {mode:04o}\nwithkey: hint: chmod 600 {}",
            sandbox.identity().display()
        );
        assert_not_started("identity", &sandbox, &part);
        assert_not_added("identity", &sandbox, &part);
    }
}

#[test]
fn a_damaged_dotfile_gives_no_key_at_all() {
    let sandbox = Sandbox::with_key();
    let file = sandbox.configuration(DOTFILE);
    let whole = fs::read(&file).unwrap();
    for (what, bytes) in damaged(&whole) {
        fs::write(&file, bytes).unwrap();
        let outcome = sandbox.withkey(["printenv", "OPENAI_API_KEY"]).run();
        assert_ne!(outcome.end, End::Exit(0), "{what}");
        assert_refused(&outcome, 125, &format!("withkey: error: cannot open the dotfile {}", file.display()));
    }
    for bytes in [
        &b""[..],
        b"\0",
        b"age-encryption.org/v2\n",
        b"-----BEGIN AGE ENCRYPTED FILE-----\n",
        &[&whole[..], b"\n"].concat(),
        &[&whole[..], &whole].concat(),
    ] {
        fs::write(&file, bytes).unwrap();
        assert_not_started("dotfile", &sandbox, "withkey: hint: put it back from its backup");
        assert_not_added("dotfile", &sandbox, "withkey: hint: put it back from its backup");
    }
    fs::write(&file, whole).unwrap();
    sandbox.withkey(["true"]).run().assert_exit(0);
}

#[test]
fn a_damaged_identity_never_gives_another_key() {
    let sandbox = Sandbox::with_key();
    let whole = fs::read(sandbox.identity()).unwrap();
    for (what, bytes) in damaged(&whole) {
        fs::write(sandbox.identity(), &bytes).unwrap();
        let outcome = assert_the_key_or_nothing(&what, &sandbox);
        let secret = whole.windows(15).position(|bytes| bytes == b"AGE-SECRET-KEY-").unwrap();
        if bytes.len() == whole.len() && bytes[secret..whole.len() - 1] != whole[secret..whole.len() - 1] {
            assert_ne!(outcome.end, End::Exit(0), "{what}");
        }
        let shown = outcome.stderr().to_uppercase().contains("AGE-SECRET-KEY-1");
        assert!(!shown, "{what}: the message shows the identity: {}", outcome.stderr());
    }
    for (text, part) in [
        (&b""[..], "it is empty"),
        (b"# only a comment\n", "it is empty"),
        (b"AGE-PLUGIN-YUBIKEY-1QQQQQQQQ\n", "it is of a kind this build does not support"),
        (b"AGE-SECRET-KEY-PQ-1QQQQQQQQ\n", "it is of a kind this build does not support"),
        (
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nbm90aGluZw==\n-----END OPENSSH PRIVATE KEY-----\n",
            "it is not an SSH key",
        ),
        (b"age-encryption.org/v1\n-> X25519 x\n", "withkey: error: cannot use the identity of "),
        (
            b"AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ\n",
            "it is not an age identity or an SSH key",
        ),
    ] {
        fs::write(sandbox.identity(), text).unwrap();
        assert_not_started("identity", &sandbox, part);
        assert_not_added("identity", &sandbox, part);
    }
}

#[test]
fn another_identity_opens_nothing_and_is_named() {
    let sandbox = Sandbox::with_key();
    let other = x25519::Identity::generate();
    let text = age::secrecy::ExposeSecret::expose_secret(&other.to_string()).to_owned();
    let elsewhere = sandbox.file("elsewhere", &text, 0o600);
    let part = "it is not encrypted to the identity of ";
    let launch = || sandbox.withkey(["touch", "started"]);
    assert_refused(
        &launch().set("WITHKEY_IDENTITY_FILE", &elsewhere).run(),
        125,
        &format!("{part}{}", elsewhere.display()),
    );
    assert_refused(&launch().set("WITHKEY_IDENTITY", &text).run(), 125, &format!("{part}WITHKEY_IDENTITY\n"));
    fs::write(sandbox.identity(), &text).unwrap();
    assert_not_started("identity", &sandbox, part);
    assert_not_added("identity", &sandbox, part);
}

/// The first of them that is named is the one: a mistake in it is told, and not passed over.
#[test]
fn identities_do_not_fall_through() {
    let sandbox = Sandbox::with_key();
    let launch = |name: &str, value: &str| {
        let outcome = sandbox.withkey(["touch", "started"]).set(name, value).run();
        assert!(!sandbox.project().join("started").exists());
        outcome
    };
    assert_refused(&launch("WITHKEY_IDENTITY", "garbage"), 125, "cannot use the identity of WITHKEY_IDENTITY");
    assert_refused(&launch("WITHKEY_IDENTITY_FILE", "/nowhere"), 125, "/nowhere does not exist");
    assert_refused(&launch("WITHKEY_IDENTITY_FILE", "/"), 125, "cannot use /");
    let open = sandbox.file("open", fs::read(sandbox.identity()).unwrap(), 0o644);
    assert_refused(&launch("WITHKEY_IDENTITY_FILE", open.to_str().unwrap()), 125, "other users may read ");
    // Empty is unset.
    sandbox.withkey(["true"]).set("WITHKEY_IDENTITY", "").set("WITHKEY_IDENTITY_FILE", "").run().assert_exit(0);
}

#[test]
fn what_is_gone_is_named_with_the_way_back() {
    let gone = |file: &str| {
        let sandbox = Sandbox::with_key();
        fs::remove_file(sandbox.configuration(file)).unwrap();
        sandbox
    };
    let sandbox = gone(IDENTITY);
    assert_not_started("identity", &sandbox, "withkey: error: there is no identity to open the dotfile with");
    // A new identity would open nothing of what is there.
    assert_not_added("identity", &sandbox, "withkey: error: there is no identity to open the dotfile with");
    let sandbox = gone(DOTFILE);
    assert_not_started("dotfile", &sandbox, "withkey: error: the dotfile of profile default is missing");
    assert_not_added("dotfile", &sandbox, "withkey: error: the dotfile of profile default is missing");
    let sandbox = gone(DESCRIPTION);
    assert_not_started("description", &sandbox, "withkey: error: no profile for ");
    assert_refused(
        &sandbox.withkey(["-p", "default", "true"]).run(),
        125,
        "withkey: error: there is no profile default",
    );
}

/// The age file of a lost description may hold the only copy of a key.
#[test]
fn a_dotfile_without_description_is_kept() {
    let sandbox = Sandbox::with_key();
    let dotfile = fs::read(sandbox.configuration(DOTFILE)).unwrap();
    fs::remove_file(sandbox.configuration(DESCRIPTION)).unwrap();
    sandbox.withkey(["add"]).input(OTHER_KEY).run().assert_exit(0).assert_stderr_has("withkey: warning: ");
    sandbox.withkey(["printenv", "OPENAI_API_KEY"]).run().assert_stdout(&format!("{OTHER_KEY}\n"));
    let kept = |entry: PathBuf| fs::read(entry).unwrap() == dotfile;
    assert!(fs::read_dir(sandbox.configuration("profiles")).unwrap().any(|entry| kept(entry.unwrap().path())));
}

#[test]
fn a_dotfile_made_by_hand_is_read() {
    let sandbox = Sandbox::with_key();
    let recipient: x25519::Recipient =
        fs::read_to_string(sandbox.path("home/.local/share/withkey/recipient.txt")).unwrap().trim().parse().unwrap();
    let write = |text: &str| {
        fs::write(sandbox.configuration(DOTFILE), age::encrypt(&recipient, text.as_bytes()).unwrap()).unwrap()
    };
    for text in [
        format!("OPENAI_API_KEY={OTHER_KEY}"),
        format!("\u{feff}# mine\r\nexport OPENAI_API_KEY = \"{OTHER_KEY}\"\r\nLD_PRELOAD=x\r\n"),
    ] {
        write(&text);
        let found = sandbox.withkey(["sh", "-c", "printenv OPENAI_API_KEY; echo ${LD_PRELOAD-not there}"]).run();
        found.assert_exit(0).assert_stderr("").assert_stdout(&format!("{OTHER_KEY}\nnot there\n"));
    }
    for (text, part) in [
        (format!("OPENAI_API_KEY={OTHER_KEY}$HOME"), "withkey: error: line 1 of "),
        (format!("A=1\nOPENAI_API_KEY='{OTHER_KEY}"), "withkey: error: line 2 of "),
        (format!("OPENAI_API_KEY={OTHER_KEY}\nOPENAI_API_KEY={KEY}"), "the name stands there twice"),
        (OTHER_KEY.to_owned(), "withkey: error: line 1 of "),
        (String::new(), "withkey: error: profile default has no key for OPENAI_API_KEY"),
        ("OPENAI_API_KEY=\n".to_owned(), "withkey: error: profile default has no key for OPENAI_API_KEY"),
        (format!("OPENAI_API_KEY='{OTHER_KEY}\0'"), "it holds a NUL byte"),
        (format!("LLM_KEY={OTHER_KEY}"), "withkey: error: profile default has no key for OPENAI_API_KEY"),
    ] {
        write(&text);
        assert_not_started(&text, &sandbox, part);
    }
    // `add` changes its own line only.
    write("# mine\nOPENAI_API_KEY='sk-test-by-hand-0123456789'\n");
    sandbox.withkey(["add", "default", "LLM_KEY"]).input(KEY).run().assert_exit(0);
    let found = sandbox.withkey(["printenv", "OPENAI_API_KEY", "LLM_KEY"]).run();
    found.assert_exit(0).assert_stdout(&format!("sk-test-by-hand-0123456789\n{KEY}\n"));
}
