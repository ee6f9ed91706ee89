//! On a terminal: keys that make signals, and a shell's jobs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{End, Mode, Pty, Running, Sandbox, probe_binary, withkey_binary};
use libc::{SIGINT, SIGQUIT, SIGUSR1};

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_Z: &str = "\x1a";
const CTRL_BACKSLASH: &str = "\x1c";

/// How often to press a key: two signals that come at once become one, so once would often look right.
const ROUNDS: usize = 30;

/// A shell with job control, and its word for a stopped job.
struct Kind {
    command: &'static [&'static str],
    stopped: &'static str,
}

const SHELLS: [Kind; 3] = [
    Kind { command: &["/bin/bash", "--norc", "--noprofile", "--noediting", "-i"], stopped: "Stopped" },
    Kind { command: &["/bin/dash", "-i"], stopped: "Stopped" },
    // Without its line editor, which sets the terminal's modes, and its ends of lines.
    Kind { command: &["/bin/zsh", "-f", "-i", "+o", "zle", "+o", "promptsp", "+o", "promptcr"], stopped: "suspended" },
];

/// An interactive shell with job control, at its prompt.
struct Shell {
    pty: Pty,
    stopped: &'static str,
    _running: Running,
}

impl Shell {
    fn start(sandbox: &Sandbox, kind: &Kind) -> Self {
        let pty = Pty::open();
        let start = sandbox.directly(kind.command).set("PS1", "@> ").set("PROBE", probe_binary());
        let running = pty.attach(start.set("WITHKEY", withkey_binary())).try_start();
        let running = running.unwrap_or_else(|error| panic!("{}: {error}: tests/run installs it", kind.command[0]));
        pty.wait_for("@> ");
        Self { pty, stopped: kind.stopped, _running: running }
    }

    /// Types a command; `$W` is withkey in this mode.
    fn line(&self, mode: Mode, line: &str) {
        let withkey = format!("\"$WITHKEY\" {}", mode.options().concat());
        self.pty.type_in(&format!("{}\n", line.replace("$W", &withkey)));
    }

    /// A job has stopped when the shell says so and asks again.
    #[track_caller]
    fn stopped(&self) {
        self.pty.wait_for(self.stopped);
        self.pty.wait_for("@> ");
    }

    /// The status of the last command, which the shell shows at its next prompt.
    #[track_caller]
    fn assert_status(&self, status: i32) {
        self.pty.wait_for("@> ");
        self.pty.type_in("echo status-$?\n");
        self.pty.wait_for("status-");
        assert_eq!(self.pty.wait_for("\r\n"), status.to_string());
        self.pty.wait_for("@> ");
    }
}

/// Presses `key` again and again while COMMAND writes down what it gets.
#[track_caller]
fn assert_each_key_arrives_once(mode: Mode, key: &str, signal: i32) {
    let (sandbox, pty) = (Sandbox::with_key(), Pty::open());
    let running = pty.attach(sandbox.probe(mode, &[&format!("listen:{signal},{SIGUSR1}")])).start();
    pty.wait_for("ready ");
    for _ in 0..ROUNDS {
        pty.type_in(key);
        pty.wait_for(&format!("got {signal} from kernel"));
    }
    // When a later signal has come through, no earlier one is on its way.
    running.signal(SIGUSR1);
    pty.wait_for(&format!("got {SIGUSR1} from process"));
    assert_eq!(pty.text().matches(&format!("got {signal} ")).count(), ROUNDS, "{}", pty.text());
}

/// A script that runs `prefix` and a command three times, and gets Ctrl-C in the first: its end, and what it has shown.
#[track_caller]
fn interrupted_loop(shell: &str, prefix: &str) -> (End, String) {
    let (sandbox, pty) = (Sandbox::with_key(), Pty::open());
    let script = format!("for i in 1 2 3; do {prefix} \"$PROBE\" say:round listen:; done; echo after");
    let start = sandbox.directly([shell, "-c", &script]);
    let start = start.set("WITHKEY", withkey_binary()).set("PROBE", probe_binary());
    let running = pty.attach(start).start();
    pty.wait_for("round");
    pty.wait_for("ready ");
    pty.type_in(CTRL_C);
    (running.outcome().end, pty.text())
}

