//! `--spawn`: withkey stays as COMMAND's parent, passes on what is sent to it, and is as invisible as it can be.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::ffi::c_int;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};

use common::{End, KEY, Mode, Running, Sandbox, Start, kill, look_for, pipe, until};
use libc::{
    SIGABRT, SIGBUS, SIGCHLD, SIGCONT, SIGFPE, SIGHUP, SIGILL, SIGINT, SIGQUIT, SIGSEGV, SIGSYS, SIGTERM, SIGTRAP,
    SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGUSR1, SIGUSR2, SIGWINCH,
};

/// What has its meaning between a terminal, a shell and its jobs, and is nothing to pass on.
const NEVER_HANDLED: [c_int; 7] = [SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGWINCH, SIGCHLD, SIGURG];

/// COMMAND under `withkey --spawn`, writing down each signal that reaches it.
struct Listener {
    withkey: Running,
    command: i32,
}

impl Listener {
    /// The probe does `actions`, then listens to all signals that it can block.
    #[track_caller]
    fn start(sandbox: &Sandbox, actions: &[&str], state: impl Fn(Start) -> Start) -> Self {
        let all: Vec<_> = (1..=64).map(|signal| signal.to_string()).collect();
        let listen = format!("listen:{}", all.join(","));
        let withkey = state(sandbox.probe(Mode::Spawn, &[actions, &[&listen]].concat())).start();
        let output = withkey.output_with("ready ");
        let command = output.lines().find_map(|line| line.strip_prefix("ready ")?.parse().ok()).unwrap();
        Self { withkey, command }
    }

    /// What COMMAND got before `marker`, which is sent to withkey now. It is sent again when it has arrived: by then
    /// withkey has dealt with all that was sent earlier, in whatever order the kernel delivered it.
    #[track_caller]
    fn heard_before(&self, marker: c_int) -> Vec<String> {
        let line = format!("got {marker} from {}\n", self.of_withkey());
        self.withkey.signal(marker);
        self.withkey.output_with(&line);
        self.withkey.signal(marker);
        let twice = || Some(self.withkey.output()).filter(|output| output.matches(&line).count() == 2);
        let output = look_for(twice).unwrap_or_else(|| panic!("not twice {line:?}: {}", self.withkey.output()));
        let heard = output.lines().filter_map(|line| line.strip_prefix("got ")).map(str::to_owned);
        heard.filter(|heard| !line.contains(heard)).collect()
    }

    fn of_withkey(&self) -> String {
        format!("process {}", self.withkey.process)
    }
}

#[test]
fn a_signal_sent_to_withkey_reaches_command_exactly_once() {
    let sandbox = Sandbox::with_key();
    for signal in [SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGINT, SIGQUIT, 34, 35, 50, 64] {
        let listener = Listener::start(&sandbox, &[], |start| start);
        listener.withkey.signal(signal);
        listener.withkey.output_with(&format!("got {signal} "));
        let marker = if signal == SIGUSR1 { SIGUSR2 } else { SIGUSR1 };
        assert_eq!(listener.heard_before(marker), [format!("{signal} from {}", listener.of_withkey())]);
    }
}

/// A debugger's user and a watchdog send them by kill(2); only those that a fault of the parent itself raises are its own.
#[test]
fn a_fault_signal_that_is_sent_reaches_command_too() {
    let sandbox = Sandbox::with_key();
    for signal in [SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS] {
        let listener = Listener::start(&sandbox, &[], |start| start);
        listener.withkey.signal(signal);
        listener.withkey.output_with(&format!("got {signal} "));
        assert_eq!(listener.heard_before(SIGUSR1), [format!("{signal} from {}", listener.of_withkey())]);
        let running = sandbox.probe(Mode::Spawn, &["listen:"]).limited(libc::RLIMIT_CORE, 0, 0).start();
        running.output_with("ready ");
        running.signal(signal);
        running.outcome().assert_end(End::Signal(signal));
    }
}

/// Blocked is what COMMAND inherits, and there the signal waits; in the parent it would wait out of COMMAND's sight.
#[test]
fn a_signal_inherited_as_blocked_waits_in_command() {
    let blocked = [SIGTERM, SIGUSR1, 34];
    let listener = Listener::start(&Sandbox::with_key(), &[], |start| start.blocking(&blocked));
    for signal in blocked {
        listener.withkey.signal(signal);
        listener.withkey.output_with(&format!("got {signal} "));
    }
    let mut heard = listener.heard_before(64);
    heard.sort();
    assert_eq!(heard, [10, 15, 34].map(|signal| format!("{signal} from {}", listener.of_withkey())));
}

