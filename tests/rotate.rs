//! `withkey rotate`: a key is replaced with a way back, and never lost on the way.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/protected.rs"]
mod protected;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;
#[path = "common/steps.rs"]
mod steps;

use std::fs;

use common::{End, KEY, OTHER_KEY, Pty, Sandbox};
use refusal::{Tree, assert_refused};
use session::{assert_no_key, session};
use steps::at_every_write;

const THIRD_KEY: &str = "sk-test-third-zxcvbnmasdfghjklqwertyu";

/// `work` with two keys, used in the project.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add_variables("work", &[("OPENAI_API_KEY", KEY), ("LLM_KEY", THIRD_KEY)]);
    sandbox.bind("work", ".");
    sandbox
}

/// What a launch injects.
#[track_caller]
fn assert_key(sandbox: &Sandbox, key: &str) {
    sandbox
        .withkey(["printenv", "OPENAI_API_KEY", "LLM_KEY"])
        .run()
        .assert_exit(0)
        .assert_stdout(&format!("{key}\n{THIRD_KEY}\n"));
}

#[test]
fn a_key_is_replaced_shown_as_unfinished_and_finished() {
    session(
        &sandbox(),
        "
        $ echo $OTHER_KEY | withkey rotate work OPENAI_API_KEY
        withkey: replacing OPENAI_API_KEY (sk-…ghij) of profile work
        withkey: used in /sandbox/project
        withkey: a new key is made at https://platform.openai.com/api-keys
        withkey: stored OPENAI_API_KEY (sk-…tsrq) in profile work, store dotfile
        withkey: the previous key (sk-…ghij) is kept in the same store until you finish
        withkey: hint: when all works with the new key: withkey rotate work OPENAI_API_KEY --finish; to go back: withkey rotate work OPENAI_API_KEY --undo
        $ withkey printenv OPENAI_API_KEY; withkey env | grep -c PREVIOUS
        $OTHER_KEY
        0
        [1]
        $ withkey list
        work (dotfile)
          OPENAI_API_KEY  sk-…tsrq  added TODAY  last used TODAY
          LLM_KEY         sk-…rtyu  added TODAY  last used TODAY
          the previous key of OPENAI_API_KEY (sk-…ghij) is still kept: withkey rotate work OPENAI_API_KEY --finish, or --undo
          /sandbox/project
        $ withkey status | grep finished
        not finished: OPENAI_API_KEY (previous sk-…ghij), withkey rotate work OPENAI_API_KEY --finish, or --undo
        $ withkey list --json | grep previous; withkey status --json | grep previous
                  \"previous\": \"sk-…ghij\"
                  \"previous\": null
              \"previous\": \"sk-…ghij\"
              \"previous\": null
        $ withkey -n true
        program: /usr/bin/true
        profile: work
        source: binding (/sandbox/project)
        store: dotfile
        added: OPENAI_API_KEY, LLM_KEY
        $ withkey rotate work OPENAI_API_KEY --finish
        withkey: deleted the previous key of OPENAI_API_KEY (sk-…ghij) from profile work
        withkey: hint: it works until it is deleted at OpenAI too: https://platform.openai.com/api-keys
        withkey: hint: withkey cannot see where else it was put: CI secrets, other machines, deployed services, shared notes
        $ withkey printenv OPENAI_API_KEY; withkey list | grep -c previous; withkey status | grep -c finished
        $OTHER_KEY
        0
        0
        [1]
        $ withkey rotate work OPENAI_API_KEY --undo
        withkey: error: there is no previous key of OPENAI_API_KEY of profile work to go back to
        withkey: hint: see what is kept: withkey list
        [1]
        $ withkey rotate work OPENAI_API_KEY --finish
        withkey: error: there is no previous key of OPENAI_API_KEY of profile work to delete
        withkey: hint: see what is kept: withkey list
        [1]
    ",
    );
}

