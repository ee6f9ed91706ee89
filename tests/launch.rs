//! COMMAND cannot tell that withkey was there: whatever state the caller left, COMMAND finds it so.
//!
//! The measure is the same program started in the same state without withkey.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::ffi::c_int;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use common::{KEY, Mode, Pty, Report, Sandbox, Start, assert_same, look_for, pipe, probe_binary};

/// What differs by itself from one process to the next.
const OF_THE_PROCESS: [&str; 4] = ["pid", "pgid", "sid", "foreground"];

/// What fork(2) gives no child, so that COMMAND under `--spawn` cannot have it from withkey's caller.
const LOST_BY_FORK: [&str; 6] = ["ppid", "pending", "ShdPnd", "itimer 0", "parent death signal", "subreaper"];

/// Signals 32 and 33 are the C library's own, and 9 and 19 have one disposition only.
fn all_signals() -> Vec<c_int> {
    (1..=64).filter(|signal| ![9, 19, 32, 33].contains(signal)).collect()
}

/// Compares all that COMMAND can see; withkey adds one variable, at the end as none of that name is inherited.
#[track_caller]
fn assert_nothing_differs(sandbox: &Sandbox, mode: Mode, odd: impl Fn(Start) -> Start) {
    let (direct, launched) = sandbox.directly_and_launched(mode, odd);
    let mut different = [&OF_THE_PROCESS[..], &["env"]].concat();
    if mode == Mode::Spawn {
        different.extend(LOST_BY_FORK);
    }
    assert_same("what COMMAND finds", &direct.without(&different), &launched.without(&different));
    let expected = format!("{}\nOPENAI_API_KEY={KEY}", direct.environment());
    assert_same("COMMAND's environment", &expected, &launched.environment());
    // Started in a session of its own, withkey leads session and group; COMMAND stays in both.
    for group in ["pgid", "sid"] {
        let leader = if mode == Mode::Exec { "pid" } else { "ppid" };
        assert_eq!(launched.value(group), launched.value(leader), "COMMAND left the {group} of withkey");
    }
}

