//! The proof of "wiped" where something fails: whatever stops a launch or a verb after a key, an identity or a part of
//! either was read, nothing of it is in memory when withkey ends.
//!
//! Needs root (or CAP_SYS_PTRACE), because withkey makes itself unreadable for its own user, and x86_64, whose registers
//! are read.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code, reason = "a child is traced")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

#[path = "common/bus.rs"]
mod bus;
mod common;
#[path = "common/project.rs"]
mod project;
#[path = "common/scan.rs"]
mod scan;
#[path = "common/session.rs"]
mod session;
#[path = "common/terminal.rs"]
mod terminal;

use std::fs;
use std::path::PathBuf;

use bus::{Bus, limit, outliving_the_race};
use common::{End, Mode, Sandbox};
use scan::{Failure, KEY, Needle, needles, of_an_identity, scan, scan_failing};

/// What stands where a key of the scan's is not wanted.
const HARMLESS: &str = "sk-test-harmless-0123456789abcdefghij";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add("default", KEY);
    sandbox
}

/// Fails unless the launch is refused with `part` in either mode, and leaves nothing in memory.
#[track_caller]
fn assert_refused_without_a_trace(sandbox: &Sandbox, words: &[&str], part: &str) {
    for mode in Mode::BOTH {
        let scanned = scan(sandbox.launch(mode, words), &needles(sandbox));
        scanned.assert_clean(&format!("{mode:?} {words:?}: {part}"), 125, part);
    }
}

/// The profile `team`, whose key this script prints.
fn helper(script: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("key", format!("{KEY}\n"), 0o600);
    let program = sandbox.program("helper", "#!/bin/sh\ncat \"${0%/*}/key\"\n");
    sandbox.withkey(["add", "team", "--helper", program.to_str().unwrap()]).run().assert_exit(0);
    sandbox.program("helper", format!("#!/bin/sh\n{script}\n"));
    sandbox
}

// ---- the last step ----

/// The key is read and the block is built; only then the system refuses.
#[test]
fn when_the_system_refuses_to_run_command() {
    // A helper is run before.
    for (sandbox, profile, after) in [(sandbox(), "default", 0), (helper("cat \"${0%/*}/key\""), "team", 1)] {
        for errno in [libc::E2BIG, libc::EACCES, libc::ENOENT, libc::ENOEXEC, libc::ENOMEM, libc::EIO, libc::ETXTBSY] {
            for mode in Mode::BOTH {
                let failure = Failure { call: libc::SYS_execve, errno, after };
                let start = sandbox.launch(mode, ["-p", profile, "true"]);
                let scanned = scan_failing(start, &needles(&sandbox), Some(failure));
                assert!(scanned.failed, "{scanned:?}");
                scanned.assert_clean(&format!("{profile} {mode:?} {errno}"), 126, "withkey: error: ");
            }
        }
    }
}

#[test]
fn when_the_environment_has_grown_too_large() {
    let sandbox = sandbox();
    sandbox.add_variables("large", &[("OPENAI_API_KEY", KEY), ("LLM_KEY", &"v".repeat(65_536))]);
    for mode in Mode::BOTH {
        let filler = "x".repeat(100_000);
        let start = sandbox.launch(mode, ["-p", "large", "true"]).set("FILLER", filler);
        // The system gives arguments and environment a quarter of it.
        let start = start.limited(libc::RLIMIT_STACK, 600 * 1024, 600 * 1024);
        scan(start, &needles(&sandbox)).assert_clean(&format!("{mode:?}"), 126, "withkey: cause: ");
    }
}

/// withkey waits in the midst of its identity, and the program goes meanwhile.
#[test]
fn when_the_program_goes_while_the_key_is_read() {
    for mode in Mode::BOTH {
        let sandbox = sandbox();
        let program = sandbox.program("project/program", "#!/bin/sh\n");
        let needles = needles(&sandbox);
        let (start, mut rest) = sandbox.with_half_an_identity(sandbox.launch(mode, ["./program"]));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                rest.until_read();
                fs::remove_file(&program).unwrap();
                rest.write();
            });
            scan(start, &needles).assert_clean(&format!("{mode:?}"), 126, "withkey: error: ");
        });
    }
}

// ---- the dotfile ----

/// The first piece of an age file opens, with the key in it; the second is damaged.
#[test]
fn when_a_dotfile_is_damaged_behind_what_was_opened() {
    let sandbox = sandbox();
    sandbox.add_variables("large", &[("OPENAI_API_KEY", KEY), ("LLM_KEY", &"v".repeat(65_536))]);
    let path = sandbox.configuration("profiles/large.age");
    let whole = fs::read(&path).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let last = whole.len() - 1;
    for damaged in [flipped(last), flipped(last / 2), whole[..last].to_vec(), whole[..last - 400].to_vec(), flipped(60)]
    {
        fs::write(&path, damaged).unwrap();
        assert_refused_without_a_trace(&sandbox, &["-p", "large", "true"], "withkey: error: ");
    }
}

