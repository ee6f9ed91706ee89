//! Questions on a terminal: hidden answers, modes restored on every way out, and no question where nobody can answer.
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

use common::{End, KEY, OTHER_KEY, Pty, Sandbox, kill, until};
use refusal::{Tree, assert_refused};
use session::{assert_no_key, shell};
use terminal::Terminal;

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_Z: &str = "\x1a";
const CTRL_BACKSLASH: &str = "\x1c";

const KEY_PROMPT: &str = "OPENAI_API_KEY (not shown while you type): ";
const ASK_IT: &str = "ask OpenAI whether it works? That spends nothing [y/N] ";
const USE_HERE: &str = " from now on? [y/N] ";
const NEW_PASSPHRASE: &str = "passphrase for it (empty for none, then it opens without asking): ";

/// An identity is there, so that only the key is asked for.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add("other", OTHER_KEY);
    sandbox
}

#[test]
fn add_asks_for_the_key_and_shows_nothing_of_it() {
    let sandbox = sandbox();
    let terminal = Terminal::run(&sandbox, "withkey add work");
    terminal.answer(KEY_PROMPT, &format!("{KEY}\n")).answer(ASK_IT, "\n").answer(USE_HERE, "\n");
    let text = terminal.ends(0);
    assert!(text.starts_with("a key of OpenAI is made at https://platform.openai.com/api-keys\n"), "{text}");
    assert!(text.contains("withkey: stored OPENAI_API_KEY (sk-…ghij) in profile work, store dotfile\n"), "{text}");
    sandbox.withkey(["-p", "work", "printenv", "OPENAI_API_KEY"]).run().assert_stdout(&format!("{KEY}\n"));
}

#[test]
fn add_shows_the_way_to_a_first_key_and_names_the_next_line() {
    let sandbox = sandbox();
    let here = sandbox.project().display().to_string();
    let stored = "withkey: stored OPENAI_API_KEY (sk-…ghij) in profile NAME, store dotfile\n";
    let guide = "a key of OpenAI is made at https://platform.openai.com/api-keys\n  \
                 sign in, and click \"Create new secret key\"; it is shown once: paste it here\n  \
                 whoever has it spends the money of the account that made it\n  \
                 a limit for that: https://platform.openai.com/settings/organization/limits\n";
    let asked = format!("{guide}{KEY_PROMPT}\n{stored}");
    let question = |name: &str| format!("use profile {name} in {here}{USE_HERE}");
    for (name, words, answer, behind) in [
        ("a", "a", "n\n", "withkey: hint: run something with it: withkey -p a COMMAND\n".to_owned()),
        (
            "b",
            "b",
            "y\n",
            format!("withkey: {here} uses profile b now\nwithkey: hint: run something with it: withkey COMMAND\n"),
        ),
        // At the end of the input the key is stored all the same.
        ("c", "c", CTRL_D, "withkey: hint: run something with it: withkey -p c COMMAND\n".to_owned()),
        (
            "d",
            "d --use",
            "",
            format!("withkey: {here} uses profile d now\nwithkey: hint: run something with it: withkey COMMAND\n"),
        ),
    ] {
        let terminal = Terminal::run(&sandbox, &format!("withkey add {words}"));
        terminal.answer(KEY_PROMPT, &format!("{KEY}\n")).answer(ASK_IT, "n\n");
        if !answer.is_empty() {
            terminal.answer(&question(name), answer);
        }
        let text = terminal.ends(0);
        let shown = text.replace(&format!("{}{answer}", question(name)), "").replace(&question(name), "");
        let shown = shown.replace(&format!("{ASK_IT}n\n"), "");
        let shown = &shown[..shown.find("status 0").unwrap()];
        assert_eq!(shown, asked.replace("NAME", name) + &behind, "{text}");
    }
}

/// A binding there would reach every directory.
#[test]
fn add_does_not_offer_to_tie_the_home_directory() {
    let sandbox = sandbox();
    let terminal = Terminal::run(&sandbox, "cd; withkey add work");
    terminal.answer(KEY_PROMPT, &format!("{KEY}\n")).answer(ASK_IT, "\n");
    assert!(terminal.ends(0).contains("withkey: hint: run something with it: withkey -p work COMMAND\n"));
    // The profile default is used here already.
    let terminal = Terminal::run(&sandbox, "cd; withkey add");
    terminal.answer(KEY_PROMPT, &format!("{KEY}\n")).answer(ASK_IT, "\n");
    assert!(terminal.ends(0).contains("withkey: hint: run something with it: withkey COMMAND\n"));
}