/// fork(2) gives pending signals to no child, so the parent passes them on.
#[test]
fn a_signal_that_was_pending_before_the_launch_reaches_command() {
    let listener = Listener::start(&Sandbox::with_key(), &[], |start| start.pending(SIGTERM).pending(34));
    for signal in [SIGTERM, 34] {
        listener.withkey.output_with(&format!("got {signal} "));
    }
    let mut heard = listener.heard_before(64);
    heard.sort();
    assert_eq!(heard, [15, 34].map(|signal| format!("{signal} from {}", listener.of_withkey())));
}

/// Realtime signals queue: as many arrive as were sent.
#[test]
fn realtime_signals_are_counted() {
    let listener = Listener::start(&Sandbox::with_key(), &[], |start| start);
    (0..20).for_each(|_| listener.withkey.signal(40));
    // The marker has a higher number, and is delivered after them.
    assert_eq!(listener.heard_before(41), vec![format!("40 from {}", listener.of_withkey()); 20]);
}

#[test]
fn command_that_does_not_catch_the_signal_dies_by_it_and_so_does_withkey() {
    let sandbox = Sandbox::with_key();
    for signal in [SIGTERM, SIGHUP, SIGINT, SIGUSR1, 34] {
        let running = sandbox.probe(Mode::Spawn, &["listen:"]).start();
        running.output_with("ready ");
        running.signal(signal);
        running.outcome().assert_end(End::Signal(signal));
    }
}

#[test]
fn a_signal_inherited_as_ignored_is_not_passed_on() {
    let ignored = [SIGTERM, SIGHUP, SIGINT, SIGUSR1, 34];
    let listener = Listener::start(&Sandbox::with_key(), &[], |start| start.ignoring(&ignored));
    let bits = |name| u64::from_str_radix(&listener.withkey.status(name), 16).unwrap();
    for signal in ignored {
        assert_eq!(bits("SigIgn") >> (signal - 1) & 1, 1, "signal {signal} is no longer ignored");
        listener.withkey.signal(signal);
    }
    assert_eq!(listener.heard_before(SIGUSR2), [""; 0]);
}

#[test]
fn signals_of_the_terminal_and_of_jobs_are_never_handled_nor_passed_on() {
    let listener = Listener::start(&Sandbox::with_key(), &[], |start| start);
    let caught = u64::from_str_radix(&listener.withkey.status("SigCgt"), 16).unwrap();
    for signal in NEVER_HANDLED {
        assert_eq!(caught >> (signal - 1) & 1, 0, "signal {signal} is handled");
    }
    for signal in [SIGCONT, SIGWINCH, SIGCHLD, SIGURG] {
        listener.withkey.signal(signal);
    }
    assert_eq!(listener.heard_before(SIGUSR1), [""; 0]);
}

#[test]
fn what_command_sends_to_its_parent_is_not_sent_back() {
    let listener =
        Listener::start(&Sandbox::with_key(), &["block:15,34", "kill-parent:15", "kill-parent:34"], |start| start);
    assert_eq!(listener.heard_before(64), [""; 0]);
}

/// A realtime signal, because two of them would not become one.
#[test]
fn what_command_sends_to_its_group_reaches_it_once() {
    let listener = Listener::start(&Sandbox::with_key(), &["block:34", "kill-group:34"], |start| start);
    assert_eq!(listener.heard_before(64), [format!("34 from process {}", listener.command)]);
}

#[test]
fn command_outlives_a_killed_withkey() {
    let mut listener = Listener::start(&Sandbox::with_key(), &[], |start| start);
    listener.withkey.signal(libc::SIGKILL);
    listener.withkey.wait().assert_end(End::Signal(libc::SIGKILL));
    kill(listener.command, SIGUSR1);
    let output = listener.withkey.output_with("got ");
    assert!(output.contains(&format!("got {SIGUSR1} from process {}", std::process::id())), "{output}");
}

#[test]
fn a_command_that_stops_itself_stops_withkey_and_both_go_on_together() {
    let sandbox = Sandbox::with_key();
    let actions = ["say:one", "stop:19", "say:two", "stop:19", "say:three", "stop:19", "say:four", "exit:3"];
    let mut running = sandbox.probe(Mode::Spawn, &actions).start();
    for before in ["one\n", "one\ntwo\n", "one\ntwo\nthree\n"] {
        assert_eq!(running.stopped(), libc::SIGSTOP);
        assert_eq!(running.output(), before);
        running.signal_group(SIGCONT);
    }
    running.outcome().assert_exit(3).assert_stdout("one\ntwo\nthree\nfour\n");
}