#[test]
fn undo_changes_the_two_keys_places_each_with_its_dates() {
    let sandbox = Sandbox::new();
    let dates = ["--created", "2026-01-02", "--expires", "2099-01-31"];
    sandbox.withkey(["add", "work"]).args(dates).input(KEY).run().assert_exit(0);
    session(
        &sandbox,
        "
        $ echo $OTHER_KEY | withkey rotate work 2>/dev/null; withkey list
        work (dotfile)
          OPENAI_API_KEY  sk-…tsrq  added TODAY
          the previous key of OPENAI_API_KEY (sk-…ghij) is still kept: withkey rotate work OPENAI_API_KEY --finish, or --undo
        $ withkey rotate work --undo
        withkey: went back to the previous key of OPENAI_API_KEY (sk-…ghij) in profile work
        withkey: the key that was in use until now (sk-…tsrq) is the previous one now, kept in the same store
        withkey: hint: to go back to it: withkey rotate work OPENAI_API_KEY --undo; to delete it: withkey rotate work OPENAI_API_KEY --finish
        $ withkey list; withkey -p work printenv OPENAI_API_KEY
        work (dotfile)
          OPENAI_API_KEY  sk-…ghij  added TODAY  created 2026-01-02  expires 2099-01-31
          the previous key of OPENAI_API_KEY (sk-…tsrq) is still kept: withkey rotate work OPENAI_API_KEY --finish, or --undo
        $KEY
        $ withkey rotate work --undo 2>/dev/null; withkey list; withkey -p work printenv OPENAI_API_KEY
        work (dotfile)
          OPENAI_API_KEY  sk-…tsrq  added TODAY  last used TODAY
          the previous key of OPENAI_API_KEY (sk-…ghij) is still kept: withkey rotate work OPENAI_API_KEY --finish, or --undo
        $OTHER_KEY
        $ withkey rotate work --undo 2>/dev/null; withkey rotate work --finish
        withkey: deleted the previous key of OPENAI_API_KEY (sk-…tsrq) from profile work
        withkey: hint: it works until it is deleted at OpenAI too: https://platform.openai.com/api-keys
        withkey: hint: withkey cannot see where else it was put: CI secrets, other machines, deployed services, shared notes
        $ withkey list | head -n 2; withkey list | grep -c previous; withkey -p work printenv OPENAI_API_KEY
        work (dotfile)
          OPENAI_API_KEY  sk-…ghij  added TODAY  created 2026-01-02  last used TODAY  expires 2099-01-31
        0
        $KEY
    ",
    );
}

#[test]
fn the_previous_key_is_sealed_and_no_launch_can_name_it() {
    let sandbox = sandbox();
    sandbox.withkey(["rotate", "work", "OPENAI_API_KEY"]).input(OTHER_KEY).run().assert_exit(0);
    session::assert_no_key_in_files(&sandbox.home());
    let named = "WITHKEY_PREVIOUS_OPENAI_API_KEY";
    let outcome = sandbox.withkey(["-e", named, "printenv", named]).run();
    assert_refused(&outcome, 125, "withkey does not inject WITHKEY_PREVIOUS_OPENAI_API_KEY");
    let outcome = sandbox.withkey(["-e", &format!("X={named}"), "printenv", "X"]).run();
    assert_refused(&outcome, 125, "withkey does not inject WITHKEY_PREVIOUS_OPENAI_API_KEY");
    assert_refused(&sandbox.withkey(["remove", "work", named, "-y"]).run(), 1, "has no key for");
    assert_refused(&sandbox.withkey(["rotate", "work", named]).input(KEY).run(), 2, "withkey does not inject");
    let environment = sandbox.withkey(["env"]).run().stdout();
    assert!(!environment.contains("PREVIOUS") && !environment.contains(KEY), "{environment}");
}

