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
#[path = "common/upstream.rs"]
mod upstream;

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use bus::{Bus, limit, outliving_the_race};
use common::{Pty, Sandbox, withkey_binary};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use upstream::{Authority, Reply, Upstream};

/// Halves that stand nowhere else: a run of digits or letters would be found in the C library's tables.
const KEY: &str = "sk-test-Xq7Lw2Rk9Vd4Ht6Bz8Jm3Np5Gs1Fc0Yu";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add("default", KEY);
    sandbox
}

/// Something that must not be found, and what it is.
struct Needle {
    what: &'static str,
    bytes: Vec<u8>,
}

fn needles(sandbox: &Sandbox) -> Vec<Needle> {
    let mut needles = needles_of_the_key();
    if sandbox.identity().exists() {
        needles.extend(needles_of_the_identity(sandbox));
    }
    needles
}

fn needles_of_the_key() -> Vec<Needle> {
    let key = KEY.as_bytes();
    let (front, back) = key.split_at(key.len() / 2);
    let needle = |what, bytes: &[u8]| Needle { what, bytes: bytes.to_vec() };
    vec![
        needle("the key's first half", front),
        needle("the key's second half", back),
        needle("the key in base64", base64(key).as_bytes()),
    ]
}

fn needles_of_the_identity(sandbox: &Sandbox) -> Vec<Needle> {
    let identity = fs::read_to_string(sandbox.identity()).unwrap();
    let identity = identity.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap().as_bytes().to_vec();
    // Behind the prefix that every identity has.
    let (identity_front, identity_back) = identity[15..].split_at(28);
    let needle = |what, bytes: &[u8]| Needle { what, bytes: bytes.to_vec() };
    vec![
        needle("the identity's first half", identity_front),
        needle("the identity's second half", identity_back),
        // Its number, but for the first and last byte, which X25519 changes.
        needle("the first half of the identity's number", &scalar(&identity)[1..16]),
        needle("the second half of the identity's number", &scalar(&identity)[16..31]),
    ]
}

/// The 32 bytes that an identity's text stands for: Bech32, BIP 173.
fn scalar(identity: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 32] = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
    let digits =
        identity["AGE-SECRET-KEY-1".len()..].iter().map(|digit| DIGITS.iter().position(|d| d == digit).unwrap());
    let bits: Vec<usize> = digits.flat_map(|digit| (0..5).rev().map(move |bit| digit >> bit & 1)).collect();
    let byte = |bits: &[usize]| u8::try_from(bits.iter().fold(0, |byte, bit| byte << 1 | bit)).unwrap();
    bits.chunks_exact(8).take(32).map(byte).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let whole = bytes.chunks_exact(3).map(|three| {
        let number = three.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[number >> shift & 63]))
    });
    whole.flatten().collect()
}

/// Every place in the stopped process where a needle stands, and how many mappings could be read.
fn scan(process: Pid, needles: &[Needle]) -> (Vec<String>, usize) {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = File::open(format!("/proc/{process}/mem")).unwrap_or_else(|error| {
        panic!("cannot read the memory of the traced process ({error}): run the tests as root, as tests/run does")
    });
    let (mut hits, mut read) = (Vec::new(), 0);
    for map in maps.lines() {
        let (range, rest) = map.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        if !rest.starts_with('r') || memory.read_exact_at(&mut bytes, start).is_err() {
            // The pages of memfd_secret, which nobody can read, and the kernel's vvar.
            continue;
        }
        read += 1;
        for needle in needles {
            let found = bytes.windows(needle.bytes.len()).filter(|window| *window == needle.bytes).count();
            if found > 0 {
                hits.push(format!("{} ({found} times) in {map}", needle.what));
            }
        }
    }
    (hits, read)
}

/// Runs withkey to the entry of its `execve`, or to its end when it fails before, and scans it there.
fn scan_at_the_end(sandbox: &Sandbox, words: &[&str], settings: &[(&str, PathBuf)], before: fn()) -> Vec<String> {
    scan_for(&needles(sandbox), sandbox, words, settings, before)
}

