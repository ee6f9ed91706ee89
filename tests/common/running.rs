//! A started process, and what became of it.

use std::ffi::c_int;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use nix::sys::wait::WaitStatus;

use super::{assert_same, look_for, until};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Exit(i32),
    Signal(i32),
}

/// A process of the test's own, in a group of its own, which is killed when the test lets go of it.
pub struct Running {
    /// Its process id, which is also its group's and its session's.
    pub process: i32,
    shown: String,
    stdout: File,
    stderr: File,
    ended: bool,
}

impl Running {
    pub(super) fn new(process: i32, shown: String, stdout: File, stderr: File) -> Self {
        Self { process, shown, stdout, stderr, ended: false }
    }

    /// Waits for its end, and lets go of it.
    #[track_caller]
    pub fn outcome(mut self) -> Outcome {
        self.wait()
    }

    /// Waits for its end; what it started may live on.
    #[track_caller]
    pub fn wait(&mut self) -> Outcome {
        let status = self.change("its end", 0);
        let end = match libc::WIFEXITED(status) {
            true => End::Exit(libc::WEXITSTATUS(status)),
            false => End::Signal(libc::WTERMSIG(status)),
        };
        self.came_to(end, libc::WIFSIGNALED(status) && libc::WCOREDUMP(status))
    }

    /// For whoever has waited for its end already.
    pub fn ended(mut self, status: WaitStatus) -> Outcome {
        self.ended = true;
        match status {
            WaitStatus::Exited(_, status) => self.came_to(End::Exit(status), false),
            WaitStatus::Signaled(_, signal, core) => self.came_to(End::Signal(signal as c_int), core),
            other => panic!("no end: {other:?}"),
        }
    }

    fn came_to(&self, end: End, core: bool) -> Outcome {
        Outcome { shown: self.shown.clone(), end, core, stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }

    /// Waits until it is stopped: by which signal.
    #[track_caller]
    pub fn stopped(&mut self) -> i32 {
        let status = self.change("a stop", libc::WUNTRACED);
        assert!(libc::WIFSTOPPED(status), "{} ended instead of stopping: status {status:#x}", self.shown);
        libc::WSTOPSIG(status)
    }

    /// Waits until standard output holds `text`, and returns all of it.
    #[track_caller]
    pub fn output_with(&self, text: &str) -> String {
        let seen = look_for(|| Some(self.output()).filter(|output| output.contains(text)));
        seen.unwrap_or_else(|| panic!("{}: no {text:?} came\n{}", self.shown, self.both()))
    }

    /// What it and what it started have written to standard output so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&read(&self.stdout)).into_owned()
    }

    /// What it and what it started have written to standard error so far.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&read(&self.stderr)).into_owned()
    }

    pub fn signal(&self, signal: c_int) {
        kill(self.process, signal);
    }

    /// To all processes of its group, as a terminal does.
    pub fn signal_group(&self, signal: c_int) {
        kill(-self.process, signal);
    }

    /// A line of its /proc/PID/status.
    #[track_caller]
    pub fn status(&self, name: &str) -> String {
        let text = fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {name} in /proc/PID/status")).trim().to_owned()
    }

    /// Waits for a change of state of the kinds asked for: the raw status.
    #[track_caller]
    fn change(&mut self, what: &str, kinds: c_int) -> c_int {
        let seen = look_for(|| {
            let mut status = 0;
            // SAFETY: waits for a child of this process, into `status`.
            match unsafe { libc::waitpid(self.process, &raw mut status, kinds | libc::WNOHANG) } {
                0 => None,
                -1 => panic!("{}: waitpid: {}", self.shown, std::io::Error::last_os_error()),
                _ => Some(status),
            }
        });
        let status = seen.unwrap_or_else(|| panic!("{}: waited in vain for {what}\n{}", self.shown, self.both()));
        self.ended = !libc::WIFSTOPPED(status);
        status
    }

    /// All processes of its session.
    pub fn session(&self) -> Vec<i32> {
        let session = |process: i32| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            // After the name, which may hold anything: state, parent, group, session.
            stat.rsplit_once(')')?.1.split_whitespace().nth(3)?.parse::<i32>().ok()
        };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        processes.filter(|process| session(*process) == Some(self.process)).collect()
    }

    fn both(&self) -> String {
        let stderr = read(&self.stderr);
        format!("stdout:\n{}\nstderr:\n{}", self.output(), String::from_utf8_lossy(&stderr))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: a child of this process, not yet waited for, and the group that bears its number; the group may
        // outlive its leader.
        unsafe {
            libc::kill(-self.process, libc::SIGKILL);
            if !self.ended {
                // A shell's jobs have groups of their own.
                for process in self.session() {
                    libc::kill(process, libc::SIGKILL);
                }
                libc::waitpid(self.process, std::ptr::null_mut(), 0);
            }
        }
    }
}

/// Sends a signal to a process that must be there.
#[track_caller]
pub fn kill(process: i32, signal: c_int) {
    // SAFETY: a plain system call.
    let result = unsafe { libc::kill(process, signal) };
    assert_eq!(result, 0, "kill({process}, {signal}): {}", std::io::Error::last_os_error());
}

/// All of a file whose offset belongs to another process.
fn read(file: &File) -> Vec<u8> {
    let length = file.metadata().unwrap().len();
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// What became of a process. Each `assert_…` fails with everything that is known.
#[derive(Debug)]
pub struct Outcome {
    shown: String,
    pub end: End,
    /// The system wrote a memory dump.
    pub core: bool,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Outcome {
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    #[track_caller]
    pub fn assert_end(&self, end: End) -> &Self {
        assert!(self.end == end, "{}: {:?} instead of {end:?}\n{}", self.shown, self.end, self.both());
        self
    }

    #[track_caller]
    pub fn assert_exit(&self, status: i32) -> &Self {
        self.assert_end(End::Exit(status))
    }

    #[track_caller]
    pub fn assert_stdout(&self, expected: &str) -> &Self {
        assert_same(&format!("{}: standard output", self.shown), expected, &self.stdout());
        self
    }

    #[track_caller]
    pub fn assert_stderr(&self, expected: &str) -> &Self {
        assert_same(&format!("{}: standard error", self.shown), expected, &self.stderr());
        self
    }

    #[track_caller]
    pub fn assert_stderr_has(&self, part: &str) -> &Self {
        assert!(self.stderr().contains(part), "{}: no {part:?} on standard error\n{}", self.shown, self.both());
        self
    }

    fn both(&self) -> String {
        format!("stdout:\n{}\nstderr:\n{}", self.stdout(), self.stderr())
    }
}
