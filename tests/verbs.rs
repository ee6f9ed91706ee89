//! `use`, `remove`, and what is common to the verbs: sessions and exit statuses.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use std::fs;
use std::os::unix::fs::symlink;

use common::{KEY, OTHER_KEY, Sandbox};
use refusal::{Tree, assert_refused};
use session::{session, shell};

/// `default` and `work`, the latter with two keys and a directory.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_key();
    sandbox.add_variables("work", &[("OPENAI_API_KEY", OTHER_KEY), ("MY_SECRET", "short")]);
    sandbox.bind("work", ".");
    sandbox
}

#[test]
fn use_ties_shows_and_unties() {
    session(
        &sandbox(),
        "
        $ mkdir app; withkey use default app; cd app && withkey -n true | grep source
        source: binding (/sandbox/project/app)
        withkey: /sandbox/project/app uses profile default now
        $ cd app && withkey use work; cat ~/.config/withkey/bindings
        work /sandbox/project
        work /sandbox/project/app
        withkey: /sandbox/project/app uses profile work now
        $ withkey use work ../project/./app/..; cat ~/.config/withkey/bindings
        work /sandbox/project
        work /sandbox/project/app
        withkey: /sandbox/project uses profile work now
        $ withkey use --remove app; withkey use --remove; cat ~/.config/withkey/bindings
        withkey: /sandbox/project/app is tied to no profile now
        withkey: /sandbox/project is tied to no profile now
        $ withkey use --remove
        withkey: error: nothing is bound to /sandbox/project
        withkey: hint: see which directories are: withkey list
        [1]
        $ withkey use work app; rmdir app; withkey use --remove app; cat ~/.config/withkey/bindings
        withkey: /sandbox/project/app uses profile work now
        withkey: /sandbox/project/app is tied to no profile now
    ",
    );
}

#[test]
fn use_names_the_default() {
    session(
        &sandbox(),
        "
        $ withkey use --default work; withkey use --default default; cat ~/.config/withkey/bindings
        work /sandbox/project
        default *
        withkey: the default is profile work now
        withkey: the default is profile default now
    ",
    );
}

#[test]
fn use_refuses_what_is_no_profile_and_no_directory() {
    let sandbox = sandbox();
    fs::write(sandbox.path("project/file"), "").unwrap();
    symlink("loop", sandbox.path("project/loop")).unwrap();
    let before = Tree::of(&sandbox);
    for (words, status, part) in [
        (&["use"][..], 2, "no PROFILE is given"),
        (&["use", "work", ".", "."], 2, "a profile and one directory are enough"),
        (&["use", "--default"], 2, "a value is missing"),
        (&["use", "--default", "work", "."], 2, "does not go with"),
        (&["use", "--default", "work", "--remove"], 2, "does not go with"),
        (&["use", "--remove", ".", "."], 2, "--remove takes one directory"),
        (&["use", "Work"], 2, "not a profile name: Work"),
        (&["use", "--default", "../x"], 2, "not a profile name: ../x"),
        (&["use", "nobody"], 1, "there is no profile nobody"),
        (&["use", "--default", "nobody"], 1, "there is no profile nobody"),
        (&["use", "work", "missing"], 1, "cannot bind missing"),
        (&["use", "work", "file"], 1, "cannot bind file"),
        (&["use", "work", "loop"], 1, "cannot bind loop"),
        (&["use", "work", ""], 2, "a value is missing"),
    ] {
        assert_refused(&sandbox.withkey(words).run(), status, part);
    }
    before.assert_unchanged("use", &sandbox);
}