fn scan_for(
    needles: &[Needle],
    sandbox: &Sandbox,
    words: &[&str],
    settings: &[(&str, PathBuf)],
    before: impl Fn() + Send + Sync + 'static,
) -> Vec<String> {
    let mut command = Command::new(withkey_binary());
    command.args(words).env_clear().current_dir(sandbox.project()).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.env("PATH", "/usr/bin:/bin").env("HOME", sandbox.home());
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    // SAFETY: only system calls between fork and exec.
    unsafe {
        command.pre_exec(move || {
            before();
            ptrace::traceme().map_err(Into::into)
        })
    };
    #[allow(clippy::zombie_processes, reason = "waited for by waitpid, below")]
    let child = command.spawn().unwrap();
    let process = Pid::from_raw(i32::try_from(child.id()).unwrap());
    assert_eq!(waitpid(process, None).unwrap(), WaitStatus::Stopped(process, Signal::SIGTRAP));
    ptrace::setoptions(process, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL).unwrap();
    loop {
        ptrace::syscall(process, None).unwrap();
        match waitpid(process, None).unwrap() {
            WaitStatus::PtraceSyscall(_) => {}
            // A helper has ended.
            WaitStatus::Stopped(_, Signal::SIGCHLD) => continue,
            other => panic!("withkey ended without a last system call: {other:?}"),
        }
        let number = ptrace::getregs(process).unwrap().orig_rax.cast_signed();
        if [libc::SYS_execve, libc::SYS_exit_group].contains(&number) {
            let (hits, read) = scan(process, needles);
            assert!(read > 5, "only {read} mappings were readable");
            ptrace::kill(process).unwrap();
            let _ = waitpid(process, None);
            return hits;
        }
    }
}

/// The same for a launch from the keychain, whose every process is followed: each is scanned at the entry of its
/// `execve` or at its end. Gives the hits, and how many processes were scanned.
fn scan_every_process(sandbox: &Sandbox, words: &[&str]) -> (Vec<String>, usize) {
    let mut command = Command::new(withkey_binary());
    command.args(words).env_clear().current_dir(sandbox.project()).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.env("PATH", "/usr/bin:/bin").env("HOME", sandbox.home()).env("XDG_RUNTIME_DIR", sandbox.path("run"));
    // SAFETY: only a system call between fork and exec.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
    #[allow(clippy::zombie_processes, reason = "waited for by waitpid, below")]
    let child = command.spawn().unwrap();
    let first = Pid::from_raw(i32::try_from(child.id()).unwrap());
    assert_eq!(waitpid(first, None).unwrap(), WaitStatus::Stopped(first, Signal::SIGTRAP));
    let follow = Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_TRACECLONE;
    ptrace::setoptions(first, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL | follow).unwrap();
    ptrace::syscall(first, None).unwrap();
    let (mut hits, mut scanned) = (Vec::new(), 0);
    loop {
        match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::__WALL)).unwrap() {
            WaitStatus::PtraceSyscall(process) => {
                let number = ptrace::getregs(process).unwrap().orig_rax.cast_signed();
                if [libc::SYS_execve, libc::SYS_exit_group].contains(&number) {
                    let (found, _) = scan(process, &needles(sandbox));
                    hits.extend(found);
                    scanned += 1;
                    if process == first {
                        ptrace::kill(process).unwrap();
                        let _ = waitpid(process, None);
                        return (hits, scanned);
                    }
                }
                let _ = ptrace::syscall(process, None);
            }
            WaitStatus::Stopped(process, Signal::SIGSTOP | Signal::SIGTRAP) | WaitStatus::PtraceEvent(process, ..) => {
                let _ = ptrace::syscall(process, None);
            }
            WaitStatus::Stopped(process, signal) => {
                let _ = ptrace::syscall(process, signal);
            }
            WaitStatus::Exited(process, _) | WaitStatus::Signaled(process, ..) => assert_ne!(process, first),
            _ => {}
        }
    }
}

