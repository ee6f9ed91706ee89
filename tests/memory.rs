//! The proof of "wiped": the real process is stopped at the entry of its `execve`, and everything readable in it is
//! searched for the key and the identity.
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
#[path = "common/protected.rs"]
mod protected;
#[path = "common/scan.rs"]
mod scan;
#[path = "common/upstream.rs"]
mod upstream;

use std::ffi::c_int;
use std::fs;
use std::path::PathBuf;

use bus::{Bus, limit, outliving_the_race};
use common::{Mode, Pty, Sandbox};
use scan::{KEY, Needle, PASSPHRASE, needles, of_a_passphrase, scan};
use upstream::{Authority, Reply, Upstream};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add("default", KEY);
    sandbox
}

/// Runs withkey to the entry of its `execve`, or to its end when it fails before, and what is found in it there.
fn scan_at_the_end(sandbox: &Sandbox, words: &[&str], settings: &[(&str, PathBuf)]) -> Vec<String> {
    scan_for(&needles(sandbox), sandbox, words, settings)
}

fn scan_for(needles: &[Needle], sandbox: &Sandbox, words: &[&str], settings: &[(&str, PathBuf)]) -> Vec<String> {
    scan(settings.iter().fold(sandbox.withkey(words), |start, (name, value)| start.set(name, value)), needles).hits
}

/// Fails unless the launch succeeds in either mode and leaves nothing in any of its processes, of which there are so many in
/// exec mode. With `--spawn` the parent is one more.
#[track_caller]
fn assert_launches_without_a_trace(sandbox: &Sandbox, words: &[&str], processes: usize) {
    for mode in Mode::BOTH {
        let scanned = scan(sandbox.launch(mode, words), &needles(sandbox));
        let times = scanned.assert_clean(&format!("{mode:?} {words:?}"), 0, "").times;
        assert_eq!(times, processes + usize::from(mode == Mode::Spawn), "{mode:?} {words:?}");
    }
}

/// Takes memfd_secret away, as an older kernel or a container's seccomp profile does.
fn without_memfd_secret() -> c_int {
    const DENY: u32 = 0x0005_0000 | libc::ENOSYS as u32;
    let step = |code: u16, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let filter = [
        step(0x20, 0, 0, 0),
        step(0x15, 0, 1, libc::SYS_memfd_secret as u32),
        step(0x06, 0, 0, DENY),
        step(0x06, 0, 0, 0x7fff_0000),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_ptr().cast_mut() };
    // SAFETY: plain system calls on structures that live for the call.
    unsafe {
        match libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) {
            0 => libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program),
            failed => failed,
        }
    }
}

#[test]
fn the_scan_finds_a_copy_that_was_planted() {
    let sandbox = sandbox();
    let hits = scan_at_the_end(&sandbox, &["true", KEY], &[]);
    assert!(hits.iter().any(|hit| hit.starts_with("the key's first half")), "{hits:?}");
    assert!(hits.iter().any(|hit| hit.contains("[stack]")), "{hits:?}");
}

#[test]
fn at_the_entry_of_execve_no_copy_of_key_or_identity_is_left() {
    assert_launches_without_a_trace(&sandbox(), &["true"], 1);
}

#[test]
fn an_identity_given_as_text_is_overwritten_where_it_stood() {
    let sandbox = sandbox();
    let text = fs::read_to_string(sandbox.identity()).unwrap();
    fs::remove_file(sandbox.identity()).unwrap();
    fs::write(sandbox.identity(), &text).unwrap();
    let settings = [("WITHKEY_IDENTITY", PathBuf::from(text))];
    assert_eq!(scan_at_the_end(&sandbox, &["true"], &settings), [""; 0]);
}

/// The profile `team`, whose key a helper prints.
fn with_helper() -> Sandbox {
    let sandbox = sandbox();
    let file = sandbox.file("key", format!("{KEY}\n"), 0o600);
    sandbox.withkey(["add", "team", "--helper", &format!("cat '{}'", file.display())]).run().assert_exit(0);
    sandbox
}