/// Without withkey its number would be COMMAND's.
#[test]
fn who_continues_withkey_alone_continues_command() {
    let sandbox = Sandbox::with_key();
    let mut running = sandbox.probe(Mode::Spawn, &["stop:19", "say:on", "stop:19", "say:further", "exit:3"]).start();
    for before in ["", "on\n"] {
        assert_eq!(running.stopped(), libc::SIGSTOP);
        assert_eq!(running.output(), before);
        running.signal(SIGCONT);
    }
    running.outcome().assert_exit(3).assert_stdout("on\nfurther\n");
}

/// A shell continues the whole group: COMMAND must not see that twice.
#[test]
fn a_group_that_is_continued_is_so_once() {
    let mut listener = Listener::start(&Sandbox::with_key(), &[], |start| start);
    let of_test = format!("{SIGCONT} from process {}", std::process::id());
    for round in 1..=5 {
        kill(listener.command, libc::SIGSTOP);
        assert_eq!(listener.withkey.stopped(), libc::SIGSTOP);
        listener.withkey.signal_group(SIGCONT);
        until("COMMAND goes on", || listener.withkey.output().matches(&of_test).count() == round);
    }
    assert_eq!(listener.heard_before(64), vec![of_test; 5]);
}

/// A reader of COMMAND's output must see its end, though withkey still waits for COMMAND itself.
#[test]
fn withkey_keeps_none_of_commands_files_open() {
    let sandbox = Sandbox::with_key();
    for number in [1, 2, 9] {
        let (mut read_end, write_end) = pipe().unwrap();
        let actions = [&format!("close:{number}"), "listen:"];
        let running = sandbox.probe(Mode::Spawn, &actions).descriptor(number, write_end).start();
        not_blocking(&read_end);
        let end = look_for(|| match read_end.read(&mut [0; 100]) {
            Ok(0) => Some(()),
            Ok(_) => None,
            Err(error) => (error.kind() != ErrorKind::WouldBlock).then(|| panic!("{error}")),
        });
        assert!(end.is_some(), "descriptor {number} is still open in withkey");
        assert!(!running.status("State").starts_with('Z'), "withkey did not wait");
    }
    let (read_end, mut write_end) = pipe().unwrap();
    let running = sandbox.probe(Mode::Spawn, &["close:0", "listen:"]).descriptor(0, read_end).start();
    not_blocking(&write_end);
    let broken = |error: std::io::Error| error.kind() == ErrorKind::BrokenPipe;
    until("standard input has no reader", || write_end.write(b"x").is_err_and(broken));
    assert!(!running.status("State").starts_with('Z'), "withkey did not wait");
}

#[test]
fn no_zombie_is_left() {
    let mut listener = Listener::start(&Sandbox::with_key(), &[], |start| start);
    kill(listener.command, libc::SIGKILL);
    listener.withkey.wait().assert_end(End::Signal(libc::SIGKILL));
    assert!(!fs::exists(format!("/proc/{}", listener.command)).unwrap());
}

#[test]
fn withkey_waits_as_a_single_thread_in_commands_group() {
    let listener = Listener::start(&Sandbox::with_key(), &[], |start| start);
    assert_eq!(listener.withkey.status("Threads"), "1");
    assert_eq!(children_of(listener.withkey.process), [listener.command]);
}

/// So the parent never holds a key: there is a child before there is an identity.
#[test]
fn the_fork_comes_before_the_identity_is_read() {
    let sandbox = Sandbox::with_key();
    let (start, mut rest) = sandbox.with_half_an_identity(sandbox.launch(Mode::Spawn, ["printenv", "OPENAI_API_KEY"]));
    let running = start.start();
    rest.until_read();
    let children = children_of(running.process);
    assert_eq!(children.len(), 1, "withkey reads the identity itself");
    rest.write();
    running.outcome().assert_exit(0).assert_stdout(&format!("{KEY}\n"));
}

in_both_modes! {
    fn a_signal_before_command_runs_ends_the_launch(mode: Mode) {
        let sandbox = Sandbox::with_key();
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            let (start, rest) = sandbox.with_half_an_identity(sandbox.launch(mode, ["touch", "started"]));
            let running = start.start();
            rest.until_read();
            running.signal(signal);
            running.outcome().assert_end(End::Signal(signal));
            assert!(!sandbox.project().join("started").exists(), "COMMAND was started");
        }
    }
}

fn not_blocking(file: &File) {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    fcntl(file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
}

/// The processes whose parent it is.
fn children_of(process: i32) -> Vec<i32> {
    let parent = |entry: &fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // After the name, which may hold anything: state, parent.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<i32>().ok()
    };
    let entries = fs::read_dir("/proc").unwrap().map(Result::unwrap).filter(|entry| parent(entry) == Some(process));
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