in_both_modes! {
    fn ctrl_c_reaches_command_exactly_once(mode: Mode) {
        assert_each_key_arrives_once(mode, CTRL_C, SIGINT);
    }

    fn ctrl_backslash_reaches_command_exactly_once(mode: Mode) {
        assert_each_key_arrives_once(mode, CTRL_BACKSLASH, SIGQUIT);
    }

    fn ctrl_c_ends_command_and_withkey(mode: Mode) {
        let (sandbox, pty) = (Sandbox::with_key(), Pty::open());
        let running = pty.attach(sandbox.probe(mode, &["listen:"])).start();
        pty.wait_for("ready ");
        pty.type_in(CTRL_C);
        running.outcome().assert_end(End::Signal(SIGINT));
    }

    /// bash goes on with its loop when the command ended by `exit(130)`.
    fn ctrl_c_stops_a_shells_loop(mode: Mode) {
        for kind in &SHELLS {
            let withkey = format!("\"$WITHKEY\" {}", mode.options().concat());
            let (end, text) = interrupted_loop(kind.command[0], &withkey);
            let (plain_end, _) = interrupted_loop(kind.command[0], "");
            assert_eq!(end, plain_end, "{} ends in another way than without withkey", kind.command[0]);
            assert_eq!(text.matches("round").count(), 1, "{}: {text}", kind.command[0]);
            assert!(!text.contains("after"), "{}: {text}", kind.command[0]);
        }
    }

    /// Here the shell and the command are in groups of their own, and only the command gets the signal.
    fn ctrl_c_stops_a_loop_at_the_prompt(mode: Mode) {
        let sandbox = Sandbox::with_key();
        for kind in &SHELLS {
            let shell = Shell::start(&sandbox, kind);
            // Not as one word: what is typed must not look like what is shown.
            shell.line(mode, "for i in 1 2 3; do $W \"$PROBE\" say:round-$i listen:; done");
            shell.pty.wait_for("round-1");
            shell.pty.wait_for("ready ");
            shell.pty.type_in(CTRL_C);
            shell.assert_status(130);
            assert!(!shell.pty.text().contains("round-2"), "{}", shell.pty.text());
        }
    }

    /// A command that catches Ctrl-C and ends well is a success.
    fn ctrl_c_that_command_catches_is_its_own_affair(mode: Mode) {
        let (sandbox, pty) = (Sandbox::with_key(), Pty::open());
        let script = "trap 'echo caught; exit 5' INT; echo up; while :; do read -r line; done";
        let running = pty.attach(sandbox.launch(mode, ["bash", "-c", script])).start();
        pty.wait_for("up");
        pty.type_in(CTRL_C);
        pty.wait_for("caught");
        running.outcome().assert_exit(5);
    }

    fn ctrl_z_stops_the_job_and_fg_continues_it(mode: Mode) {
        let sandbox = Sandbox::with_key();
        for kind in &SHELLS {
            let shell = Shell::start(&sandbox, kind);
            shell.line(mode, "$W cat");
            // withkey's own start must be over: before, the letters only wait in the terminal.
            for round in 0..ROUNDS {
                shell.pty.type_in(&format!("hello {round}\n"));
                shell.pty.wait_for(&format!("hello {round}\r\n"));
                shell.pty.type_in(CTRL_Z);
                shell.stopped();
                shell.pty.type_in(&format!("echo between $(({round} + 1000))\n"));
                shell.pty.wait_for(&format!("between {}", round + 1000));
                shell.pty.wait_for("@> ");
                shell.pty.type_in("fg\n");
                shell.pty.wait_for("cat");
            }
            shell.pty.type_in(CTRL_D);
            shell.assert_status(0);
        }
    }

    fn a_command_that_stops_itself_is_a_stopped_job_that_fg_and_bg_continue(mode: Mode) {
        let sandbox = Sandbox::with_key();
        for kind in &SHELLS {
            let shell = Shell::start(&sandbox, kind);
            // By SIGSTOP and by the three that a terminal sends.
            for signal in [19, 20, 21, 22] {
                shell.line(mode, &format!("$W \"$PROBE\" stop:{signal} say:on exit:3"));
                shell.stopped();
                shell.pty.type_in("fg\n");
                shell.pty.wait_for("on\r\n");
                shell.assert_status(3);
            }
            shell.line(mode, "$W \"$PROBE\" stop:19 say:on exit:4");
            shell.stopped();
            // In one line: a job that ends before the next prompt is forgotten there, and its status with it.
            shell.pty.type_in("bg; wait %1; echo waited-$?\n");
            shell.pty.wait_for("on\r\n");
            shell.pty.wait_for("waited-4");
        }
    }

    fn a_job_in_the_background_that_reads_the_terminal_stops(mode: Mode) {
        let sandbox = Sandbox::with_key();
        for kind in &SHELLS {
            let shell = Shell::start(&sandbox, kind);
            shell.line(mode, "$W cat &");
            shell.pty.wait_for("@> ");
            // The shell tells of a stopped job when it is asked; `jobs -p` would not say which state.
            common::until("the job has stopped", || {
                shell.pty.type_in("jobs; echo asked\n");
                shell.pty.wait_for("asked").contains(shell.stopped)
            });
            shell.pty.type_in("fg\n");
            shell.pty.type_in("hello\n");
            shell.pty.wait_for("hello\r\n");
            shell.pty.type_in(CTRL_D);
            shell.assert_status(0);
        }
    }
}
