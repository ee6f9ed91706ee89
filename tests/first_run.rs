//! The first `withkey COMMAND` in a project: on a terminal it offers to take a key in, elsewhere it says what to type.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;
#[path = "common/terminal.rs"]
mod terminal;

use std::fs;

use common::{KEY, OTHER_KEY, Sandbox};
use refusal::{Tree, assert_refused};
use terminal::Terminal;

const KEY_PROMPT: &str = "OPENAI_API_KEY (not shown while you type): ";

/// An identity is there, and a profile that nothing chooses.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add("other", OTHER_KEY);
    sandbox
}

fn bindings(sandbox: &Sandbox) -> String {
    let text = fs::read_to_string(sandbox.configuration("bindings")).unwrap_or_default();
    text.replace(sandbox.path("").to_str().unwrap(), "/sandbox/")
}

/// Launches in `here`, takes a key in, and gives what the terminal shows.
#[track_caller]
fn accept(sandbox: &Sandbox, here: &str, offer: &str) -> String {
    let line = format!("cd {here} && withkey sh -c 'echo \"$OPENAI_API_KEY!\"; exit 3'");
    let terminal = Terminal::run(sandbox, &line);
    let offer = offer.replace("/sandbox/", sandbox.path("").to_str().unwrap());
    terminal.answer(&format!("take one in now ({offer})? [Y/n] "), "\n").answer(KEY_PROMPT, &format!("{KEY}\n"));
    let text = terminal.ends(3);
    assert!(text.contains(&format!("{KEY}!\n")), "COMMAND did not run with the key:\n{text}");
    text
}

#[test]
fn the_profile_is_named_after_the_project_and_bound_to_its_root() {
    let sandbox = sandbox();
    fs::create_dir_all(sandbox.project().join("My App/.git")).unwrap();
    fs::create_dir_all(sandbox.project().join("My App/src/deep")).unwrap();
    let text = accept(&sandbox, "'My App/src/deep'", "profile my-app, for /sandbox/project/My App");
    assert!(text.starts_with("withkey has no key for this directory yet\n"), "{text}");
    assert!(text.contains("withkey: stored OPENAI_API_KEY (sk-…ghij) in profile my-app, store dotfile\n"), "{text}");
    assert_eq!(bindings(&sandbox), "my-app /sandbox/project/My App\n");
    // From now on nobody is asked.
    let again = sandbox.withkey(["printenv", "OPENAI_API_KEY"]).in_directory(sandbox.project().join("My App")).run();
    again.assert_exit(0).assert_stderr("").assert_stdout(&format!("{KEY}\n"));
    // Elsewhere there is no key still.
    assert_refused(&sandbox.withkey(["true"]).run(), 125, "no profile for ");
}

#[test]
fn without_git_the_directory_itself_is_the_project() {
    let sandbox = sandbox();
    accept(&sandbox, ".", "profile project, for /sandbox/project");
    assert_eq!(bindings(&sandbox), "project /sandbox/project\n");
}

#[test]
fn a_linked_worktrees_file_named_git_marks_a_root_too() {
    let sandbox = sandbox();
    sandbox.file("project/tree/.git", "gitdir: ../.git/worktrees/tree\n", 0o644);
    fs::create_dir(sandbox.project().join("tree/below")).unwrap();
    accept(&sandbox, "tree/below", "profile tree, for /sandbox/project/tree");
}

#[test]
fn a_name_that_is_taken_gets_a_number_and_an_odd_one_is_made_plain() {
    for (folder, name) in [
        ("other", "other-2"),
        ("inherit", "inherit-2"),
        ("...", "project"),
        ("Ünïcode", "n--code"),
        ("-x-", "x"),
        ("a b\tc", "a-b-c"),
    ] {
        let sandbox = sandbox();
        let here = sandbox.project().join(folder);
        fs::create_dir(&here).unwrap();
        let terminal = Terminal::run(&sandbox, &format!("cd './{folder}' && withkey true"));
        let question = terminal.pty.wait_for("? [Y/n] ");
        terminal.pty.type_in("n\n");
        terminal.ends(125);
        assert!(question.contains(&format!("(profile {name}, for ")), "{folder:?}: {question}");
    }
    let sandbox = sandbox();
    let long = "l".repeat(200);
    fs::create_dir(sandbox.project().join(&long)).unwrap();
    accept(&sandbox, &long, &format!("profile {}, for /sandbox/project/{long}", "l".repeat(60)));
}

