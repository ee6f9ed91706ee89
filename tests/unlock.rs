//! Passphrases once a while: `unlock`, `lock`, `--set-passphrase`, WITHKEY_PASSPHRASE_FILE, and one question for many launches.
//!
//! The kernel's keyring is the real one. All tests share it; each sandbox has a key of its own there.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/keyring.rs"]
mod keyring;
#[path = "common/protected.rs"]
mod protected;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;
#[path = "common/terminal.rs"]
mod terminal;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::thread;
use std::time::{Duration, Instant};

use common::{KEY, Mode, Report, Sandbox, Start, kill, pipe, until};
use keyring::{Kept, without_keyring};
use protected::{PASSPHRASE, protect, protected, question};
use refusal::assert_refused;
use terminal::Terminal;

/// Two passphrases of the usual work take seconds, and far more on a busy machine.
#[track_caller]
fn patiently(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Unlocks on a terminal.
#[track_caller]
fn unlock(sandbox: &Sandbox, line: &str) -> String {
    let terminal = Terminal::run(sandbox, line);
    terminal.answer(&question(sandbox), &format!("{PASSPHRASE}\n"));
    terminal.ends(0)
}

/// A launch that has no terminal to ask on.
#[track_caller]
fn assert_locked(sandbox: &Sandbox) {
    let outcome = sandbox.withkey(["touch", "started"]).run();
    assert_refused(&outcome, 125, "withkey: error: cannot ask for the identity's passphrase\n");
    assert!(!sandbox.project().join("started").exists());
}

#[track_caller]
fn assert_open(sandbox: &Sandbox) {
    sandbox.withkey(["printenv", "OPENAI_API_KEY"]).run().assert_exit(0).assert_stdout(&format!("{KEY}\n"));
}

#[test]
fn without_unlock_nothing_is_kept() {
    let sandbox = protected();
    let terminal = Terminal::run(&sandbox, "withkey true");
    terminal.answer(&question(&sandbox), &format!("{PASSPHRASE}\n"));
    terminal.ends(0);
    assert_eq!(Kept::of(&sandbox).names(), [""; 0]);
    assert_locked(&sandbox);
}

#[test]
fn after_unlock_nobody_is_asked_until_lock() {
    let sandbox = protected();
    let text = unlock(&sandbox, "withkey unlock");
    let identity = sandbox.identity().display().to_string();
    assert!(
        text.contains(&format!("withkey: {identity} is unlocked for 15 minutes; withkey lock ends it\n")),
        "{text}"
    );
    for mode in Mode::BOTH {
        let outcome = sandbox.launch(mode, ["printenv", "OPENAI_API_KEY"]).run();
        outcome.assert_exit(0).assert_stdout(&format!("{KEY}\n")).assert_stderr("");
    }
    sandbox.add("second", KEY);
    let locked = sandbox.withkey(["lock"]).run();
    locked.assert_exit(0).assert_stdout("").assert_stderr("withkey: locked: the identity is kept nowhere\n");
    assert_locked(&sandbox);
    sandbox.withkey(["lock"]).run().assert_exit(0).assert_stderr("withkey: nothing was unlocked\n");
}

/// Every key of every keyring that this process can see is read.
#[test]
fn after_lock_the_identity_is_in_no_keyring() {
    let sandbox = Sandbox::with_key();
    let identity = fs::read(sandbox.identity()).unwrap();
    protect(&sandbox);
    unlock(&sandbox, "withkey unlock --for 8h");
    assert_eq!(keyring::holding(&identity).len(), 1, "the search finds it while it is there");
    sandbox.withkey(["lock"]).run().assert_exit(0);
    assert_eq!(keyring::holding(&identity), [""; 0]);
    assert_eq!(Kept::of(&sandbox).names(), [""; 0]);
}

#[test]
fn what_is_kept_has_a_time_out_and_only_its_possessor_may_read_it() {
    let sandbox = protected();
    unlock(&sandbox, "withkey unlock --for 8h");
    let kept = Kept::of(&sandbox);
    let [line] = kept.lines() else { panic!("{kept:?}") };
    let fields: Vec<_> = line.split_whitespace().collect();
    assert!(["7h", "8h"].contains(&fields[3]), "the time left: {line}");
    assert_eq!(
        fields[4], "1b000000",
        "view, read, search and link for its possessor, nothing for anybody else: {line}"
    );
    sandbox.withkey(["lock"]).run().assert_exit(0);
}

#[test]
fn when_the_time_is_over_the_passphrase_is_asked_again() {
    let sandbox = protected();
    unlock(&sandbox, "withkey unlock --for 1s");
    until("it is forgotten", || Kept::of(&sandbox).names().is_empty());
    assert_locked(&sandbox);
}

#[test]
fn an_identity_file_that_changed_is_not_opened_by_what_was_kept() {
    let sandbox = Sandbox::with_key();
    let plain = fs::read(sandbox.identity()).unwrap();
    protect(&sandbox);
    unlock(&sandbox, "withkey unlock");
    assert_open(&sandbox);
    fs::write(sandbox.identity(), plain).unwrap();
    protect(&sandbox);
    assert_locked(&sandbox);
    assert_eq!(Kept::of(&sandbox).names().len(), 1, "it was there, and of no use");
    sandbox.withkey(["lock"]).run().assert_exit(0);
}

/// As after a login by ssh: its session keyring leads to nothing of the user's.
#[test]
fn a_session_keyring_of_its_own_is_no_hindrance_and_stays_as_it_was() {
    let sandbox = protected();
    unlock(&sandbox, "withkey unlock");
    let launch = sandbox.withkey(["keyctl", "show", "@s"]);
    let shown = keyring::in_a_new_session(launch).run();
    shown.assert_exit(0);
    assert!(!shown.stdout().contains("_uid.0"), "COMMAND's session keyring:\n{}", shown.stdout());
    let unlocked = keyring::in_a_new_session(sandbox.withkey(["printenv", "OPENAI_API_KEY"])).run();
    unlocked.assert_exit(0).assert_stdout(&format!("{KEY}\n"));
    keyring::in_a_new_session(sandbox.withkey(["lock"])).run().assert_stderr_has("locked");
    assert_locked(&sandbox);
}

#[test]
fn a_plain_identity_never_calls_the_kernels_keyring() {
    let sandbox = Sandbox::with_key();
    let launch = keyring::ended_by_a_call(sandbox.withkey(["printenv", "OPENAI_API_KEY"]));
    launch.run().assert_exit(0).assert_stdout(&format!("{KEY}\n"));
    // It would show.
    let outcome = keyring::ended_by_a_call(sandbox.withkey(["lock"])).run();
    outcome.assert_end(common::End::Signal(libc::SIGSYS));
    sandbox.withkey(["unlock"]).run().assert_exit(0).assert_stderr_has("has no passphrase: it opens without asking");
}

#[test]
fn where_the_kernels_keyring_is_not_to_be_had_unlock_says_so_and_launches_ask() {
    for errno in [libc::EPERM, libc::ENOSYS] {
        let sandbox = protected();
        let outcome = without_keyring(sandbox.withkey(["unlock"]), errno).run();
        let cause =
            if errno == libc::EPERM { "the system does not let this process use it" } else { "this kernel has none" };
        let words = format!(
            "withkey: error: nothing is unlocked: the kernel's keyring is not to be had here\nwithkey: cause: {cause}\n"
        );
        assert_refused(&outcome, 1, &words);
        without_keyring(sandbox.withkey(["lock"]), errno).run().assert_exit(0);
        let launch = without_keyring(sandbox.withkey(["printenv", "OPENAI_API_KEY"]), errno);
        let file = sandbox.file("passphrase", PASSPHRASE, 0o600);
        launch.set("WITHKEY_PASSPHRASE_FILE", file).run().assert_exit(0).assert_stdout(&format!("{KEY}\n"));
        let terminal = Terminal::run_as(&sandbox, "withkey true", |start| without_keyring(start, errno));
        terminal.answer(&question(&sandbox), &format!("{PASSPHRASE}\n"));
        terminal.ends(0);
    }
}

#[test]
fn unlock_refuses_what_it_cannot_do() {
    let sandbox = protected();
    for time in ["8", "0h", "31d", "soon"] {
        let outcome = sandbox.withkey(["unlock", "--for", time]).run();
        assert_refused(&outcome, 2, "is no time from 1s to 30d");
    }
    let terminal = Terminal::run(&sandbox, "withkey unlock");
    terminal.answer(&question(&sandbox), "wrong\n");
    assert!(terminal.ends(1).contains("withkey: cause: wrong passphrase\n"));
    assert_eq!(Kept::of(&sandbox).names(), [""; 0]);
    assert_refused(&sandbox.withkey(["unlock"]).run(), 1, "withkey: cause: there is no terminal\n");
    let text = Terminal::run_with(&sandbox, &[("CLAUDECODE", "1")], "withkey unlock").ends(1);
    assert!(text.contains("CLAUDECODE is set"), "{text}");
    let outcome = sandbox.withkey(["unlock"]).set("WITHKEY_IDENTITY", "AGE-SECRET-KEY-1").run();
    assert_refused(&outcome, 1, "withkey: error: there is nothing to unlock\n");
    let ssh = sandbox.path("id_ed25519");
    sandbox
        .directly(["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", ssh.to_str().unwrap()])
        .run()
        .assert_exit(0);
    let outcome = sandbox.withkey(["unlock"]).set("WITHKEY_IDENTITY_FILE", &ssh).run();
    assert_refused(&outcome, 1, "is an SSH key\n");
}

#[test]
fn an_identity_named_by_a_variable_is_unlocked_too() {
    let sandbox = protected();
    let elsewhere = sandbox.path("elsewhere");
    fs::rename(sandbox.identity(), &elsewhere).unwrap();
    let named = |words: &[&str]| sandbox.withkey(words).set("WITHKEY_IDENTITY_FILE", &elsewhere);
    let file = sandbox.file("passphrase", PASSPHRASE, 0o600);
    named(&["unlock"]).set("WITHKEY_PASSPHRASE_FILE", file).run().assert_exit(0);
    named(&["printenv", "OPENAI_API_KEY"]).run().assert_stdout(&format!("{KEY}\n"));
    named(&["lock"]).run().assert_stderr_has("locked");
    assert_refused(&named(&["true"]).run(), 125, "cannot ask for the identity's passphrase");
}

#[test]
fn a_passphrase_file_gives_the_passphrase_to_a_script() {
    let sandbox = protected();
    for content in [PASSPHRASE.to_owned(), format!("{PASSPHRASE}\n")] {
        let file = sandbox.file("passphrase", content, 0o600);
        for mode in Mode::BOTH {
            let words = ["printenv", "OPENAI_API_KEY", "WITHKEY_PASSPHRASE_FILE"];
            let outcome = sandbox.launch(mode, words).set("WITHKEY_PASSPHRASE_FILE", &file).run();
            // The variable is not there any more, which printenv answers with 1.
            outcome.assert_exit(1).assert_stdout(&format!("{KEY}\n")).assert_stderr("");
        }
    }
    let with = |content: &str, mode: u32| {
        let file = sandbox.file("passphrase", content, mode);
        sandbox.withkey(["touch", "started"]).set("WITHKEY_PASSPHRASE_FILE", file).run()
    };
    assert_refused(&with("wrong", 0o600), 125, "withkey: cause: wrong passphrase\n");
    assert_refused(&with(&format!("{PASSPHRASE}\n\n"), 0o600), 125, "withkey: cause: wrong passphrase\n");
    assert_refused(&with(&format!("{PASSPHRASE} "), 0o600), 125, "withkey: cause: wrong passphrase\n");
    assert_refused(&with("\n", 0o600), 125, "withkey: cause: it is empty\n");
    assert_refused(&with(PASSPHRASE, 0o644), 125, "withkey: cause: its mode is 0644\n");
    assert_refused(&with(&"x".repeat(5000), 0o600), 125, "is too large\n");
    let outcome = sandbox.withkey(["touch", "started"]).set("WITHKEY_PASSPHRASE_FILE", sandbox.path("none")).run();
    assert_refused(&outcome, 125, &format!("withkey: error: no passphrase in {}\n", sandbox.path("none").display()));
    assert!(!sandbox.project().join("started").exists());
}

#[test]
fn a_descriptor_that_gives_the_passphrase_is_closed_before_command_starts() {
    let sandbox = protected();
    for mode in Mode::BOTH {
        let (read_end, mut write_end) = pipe().unwrap();
        std::io::Write::write_all(&mut write_end, format!("{PASSPHRASE}\n").as_bytes()).unwrap();
        drop(write_end);
        let start = sandbox.launch(mode, sandbox.report_words()).descriptor(9, read_end);
        let report = Report::of(start.set("WITHKEY_PASSPHRASE_FILE", "/dev/fd/9"), &sandbox.report_path());
        assert!(report.values("fd 9").is_empty(), "{:?}", report.values("fd 9"));
        assert!(!report.values("fd 0").is_empty(), "the report tells of descriptors");
        assert!(
            !report.values("env").iter().any(|entry| entry.contains("WITHKEY_PASSPHRASE_FILE")),
            "{:?}",
            report.values("env")
        );
    }
}

#[test]
fn a_passphrase_file_opens_an_ssh_key_too() {
    let sandbox = Sandbox::new();
    let ssh = sandbox.path("id_ed25519");
    sandbox
        .directly(["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", PASSPHRASE, "-f", ssh.to_str().unwrap()])
        .run()
        .assert_exit(0);
    let file = sandbox.file("passphrase", PASSPHRASE, 0o600);
    let with = |start: Start| start.set("WITHKEY_IDENTITY_FILE", &ssh).set("WITHKEY_PASSPHRASE_FILE", &file);
    with(sandbox.withkey(["add"])).input(KEY).run().assert_exit(0);
    with(sandbox.withkey(["printenv", "OPENAI_API_KEY"])).run().assert_exit(0).assert_stdout(&format!("{KEY}\n"));
}

/// The processes that hold the lock of the question, and how many wait for it.
fn queue(sandbox: &Sandbox) -> (Vec<i32>, usize) {
    let Ok(facts) = fs::metadata(sandbox.identity().with_file_name(".lock")) else { return (vec![], 0) };
    let inode = format!(":{}", facts.ino());
    let (mut holders, mut waiting) = (Vec::new(), 0);
    for line in fs::read_to_string("/proc/locks").unwrap().lines() {
        let fields: Vec<_> = line.split_whitespace().filter(|field| *field != "->").collect();
        if !fields.iter().any(|field| field.ends_with(&inode)) || fields[3] != "WRITE" {
            continue;
        }
        match line.contains("->") {
            true => waiting += 1,
            false => holders.push(fields[4].parse().unwrap()),
        }
    }
    (holders, waiting)
}

#[test]
fn eight_launches_at_once_ask_once() {
    let sandbox = protected();
    let line = "for i in 1 2 3 4 5 6 7 8; do withkey sh -c 'echo \"$OPENAI_API_KEY\" > ../key'$i & done; wait";
    let terminal = Terminal::run(&sandbox, line);
    terminal.pty.wait_for(&question(&sandbox));
    until("seven of them wait", || queue(&sandbox).1 == 7);
    terminal.pty.type_in(&format!("{PASSPHRASE}\n"));
    let text = terminal.ends(0);
    assert_eq!(text.matches("passphrase of ").count(), 1, "{text}");
    for number in 1..=8 {
        assert_eq!(fs::read_to_string(sandbox.path(format!("key{number}"))).unwrap(), format!("{KEY}\n"));
    }
    assert_eq!(Kept::of(&sandbox).names(), [""; 0], "nothing is kept for those who come later");
    assert_locked(&sandbox);
}

#[test]
fn when_the_one_that_asks_dies_the_next_one_asks() {
    let sandbox = protected();
    let terminal = Terminal::run(&sandbox, "withkey touch one & withkey touch two & wait");
    terminal.pty.wait_for(&question(&sandbox));
    until("the other one waits", || queue(&sandbox).1 == 1);
    let (holders, _) = queue(&sandbox);
    let [asking] = holders[..] else { panic!("{holders:?}") };
    kill(asking, libc::SIGTERM);
    terminal.answer(&question(&sandbox), &format!("{PASSPHRASE}\n"));
    terminal.ends(0);
    let started = ["one", "two"].map(|name| sandbox.project().join(name).exists());
    assert_eq!(started.iter().filter(|started| **started).count(), 1, "{started:?}");
    assert_eq!(Kept::of(&sandbox).names(), [""; 0]);
}

#[test]
fn after_a_wrong_answer_the_next_one_asks() {
    let sandbox = protected();
    let terminal = Terminal::run(&sandbox, "withkey touch one & withkey touch two & wait");
    terminal.pty.wait_for(&question(&sandbox));
    until("the other one waits", || queue(&sandbox).1 == 1);
    terminal.pty.type_in("wrong\n");
    terminal.answer(&question(&sandbox), &format!("{PASSPHRASE}\n"));
    assert!(terminal.ends(0).contains("withkey: cause: wrong passphrase\n"));
}

#[test]
fn ctrl_c_at_the_question_ends_those_that_wait_too() {
    let sandbox = protected();
    let terminal = Terminal::run(&sandbox, "withkey touch one | withkey touch two");
    terminal.pty.wait_for(&question(&sandbox));
    until("the other one waits", || queue(&sandbox).1 == 1);
    terminal.pty.type_in("\x03");
    let text = terminal.ends(130);
    assert_eq!(text.matches("passphrase of ").count(), 1, "{text}");
}

/// Somebody may have left the other one with its question open.
#[test]
fn terminals_do_not_wait_for_each_other() {
    let sandbox = protected();
    let first = Terminal::run(&sandbox, "withkey touch one");
    first.pty.wait_for(&question(&sandbox));
    let second = Terminal::run(&sandbox, "withkey touch two");
    second.answer(&question(&sandbox), &format!("{PASSPHRASE}\n"));
    second.ends(0);
    first.pty.type_in(&format!("{PASSPHRASE}\n"));
    first.ends(0);
}

/// As under sudo with a user's HOME.
#[test]
fn root_leaves_nothing_in_another_users_folders() {
    const USER: u32 = 12_345;
    fn give(path: &std::path::Path) {
        std::os::unix::fs::lchown(path, Some(USER), Some(USER)).unwrap();
        if path.is_dir() {
            fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path()));
        }
    }
    let sandbox = protected();
    give(&sandbox.home());
    let terminal = Terminal::run(&sandbox, "withkey true");
    terminal.answer(&question(&sandbox), &format!("{PASSPHRASE}\n"));
    terminal.ends(0);
    let found = sandbox.directly(["/usr/bin/find", sandbox.home().to_str().unwrap(), "-user", "root"]).run();
    found.assert_exit(0).assert_stdout("");
}

