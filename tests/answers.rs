//! `list` and `status`: what they say to people and to scripts, and that they only look.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use std::fs;

use common::{OTHER_KEY, Sandbox};
use refusal::assert_refused;
use serde_json::{Value, json};
use session::{assert_no_key_shown, session};

/// The answer of a `--json`: one object whose first field is the version.
#[track_caller]
fn object(sandbox: &Sandbox, words: &[&str]) -> Value {
    let outcome = sandbox.withkey(words).run();
    outcome.assert_exit(0).assert_stderr("");
    assert_no_key_shown(&outcome);
    let text = outcome.stdout();
    assert!(text.starts_with("{\n  \"version\": 1,\n"), "{text}");
    assert!(text.ends_with("}\n"), "{text}");
    serde_json::from_str(&text).unwrap()
}

/// `default` and `work`, the latter with two keys and a directory.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_key();
    sandbox.add_variables("work", &[("OPENAI_API_KEY", OTHER_KEY), ("MY_SECRET", "short")]);
    sandbox.bind("work", ".");
    sandbox
}

#[test]
fn list_shows_every_profile_and_no_key() {
    session(
        &sandbox(),
        "
        $ withkey list
        default (dotfile, the default)
          OPENAI_API_KEY  sk-…ghij  added TODAY
        work (dotfile)
          OPENAI_API_KEY  sk-…tsrq  added TODAY
          MY_SECRET       …         added TODAY
          /sandbox/project
        $ withkey use --default work 2>/dev/null; withkey list | grep default
        default (dotfile)
        work (dotfile, the default)
    ",
    );
    session(
        &Sandbox::new(),
        "
        $ withkey list; ls -A ~
        withkey: no profile yet; withkey add stores a key
    ",
    );
}

#[test]
fn list_has_an_object_for_scripts() {
    let sandbox = sandbox();
    let mut answer = object(&sandbox, &["list", "--json"]);
    let added = answer["profiles"][0]["keys"][0]["added"].take();
    assert!(added.as_str().is_some_and(|added| added.len() == 20 && added.ends_with('Z')), "{added}");
    assert_eq!(
        answer["profiles"][0],
        json!({
            "profile": "default",
            "default": true,
            "store": "dotfile",
            "keys": [{ "variable": "OPENAI_API_KEY", "masked": "sk-…ghij", "added": null, "created": null, "last_used": null, "expires": null, "previous": null }],
            "directories": [],
        })
    );
    assert_eq!(answer["profiles"][1]["directories"], json!([sandbox.project()]));
    assert_eq!(answer["profiles"][1]["keys"][1]["masked"], "…");
    assert_eq!(object(&Sandbox::new(), &["list", "--json"])["profiles"], json!([]));
}

#[test]
fn status_says_which_profile_and_why() {
    session(
        &sandbox(),
        "
        $ OPENAI_API_KEY=x withkey status
        directory: /sandbox/project
        profile: work
        source: binding (/sandbox/project)
        store: dotfile
        keys: OPENAI_API_KEY sk-…tsrq, MY_SECRET …
        added: MY_SECRET
        replaced: OPENAI_API_KEY
        recipient: AGE1…
        OpenAI keys: https://platform.openai.com/api-keys
        OpenAI usage: https://platform.openai.com/usage
        OpenAI limits: https://platform.openai.com/settings/organization/limits
        OpenAI billing: https://platform.openai.com/settings/organization/billing
        $ withkey status -p default | sed -n 2,4p; WITHKEY_PROFILE=default withkey status | grep source
        profile: default
        source: option (-p)
        store: dotfile
        source: environment (WITHKEY_PROFILE)
        $ withkey use --remove 2>/dev/null; withkey use --default work 2>/dev/null; withkey status | grep source
        source: default
    ",
    );
    session(
        &Sandbox::new(),
        "
        $ withkey status | head -n 2; ls -A ~
        directory: /sandbox/project
        profile: none here; withkey add stores a key, withkey use PROFILE ties one to this directory
    ",
    );
}

#[test]
fn status_has_an_object_for_scripts() {
    let sandbox = sandbox();
    let answer = object(&sandbox, &["status", "--json"]);
    assert_eq!(answer["directory"], json!(sandbox.project()));
    assert_eq!(answer["profile"], "work");
    assert_eq!(answer["source"], json!({ "kind": "binding", "directory": sandbox.project() }));
    assert_eq!(answer["keys"][0], json!({ "variable": "OPENAI_API_KEY", "masked": "sk-…tsrq", "previous": null }));
    assert_eq!(answer["added"], json!(["OPENAI_API_KEY", "MY_SECRET"]));
    assert_eq!(
        answer["pages"][0],
        json!({ "provider": "OpenAI", "page": "keys", "url": "https://platform.openai.com/api-keys" })
    );
    assert!(answer["recipient"].as_str().unwrap().starts_with("age1"));
    let nothing = object(&Sandbox::new(), &["status", "--json"]);
    assert_eq!(
        (&nothing["profile"], &nothing["source"], &nothing["recipient"]),
        (&json!(null), &json!(null), &json!(null))
    );
}

/// Nobody is asked and nothing is opened: an identity that cannot be read is no hindrance.
#[test]
fn status_list_and_dry_run_open_no_store() {
    let sandbox = sandbox();
    fs::write(sandbox.identity(), "damaged").unwrap();
    for name in ["default", "work"] {
        fs::remove_file(sandbox.configuration(format!("profiles/{name}.age"))).unwrap();
    }
    for words in [&["status"][..], &["list"], &["--dry-run", "true"], &["status", "--json"]] {
        sandbox.withkey(words).run().assert_exit(0).assert_stderr("");
    }
}

/// Nobody can give a passphrase here; the recipient of a closed identity is just not known.
#[test]
fn status_asks_for_no_passphrase() {
    let sandbox = sandbox();
    let mut recipient = age::scrypt::Recipient::new("open sesame".to_owned().into());
    recipient.set_work_factor(4);
    let closed = age::encrypt(&recipient, &fs::read(sandbox.identity()).unwrap()).unwrap();
    let file = sandbox.file("closed", closed, 0o600);
    let outcome = sandbox.withkey(["status"]).set("WITHKEY_IDENTITY_FILE", &file).run();
    outcome.assert_exit(0).assert_stderr("");
    assert!(!outcome.stdout().contains("recipient: "), "{}", outcome.stdout());
}

#[test]
fn a_full_standard_output_is_a_failure_and_a_closed_reader_is_none() {
    let sandbox = sandbox();
    for words in ["status", "list", "--dry-run true"] {
        let outcome = session::shell(&sandbox, &format!("withkey {words} > /dev/full")).run();
        assert_refused(&outcome, if words.starts_with('-') { 125 } else { 1 }, "cannot write the answer");
        session::shell(&sandbox, &format!("withkey {words} | true")).run().assert_exit(0).assert_stderr("");
    }
}