#[test]
fn when_a_dotfile_opens_and_its_text_is_refused() {
    let sandbox = sandbox();
    sandbox.withkey(["add", "default", "LLM_KEY"]).input(HARMLESS).run().assert_exit(0);
    let path = sandbox.configuration("profiles/default.age");
    for text in [
        format!("OPENAI_API_KEY='{KEY}'\nLLM_KEY=$HOME\n"),
        format!("OPENAI_API_KEY='{KEY}\n"),
        format!("OPENAI_API_KEY=\"{KEY}\n"),
        format!("OPENAI_API_KEY='{KEY}'\n=\n"),
        format!("OPENAI_API_KEY={KEY}$x\n"),
        format!("OPENAI_API_KEY='{KEY}\0'\n"),
        format!("\u{feff}OPENAI_API_KEY='{KEY}'\n\u{feff}\n"),
        format!("OPENAI_API_KEY=\nLLM_KEY='{KEY}'\n"),
        format!("LLM_KEY='{KEY}'\n"),
    ] {
        project::seal(&sandbox, &path, &text);
        assert_refused_without_a_trace(&sandbox, &["true"], "withkey: error: ");
    }
}

#[test]
fn when_a_projects_dotfile_is_not_what_was_allowed() {
    let sandbox = project::newcomer();
    let path = project::dotfile(&sandbox);
    project::seal(&sandbox, &path, &format!("OPENAI_API_KEY='{HARMLESS}'\n"));
    project::allow(&sandbox, &path);
    project::seal(&sandbox, &path, &format!("OPENAI_API_KEY='{KEY}'\n"));
    assert_refused_without_a_trace(&sandbox, &["true"], "OPENAI_API_KEY has another key");
    for (text, part) in [
        (format!("OPENAI_API_KEY='{KEY}'\nLD_PRELOAD=x\n"), "sets LD_PRELOAD"),
        (format!("OPENAI_API_KEY='{KEY}'\nOPENAI_BASE_URL={KEY}\n"), "sets OPENAI_BASE_URL"),
        (format!("OPENAI_API_KEY='{KEY}'\nLLM_KEY=`x`$\n"), "withkey: error: "),
    ] {
        project::seal(&sandbox, &path, &text);
        assert_refused_without_a_trace(&sandbox, &["true"], part);
        assert_refused_without_a_trace(&sandbox, &["-f", ".env.age", "true"], part);
    }
}

#[test]
fn when_a_key_has_expired() {
    let sandbox = Sandbox::new();
    sandbox.withkey(["add", "--expires", "2026-01-01"]).input(KEY).run().assert_exit(0);
    sandbox.file("home/.config/withkey/config.toml", "refuse_expired = true\n", 0o600);
    assert_refused_without_a_trace(&sandbox, &["true"], "expired on 2026-01-01");
}

// ---- the identity ----

#[test]
fn when_the_identity_does_not_open_the_dotfile_or_is_none() {
    let sandbox = sandbox();
    let made = sandbox.directly(["/usr/bin/age-keygen"]).run().stdout();
    let line = made.lines().last().unwrap();
    let mut needles = needles(&sandbox);
    needles.extend(of_an_identity(line));
    // One letter wrong, where the checksum is; and one too few.
    let wrong = format!("{}{}", &line[..line.len() - 1], if line.ends_with('Q') { 'P' } else { 'Q' });
    for text in [line, &wrong, &line[..line.len() - 1], &format!("{line}\n{wrong}")] {
        let file = sandbox.file("other", format!("{text}\n"), 0o600);
        for mode in Mode::BOTH {
            for (name, value) in [("WITHKEY_IDENTITY", PathBuf::from(text)), ("WITHKEY_IDENTITY_FILE", file.clone())] {
                let scanned = scan(sandbox.launch(mode, ["true"]).set(name, value), &needles);
                scanned.assert_clean(&format!("{mode:?} {name} {text}"), 125, "withkey: error: ");
            }
        }
    }
}

// ---- the helper ----