#[test]
fn a_no_is_125_and_changes_nothing() {
    let sandbox = sandbox();
    let before = Tree::of(&sandbox);
    for answer in ["n\n", "no\n", "N\n", "perhaps\nn\n"] {
        let terminal = Terminal::run(&sandbox, "withkey touch started");
        terminal.answer("? [Y/n] ", answer);
        let text = terminal.ends(125);
        assert!(text.contains("withkey: error: no profile for "), "{text}");
        assert!(text.contains("withkey: hint: store a key: withkey add, or "), "{text}");
        before.assert_unchanged("no", &sandbox);
    }
    for (way_out, status) in [("\x03", 130), ("\x04", 125)] {
        let terminal = Terminal::run(&sandbox, "withkey touch started");
        terminal.answer("? [Y/n] ", way_out);
        terminal.ends(status);
        let terminal = Terminal::run(&sandbox, "withkey touch started");
        terminal.answer("? [Y/n] ", "y\n").answer(KEY_PROMPT, way_out);
        terminal.ends(status);
        before.assert_unchanged("no", &sandbox);
    }
}

/// A binding there would reach into everything.
#[test]
fn neither_home_nor_the_root_is_ever_bound() {
    for (here, prepare) in [("~", ""), ("/", ""), ("~", ".git"), ("~/below", ".git")] {
        let sandbox = sandbox();
        fs::create_dir(sandbox.home().join("below")).unwrap();
        if !prepare.is_empty() {
            fs::create_dir(sandbox.home().join(prepare)).unwrap();
        }
        let terminal = Terminal::run(&sandbox, &format!("cd {here} && withkey true"));
        terminal.answer("? [Y/n] ", "y\n").answer(KEY_PROMPT, &format!("{KEY}\n"));
        terminal.ends(0);
        let bound = bindings(&sandbox);
        let reaches = bound.lines().any(|line| line.ends_with(" /") || line.ends_with("/home"));
        assert!(!reaches, "{here} with {prepare:?}: {bound}");
    }
}

/// HOME may be a repository of dotfiles; a project below it is a project all the same.
#[test]
fn a_git_folder_in_home_does_not_make_every_project_one() {
    let sandbox = sandbox();
    for folder in [".git", "app"] {
        fs::create_dir(sandbox.home().join(folder)).unwrap();
    }
    accept(&sandbox, "~/app", "profile app, for /sandbox/home/app");
    assert_eq!(bindings(&sandbox), "app /sandbox/home/app\n");
}

#[test]
fn where_nobody_can_answer_nothing_is_offered() {
    let sandbox = sandbox();
    let before = Tree::of(&sandbox);
    let words = "withkey: error: no profile for ";
    let hint = "withkey: hint: store a key: withkey add, or tie a profile to this directory: withkey use PROFILE\n";
    assert_refused(&sandbox.withkey(["touch", "started"]).run(), 125, hint);
    for (variables, line) in [
        (&[][..], "withkey touch started < /dev/null"),
        (&[], "echo x | withkey touch started"),
        (&[], "withkey -n touch started"),
        (&[], "withkey -n --json touch started"),
        (&[("CLAUDECODE", "1")], "withkey touch started"),
        (&[("CURSOR_AGENT", "1")], "withkey --spawn touch started"),
        (&[("GEMINI_CLI", "1")], "withkey touch started"),
        (&[("CODEX_SANDBOX", "seatbelt")], "withkey touch started"),
    ] {
        let text = Terminal::run_with(&sandbox, variables, line).ends(125);
        assert!(text.starts_with(words) && text.contains(hint), "{line}: {text}");
        before.assert_unchanged(line, &sandbox);
    }
}

/// A profile that is chosen and does not exist is a mistake, and not a first run.
#[test]
fn a_mistake_is_no_first_run() {
    let sandbox = sandbox();
    for line in [
        "withkey -p nobody true",
        "WITHKEY_PROFILE=nobody withkey true",
        "touch .env.age; withkey true",
        "withkey no-such-program",
    ] {
        let status = if line.ends_with("program") { 127 } else { 125 };
        let text = Terminal::run(&sandbox, line).ends(status);
        assert!(!text.contains("[Y/n]"), "{text}");
    }
}

#[test]
fn the_first_run_of_all_makes_the_identity_too_and_works_in_spawn_mode() {
    let sandbox = Sandbox::new();
    let terminal =
        Terminal::run(&sandbox, "withkey --spawn sh -c 'read -r line; echo \"$line, $OPENAI_API_KEY!\"; exit 4'");
    terminal.answer("? [Y/n] ", "yes\n");
    terminal.answer("passphrase for it (empty for none, then it opens without asking): ", "\n");
    terminal.answer(KEY_PROMPT, &format!("{KEY}\n"));
    terminal.answer("uses profile project now", "hello\n");
    let text = terminal.ends(4);
    assert!(text.contains(&format!("hello, {KEY}!\n")), "{text}");
}