#[test]
fn each_variable_is_asked_for_and_a_bad_answer_is_asked_again() {
    let sandbox = sandbox();
    let terminal = Terminal::run(&sandbox, "withkey add work LLM_KEY OPENAI_API_KEY > answer");
    terminal.answer("LLM_KEY (not shown while you type): ", "short\n");
    terminal.answer(KEY_PROMPT, "sk-short\n").answer("that cannot be a key: it is under 20 bytes", "");
    terminal.answer(KEY_PROMPT, "\n").answer("that cannot be a key: it is empty", "");
    terminal.answer(KEY_PROMPT, &format!("  \"{KEY}\" \n")).answer(ASK_IT, "\n").answer(USE_HERE, "\n");
    let text = terminal.ends(0);
    assert!(!text.contains("short"), "{text}");
    assert_eq!(
        fs::read_to_string(sandbox.project().join("answer")).unwrap(),
        "",
        "standard output is not for questions"
    );
    sandbox
        .withkey(["-p", "work", "printenv", "OPENAI_API_KEY", "LLM_KEY"])
        .run()
        .assert_stdout(&format!("{KEY}\nshort\n"));
}

/// What is pasted behind the first line must not be shown or run by the shell.
#[test]
fn more_lines_than_one_are_thrown_away() {
    let sandbox = sandbox();
    let line = "withkey add work; bash -c 'read -r -t 0.5 rest; echo \"rest: $rest\"'";
    let terminal = Terminal::run(&sandbox, line);
    terminal.answer(KEY_PROMPT, &format!("{KEY}\n{OTHER_KEY}\n")).answer(ASK_IT, "\n").answer(USE_HERE, "\n");
    assert!(terminal.ends(0).contains("\nrest: \n"));
}

#[test]
fn a_line_longer_than_a_terminal_takes_is_refused_and_not_cut() {
    let sandbox = sandbox();
    let terminal = Terminal::run(&sandbox, "withkey add work");
    terminal.answer(KEY_PROMPT, &format!("sk-test-{}\n", "a".repeat(4200)));
    let text = terminal.ends(1);
    assert!(text.contains("withkey: cause: the line is longer than a terminal takes; use standard input\n"), "{text}");
    assert!(!sandbox.configuration("profiles/work.toml").exists());
    // As long as it may be.
    let terminal = Terminal::run(&sandbox, "withkey add work");
    let longest = format!("sk-test-{}", "Ab3_".repeat(1000));
    terminal.answer(KEY_PROMPT, &format!("{longest}\n")).answer(ASK_IT, "\n").answer(USE_HERE, "\n");
    terminal.ends(0);
    sandbox.withkey(["-p", "work", "printenv", "OPENAI_API_KEY"]).run().assert_stdout(&format!("{longest}\n"));
}

#[test]
fn a_key_at_the_prompt_ends_withkey_as_ever_and_restores_the_modes() {
    for (key, signal) in [(CTRL_C, libc::SIGINT), (CTRL_BACKSLASH, libc::SIGQUIT)] {
        let sandbox = sandbox();
        let before = Tree::of(&sandbox);
        let terminal = Terminal::run(&sandbox, "withkey add work");
        terminal.answer(KEY_PROMPT, key);
        terminal.ends(128 + signal);
        before.assert_unchanged("add", &sandbox);
        // Not an exit status that looks like it: death by the signal itself.
        let pty = Pty::open();
        let running = pty.attach(sandbox.withkey(["add", "work"]).limited(libc::RLIMIT_CORE, 0, 0)).start();
        pty.wait_for(KEY_PROMPT);
        pty.type_in(key);
        running.outcome().assert_end(End::Signal(signal));
    }
    for signal in [libc::SIGTERM, libc::SIGHUP] {
        let sandbox = sandbox();
        let terminal = Terminal::run(&sandbox, "sh -c 'echo $$ > pid; exec withkey add work'");
        terminal.pty.wait_for(KEY_PROMPT);
        let process = fs::read_to_string(sandbox.project().join("pid")).unwrap();
        kill(process.trim().parse().unwrap(), signal);
        terminal.ends(128 + signal);
    }
}