in_both_modes! {
    fn an_ordinary_start_is_the_same(mode: Mode) {
        assert_nothing_differs(&Sandbox::with_key(), mode, |start| start);
    }

    fn ignored_signals_stay_ignored(mode: Mode) {
        assert_nothing_differs(&Sandbox::with_key(), mode, |start| start.ignoring(&all_signals()));
    }

    fn sigpipe_alone_stays_ignored(mode: Mode) {
        assert_nothing_differs(&Sandbox::with_key(), mode, |start| start.ignoring(&[libc::SIGPIPE]));
    }

    fn blocked_signals_stay_blocked(mode: Mode) {
        assert_nothing_differs(&Sandbox::with_key(), mode, |start| start.blocking(&all_signals()));
    }

    fn inherited_files_stay_open_where_they_were(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let log = sandbox.file("log", "0123456789", 0o600);
        let (read_end, write_end) = pipe().unwrap();
        assert_nothing_differs(&sandbox, mode, |start| {
            let mut half_read = File::open(&log).unwrap();
            half_read.seek(SeekFrom::Start(5)).unwrap();
            start
                .descriptor(3, read_end.try_clone().unwrap())
                .descriptor(4, write_end.try_clone().unwrap())
                .descriptor(9, half_read)
                .descriptor(10, OpenOptions::new().append(true).open(&log).unwrap())
                .descriptor(200, File::open("/").unwrap())
                .input("for COMMAND alone\n")
        });
    }

    fn closed_standard_descriptors_stay_closed(mode: Mode) {
        let sandbox = Sandbox::with_key();
        for subset in 1..8 {
            let closed: Vec<c_int> = (0..3).filter(|number| subset >> number & 1 == 1).collect();
            assert_nothing_differs(&sandbox, mode, |start| {
                closed.iter().fold(start, |start, number| start.closed(*number))
            });
        }
    }

    /// withkey's next file would else become descriptor 2, and take in what is meant for the person: the lock is held
    /// when a new identity is announced.
    fn a_message_to_a_closed_standard_error_lands_in_no_file(mode: Mode) {
        let sandbox = Sandbox::new();
        sandbox.withkey(["add"]).input(KEY).closed(2).run().assert_exit(0);
        sandbox.launch(mode, ["no-such-program"]).closed(2).run().assert_exit(127);
        sandbox.directly(["/usr/bin/grep", "-r", "withkey: "]).args([sandbox.home()]).run().assert_exit(1);
        sandbox.launch(mode, ["printenv", "OPENAI_API_KEY"]).run().assert_exit(0).assert_stdout(&format!("{KEY}\n"));
    }

    fn umask_and_directory_stay(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let odd = sandbox.project().join("a \n directory");
        fs::create_dir(&odd).unwrap();
        assert_nothing_differs(&sandbox, mode, |start| start.umask(0o137).in_directory(&odd));
    }

    fn resource_limits_stay(mode: Mode) {
        assert_nothing_differs(&Sandbox::with_key(), mode, |start| {
            start
                .limited(libc::RLIMIT_CORE, 4096, 8192)
                .limited(libc::RLIMIT_NOFILE, 900, 1000)
                .limited(libc::RLIMIT_CPU, 1000, 2000)
                .limited(libc::RLIMIT_MEMLOCK, 4096, 65536)
                .limited(libc::RLIMIT_STACK, 4 << 20, 16 << 20)
                .limited(libc::RLIMIT_FSIZE, 1 << 20, 1 << 30)
        });
    }

    fn scheduling_stays(mode: Mode) {
        assert_nothing_differs(&Sandbox::with_key(), mode, |start| {
            const ONE_PROCESS: c_int = 1;
            // Best effort, the lowest level.
            const LOW_PRIORITY: c_int = 2 << 13 | 7;
            start
                // SAFETY: a plain system call.
                .step(|| unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 5) })
                // SAFETY: a plain system call.
                .step(|| unsafe { libc::syscall(libc::SYS_ioprio_set, ONE_PROCESS, 0, LOW_PRIORITY) as c_int })
                // SAFETY: an all-zero CPU set is valid, and lives on this frame.
                .step(|| unsafe {
                    let mut first: libc::cpu_set_t = std::mem::zeroed();
                    libc::CPU_SET(0, &mut first);
                    libc::sched_setaffinity(0, size_of_val(&first), &raw const first)
                })
                .step(|| write_once(c"/proc/self/oom_score_adj", b"500"))
        });
    }

    fn timers_stay(mode: Mode) {
        assert_nothing_differs(&Sandbox::with_key(), mode, |start| {
            // SAFETY: the timer lives on this frame.
            start.step(|| unsafe {
                let hour = libc::timeval { tv_sec: 3600, tv_usec: 0 };
                let timer = libc::itimerval { it_interval: hour, it_value: hour };
                libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut())
            })
        });
    }

    fn process_flags_stay(mode: Mode) {
        assert_nothing_differs(&Sandbox::with_key(), mode, |start| {
            let flags = [
                (libc::PR_SET_NO_NEW_PRIVS, 1),
                (libc::PR_SET_CHILD_SUBREAPER, 1),
                (libc::PR_SET_PDEATHSIG, 12),
                (libc::PR_SET_TIMERSLACK, 70_000),
                (libc::PR_SET_THP_DISABLE, 1),
            ];
            flags.iter().fold(start, |start, &(flag, value): &(c_int, usize)| {
                // SAFETY: options that take a number.
                start.step(move || unsafe { libc::prctl(flag, value, 0_usize, 0_usize, 0_usize) })
            })
        });
    }

    /// The comparison would not notice if the direct start were just as wrong.
    fn command_is_dumpable_single_and_childless(mode: Mode) {
        let found = Sandbox::with_key().launched(mode, |start| start);
        let values = ["dumpable", "NoNewPrivs", "parent death signal", "Threads", "children", "VmLck", "TracerPid"];
        assert_eq!(values.map(|name| found.value(name)), ["1", "0", "0", "1", "none", "0 kB", "0"]);
    }

    fn command_is_in_the_foreground_of_an_unchanged_terminal(mode: Mode) {
        let (sandbox, pty) = (Sandbox::with_key(), Pty::open());
        assert_nothing_differs(&sandbox, mode, |start| pty.attach(start));
        let found = sandbox.launched(mode, |start| pty.attach(start));
        assert_eq!(found.value("foreground"), found.value("pgid"));
    }

    fn arguments_arrive_byte_for_byte(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let words: [&[u8]; 9] = [b"", b"--", b"-p", b"--spawn", b"two words", b"\xff\xfe", b"*", b"$HOME", b"\n"];
        let long = vec![b'x'; 100_000];
        assert_nothing_differs(&sandbox, mode, |start| {
            words.iter().chain([&&long[..]]).fold(start, |start, word| start.args([bytes(word)]))
        });
    }

    fn the_first_argument_is_as_typed(mode: Mode) {
        let sandbox = Sandbox::with_key();
        fs::create_dir(sandbox.project().join("bin")).unwrap();
        symlink(probe_binary(), sandbox.project().join("bin/probe")).unwrap();
        for typed in ["probe", "bin/probe", "./bin/../bin/probe"] {
            let words = ["report".into(), sandbox.report_path()];
            let path = sandbox.project().join("bin");
            let start = sandbox.launch(mode, [typed]).args(words).set("PATH", path);
            assert_eq!(Report::of(start, &sandbox.report_path()).values("argv")[0], typed);
        }
    }

    /// `withkey -p default -- COMMAND` and `withkey COMMAND` start the same.
    fn options_leave_no_trace(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let plain = sandbox.launched(mode, |start| start);
        let words = [&["-v", "-p", "default", "--color", "never"], mode.options(), &["--"]].concat();
        let optional = sandbox.withkey(words).args(sandbox.report_words());
        let optional = Report::of(optional, &sandbox.report_path());
        let different = [&OF_THE_PROCESS[..], &["ppid", "fd 2"]].concat();
        assert_same("what COMMAND finds", &plain.without(&different), &optional.without(&different));
    }

    fn an_identity_named_as_a_descriptor_is_closed(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let identity = fs::read(sandbox.identity()).unwrap();
        fs::remove_file(sandbox.identity()).unwrap();
        let given = |start: Start, file: OwnedFd| {
            let start = start.descriptor(8, File::open("/").unwrap()).descriptor(9, file);
            start.set("WITHKEY_IDENTITY_FILE", "/dev/fd/9")
        };
        let (read_end, mut write_end) = pipe().unwrap();
        write_end.write_all(&identity).unwrap();
        drop(write_end);
        let file = File::open(sandbox.file("elsewhere", &identity, 0o600)).unwrap();
        for file in [OwnedFd::from(read_end), OwnedFd::from(file)] {
            let start = given(sandbox.launch(mode, sandbox.report_words()), file);
            let found = Report::of(start, &sandbox.report_path());
            assert_eq!(found.values("fd 9"), [""; 0], "COMMAND can read the identity");
            assert_eq!(found.values("fd 8").len(), 1, "COMMAND lost a file that was not named");
            assert!(found.environment().contains(KEY));
        }
    }

    /// A file could be read once more from its beginning. Closed, its number would be that of COMMAND's next file.
    fn an_identity_on_a_standard_descriptor_is_not_commands(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let identity = fs::read(sandbox.identity()).unwrap();
        fs::remove_file(sandbox.identity()).unwrap();
        let file = sandbox.file("elsewhere", &identity, 0o600);
        for (number, name) in [(0, "/dev/stdin"), (0, "/dev/fd/0"), (0, "/proc/self/fd/0"), (1, "/dev/fd/1"), (2, "/dev/fd/2")] {
            let start = sandbox.launch(mode, sandbox.report_words()).set("WITHKEY_IDENTITY_FILE", name);
            let found = Report::of(start.descriptor(number, File::open(&file).unwrap()), &sandbox.report_path());
            let held = found.value(&format!("fd {number}"));
            assert!(held.starts_with("/dev/null flags 0x0 "), "{name}: {held}");
            assert!(found.environment().contains(KEY));
        }
    }

    /// COMMAND must not get the identity because withkey happened not to need it.
    fn an_identity_named_as_a_descriptor_is_closed_though_it_is_not_read(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let identity = fs::read_to_string(sandbox.identity()).unwrap();
        let ways = [
            ("WITHKEY_PROFILE", "inherit"),
            // This one goes before the file.
            ("WITHKEY_IDENTITY", &identity),
        ];
        for (name, value) in ways {
            let found = sandbox.launched(mode, |start| {
                let start = start.set("OPENAI_API_KEY", KEY).set(name, value);
                let start = start.descriptor(9, File::open(sandbox.identity()).unwrap());
                start.set("WITHKEY_IDENTITY_FILE", "/dev/fd/9")
            });
            assert_eq!(found.values("fd 9"), [""; 0], "COMMAND can read the identity, with {name}");
        }
    }

    fn a_launch_that_works_prints_nothing(mode: Mode) {
        let sandbox = Sandbox::with_key();
        sandbox.launch(mode, ["true"]).run().assert_exit(0).assert_stdout("").assert_stderr("");
    }

    fn standard_output_is_commands_alone(mode: Mode) {
        let sandbox = Sandbox::with_key();
        sandbox.withkey(["-v"]).args(mode.options()).args(["echo", "hello"]).run().assert_exit(0).assert_stdout("hello\n");
        sandbox.launch(mode, ["no-such-program"]).run().assert_exit(127).assert_stdout("");
        sandbox.withkey(["-p", "unknown"]).args(mode.options()).args(["true"]).run().assert_exit(125).assert_stdout("");
    }

    fn standard_input_is_commands_alone(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let input = "one\ntwo\n\0three".repeat(1000);
        sandbox.launch(mode, ["cat"]).input(&input).run().assert_exit(0).assert_stdout(&input);
    }

    /// A SIGPIPE that is ignored, as Rust's runtime leaves it, makes `yes` complain instead.
    fn a_pipeline_ends_as_without_withkey(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let script = format!("set -o pipefail; \"$0\" {} yes | head -n 1", mode.options().concat());
        let outcome = sandbox.directly(["/bin/bash", "-c", &script]).args([common::withkey_binary()]).run();
        outcome.assert_exit(128 + libc::SIGPIPE).assert_stdout("y\n").assert_stderr("");
    }
}