#[test]
fn the_same_key_and_what_is_no_key_change_nothing() {
    let sandbox = sandbox();
    let before = Tree::of(&sandbox);
    let rotate = |words: &[&str], input: &str| sandbox.withkey(["rotate"]).args(words).input(input).run();
    for (words, input, status, part) in [
        (&["work", "OPENAI_API_KEY"][..], KEY, 1, "is this very key already"),
        (&["work", "OPENAI_API_KEY"], "  'sk-test-sandbox-0123456789abcdefghij'\r", 1, "is this very key already"),
        (&["work", "OPENAI_API_KEY"], "sk-short", 1, "cannot be a key"),
        (&["work", "OPENAI_API_KEY"], "", 1, "0 lines for 1 variable"),
        (&["work", "OPENAI_API_KEY"], "a\nb", 1, "2 lines for 1 variable"),
        (&["work"], OTHER_KEY, 1, "which key of profile work is not said"),
        (&["work", "HF_TOKEN"], OTHER_KEY, 1, "profile work has no key for HF_TOKEN"),
        (&["work", "HF_TOKEN", "--undo"], "", 1, "profile work has no key for HF_TOKEN"),
        (&["work", "LLM_KEY", "--finish"], "", 1, "there is no previous key"),
        (&["nobody"], OTHER_KEY, 1, "there is no profile nobody"),
        (&["Work"], OTHER_KEY, 2, "not a profile name"),
        (&["work", "--undo", "--finish"], "", 2, "does not go with"),
        (&["work", "--undo", "--online"], "", 2, "does not go with"),
        (&[], "", 2, "missing"),
    ] {
        assert_refused(&rotate(words, input), status, part);
    }
    before.assert_unchanged("rotate", &sandbox);
}

#[test]
fn a_second_rotation_waits_for_the_end_of_the_first() {
    let sandbox = sandbox();
    sandbox.withkey(["rotate", "work", "OPENAI_API_KEY"]).input(OTHER_KEY).run().assert_exit(0);
    let before = Tree::of(&sandbox);
    let third = "sk-test-fourth-mnbvcxzlkjhgfdsapoiuy";
    let outcome = sandbox.withkey(["rotate", "work", "OPENAI_API_KEY"]).input(third).run();
    assert_refused(&outcome, 1, "cause: its previous key (sk-…ghij) is still kept");
    assert_refused(&outcome, 1, "delete it: withkey rotate work OPENAI_API_KEY --finish, or go back to it: ");
    before.assert_unchanged("rotate", &sandbox);
    // Another variable has a rotation of its own; the only one that is open need not be named.
    sandbox.withkey(["rotate", "work", "LLM_KEY"]).input(third).run().assert_exit(0);
    assert_refused(&sandbox.withkey(["rotate", "work", "--undo"]).run(), 1, "it has OPENAI_API_KEY, LLM_KEY");
    sandbox.withkey(["rotate", "work", "LLM_KEY", "--undo"]).run().assert_exit(0);
    sandbox.withkey(["rotate", "work", "LLM_KEY", "--finish"]).run().assert_exit(0);
    sandbox.withkey(["rotate", "work", "--undo"]).run().assert_exit(0);
    assert_key(&sandbox, KEY);
    // Going back is no end: a third key would push one out that nobody has deleted.
    let outcome = sandbox.withkey(["rotate", "work", "OPENAI_API_KEY"]).input(third).run();
    assert_refused(&outcome, 1, "cause: its previous key (sk-…tsrq) is still kept");
    sandbox.withkey(["rotate", "work", "--finish"]).run().assert_exit(0);
    sandbox.withkey(["rotate", "work", "OPENAI_API_KEY"]).input(third).run().assert_exit(0);
    assert_key(&sandbox, third);
}

#[test]
fn what_add_and_remove_do_to_an_unfinished_rotation() {
    let rotated = || {
        let sandbox = sandbox();
        sandbox.withkey(["rotate", "work", "OPENAI_API_KEY"]).input(OTHER_KEY).run().assert_exit(0);
        sandbox
    };
    // The key that is in use is replaced; the way back leads where it led.
    let sandbox = rotated();
    sandbox.withkey(["add", "work", "OPENAI_API_KEY", "--replace"]).input(THIRD_KEY).run().assert_exit(0);
    assert_key(&sandbox, THIRD_KEY);
    for key in [KEY, THIRD_KEY] {
        sandbox.withkey(["rotate", "work", "OPENAI_API_KEY", "--undo"]).run().assert_exit(0);
        assert_key(&sandbox, key);
    }
    // A removed variable takes its previous key along.
    let sandbox = rotated();
    sandbox.withkey(["remove", "work", "OPENAI_API_KEY", "--yes"]).run().assert_exit(0);
    sandbox.add_variables("work", &[("OPENAI_API_KEY", OTHER_KEY)]);
    let outcome = sandbox.withkey(["rotate", "work", "OPENAI_API_KEY", "--undo"]).run();
    assert_refused(&outcome, 1, "there is no previous key");
    let plaintext = sandbox.directly(["/usr/bin/age", "-d", "-i"]).args([sandbox.identity()]);
    let plaintext = plaintext.args([sandbox.configuration("profiles/work.age")]).run();
    plaintext.assert_exit(0);
    assert!(!plaintext.stdout().contains(KEY), "the previous key is still sealed");
}