#[test]
fn the_end_of_the_input_is_no_answer() {
    let sandbox = sandbox();
    let before = Tree::of(&sandbox);
    let terminal = Terminal::run(&sandbox, "withkey add work");
    terminal.answer(KEY_PROMPT, CTRL_D);
    let text = terminal.ends(1);
    assert!(
        text.contains("withkey: error: no answer was taken\nwithkey: cause: the terminal's input ended\n"),
        "{text}"
    );
    before.assert_unchanged("add", &sandbox);
}

/// A shell with job control, as a person has it.
#[test]
fn ctrl_z_at_the_prompt_stops_with_the_modes_restored_and_fg_asks_again() {
    let sandbox = sandbox();
    let pty = Pty::open();
    let script = "set -m; stty echo; stty -g > before; withkey add work; echo \"stopped $?\"; stty -g > stopped; fg; echo \"status $?\"; stty -g > after";
    let running = pty.attach(shell(&sandbox, script)).start();
    pty.wait_for(KEY_PROMPT);
    pty.type_in("half an ans");
    pty.type_in(CTRL_Z);
    pty.wait_for("stopped 1");
    pty.wait_for(KEY_PROMPT);
    pty.type_in(&format!("{KEY}\n"));
    for question in [ASK_IT, USE_HERE] {
        pty.wait_for(question);
        pty.type_in("\n");
    }
    pty.wait_for("status 0");
    running.outcome().assert_exit(0);
    let modes = ["before", "stopped", "after"].map(|name| fs::read_to_string(sandbox.project().join(name)).unwrap());
    assert!(modes[0] == modes[1] && modes[1] == modes[2], "the modes before, stopped and after: {modes:#?}");
    assert_no_key("the terminal", pty.text().as_bytes());
    sandbox.withkey(["-p", "work", "printenv", "OPENAI_API_KEY"]).run().assert_stdout(&format!("{KEY}\n"));
}