/// Only in exec mode: fork(2) gives pending signals to no child.
#[test]
fn pending_signals_are_still_pending() {
    let pending = [libc::SIGTERM, libc::SIGCHLD, libc::SIGUSR2, 34, 64];
    let state = |start| pending.iter().fold(start, |start: Start, signal| start.pending(*signal));
    let sandbox = Sandbox::with_key();
    assert_nothing_differs(&sandbox, Mode::Exec, state);
    assert_eq!(sandbox.launched(Mode::Exec, state).value("pending"), "12 15 17 34 64");
}

/// Threads would end at `execve` and COMMAND could not show them, but a lock that one held would stay with COMMAND. The
/// kernel tells a tracer of each `clone`.
#[test]
fn no_thread_is_started_on_the_way_to_command() {
    let sandbox = Sandbox::with_key();
    let traced = || ptrace::traceme().map_or(-1, |()| 0);
    let running = sandbox.launch(Mode::Exec, ["true"]).step(traced).start();
    let withkey = Pid::from_raw(running.process);
    let next = || {
        look_for(|| {
            Some(waitpid(withkey, Some(WaitPidFlag::WNOHANG)).unwrap()).filter(|s| *s != WaitStatus::StillAlive)
        })
    };
    // It stops when withkey itself is started.
    assert_eq!(next(), Some(WaitStatus::Stopped(withkey, Signal::SIGTRAP)));
    ptrace::setoptions(withkey, Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACEEXEC).unwrap();
    ptrace::cont(withkey, None).unwrap();
    // The first of the two that happens.
    let event = |event| Some(WaitStatus::PtraceEvent(withkey, Signal::SIGTRAP, event));
    let first = next();
    if first == event(libc::PTRACE_EVENT_CLONE) {
        // A traced thread is its tracer's to wait for, before its process can be.
        let thread = Pid::from_raw(i32::try_from(ptrace::getevent(withkey).unwrap()).unwrap());
        running.signal(libc::SIGKILL);
        while matches!(waitpid(thread, Some(WaitPidFlag::__WALL)), Ok(WaitStatus::Stopped(..))) {}
        panic!("withkey started a thread");
    }
    assert_eq!(first, event(libc::PTRACE_EVENT_EXEC));
}

/// Writes a file of /proc; system calls only.
fn write_once(path: &'static std::ffi::CStr, text: &'static [u8]) -> c_int {
    // SAFETY: path and text live for ever.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        let written = libc::write(fd, text.as_ptr().cast(), text.len());
        libc::close(fd);
        written.min(0) as c_int
    }
}

fn bytes(word: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(word)
}