#[test]
fn remove_takes_a_key_or_all_of_a_profile() {
    session(&sandbox(), "
        $ withkey remove work MY_SECRET --yes; withkey list | tail -n 3
        work (dotfile)
          OPENAI_API_KEY  sk-…tsrq  added TODAY
          /sandbox/project
        withkey: removed MY_SECRET from profile work
        withkey: hint: a key that is no longer needed is deleted at its provider too: withkey status names the page
        $ withkey printenv OPENAI_API_KEY MY_SECRET
        $OTHER_KEY
        [1]
        $ withkey remove work OPENAI_API_KEY -y; withkey list; cat ~/.config/withkey/bindings; ls ~/.config/withkey/profiles
        default (dotfile, the default)
          OPENAI_API_KEY  sk-…ghij  added TODAY
        default.age
        default.toml
        withkey: removed profile work, its keys and its bindings
        withkey: hint: a key that is no longer needed is deleted at its provider too: withkey status names the page
        $ withkey use --default default 2>/dev/null; withkey remove default --yes 2>/dev/null; find ~/.config -type f -size +0
        $ withkey true 2>&1 | head -n 1
        on standard output: withkey: error: no profile for /sandbox/project
    ");
}

#[test]
fn remove_without_yes_and_without_a_terminal_removes_nothing() {
    let sandbox = sandbox();
    let before = Tree::of(&sandbox);
    session(
        &sandbox,
        "
        $ withkey remove work
        withkey: error: cannot ask for leave to remove it
        withkey: cause: there is no terminal
        withkey: hint: withkey remove work --yes
        [1]
        $ echo y | withkey remove work MY_SECRET
        withkey: error: cannot ask for leave to remove it
        withkey: cause: there is no terminal
        withkey: hint: withkey remove work MY_SECRET --yes
        [1]
        $ withkey remove nobody
        withkey: error: there is no profile nobody
        withkey: hint: withkey add nobody, or see what there is: withkey list
        [1]
        $ withkey remove work HF_TOKEN --yes
        withkey: error: profile work has no key for HF_TOKEN
        withkey: hint: withkey add work HF_TOKEN
        [1]
        $ withkey remove work 'a b' --yes
        withkey: error: withkey does not inject a b
        withkey: cause: a variable's name is letters, digits and _, and does not begin with a digit
        [2]
        $ withkey remove
        withkey: error: missing: <PROFILE>
        withkey: hint: withkey remove --help
        [2]
    ",
    );
    before.assert_unchanged("remove", &sandbox);
}

/// The store may be out of order: what cannot be opened can be thrown away.
#[test]
fn a_profile_that_cannot_be_opened_can_be_removed_whole() {
    for spoil in ["profiles/work.age", "../../.local/share/withkey/identity.txt"] {
        let sandbox = sandbox();
        fs::remove_file(sandbox.configuration(spoil)).unwrap();
        assert_refused(&sandbox.withkey(["true"]).run(), 125, "withkey: error: ");
        sandbox.withkey(["remove", "work", "--yes"]).run().assert_exit(0).assert_stdout("");
        assert!(!sandbox.configuration("profiles/work.toml").exists());
    }
}

#[test]
fn wrong_usage_of_a_verb_is_2_and_a_failure_1() {
    let sandbox = sandbox();
    for verb in ["add", "use", "status", "list", "remove"] {
        assert_refused(&sandbox.withkey([verb, "--bogus"]).run(), 2, "there is no option --bogus");
        assert_refused(&sandbox.withkey([verb, "--color", "mauve"]).run(), 2, "mauve is no value for --color");
        let helped = sandbox.withkey([verb, "--help"]).run();
        helped.assert_exit(0).assert_stderr("");
        assert!(helped.stdout().contains(&format!("withkey {verb}")), "{}", helped.stdout());
    }
    for words in
        [&["status", "x"][..], &["list", "x"], &["remove", "a", "B", "c"], &["status", "-p", "X"], &["add", "--from"]]
    {
        assert_refused(&sandbox.withkey(words).run(), 2, "withkey: error: ");
    }
    for words in [&["status", "-p", "nobody"][..], &["status", "-p", "nobody", "--json"]] {
        assert_refused(&sandbox.withkey(words).run(), 1, "there is no profile nobody");
    }
    fs::write(sandbox.configuration("profiles/work.toml"), "version = 2\n").unwrap();
    assert_refused(&sandbox.withkey(["list", "--json"]).run(), 1, "is of a newer withkey");
    let told = sandbox.withkey(["list"]).run();
    told.assert_exit(1).assert_stderr_has("is of a newer withkey");
    assert!(
        told.stdout().starts_with("default (dotfile"),
        "the profiles that can be read are listed: {}",
        told.stdout()
    );
}

#[test]
fn a_program_with_a_verbs_name_is_run_behind_a_dash_dash() {
    let sandbox = Sandbox::with_key();
    for verb in ["add", "use", "status", "list", "remove", "help"] {
        sandbox.program(format!("bin/{verb}"), format!("#!/bin/sh\necho program {verb}\n"));
        let path = format!("{}:/usr/bin:/bin", sandbox.path("bin").display());
        sandbox
            .withkey(["--", verb])
            .set("PATH", &path)
            .run()
            .assert_exit(0)
            .assert_stdout(&format!("program {verb}\n"));
        sandbox
            .withkey(["-p", "default", verb])
            .set("PATH", &path)
            .run()
            .assert_exit(0)
            .assert_stdout(&format!("program {verb}\n"));
    }
    let helped = sandbox.withkey(["help"]).set("PATH", sandbox.path("bin"));
    helped.run().assert_stdout("program help\n");
    // A profile may bear a verb's name.
    sandbox.add("list", KEY);
    sandbox.withkey(["-p", "list", "printenv", "OPENAI_API_KEY"]).run().assert_stdout(&format!("{KEY}\n"));
}

/// It would stand in the shell's history already; it must not stand in a file, a name or a message too.
#[test]
fn a_key_typed_as_a_word_is_refused_and_not_repeated() {
    let sandbox = Sandbox::new();
    for (line, status) in [
        ("withkey add $KEY </dev/null", 2),
        ("echo $OTHER_KEY | withkey add $KEY DEEPSEEK_API_KEY --use", 2),
        ("echo $OTHER_KEY | withkey add work $KEY", 2),
        ("withkey use $KEY", 2),
        ("withkey rotate $KEY", 2),
        ("withkey remove $KEY", 2),
        ("withkey check $KEY", 2),
        ("withkey -p $KEY true", 125),
        ("withkey -e $KEY true", 125),
        ("WITHKEY_PROFILE=$KEY withkey true", 125),
    ] {
        let outcome = shell(&sandbox, line).run();
        outcome.assert_exit(status).assert_stderr_has("withkey: error: one of the words looks like a key\n");
        session::assert_no_key_shown(&outcome);
        session::assert_no_key_in_files(&sandbox.home());
    }
}