#[test]
fn a_first_identity_is_offered_a_passphrase() {
    let sandbox = Sandbox::new();
    let terminal = Terminal::run(&sandbox, "withkey add");
    terminal.answer(NEW_PASSPHRASE, "open sesame\n").answer("the same passphrase again: ", "open sesami\n");
    terminal.answer("the two are not the same; once more", "");
    terminal.answer(NEW_PASSPHRASE, "open sesame\n").answer("the same passphrase again: ", "open sesame\n");
    // Who has just typed it twice is not asked again.
    terminal.answer(KEY_PROMPT, &format!("{KEY}\n")).answer(ASK_IT, "\n");
    assert!(!terminal.ends(0).contains("sesam"));
    let identity = fs::read_to_string(sandbox.identity()).unwrap();
    assert!(identity.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"), "{identity}");
}

/// The personal identity with the passphrase `open sesame`, and little work to open it.
fn protected() -> Sandbox {
    let sandbox = Sandbox::with_key();
    let mut recipient = age::scrypt::Recipient::new("open sesame".to_owned().into());
    recipient.set_work_factor(4);
    let protected = age::encrypt_and_armor(&recipient, &fs::read(sandbox.identity()).unwrap()).unwrap();
    fs::write(sandbox.identity(), protected).unwrap();
    sandbox
}

#[test]
fn a_protected_identity_asks_for_its_passphrase() {
    let sandbox = protected();
    let before = Tree::of(&sandbox);
    let question = format!("passphrase of {}: ", sandbox.identity().display());
    let launch = "withkey sh -c 'cat; echo \"${OPENAI_API_KEY}!\"' < ../input > ../output";
    sandbox.file("input", "for COMMAND\n", 0o600);
    let terminal = Terminal::run(&sandbox, launch);
    terminal.answer(&question, "open sesame\n");
    let text = terminal.ends(0);
    assert_eq!(text, format!("{question}\nstatus 0\nmodes restored\nend\n"));
    assert_eq!(fs::read_to_string(sandbox.path("output")).unwrap(), format!("for COMMAND\n{KEY}!\n"));

    for answer in ["wrong\n", "\n", "open sesame \n"] {
        let terminal = Terminal::run(&sandbox, "withkey touch started");
        terminal.answer(&question, answer);
        let text = terminal.ends(125);
        let words = format!(
            "withkey: error: the identity of {} stays closed\nwithkey: cause: wrong passphrase\n",
            sandbox.identity().display()
        );
        assert!(text.contains(&words), "{text}");
    }
    let terminal = Terminal::run(&sandbox, "withkey touch started");
    terminal.answer(&question, CTRL_C);
    terminal.ends(130);
    let terminal = Terminal::run(&sandbox, "withkey --spawn touch started");
    terminal.answer(&question, CTRL_D);
    terminal.ends(125);
    let looked = Terminal::run(&sandbox, "withkey status; withkey list; withkey -n true").ends(0);
    assert!(!looked.contains("passphrase"), "{looked}");
    before.assert_unchanged("launch", &sandbox);
}

#[test]
fn where_nobody_can_give_the_passphrase_the_launch_says_so_at_once() {
    let sandbox = protected();
    let before = Tree::of(&sandbox);
    let words = "withkey: error: cannot ask for the identity's passphrase\nwithkey: cause: ";
    let outcome = sandbox.withkey(["touch", "started"]).run();
    assert_refused(&outcome, 125, &format!("{words}there is no terminal\nwithkey: hint: "));
    let text = Terminal::run_with(&sandbox, &[("CLAUDECODE", "1")], "withkey touch started").ends(125);
    assert!(text.starts_with(&format!("{}a coding agent runs this command (CLAUDECODE is set)\n", words)), "{text}");
    before.assert_unchanged("launch", &sandbox);
}

/// Asked after the key, a slip of the fingers would cost a key that its owner may see once only.
#[test]
fn add_asks_for_the_passphrase_once_and_before_the_key() {
    let sandbox = protected();
    let question = format!("passphrase of {}: ", sandbox.identity().display());
    let terminal = Terminal::run(&sandbox, "withkey add work");
    terminal
        .answer(&question, "open sesame\n")
        .answer(KEY_PROMPT, &format!("{KEY}\n"))
        .answer(ASK_IT, "\n")
        .answer(USE_HERE, "\n");
    until("the key is stored", || terminal.pty.text().contains("stored OPENAI_API_KEY"));
    terminal.ends(0);
}

#[test]
fn an_empty_passphrase_is_none() {
    let sandbox = Sandbox::new();
    let terminal = Terminal::run(&sandbox, "withkey add");
    terminal.answer(NEW_PASSPHRASE, "\n").answer(KEY_PROMPT, &format!("{KEY}\n")).answer(ASK_IT, "\n");
    terminal.ends(0);
    sandbox.withkey(["printenv", "OPENAI_API_KEY"]).run().assert_exit(0).assert_stdout(&format!("{KEY}\n"));
}

#[test]
fn remove_shows_what_goes_and_asks() {
    let sandbox = sandbox();
    sandbox.bind("other", ".");
    let before = Tree::of(&sandbox);
    let question = "remove profile other? The key cannot be brought back [y/N] ";
    for answer in ["n\n", "\n", "maybe\nno\n"] {
        let terminal = Terminal::run(&sandbox, "withkey remove other");
        terminal.answer(question, answer);
        let text = terminal.ends(1);
        assert!(
            text.starts_with(&format!("  OPENAI_API_KEY sk-…tsrq\n  used in {}\n", sandbox.project().display())),
            "{text}"
        );
        assert!(text.contains("withkey: error: removing: not done\n"), "{text}");
        before.assert_unchanged("remove", &sandbox);
    }
    let terminal = Terminal::run(&sandbox, "withkey remove other");
    terminal.answer(question, CTRL_C);
    terminal.ends(130);
    before.assert_unchanged("remove", &sandbox);
    let terminal = Terminal::run(&sandbox, "withkey remove other");
    terminal.answer(question, "y\n");
    terminal.ends(0);
    assert!(!sandbox.configuration("profiles/other.toml").exists());
}

#[test]
fn remove_does_not_ask_about_what_is_not_there() {
    let sandbox = sandbox();
    let terminal = Terminal::run(&sandbox, "withkey remove other LLM_KEY");
    until("withkey has said that there is no such key", || {
        terminal.pty.text().contains("other has no key for LLM_KEY")
    });
    assert!(!terminal.ends(1).contains("[y/N]"));
}

/// In the background the terminal is somebody else's.
#[test]
fn in_the_background_nothing_asks() {
    let sandbox = sandbox();
    let pty = Pty::open();
    let running = pty.attach(shell(&sandbox, "set -m; withkey add work & wait $!; echo \"status $?\"")).start();
    pty.wait_for("status 1");
    running.outcome().assert_exit(0);
    assert!(
        pty.text().contains("withkey: cause: withkey runs in the background of its terminal\r\n"),
        "{}",
        pty.text()
    );
}
