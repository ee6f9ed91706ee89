//! What withkey is put before in real life: make's jobs, a socket from systemd, pipelines, a container's first process,
//! thousands of launches.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the README's figures, with --nocapture")]

mod common;

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::iter;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use common::{
    End, KEY, Mode, Report, Running, Sandbox, Start, assert_same, kill, look_for, probe_binary, withkey_binary,
};

/// withkey and the options of a mode, as words of a script.
fn typed(mode: Mode) -> String {
    format!("{} {}", withkey_binary().display(), mode.options().concat())
}

in_both_modes! {
    /// Two targets wait for each other, so the inner make must get a second job from the outer one: through the
    /// descriptors that MAKEFLAGS names.
    fn an_inner_make_shares_the_outer_ones_jobs(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let wait = "for try in 1 2 3 4 5 6 7 8 9 10; do [ -e $* ] && exit 0; sleep 1; done; echo alone; exit 1";
        let inner = format!("all: one.done two.done\none.done:; @touch one; {w}\ntwo.done:; @touch two; {v}\n",
            w = wait.replace("$*", "two"), v = wait.replace("$*", "one"));
        sandbox.file("project/inner.mk", inner, 0o644);
        let outer = |prefix: &str| {
            let _ = ["one", "two"].map(|name| fs::remove_file(sandbox.project().join(name)));
            sandbox.file("project/Makefile", format!("all:; +@{prefix} $(MAKE) --no-print-directory -f inner.mk\n"), 0o644);
            let running = sandbox.directly(["/usr/bin/make", "-j2"]).try_start();
            running.unwrap_or_else(|error| panic!("make: {error}: apt-get install make")).outcome()
        };
        outer(&typed(mode)).assert_exit(0).assert_stderr("").assert_stdout("");
        // The control: with the descriptors closed, the inner make says so.
        let closing = "bash -c 'for n in 3 4 5 6; do eval \"exec $$n>&-\"; done; MAKEFLAGS=\"$${MAKEFLAGS/fifo:/}\" exec \"$$@\"' x";
        let without = outer(&format!("{closing} {}", typed(mode)));
        assert!(without.stderr().contains("jobserver"), "{without:?}");
    }

    fn a_pipeline_that_ends_early_ends_on_both_sides(mode: Mode) {
        let sandbox = Sandbox::with_key();
        for pipeline in ["yes | $W head -n 1", "$W yes | head -n 1", "$W yes | $W head -n 1", "yes | head -n 1"] {
            let script = format!("{}; echo ${{PIPESTATUS[@]}}", pipeline.replace("$W", &typed(mode)));
            let outcome = sandbox.directly(["/bin/bash", "-c", &script]).run();
            outcome.assert_exit(0).assert_stdout("y\n141 0\n").assert_stderr("");
        }
    }

    /// A container's first process: the kernel protects it from signals it has no handler for, and gives it all orphans.
    fn as_pid_1_command_is_ended_by_term_and_orphans_are_no_zombies(mode: Mode) {
        let sandbox = Sandbox::with_key();
        // In exec mode COMMAND is process 1, and bash reaps as an init does.
        let script = "( (exit 3) & echo $BASHPID >/dev/null; sleep 0.1 & echo $! > orphan ) & wait $!
            until ! [ -e /proc/$(cat orphan) ]; do sleep 0.05; done
            echo process $$ under $PPID
            trap 'echo got TERM; exit 7' TERM
            echo ready; while :; do sleep 0.05; done";
        let running = in_pid_namespace(&sandbox, mode, &["/bin/bash", "-c", script]);
        let output = running.output_with("ready\n");
        let process = if mode == Mode::Exec { "process 1 under 0\n" } else { "process 2 under 1\n" };
        assert!(output.contains(process), "{output}");
        kill(only_child_of(running.process), libc::SIGTERM);
        running.output_with("got TERM\n");
        running.outcome().assert_exit(7);
    }

    /// 10,000 launches, each of which becomes or starts the next. What one of them left open, blocked or behind would be there
    /// at the end a thousandfold.
    fn ten_thousand_launches_leave_nothing(mode: Mode) {
        let sandbox = Sandbox::with_key();
        // A parent stays for every launch with --spawn, so its chains are shorter.
        let (chains, length) = if mode == Mode::Exec { (10, 1000) } else { (50, 200) };
        let path = sandbox.path("before");
        let start = sandbox.directly([probe_binary()]).args(["report"]).args([&path]);
        let before = Report::of(start.entry(format!("OPENAI_API_KEY={KEY}").as_bytes()), &path);
        let run = |number: usize| {
            let path = sandbox.path(format!("report-{number}"));
            let link = [withkey_binary().into()].into_iter().chain(mode.options().iter().map(OsString::from));
            let links = iter::repeat_n(link, length).flatten();
            let last = [probe_binary().into(), "report-then".into(), path.clone().into(), "listen:".into()];
            let running = unlimited(sandbox.directly(links.chain(last))).start();
            running.output_with("ready ");
            assert_same_surroundings(&before, &Report::read(&path));
            let staying = if mode == Mode::Exec { 0 } else { length };
            assert_nothing_left_behind(&running, staying);
        };
        thread::scope(|scope| {
            let halves = [0, 1].map(|half| scope.spawn(move || (half..chains).step_by(2).for_each(run)));
            halves.into_iter().for_each(|half| half.join().unwrap());
        });
        println!("{} launches, {mode:?}: no zombie, no descriptor", chains * length);
    }

    /// A shell that launches a thousand times has no child left, and as many descriptors as before.
    fn a_thousand_launches_leave_no_zombie(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let script = format!(
            "set -- /proc/$$/fd/*; echo $#; i=0; while [ $i -lt 500 ]; do {w} true & {w} true || exit 9; wait; i=$((i+1)); done
             set -- /proc/$$/fd/*; echo $#; ps -A -o pid= | wc -l; ps -A -o stat= | grep -c Z",
            w = typed(mode)
        );
        let outcome = in_pid_namespace_without(&sandbox, &["/bin/bash", "-c", &script]).outcome();
        let lines: Vec<_> = outcome.stdout().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 4, "{outcome:?}");
        assert_eq!(lines[0], lines[1], "descriptors: {outcome:?}");
        // The shell, ps and wc.
        assert_eq!((&*lines[2], &*lines[3]), ("3", "0"), "processes, zombies: {outcome:?}");
    }
}

/// Fails unless the session has COMMAND, as many parents that wait for it, each with three descriptors, and no zombie.
#[track_caller]
fn assert_nothing_left_behind(running: &Running, parents: usize) {
    let session = running.session();
    assert_eq!(session.len(), parents + 1, "processes");
    for process in session {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        assert!(!stat.contains(") Z "), "a zombie: {stat}");
        let open = fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
        assert_eq!(open, 3, "descriptors of {stat}");
    }
}

/// systemd names the process that the sockets are for. In exec mode it still is the one; a socket's owner that was started
/// by systemd itself must not be run with `--spawn`, whose COMMAND has a number of its own.
#[test]
fn a_socket_from_systemd_is_commands() {
    let sandbox = Sandbox::with_key();
    let path = sandbox.path("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let server = "import os, socket
assert os.environ['LISTEN_PID'] == str(os.getpid()), 'LISTEN_PID'
assert os.environ['LISTEN_FDS'] == '1', 'LISTEN_FDS'
connection = socket.socket(fileno=3).accept()[0]
connection.sendall(b'hello ' + connection.recv(100) + b' from ' + os.environ['OPENAI_API_KEY'].encode())";
    let script =
        format!("export LISTEN_FDS=1 LISTEN_PID=$$; exec {} python3 -c \"$SERVER\"", withkey_binary().display());
    let start = sandbox.directly(["/bin/sh", "-c", &script]).set("SERVER", server).descriptor(3, listener);
    let running = start.start();
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"client").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    running.outcome().assert_exit(0).assert_stderr("");
    assert_eq!(answer, format!("hello client from {KEY}"));
}

/// With no COMMAND that handles it, TERM ends a first process and its container too.
#[test]
fn as_pid_1_withkey_mirrors_the_death_of_command_by_its_number() {
    let sandbox = Sandbox::with_key();
    let probe = probe_binary();
    let running = in_pid_namespace(&sandbox, Mode::Spawn, &[probe.to_str().unwrap(), "listen:"]);
    running.output_with("ready ");
    kill(only_child_of(running.process), libc::SIGTERM);
    // A first process cannot die by a signal of its own; 128 and its number is what a shell would say.
    running.outcome().assert_end(End::Exit(128 + libc::SIGTERM));
}

/// The kernel does not stop a first process; withkey must not take its own going on for COMMAND's.
#[test]
fn as_pid_1_withkey_leaves_a_command_that_has_stopped_itself_alone() {
    let sandbox = Sandbox::with_key();
    let probe = probe_binary();
    let running = in_pid_namespace(&sandbox, Mode::Spawn, &[probe.to_str().unwrap(), "stop:19", "say:on", "exit:3"]);
    let command = only_child_of(only_child_of(running.process));
    let stat = || fs::read_to_string(format!("/proc/{command}/stat")).unwrap_or_default();
    common::until("COMMAND has stopped", || stat().contains(") T "));
    // Longer than withkey waits before it continues a COMMAND. On a slow machine this only sees less.
    thread::sleep(std::time::Duration::from_millis(200));
    assert!(stat().contains(") T ") && running.output().is_empty(), "{}: {}", stat(), running.output());
    kill(command, libc::SIGCONT);
    running.outcome().assert_exit(3).assert_stdout("on\n");
}

/// withkey as the first process of a namespace, as `docker run image withkey …` starts it.
#[track_caller]
fn in_pid_namespace(sandbox: &Sandbox, mode: Mode, command: &[&str]) -> Running {
    let withkey = withkey_binary();
    let words = [&[withkey.to_str().unwrap()], mode.options(), command].concat();
    in_pid_namespace_without(sandbox, &words)
}

#[track_caller]
fn in_pid_namespace_without(sandbox: &Sandbox, command: &[&str]) -> Running {
    let start = sandbox.directly(["/usr/bin/unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]);
    start.args(command).start()
}

fn unlimited(start: Start) -> Start {
    start.limited(libc::RLIMIT_STACK, libc::RLIM_INFINITY, libc::RLIM_INFINITY)
}

/// The environment, descriptors, signals and flags that COMMAND finds.
#[track_caller]
fn assert_same_surroundings(expected: &Report, found: &Report) {
    assert_same("the environment", &expected.environment(), &found.environment());
    let fds = |report: &Report| {
        (0..64)
            .flat_map(|fd| report.values(&format!("fd {fd}")).into_iter().map(str::to_owned).collect::<Vec<_>>())
            .count()
    };
    assert_eq!(fds(expected), fds(found), "descriptors");
    for name in
        ["blocked", "pending", "children", "dumpable", "Threads", "umask", "VmLck", "parent death signal", "subreaper"]
    {
        assert_eq!(expected.values(name), found.values(name), "{name}");
    }
    for signal in 1..=64 {
        let name = format!("signal {signal}");
        assert_eq!(expected.value(&name), found.value(&name), "{name}");
    }
}

#[track_caller]
fn only_child_of(process: i32) -> i32 {
    let children = || {
        let text = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
        text.trim().parse().ok()
    };
    look_for(children).unwrap_or_else(|| panic!("{process} has not one child"))
}