#[test]
fn clear_copies_in_bound_directories_are_named_and_left_alone() {
    let sandbox = sandbox();
    let line = format!("# mine\nOPENAI_API_KEY={KEY}\n");
    sandbox.file("project/.env", &line, 0o644);
    sandbox.file("project/.env.local", "OPENAI_API_KEY=sk-test-somebody-elses-0123456789\n", 0o644);
    sandbox.file("project/.envrc", format!("export OPENAI_API_KEY='{KEY}'"), 0o644);
    sandbox.file("project/env", &line, 0o644);
    sandbox.file("project/.env.age", &line, 0o644);
    sandbox.file("elsewhere/.env", &line, 0o644);
    std::os::unix::fs::symlink("/dev/zero", sandbox.path("project/.env.zero")).unwrap();
    nix::unistd::mkfifo(&sandbox.path("project/.env.pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::create_dir(sandbox.path("project/.env.d")).unwrap();
    sandbox.withkey(["use", "--default", "work"]).run().assert_exit(0);
    let before = fs::read_to_string(sandbox.path("project/.env")).unwrap();
    let outcome = sandbox.withkey(["rotate", "work", "OPENAI_API_KEY"]).input(OTHER_KEY).run();
    outcome.assert_exit(0).assert_stdout("");
    session::assert_no_key_shown(&outcome);
    let project = sandbox.project();
    let named =
        |file: &str, line| format!("{}/{file} holds this very key in clear, in line {line}\n", project.display());
    let text = outcome.stderr();
    assert!(text.contains(&named(".env", 2)) && text.contains(&named(".envrc", 1)), "{text}");
    assert!(text.contains("used wherever nothing else is chosen"), "{text}");
    assert_eq!(text.matches("in clear").count(), 2, "{text}");
    assert_eq!(fs::read_to_string(sandbox.path("project/.env")).unwrap(), before);
}

#[test]
fn on_a_terminal_the_new_key_is_asked_for_and_not_shown() {
    let sandbox = sandbox();
    let pty = Pty::open();
    let running = pty.attach(sandbox.withkey(["rotate", "work", "OPENAI_API_KEY"])).start();
    pty.wait_for("a key of OpenAI is made at https://platform.openai.com/api-keys");
    pty.wait_for("OPENAI_API_KEY (not shown while you type): ");
    pty.type_in(&format!("{OTHER_KEY}\n"));
    running.outcome().assert_exit(0);
    assert_no_key("the terminal", pty.text().as_bytes());
    assert_key(&sandbox, OTHER_KEY);
}

#[test]
fn a_description_that_people_edit_keeps_its_comments() {
    let sandbox = sandbox();
    let path = sandbox.configuration("profiles/work.toml");
    let text = format!("# mine\n{}", fs::read_to_string(&path).unwrap());
    fs::write(&path, &text).unwrap();
    sandbox.withkey(["rotate", "work", "OPENAI_API_KEY"]).input(OTHER_KEY).run().assert_exit(0);
    let rotated = fs::read_to_string(&path).unwrap();
    assert!(rotated.starts_with("# mine\n") && rotated.contains("[previous.OPENAI_API_KEY]"), "{rotated}");
    assert_key(&sandbox, OTHER_KEY);
    sandbox.withkey(["rotate", "work", "--finish"]).run().assert_exit(0);
    let finished = fs::read_to_string(&path).unwrap();
    assert!(finished.starts_with("# mine\n") && !finished.contains("previous"), "{finished}");
}

#[test]
fn a_rotation_that_is_cut_short_leaves_the_old_key_or_the_new_one() {
    let sandbox = sandbox();
    let words = ["rotate", "work", "OPENAI_API_KEY"];
    at_every_write(&sandbox, &words, OTHER_KEY, |what, outcome| {
        let found = sandbox.withkey(["printenv", "OPENAI_API_KEY", "LLM_KEY"]).run();
        let (old, new) = (format!("{KEY}\n{THIRD_KEY}\n"), format!("{OTHER_KEY}\n{THIRD_KEY}\n"));
        assert!([&old, &new].contains(&&found.stdout()), "{what}: {outcome:?}, then {found:?}");
        if outcome.end == End::Exit(0) {
            assert_eq!(found.stdout(), new, "{what}: it said that it has stored the key");
        }
        let back = sandbox.withkey(["rotate", "work", "OPENAI_API_KEY", "--undo"]).run();
        if found.stdout() == new {
            // With the new key there is always the way back.
            back.assert_exit(0);
        } else {
            assert_refused(&back, 1, "there is no previous key");
        }
        assert_key(&sandbox, KEY);
        // The same line works again, when the newer key is deleted.
        sandbox.withkey(["rotate", "work", "OPENAI_API_KEY", "--finish"]).run();
        sandbox.withkey(words).input(OTHER_KEY).run().assert_exit(0);
        assert_key(&sandbox, OTHER_KEY);
    });
}

#[test]
fn an_undo_that_is_cut_short_loses_neither_key() {
    let sandbox = sandbox();
    sandbox.withkey(["rotate", "work", "OPENAI_API_KEY"]).input(OTHER_KEY).run().assert_exit(0);
    let words = ["rotate", "work", "OPENAI_API_KEY", "--undo"];
    at_every_write(&sandbox, &words, "", |what, outcome| {
        let found = sandbox.withkey(["printenv", "OPENAI_API_KEY", "LLM_KEY"]).run().stdout();
        let [old, new] = [KEY, OTHER_KEY].map(|key| format!("{key}\n{THIRD_KEY}\n"));
        assert!([&old, &new].contains(&&found), "{what}: {outcome:?}, then {found:?}");
        if outcome.end == End::Exit(0) {
            assert_eq!(found, old, "{what}: it said that it went back");
        }
        // The other one is one step away, and this one again behind that.
        for there in if found == old { [OTHER_KEY, KEY] } else { [KEY, OTHER_KEY] } {
            sandbox.withkey(words).run().assert_exit(0);
            assert_key(&sandbox, there);
        }
    });
}

#[test]
fn a_finish_that_is_cut_short_can_be_typed_again() {
    let sandbox = sandbox();
    sandbox.withkey(["rotate", "work", "OPENAI_API_KEY"]).input(OTHER_KEY).run().assert_exit(0);
    let words = ["rotate", "work", "OPENAI_API_KEY", "--finish"];
    at_every_write(&sandbox, &words, "", |what, outcome| {
        assert_key(&sandbox, OTHER_KEY);
        let again = sandbox.withkey(words).run();
        let done = again.end == End::Exit(0) || again.stderr().contains("there is no previous key");
        assert!(done, "{what}: {outcome:?}, then {again:?}");
        assert_key(&sandbox, OTHER_KEY);
    });
}

/// A passphrase that is asked for again behind the key, and then mistyped, would cost a key that was shown once.
#[test]
fn the_identity_is_opened_once_and_before_the_new_key() {
    let sandbox = sandbox();
    protected::protect_with(&sandbox, "open sesame");
    let (read_end, mut pipe) = common::pipe().unwrap();
    std::io::Write::write_all(&mut pipe, b"open sesame\n").unwrap();
    drop(pipe);
    let start = sandbox.withkey(["rotate", "work", "OPENAI_API_KEY"]).input(OTHER_KEY).descriptor(9, read_end);
    start.set("WITHKEY_PASSPHRASE_FILE", "/dev/fd/9").run().assert_exit(0);
}