fn nothing() {}

/// Takes memfd_secret away, as an older kernel or a container's seccomp profile does.
fn without_memfd_secret() {
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
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

#[test]
fn the_scan_finds_a_copy_that_was_planted() {
    let sandbox = sandbox();
    let hits = scan_at_the_end(&sandbox, &["true", KEY], &[], nothing);
    assert!(hits.iter().any(|hit| hit.starts_with("the key's first half")), "{hits:?}");
    assert!(hits.iter().any(|hit| hit.contains("[stack]")), "{hits:?}");
}

#[test]
fn at_the_entry_of_execve_no_copy_of_key_or_identity_is_left() {
    let sandbox = sandbox();
    assert_eq!(scan_at_the_end(&sandbox, &["true"], &[], nothing), [""; 0]);
}

#[test]
fn an_identity_given_as_text_is_overwritten_where_it_stood() {
    let sandbox = sandbox();
    let text = fs::read_to_string(sandbox.identity()).unwrap();
    fs::remove_file(sandbox.identity()).unwrap();
    fs::write(sandbox.identity(), &text).unwrap();
    let settings = [("WITHKEY_IDENTITY", PathBuf::from(text))];
    assert_eq!(scan_at_the_end(&sandbox, &["true"], &settings, nothing), [""; 0]);
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
    assert_eq!(scan_at_the_end(&sandbox, &["-p", "team", "true"], &[], nothing), [""; 0]);
    // Nor when it counts for nothing: the key, and then more.
    let file = sandbox.file("key", format!("{KEY}\n{KEY}\n"), 0o600);
    assert_eq!(scan_at_the_end(&sandbox, &["-p", "team", "true"], &[], nothing), [""; 0]);
    sandbox.program("fail", format!("#!/bin/sh\ncat '{}'; exit 1\n", file.display()));
    let description = sandbox.configuration("profiles/team.toml");
    let text = fs::read_to_string(&description).unwrap();
    fs::write(&description, text.replace("/usr/bin/cat", sandbox.path("fail").to_str().unwrap())).unwrap();
    assert_eq!(scan_at_the_end(&sandbox, &["-p", "team", "true"], &[], nothing), [""; 0]);
}

#[test]
fn when_the_launch_fails_after_the_key_was_read_nothing_is_left_either() {
    let sandbox = sandbox();
    // The dotfile opens, and the variable asked for is not in it.
    let description = sandbox.configuration("profiles/default.toml");
    let text = fs::read_to_string(&description).unwrap();
    fs::write(&description, text.replace("[variables.OPENAI_API_KEY]", "[variables.HF_TOKEN]")).unwrap();
    assert_eq!(scan_at_the_end(&sandbox, &["true"], &[], nothing), [""; 0]);
}

#[test]
fn where_the_kernel_has_no_secret_pages_the_block_is_the_one_copy_left() {
    let sandbox = sandbox();
    let hits = scan_at_the_end(&sandbox, &["true"], &[], without_memfd_secret);
    let halves = |half: &str| hits.iter().filter(|hit| hit.starts_with(half)).collect::<Vec<_>>();
    assert_eq!(hits.len(), 2, "{hits:?}");
    assert!(halves("the key's first half")[0].contains("(1 times)"), "{hits:?}");
    assert!(halves("the key's second half")[0].contains("(1 times)"), "{hits:?}");
}

/// An identity behind a passphrase, and what must not be found of it and of the passphrase.
fn behind_a_passphrase() -> (Sandbox, Vec<Needle>) {
    let sandbox = sandbox();
    let mut needles = needles(&sandbox);
    let (front, back) = PASSPHRASE.as_bytes().split_at(PASSPHRASE.len() / 2);
    needles.push(Needle { what: "the passphrase's first half", bytes: front.to_vec() });
    needles.push(Needle { what: "the passphrase's second half", bytes: back.to_vec() });
    protected::protect_with(&sandbox, PASSPHRASE);
    (sandbox, needles)
}

/// As a person would take one, and halves that stand nowhere else.
const PASSPHRASE: &str = "Zq4vTm9-Lx2kRw7 Hb6nPj3-Yd8sGf5";

#[test]
fn a_passphrase_from_a_file_and_the_identity_it_opens_leave_no_trace() {
    let (sandbox, needles) = behind_a_passphrase();
    let file = sandbox.file("passphrase", format!("{PASSPHRASE}\n"), 0o600);
    let settings = [("WITHKEY_PASSPHRASE_FILE", file)];
    assert_eq!(scan_for(&needles, &sandbox, &["true"], &settings, nothing), [""; 0]);
    // Wrong by one character: the launch fails, and leaves as little.
    let file = sandbox.file("passphrase", format!("{PASSPHRASE}!"), 0o600);
    let settings = [("WITHKEY_PASSPHRASE_FILE", file)];
    assert_eq!(scan_for(&needles, &sandbox, &["true"], &settings, nothing), [""; 0]);
}

#[test]
fn an_identity_from_the_kernels_keyring_leaves_no_trace() {
    let (sandbox, needles) = behind_a_passphrase();
    let file = sandbox.file("passphrase", PASSPHRASE, 0o600);
    sandbox.withkey(["unlock"]).set("WITHKEY_PASSPHRASE_FILE", &file).run().assert_exit(0);
    fs::remove_file(file).unwrap();
    // It is not asked for, so it comes from there.
    sandbox.withkey(["true"]).run().assert_exit(0);
    assert_eq!(scan_for(&needles, &sandbox, &["true"], &[], nothing), [""; 0]);
    sandbox.withkey(["lock"]).run().assert_exit(0);
}

#[test]
fn a_typed_passphrase_leaves_no_trace() {
    let (sandbox, needles) = behind_a_passphrase();
    let pty = Pty::open();
    let terminal = pty.terminal();
    // A session of its own with this terminal, as a login has it.
    let attach = move || {
        // SAFETY: plain system calls on a descriptor that lives as long as this closure.
        unsafe {
            assert_ne!(libc::setsid(), -1);
            assert_ne!(libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0), -1);
        }
    };
    let hits = std::thread::scope(|scope| {
        // The same thread must trace from beginning to end, so another one types.
        let scanning = scope.spawn(|| scan_for(&needles, &sandbox, &["true"], &[], attach));
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
    assert_eq!(scan_for(&needles, &sandbox, &["unlock"], &settings, nothing), [""; 0]);
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
        assert_eq!(scan_at_the_end(&sandbox, &["check", "--online"], &[], nothing), [""; 0]);
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
    assert_eq!(scan_at_the_end(&sandbox, &["true"], &[], nothing), [""; 0]);
    assert_eq!(scan_at_the_end(&sandbox, &["-f", ".env.age", "true"], &[], nothing), [""; 0]);
    // It is refused after it was opened: the variable asked for is not in it.
    assert_eq!(scan_at_the_end(&sandbox, &["-e", "HF_TOKEN", "true"], &[], nothing), [""; 0]);
}

/// Both keys are read, compared and sealed again.
#[test]
fn after_going_back_to_a_previous_key_no_copy_is_left() {
    let sandbox = sandbox();
    sandbox.withkey(["rotate", "default"]).input("sk-test-another-9876543210zyxwvutsrq").run().assert_exit(0);
    assert_eq!(scan_at_the_end(&sandbox, &["rotate", "default", "--undo"], &[], nothing), [""; 0]);
}

#[test]
fn of_a_key_from_the_keychain_no_process_keeps_a_copy() {
    outliving_the_race(|| {
        let sandbox = Sandbox::new();
        limit(&sandbox, 600);
        let _bus = Bus::with_keyring(&sandbox);
        sandbox.add("default", KEY);
        // The process that asks the keychain, and the one that becomes COMMAND.
        assert_eq!(scan_every_process(&sandbox, &["true"]), (vec![], 2));
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
        assert_eq!(scan_every_process(&sandbox, &["true"]), (vec![], 2));
    });
}