#[test]
fn what_a_helper_printed_is_left_nowhere() {
    let sandbox = with_helper();
    // The one that becomes the helper, and the one that becomes COMMAND.
    assert_launches_without_a_trace(&sandbox, &["-p", "team", "true"], 2);
    // Nor when it counts for nothing: the key, and then more.
    let file = sandbox.file("key", format!("{KEY}\n{KEY}\n"), 0o600);
    assert_eq!(scan_at_the_end(&sandbox, &["-p", "team", "true"], &[]), [""; 0]);
    sandbox.program("fail", format!("#!/bin/sh\ncat '{}'; exit 1\n", file.display()));
    let description = sandbox.configuration("profiles/team.toml");
    let text = fs::read_to_string(&description).unwrap();
    fs::write(&description, text.replace("/usr/bin/cat", sandbox.path("fail").to_str().unwrap())).unwrap();
    assert_eq!(scan_at_the_end(&sandbox, &["-p", "team", "true"], &[]), [""; 0]);
}

#[test]
fn when_the_launch_fails_after_the_key_was_read_nothing_is_left_either() {
    let sandbox = sandbox();
    // The dotfile opens, and the variable asked for is not in it.
    let description = sandbox.configuration("profiles/default.toml");
    let text = fs::read_to_string(&description).unwrap();
    fs::write(&description, text.replace("[variables.OPENAI_API_KEY]", "[variables.HF_TOKEN]")).unwrap();
    assert_eq!(scan_at_the_end(&sandbox, &["true"], &[]), [""; 0]);
}

#[test]
fn where_the_kernel_has_no_secret_pages_the_block_is_the_one_copy_left() {
    let sandbox = sandbox();
    let hits = scan(sandbox.withkey(["true"]).step(without_memfd_secret), &needles(&sandbox)).hits;
    let halves = |half: &str| hits.iter().filter(|hit| hit.starts_with(half)).collect::<Vec<_>>();
    assert_eq!(hits.len(), 2, "{hits:?}");
    assert!(halves("the key's first half")[0].contains("(1 times)"), "{hits:?}");
    assert!(halves("the key's second half")[0].contains("(1 times)"), "{hits:?}");
}

/// An identity behind a passphrase, and what must not be found of it and of the passphrase.
fn behind_a_passphrase() -> (Sandbox, Vec<Needle>) {
    let sandbox = sandbox();
    let needles = [needles(&sandbox), of_a_passphrase()].concat();
    protected::protect_with(&sandbox, PASSPHRASE);
    (sandbox, needles)
}

#[test]
fn a_passphrase_from_a_file_and_the_identity_it_opens_leave_no_trace() {
    let (sandbox, needles) = behind_a_passphrase();
    let file = sandbox.file("passphrase", format!("{PASSPHRASE}\n"), 0o600);
    let settings = [("WITHKEY_PASSPHRASE_FILE", file)];
    assert_eq!(scan_for(&needles, &sandbox, &["true"], &settings), [""; 0]);
    // Wrong by one character: the launch fails, and leaves as little.
    let file = sandbox.file("passphrase", format!("{PASSPHRASE}!"), 0o600);
    let settings = [("WITHKEY_PASSPHRASE_FILE", file)];
    assert_eq!(scan_for(&needles, &sandbox, &["true"], &settings), [""; 0]);
}

#[test]
fn an_identity_from_the_kernels_keyring_leaves_no_trace() {
    let (sandbox, needles) = behind_a_passphrase();
    let file = sandbox.file("passphrase", PASSPHRASE, 0o600);
    sandbox.withkey(["unlock"]).set("WITHKEY_PASSPHRASE_FILE", &file).run().assert_exit(0);
    fs::remove_file(file).unwrap();
    // It is not asked for, so it comes from there.
    sandbox.withkey(["true"]).run().assert_exit(0);
    assert_eq!(scan_for(&needles, &sandbox, &["true"], &[]), [""; 0]);
    sandbox.withkey(["lock"]).run().assert_exit(0);
}

#[test]
fn a_typed_passphrase_leaves_no_trace() {
    let (sandbox, needles) = behind_a_passphrase();
    let pty = Pty::open();
    let terminal = pty.terminal();
    let hits = std::thread::scope(|scope| {
        // The same thread must trace from beginning to end, so another one types.
        let scanning = scope.spawn(|| {
            let start = sandbox.withkey(["true"]).descriptor(9, terminal);
            // SAFETY: a plain system call; the session is its own and has no terminal yet.
            let start = start.step(|| unsafe { libc::ioctl(9, libc::TIOCSCTTY, 0) });
            scan(start.closed(9), &needles).hits
        });
        pty.wait_for(&protected::question(&sandbox));
        pty.type_in(&format!("{PASSPHRASE}\n"));
        scanning.join().unwrap()
    });
    assert_eq!(hits, [""; 0]);
}

