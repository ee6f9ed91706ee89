//! A withkey that was built without the feature `online`.
#![cfg(not(feature = "online"))]
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use common::{KEY, OTHER_KEY, Sandbox};
use refusal::{Tree, assert_refused};

#[test]
fn it_says_so_in_words_and_changes_nothing() {
    let sandbox = Sandbox::with_key();
    let before = Tree::of(&sandbox);
    for words in [&["check", "--online"][..], &["add", "work", "--online"], &["rotate", "default", "--online"]] {
        assert_refused(&sandbox.withkey(words).input(OTHER_KEY).run(), 1, "this withkey cannot ask a provider");
    }
    before.assert_unchanged("--online", &sandbox);
    sandbox.withkey(["printenv", "OPENAI_API_KEY"]).run().assert_stdout(&format!("{KEY}\n"));
}