const NEW: &str = "new passphrase (empty for none, then it opens without asking): ";
const AGAIN: &str = "the same passphrase again: ";

#[track_caller]
fn ends_at_last(terminal: Terminal, status: i32) -> String {
    patiently("the line has ended", || terminal.pty.text().contains("\nend\r\n"));
    terminal.ends(status)
}

/// Given with the work that withkey itself takes, so that the test is slow where the machine is busy.
#[test]
fn a_passphrase_is_given_and_the_identity_stays_the_same() {
    let sandbox = Sandbox::with_key();
    let before = fs::read(sandbox.identity()).unwrap();
    fs::remove_file(sandbox.identity().with_file_name("recipient.txt")).unwrap();
    let terminal = Terminal::run(&sandbox, "withkey unlock --set-passphrase");
    terminal.answer(NEW, "first\n").answer(AGAIN, "furst\n").answer("the two are not the same; once more", "");
    terminal.answer(NEW, "first\n").answer(AGAIN, "first\n");
    let text = ends_at_last(terminal, 0);
    assert!(text.contains("has a new passphrase; a copy of the old file opens as before\n"), "{text}");
    assert!(!text.contains("first") && !text.contains("furst"), "{text}");
    let sealed = fs::read(sandbox.identity()).unwrap();
    assert!(sealed.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----"));
    assert_eq!(fs::metadata(sandbox.identity()).unwrap().permissions().mode() & 0o777, 0o600);
    let identity = age::scrypt::Identity::new("first".to_owned().into());
    assert_eq!(age::decrypt(&identity, &sealed).unwrap(), before, "it is the same identity");
    let status = sandbox.withkey(["status"]).run();
    assert!(status.stdout().contains("recipient: age1"), "its public half is still known: {}", status.stdout());
    assert_locked(&sandbox);
}

#[test]
fn a_passphrase_is_changed_and_what_was_kept_is_forgotten() {
    let sandbox = protected();
    unlock(&sandbox, "withkey unlock");
    let terminal = Terminal::run(&sandbox, "withkey unlock --set-passphrase");
    terminal.answer(&format!("old {}", question(&sandbox)), &format!("{PASSPHRASE}\n"));
    terminal.answer(NEW, "second\n").answer(AGAIN, "second\n");
    ends_at_last(terminal, 0);
    assert_eq!(Kept::of(&sandbox).names(), [""; 0]);
    assert_locked(&sandbox);
    let identity = age::scrypt::Identity::new("second".to_owned().into());
    age::decrypt(&identity, &fs::read(sandbox.identity()).unwrap()).unwrap();
}

#[test]
fn an_empty_passphrase_removes_the_old_one() {
    let sandbox = Sandbox::with_key();
    let before = fs::read(sandbox.identity()).unwrap();
    protect(&sandbox);
    let terminal = Terminal::run(&sandbox, "withkey unlock --set-passphrase");
    terminal.answer(&format!("old {}", question(&sandbox)), &format!("{PASSPHRASE}\n")).answer(NEW, "\n");
    let text = terminal.ends(0);
    assert!(text.contains("has no passphrase any more"), "{text}");
    assert_eq!(fs::read(sandbox.identity()).unwrap(), before);
    assert_open(&sandbox);
    let terminal = Terminal::run(&sandbox, "withkey unlock --set-passphrase");
    terminal.answer(NEW, "\n");
    assert!(terminal.ends(0).contains("has no passphrase, as before\n"));
}

#[test]
fn a_passphrase_that_is_not_changed_leaves_the_identity_as_it_was() {
    let sandbox = protected();
    let before = fs::read(sandbox.identity()).unwrap();
    let old = format!("old {}", question(&sandbox));
    let set = || Terminal::run(&sandbox, "withkey unlock --set-passphrase");
    let terminal = set();
    terminal.answer(&old, "wrong\n");
    assert!(terminal.ends(1).contains("withkey: cause: wrong passphrase\n"));
    let terminal = set();
    terminal.answer(&old, &format!("{PASSPHRASE}\n")).answer(NEW, "\x03");
    terminal.ends(130);
    // Another one was faster.
    let terminal = set();
    terminal.answer(&old, &format!("{PASSPHRASE}\n"));
    terminal.pty.wait_for(NEW);
    let other = [&before[..], b"\n"].concat();
    fs::write(sandbox.identity(), &other).unwrap();
    terminal.pty.type_in("\n");
    assert!(terminal.ends(1).contains("withkey: cause: the file was changed by another process meanwhile\n"));
    assert_eq!(fs::read(sandbox.identity()).unwrap(), other);
    fs::write(sandbox.identity(), &before).unwrap();

    assert_refused(&sandbox.withkey(["unlock", "--set-passphrase"]).run(), 1, "withkey: cause: there is no terminal\n");
    let named = sandbox.withkey(["unlock", "--set-passphrase"]).set("WITHKEY_IDENTITY_FILE", sandbox.identity());
    assert_refused(&named.run(), 1, "withkey: cause: WITHKEY_IDENTITY_FILE is set\n");
    fs::set_permissions(sandbox.identity(), Permissions::from_mode(0o644)).unwrap();
    assert_refused(&sandbox.withkey(["unlock", "--set-passphrase"]).run(), 1, "withkey: cause: its mode is 0644\n");
    fs::remove_file(sandbox.identity()).unwrap();
    assert_refused(&sandbox.withkey(["unlock", "--set-passphrase"]).run(), 1, "there is no identity");
    assert_refused(&sandbox.withkey(["unlock", "--set-passphrase", "--for", "1h"]).run(), 2, "withkey: error: ");
}