#[test]
fn when_a_helper_prints_a_key_and_it_counts_for_nothing() {
    for (script, part) in [
        ("cat $K; exit 3", "it ended with status 3"),
        ("cat $K; kill -9 $$", "it was ended by signal 9"),
        ("cat $K $K", "it holds white space or control characters"),
        ("cat $K; printf '\\000'", "withkey: error: "),
        ("printf '\\377'; cat $K", "it is not UTF-8 text"),
        ("echo; cat $K", "it printed more than the key"),
        ("printf OPENAI_API_KEY=; cat $K", "it printed more than the key"),
        ("while cat $K; do :; done", "it printed more than 65536 bytes"),
        ("cat $K; cat $K >&2; exit 1", "it ended with status 1"),
    ] {
        let sandbox = helper(&script.replace("$K", "\"${0%/*}/key\""));
        assert_refused_without_a_trace(&sandbox, &["-p", "team", "true"], part);
    }
    let sandbox = helper("cat \"${0%/*}/key\"; exec sleep 1000");
    sandbox.file("home/.config/withkey/config.toml", "helper_timeout = 1\n", 0o600);
    assert_refused_without_a_trace(&sandbox, &["-p", "team", "true"], "it took longer than 1 s");
}

// ---- calls that fail ----

/// Every file that cannot be opened, every read that fails, all memory that is not given, from one call on.
#[test]
fn when_a_system_call_of_a_launch_fails() {
    let sandbox = sandbox();
    sandbox.withkey(["true"]).run().assert_exit(0);
    let needles = needles(&sandbox);
    let mut refused = 0;
    for (call, errno) in [
        (libc::SYS_openat, libc::EMFILE),
        (libc::SYS_openat, libc::EIO),
        (libc::SYS_read, libc::EIO),
        (libc::SYS_write, libc::ENOSPC),
    ] {
        for after in 0.. {
            let failure = Failure { call, errno, after };
            let scanned = scan_failing(sandbox.withkey(["printenv", "OPENAI_API_KEY"]), &needles, Some(failure));
            if !scanned.failed {
                break;
            }
            let what = format!("call {call} from {after} on: {errno}: {:?}", scanned.outcome);
            assert_eq!(scanned.hits, [""; 0], "{what}");
            match scanned.outcome.end {
                End::Exit(0) => _ = scanned.outcome.assert_stdout(&format!("{KEY}\n")),
                End::Exit(125..=127) => {
                    scanned.outcome.assert_stdout("");
                    refused += 1;
                }
                _ => panic!("{what}"),
            }
        }
    }
    assert!(refused > 10, "only {refused} launches were refused");
}

/// The new key, the old one and the identity are in memory then.
#[test]
fn when_a_system_call_of_a_change_fails() {
    let sandbox = sandbox();
    sandbox.add_variables("work", &[("OPENAI_API_KEY", HARMLESS), ("LLM_KEY", KEY)]);
    let needles = needles(&sandbox);
    let mut refused = 0;
    for words in [&["add", "work", "OPENAI_API_KEY", "--replace"][..], &["rotate", "work", "OPENAI_API_KEY"]] {
        for (call, errno) in [
            (libc::SYS_openat, libc::EMFILE),
            (libc::SYS_write, libc::ENOSPC),
            (libc::SYS_fsync, libc::EIO),
            (libc::SYS_rename, libc::EROFS),
        ] {
            for after in 0.. {
                let failure = Failure { call, errno, after };
                let scanned = scan_failing(sandbox.withkey(words).input(KEY), &needles, Some(failure));
                let what = format!("{words:?}, call {call} from {after} on: {errno}: {:?}", scanned.outcome);
                assert_eq!(scanned.hits, [""; 0], "{what}");
                if !scanned.failed {
                    break;
                }
                assert!(matches!(scanned.outcome.end, End::Exit(0 | 1 | 127)), "{what}");
                refused += usize::from(scanned.outcome.end == End::Exit(1));
                // From the same state again.
                sandbox.withkey(["rotate", "work", "OPENAI_API_KEY", "--undo"]).run();
                sandbox.withkey(["add", "work", "--replace"]).input(HARMLESS).run().assert_exit(0);
            }
        }
    }
    assert!(refused > 10, "only {refused} changes were refused");
}

// ---- verbs ----

