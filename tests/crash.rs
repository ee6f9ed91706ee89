//! A change that is cut short at any step, many changes at once, and what a crash leaves behind: no key is lost, no other
//! key is touched, and readers never wait.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/project.rs"]
mod project;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;
#[path = "common/steps.rs"]
mod steps;
#[path = "common/terminal.rs"]
mod terminal;

use std::fs;

use common::{End, KEY, OTHER_KEY, Outcome, Running, Sandbox, Start};
use nix::fcntl::{Flock, FlockArg};
use refusal::{Tree, assert_refused};
use steps::{at_every_step, cut_short};

/// A key that no change touches.
const BYSTANDER: &str = "sk-test-bystander-0123456789abcdef";

/// The profile `work`, with a second variable, and `beside`; a binding.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add_variables("work", &[("OPENAI_API_KEY", KEY), ("LLM_KEY", BYSTANDER)]);
    sandbox.add("beside", BYSTANDER);
    sandbox.bind("work", ".");
    sandbox
}

fn printenv(sandbox: &Sandbox, words: &[&str]) -> Outcome {
    sandbox.withkey(words).run()
}

/// The names in the folder of the profiles.
fn profiles(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.configuration("profiles")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_replaced_key_is_the_old_one_or_the_new_one_whatever_happens() {
    let sandbox = sandbox();
    let words = ["add", "work", "OPENAI_API_KEY", "--replace"];
    at_every_step(&sandbox, &words, OTHER_KEY, |what, outcome| {
        let found = printenv(&sandbox, &["printenv", "OPENAI_API_KEY", "LLM_KEY"]);
        let (old, new) = (format!("{KEY}\n{BYSTANDER}\n"), format!("{OTHER_KEY}\n{BYSTANDER}\n"));
        assert!([&old, &new].contains(&&found.stdout()), "{what}: {outcome:?}, then {found:?}");
        if outcome.end == End::Exit(0) {
            assert_eq!(found.stdout(), new, "{what}: it said that it has stored the key");
        }
        if outcome.stderr().contains("nothing was changed") {
            assert_eq!(found.stdout(), old, "{what}: it said that nothing was changed");
        }
        printenv(&sandbox, &["-p", "beside", "printenv", "OPENAI_API_KEY"]).assert_stdout(&format!("{BYSTANDER}\n"));
        // The next change works, and clears away what was left.
        sandbox.withkey(words).input(OTHER_KEY).run().assert_exit(0);
        printenv(&sandbox, &["printenv", "OPENAI_API_KEY", "LLM_KEY"]).assert_stdout(&new);
        assert_eq!(profiles(&sandbox), ["beside.age", "beside.toml", "work.age", "work.toml"], "{what}");
    });
}

/// The dotfile and its grant are two files in two folders: whichever is written, what is there is allowed.
#[test]
fn a_projects_dotfile_is_the_old_one_or_the_new_one_and_allowed_whatever_happens() {
    let sandbox = project::newcomer();
    let app = sandbox.home().join("app");
    let path = app.join(".env.age");
    project::seal(&sandbox, &path, &format!("# ours\nOPENAI_API_KEY='{KEY}'\nLLM_KEY='{BYSTANDER}'\n"));
    fs::write(app.join(".age-recipients"), format!("{}\n", project::recipient(&sandbox))).unwrap();
    project::allow(&sandbox, &path);
    // Written by withkey once, so that it is known who can open it and nobody has to be asked.
    let terminal = terminal::Terminal::run(&sandbox, &format!("withkey add -f {}", path.display()));
    terminal.answer("write it? [y/N] ", "y\n");
    terminal.ends(0);
    let words = ["add", "-f", path.to_str().unwrap(), "OPENAI_API_KEY", "--replace"];
    let found = || sandbox.withkey(["printenv", "OPENAI_API_KEY", "LLM_KEY"]).in_directory(&app).run();
    at_every_step(&sandbox, &words, OTHER_KEY, |what, outcome| {
        let (old, new) = (format!("{KEY}\n{BYSTANDER}\n"), format!("{OTHER_KEY}\n{BYSTANDER}\n"));
        let now = found();
        assert!([&old, &new].contains(&&now.stdout()), "{what}: {outcome:?}, then {now:?}");
        if outcome.end == End::Exit(0) {
            assert_eq!(now.stdout(), new, "{what}: it said that it has stored the key");
        }
        if outcome.stderr().contains("nothing was changed") {
            assert_eq!(now.stdout(), old, "{what}: it said that nothing was changed");
        }
        sandbox.withkey(words).input(OTHER_KEY).run().assert_exit(0);
        found().assert_stdout(&new);
        let names: Vec<_> = fs::read_dir(&app).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{what}: {names:?}");
    });
}

#[test]
fn a_first_key_is_there_or_not_and_can_be_added_again() {
    let sandbox = Sandbox::new();
    at_every_step(&sandbox, &["add"], KEY, |what, outcome| {
        let found = printenv(&sandbox, &["printenv", "OPENAI_API_KEY"]);
        if found.end == End::Exit(0) {
            found.assert_stdout(&format!("{KEY}\n"));
        } else {
            assert_refused(&found, 125, "withkey: error: ");
            assert_ne!(outcome.end, End::Exit(0), "{what}: it said that it has stored the key");
            sandbox.withkey(["add"]).input(KEY).run().assert_exit(0);
        }
        printenv(&sandbox, &["printenv", "OPENAI_API_KEY"]).assert_stdout(&format!("{KEY}\n"));
        sandbox.withkey(["add", "--replace"]).input(OTHER_KEY).run().assert_exit(0);
        printenv(&sandbox, &["printenv", "OPENAI_API_KEY"]).assert_stdout(&format!("{OTHER_KEY}\n"));
        let recipient = fs::read_to_string(sandbox.path("home/.local/share/withkey/recipient.txt")).unwrap();
        let identity = fs::read_to_string(sandbox.identity()).unwrap();
        assert!(identity.contains(recipient.trim()), "{what}: the recipient is not the identity's");
    });
}

#[test]
fn a_removed_key_is_there_or_gone_and_the_others_stay() {
    let sandbox = sandbox();
    at_every_step(&sandbox, &["remove", "work", "OPENAI_API_KEY", "--yes"], "", |what, outcome| {
        let found = printenv(&sandbox, &["-p", "work", "printenv", "OPENAI_API_KEY"]);
        match found.end {
            End::Exit(0) => assert_ne!(outcome.end, End::Exit(0), "{what}: it said that it has removed the key"),
            _ => {
                found.assert_exit(1).assert_stderr("");
            }
        }
        printenv(&sandbox, &["printenv", "LLM_KEY"]).assert_exit(0).assert_stdout(&format!("{BYSTANDER}\n"));
        printenv(&sandbox, &["-p", "beside", "printenv", "OPENAI_API_KEY"]).assert_stdout(&format!("{BYSTANDER}\n"));
    });
}

#[test]
fn a_removed_profile_is_there_or_gone_and_can_be_made_again() {
    let sandbox = sandbox();
    at_every_step(&sandbox, &["remove", "work", "--yes"], "", |what, outcome| {
        let found = printenv(&sandbox, &["-p", "work", "printenv", "OPENAI_API_KEY"]);
        if found.end != End::Exit(0) {
            assert_refused(&found, 125, "there is no profile work");
            sandbox.withkey(["add", "work"]).input(KEY).run().assert_exit(0);
        }
        printenv(&sandbox, &["-p", "work", "printenv", "OPENAI_API_KEY"]).assert_stdout(&format!("{KEY}\n"));
        printenv(&sandbox, &["-p", "beside", "printenv", "OPENAI_API_KEY"]).assert_stdout(&format!("{BYSTANDER}\n"));
        // No choice leads nowhere.
        assert!(!printenv(&sandbox, &["-n", "true"]).stderr().contains("there is no profile"), "{what}: {outcome:?}");
    });
}

#[test]
fn a_binding_is_the_old_one_or_the_new_one() {
    let sandbox = sandbox();
    at_every_step(&sandbox, &["use", "beside"], "", |what, outcome| {
        let found = printenv(&sandbox, &["-n", "true"]).stdout();
        let (old, new) = (found.contains("profile: work"), found.contains("profile: beside"));
        assert!(new || (old && outcome.end != End::Exit(0)), "{what}: {outcome:?}, then {found}");
    });
}

/// The words are that nothing was changed.
#[test]
fn a_change_that_failed_leaves_nothing_behind() {
    let sandbox = sandbox();
    let before = Tree::of(&sandbox);
    // The writes are those of the age file, of the description, of the words.
    for number in [1, 2] {
        let words = ["add", "work", "OPENAI_API_KEY", "--replace"];
        let outcome = cut_short(&sandbox, &words, OTHER_KEY, "write", "error=ENOSPC", number).unwrap();
        assert_refused(&outcome, 1, "withkey: hint: nothing was changed; free some space and try again");
        before.assert_unchanged(&format!("write {number}"), &sandbox);
    }
}

/// The two states between the first rename and the last, made by hand.
#[test]
fn what_a_crash_left_is_read_and_cleared_away_in_both_orders() {
    for committed in [false, true] {
        let sandbox = sandbox();
        let (age, toml) = (sandbox.configuration("profiles/work.age"), sandbox.configuration("profiles/work.toml"));
        let old = [fs::read(&age).unwrap(), fs::read(&toml).unwrap()];
        sandbox.withkey(["add", "work", "--replace"]).input(OTHER_KEY).run().assert_exit(0);
        fs::rename(&age, sandbox.configuration("profiles/work.age.new")).unwrap();
        fs::write(&age, &old[0]).unwrap();
        if !committed {
            fs::write(&toml, &old[1]).unwrap();
        }
        fs::write(sandbox.configuration("profiles/work.toml.tmp"), "half a").unwrap();
        fs::write(sandbox.configuration("profiles/work.age.new.tmp"), "half a").unwrap();
        let key = if committed { OTHER_KEY } else { KEY };
        let all = ["printenv", "OPENAI_API_KEY", "LLM_KEY"];
        printenv(&sandbox, &all).assert_exit(0).assert_stderr("").assert_stdout(&format!("{key}\n{BYSTANDER}\n"));
        assert_eq!(printenv(&sandbox, &["list"]).stdout().matches("OPENAI_API_KEY").count(), 2);
        sandbox.withkey(["add", "work", "HF_TOKEN"]).input(BYSTANDER).run().assert_exit(0);
        let text = format!("{key}\n{BYSTANDER}\n{BYSTANDER}\n");
        printenv(&sandbox, &[&all[..], &["HF_TOKEN"]].concat()).assert_exit(0).assert_stdout(&text);
        assert_eq!(
            profiles(&sandbox),
            ["beside.age", "beside.toml", "work.age", "work.toml"],
            "committed: {committed}"
        );
    }
}

/// A change whose last step is missing must not be undone by the next one that is cut short.
#[test]
fn a_second_crash_loses_nothing_either() {
    let sandbox = sandbox();
    let age = sandbox.configuration("profiles/work.age");
    let old = fs::read(&age).unwrap();
    sandbox.withkey(["add", "work", "--replace"]).input(OTHER_KEY).run().assert_exit(0);
    fs::rename(&age, sandbox.configuration("profiles/work.age.new")).unwrap();
    fs::write(&age, old).unwrap();
    at_every_step(&sandbox, &["add", "work", "HF_TOKEN"], BYSTANDER, |what, outcome| {
        let found = printenv(&sandbox, &["printenv", "OPENAI_API_KEY", "LLM_KEY"]);
        assert_eq!(found.stdout(), format!("{OTHER_KEY}\n{BYSTANDER}\n"), "{what}: {outcome:?}, then {found:?}");
    });
}

#[test]
fn twenty_writers_and_a_hundred_launches_at_once_lose_nothing() {
    let sandbox = sandbox();
    for number in 0..20 {
        fs::create_dir(sandbox.project().join(number.to_string())).unwrap();
    }
    let key = |number: usize| format!("sk-test-of-writer-{number}-0123456789abcdef");
    let mut writers: Vec<Running> = Vec::new();
    let mut launches: Vec<Running> = Vec::new();
    for number in 0..20 {
        let start = |words: &[&str]| sandbox.withkey(words).input(key(number)).start();
        writers.push(match number % 4 {
            0 => start(&["add", "work", &format!("KEY_{number}")]),
            1 => start(&["add", &format!("p{number}")]),
            2 => sandbox.withkey(["add", "work", "--replace"]).input(OTHER_KEY).start(),
            _ => start(&["use", "beside", &number.to_string()]),
        });
        launches.extend((0..5).map(|_| sandbox.withkey(["printenv", "OPENAI_API_KEY", "LLM_KEY"]).start()));
    }
    for writer in writers {
        writer.outcome().assert_exit(0);
    }
    for launch in launches {
        let found = launch.outcome();
        found.assert_exit(0).assert_stderr("");
        let first = found.stdout().lines().next().unwrap().to_owned();
        assert!(
            [KEY, OTHER_KEY].contains(&&*first) && found.stdout().ends_with(&format!("\n{BYSTANDER}\n")),
            "{found:?}"
        );
    }
    for number in (0..20).step_by(4) {
        printenv(&sandbox, &["printenv", &format!("KEY_{number}")]).assert_stdout(&format!("{}\n", key(number)));
        let other = number + 1;
        printenv(&sandbox, &["-p", &format!("p{other}"), "printenv", "OPENAI_API_KEY"])
            .assert_stdout(&format!("{}\n", key(other)));
        let here = sandbox.project().join((number + 3).to_string());
        let bound = sandbox.withkey(["printenv", "OPENAI_API_KEY"]).in_directory(here).run();
        bound.assert_stdout(&format!("{BYSTANDER}\n"));
    }
}

#[test]
fn twenty_first_keys_at_once_have_one_identity() {
    let sandbox = Sandbox::new();
    let key = |number: usize| format!("sk-test-of-writer-{number}-0123456789abcdef");
    let add = |number: usize| sandbox.withkey(["add", &format!("p{number}")]).input(key(number)).start();
    let writers: Vec<Running> = (0..20).map(add).collect();
    let made = writers.into_iter().map(Running::outcome).filter(|outcome| {
        outcome.assert_exit(0);
        outcome.stderr().contains("made your identity")
    });
    assert_eq!(made.count(), 1);
    for number in 0..20 {
        let found = printenv(&sandbox, &["-p", &format!("p{number}"), "printenv", "OPENAI_API_KEY"]);
        found.assert_exit(0).assert_stdout(&format!("{}\n", key(number)));
    }
}

#[test]
fn readers_do_not_wait_for_a_writer_and_writers_wait_for_each_other() {
    let sandbox = sandbox();
    let lock = fs::File::options().write(true).open(sandbox.configuration(".lock")).unwrap();
    let lock = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    for words in [&["printenv", "OPENAI_API_KEY"][..], &["status"], &["list"], &["-n", "true"]] {
        printenv(&sandbox, words).assert_exit(0);
    }
    let writer = |start: Start| start.input(OTHER_KEY).start();
    let waiting = writer(sandbox.withkey(["add", "work", "--replace"]));
    common::until("the writer waits for the lock", || waiting.status("State").starts_with('S'));
    printenv(&sandbox, &["printenv", "OPENAI_API_KEY"]).assert_stdout(&format!("{KEY}\n"));
    drop(lock);
    waiting.outcome().assert_exit(0);
    printenv(&sandbox, &["printenv", "OPENAI_API_KEY"]).assert_stdout(&format!("{OTHER_KEY}\n"));
}