#[test]
fn what_unlock_has_kept_and_sealed_is_nowhere_in_its_memory() {
    let (sandbox, needles) = behind_a_passphrase();
    let file = sandbox.file("passphrase", PASSPHRASE, 0o600);
    let settings = [("WITHKEY_PASSPHRASE_FILE", file)];
    assert_eq!(scan_for(&needles, &sandbox, &["unlock"], &settings), [""; 0]);
    sandbox.withkey(["lock"]).run().assert_exit(0);
}

/// HTTP and TLS copy the key about; what the question leaves is looked for when the verb has ended.
#[cfg(feature = "online")]
#[test]
fn after_a_question_to_the_provider_no_copy_is_left() {
    let sandbox = sandbox();
    let authority = Authority::new();
    let upstream = Upstream::start("127.0.0.1", authority.server(&["127.0.0.1"], 2099));
    let ca = sandbox.file("ca.pem", authority.pem(), 0o600);
    let address = format!("https://127.0.0.1:{}", upstream.listener.port());
    let config = format!("[providers.openai]\nbase_url = \"{address}\"\nca_file = \"{}\"\n", ca.display());
    sandbox.file("home/.config/withkey/config.toml", config, 0o600);
    // An answer that brings the key back, and one that brings nothing.
    let echo = format!(r#"{{"error":{{"code":"invalid_api_key","message":"Incorrect API key provided: {KEY}"}}}}"#);
    for reply in [Reply::json(401, &[], &echo), Reply::json(200, &[], "{}"), Reply::Bytes(Vec::new())] {
        upstream.answers(reply);
        assert_eq!(scan_at_the_end(&sandbox, &["check", "--online"], &[]), [""; 0]);
        assert!(upstream.requests()[0].contains(KEY), "the key was sent");
    }
}

/// The same for a project's dotfile, found with a grant and named: there is another reader, and a hash over the key.
#[test]
fn a_projects_dotfile_leaves_no_copy_either() {
    let sandbox = sandbox();
    let recipient = fs::read_to_string(sandbox.identity().with_file_name("recipient.txt")).unwrap();
    fs::write(sandbox.project().join(".age-recipients"), recipient).unwrap();
    let terminal = common::Pty::open();
    let start = sandbox.withkey(["add", "-f", ".env.age", "OPENAI_API_KEY"]).entry(b"TERM=dumb");
    let running = terminal.attach(start).start();
    terminal.wait_for("write it? [y/N] ");
    terminal.type_in("y\n");
    terminal.wait_for("OPENAI_API_KEY (not shown while you type): ");
    terminal.type_in(&format!("{KEY}\n"));
    running.outcome().assert_exit(0);
    assert_eq!(scan_at_the_end(&sandbox, &["true"], &[]), [""; 0]);
    assert_eq!(scan_at_the_end(&sandbox, &["-f", ".env.age", "true"], &[]), [""; 0]);
    // It is refused after it was opened: the variable asked for is not in it.
    assert_eq!(scan_at_the_end(&sandbox, &["-e", "HF_TOKEN", "true"], &[]), [""; 0]);
}

/// Both keys are read, compared and sealed again.
#[test]
fn after_going_back_to_a_previous_key_no_copy_is_left() {
    let sandbox = sandbox();
    sandbox.withkey(["rotate", "default"]).input("sk-test-another-9876543210zyxwvutsrq").run().assert_exit(0);
    assert_eq!(scan_at_the_end(&sandbox, &["rotate", "default", "--undo"], &[]), [""; 0]);
}

#[test]
fn of_a_key_from_the_keychain_no_process_keeps_a_copy() {
    outliving_the_race(|| {
        let sandbox = Sandbox::new();
        limit(&sandbox, 600);
        let _bus = Bus::with_keyring(&sandbox);
        sandbox.add("default", KEY);
        // The process that asks the keychain, and the one that becomes COMMAND.
        assert_launches_without_a_trace(&sandbox, &["true"], 2);
    });
}

#[test]
fn when_a_launch_from_the_keychain_fails_nothing_is_left_either() {
    outliving_the_race(|| {
        let sandbox = Sandbox::new();
        limit(&sandbox, 600);
        let bus = Bus::with_keyring(&sandbox);
        sandbox.add_variables("default", &[("OPENAI_API_KEY", KEY), ("LLM_KEY", KEY)]);
        bus.secret_tool(&["clear", "service", "withkey", "username", "default/LLM_KEY"], "");
        let scanned = scan(sandbox.withkey(["true"]), &needles(&sandbox));
        assert_eq!(scanned.assert_clean("an item is missing", 125, "default/LLM_KEY is missing").times, 2);
    });
}