#[test]
fn when_a_verb_has_taken_a_key_in_and_refuses_or_stores_it() {
    let short = &KEY[..12];
    let admin = format!("sk-admin-{KEY}");
    for (words, input, status, part) in [
        (&["add", "new"][..], KEY, 0, "stored OPENAI_API_KEY"),
        (&["add", "new", "--use", "--expires", "90d"], KEY, 0, "stored OPENAI_API_KEY"),
        (&["add", "new", "OPENAI_API_KEY", "LLM_KEY"], &format!("{KEY}\n{KEY}"), 0, "stored"),
        (&["add", "new", "OPENAI_API_KEY", "LLM_KEY"], KEY, 1, "withkey: error: "),
        (&["add", "new"], &format!("{KEY}\n{KEY}"), 1, "withkey: error: "),
        (&["add", "new"], &format!("{KEY} {KEY}"), 1, "withkey: error: "),
        (&["add", "new"], &admin, 1, "withkey: error: "),
        (&["add", "new"], &format!("  \"{KEY}\" "), 0, "stored OPENAI_API_KEY"),
        (&["add", "new"], &format!("export OPENAI_API_KEY={KEY}\r"), 0, "stored OPENAI_API_KEY"),
        (&["add", "new"], short, 1, "withkey: error: "),
        (&["add"], KEY, 1, "withkey: error: "),
        (&["add", "--replace"], KEY, 0, "stored OPENAI_API_KEY"),
        (&["add", "default", "LLM_KEY"], KEY, 0, "stored LLM_KEY"),
        (&["add", "new", "OPENAI_API_KEY", "--from", "clear"], "", 0, "stored OPENAI_API_KEY"),
        (&["add", "new", "HF_TOKEN", "--from", "clear"], "", 1, "withkey: error: "),
        (&["rotate", "default"], HARMLESS, 0, "the previous key"),
        (&["rotate", "default"], KEY, 1, "withkey: error: "),
        (&["remove", "two", "LLM_KEY", "--yes"], "", 0, "removed"),
        (&["remove", "two", "--yes"], "", 0, "removed"),
        (&["check"], "", 0, ""),
        (&["move", "default", "keychain"], "", 1, "withkey: error: "),
    ] {
        let sandbox = sandbox();
        sandbox.add_variables("two", &[("OPENAI_API_KEY", KEY), ("LLM_KEY", KEY)]);
        sandbox.file("project/clear", format!("OPENAI_API_KEY={KEY}\n"), 0o600);
        let scanned = scan(sandbox.withkey(words).input(input), &needles(&sandbox));
        scanned.assert_clean(&format!("{words:?}"), status, part);
    }
}

/// Nothing was there, so the identity is made on the way.
#[test]
fn when_the_first_key_is_stored_the_new_identity_leaves_nothing_either() {
    let sandbox = Sandbox::new();
    let (start, path) = (sandbox.withkey(["add"]).input(KEY), sandbox.identity());
    // It is known only afterwards, so it is looked for by what every identity begins with.
    let begins = [Needle::new("an identity", b"AGE-SECRET-KEY-1Q"), Needle::new("an identity", b"AGE-SECRET-KEY-1P")];
    let needles = [scan::of_a_key(KEY), begins.to_vec()].concat();
    scan(start, &needles).assert_clean("a first key", 0, "made your identity");
    assert!(path.exists());
}

// ---- the keychain ----

#[test]
fn when_the_keychain_gave_the_key_and_the_launch_fails() {
    outliving_the_race(|| {
        let sandbox = Sandbox::new();
        limit(&sandbox, 600);
        let bus = Bus::with_keyring(&sandbox);
        sandbox.add("default", KEY);
        for mode in Mode::BOTH {
            for errno in [libc::E2BIG, libc::EACCES, libc::ENOENT] {
                let failure = Failure { call: libc::SYS_execve, errno, after: 0 };
                let scanned = scan_failing(sandbox.launch(mode, ["true"]), &needles(&sandbox), Some(failure));
                scanned.assert_clean(&format!("{mode:?} {errno}"), 126, "withkey: error: ");
            }
        }
        let words =
            ["store", "--label=second", "service", "withkey", "username", "default/OPENAI_API_KEY", "more", "x"];
        bus.secret_tool(&words, KEY);
        assert_refused_without_a_trace(&sandbox, &["true"], "several items default/OPENAI_API_KEY");
        bus.lock();
        assert_refused_without_a_trace(&sandbox, &["true"], "withkey: error: ");
    });
}

#[test]
fn when_a_key_goes_into_the_keychain_and_out_of_it() {
    outliving_the_race(|| {
        let sandbox = Sandbox::new();
        limit(&sandbox, 600);
        let _bus = Bus::with_keyring(&sandbox);
        for (words, input, status, part) in [
            (&["add"][..], KEY, 0, "store keychain"),
            (&["add"], KEY, 1, "withkey: error: "),
            (&["add", "--replace"], KEY, 0, "store keychain"),
            (&["rotate", "default"], HARMLESS, 0, "the previous key"),
            (&["rotate", "default", "--undo"], "", 0, ""),
            (&["rotate", "default"], KEY, 1, "withkey: error: "),
            (&["move", "default", "dotfile"], "", 0, "store dotfile now"),
            (&["move", "default", "keychain"], "", 0, "store keychain now"),
            // With an identity that was there before.
            (&["move", "default", "dotfile"], "", 0, "store dotfile now"),
            (&["move", "default", "keychain"], "", 0, "store keychain now"),
            (&["check"], "", 0, ""),
            (&["remove", "default", "--yes"], "", 0, "removed"),
        ] {
            let scanned = scan(sandbox.withkey(words).input(input), &needles(&sandbox));
            scanned.assert_clean(&format!("{words:?}"), status, part);
        }
    });
}
