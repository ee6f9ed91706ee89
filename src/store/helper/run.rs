//! Running a helper: bounded in time and size, in surroundings of its own, and its output straight into protected pages.

#![allow(unsafe_code)]

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::config::Config;
use crate::error::{Error, helper};
use crate::host::Host;
use crate::key::LONGEST;
use crate::memory::Protected;
use crate::profile::variable;
use crate::provider;

/// How long a helper may take when config.toml says nothing: it may ask for a passphrase or the touch of a token.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long withkey waits for output before it looks whether the helper has ended, in milliseconds.
const LOOK: u16 = 10;

/// The largest output, in bytes: a key with a line's end, and one byte by which more is noticed.
const MOST: usize = LONGEST + 3;

/// Runs `helper`, and gives what it printed, or in words why that does not count.
///
/// It is over when the program itself has ended, even where something it started keeps its output open.
///
/// # Errors
/// When the system does not run it, or config.toml cannot be read.
///
/// # Secrets
/// What it printed is the caller's, in protected pages. It passes through a pipe of the kernel's.
pub fn run(helper: &[String], host: &Host) -> Result<Result<Protected, String>, Error> {
    let patience = Config::read(host)?.helper_timeout.unwrap_or(PATIENCE);
    let cannot = |source| Error::System { doing: "read what a helper prints", source };
    let mut printed = Protected::zeroed(MOST).map_err(cannot)?;
    let (output, write_end) = io::pipe().map_err(cannot)?;
    // Before it can end: where SIGCHLD is ignored the kernel throws its status away.
    let _sigchld = Sigchld::to_default();
    let mut child = start(helper, write_end.into(), host)?;
    let deadline = Instant::now() + patience;
    let mut filled = 0;
    let mut open = true;
    let ended = loop {
        // Asked before the last look at the pipe: what it wrote before its end stands there.
        let ended = child.try_wait().map_err(cannot)?;
        let wait = if ended.is_some() { PollTimeout::ZERO } else { LOOK.into() };
        while open && filled < MOST && has_more(output.as_fd(), wait).map_err(cannot)? {
            let rest = printed.bytes_mut().get_mut(filled..).unwrap_or_default();
            match nix::unistd::read(&output, rest) {
                Ok(0) => open = false,
                Ok(count) => filled += count,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(cannot(errno.into())),
            }
            if ended.is_none() {
                break;
            }
        }
        if let Some(status) = ended {
            break status;
        }
        if filled == MOST {
            stop(&mut child);
            return Ok(Err(format!("it printed more than {LONGEST} bytes")));
        }
        if Instant::now() >= deadline {
            stop(&mut child);
            return Ok(Err(format!(
                "it took longer than {} s; helper_timeout in config.toml may give it more",
                patience.as_secs()
            )));
        }
        if !open {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    printed.truncate(filled);
    Ok(match failure(ended) {
        Some(why) => Err(why),
        None if filled == MOST => Err(format!("it printed more than {LONGEST} bytes")),
        None => Ok(printed),
    })
}

/// In `/`, with an empty standard input and our standard error; in our process group, so that Ctrl-C reaches it too.
fn start(helper: &[String], output: Stdio, host: &Host) -> Result<Child, Error> {
    let (program, arguments) = helper.split_first().ok_or(Error::Internal)?;
    let cannot = |source| Error::Helper(helper::Helper::CannotRun { program: program.into(), source });
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/").env_clear().envs(environment(host)).stdin(Stdio::null()).stdout(output);
    // A copy: ours may be one that closes at `execve`.
    command.stderr(io::stderr().as_fd().try_clone_to_owned().map_err(cannot)?);
    // SAFETY: between fork and execve only system calls are made, on numbers.
    unsafe { command.pre_exec(prepare) };
    command.spawn().map_err(cannot)
}

/// What a helper inherits: neither keys, nor what opens them, nor what makes programs run other code than their own.
fn environment(host: &Host) -> impl Iterator<Item = (&'static OsStr, &'static OsStr)> {
    let entries = host.environment.iter().filter_map(|entry| {
        let entry = entry.to_bytes();
        let at = entry.iter().position(|&byte| byte == b'=')?;
        Some((entry.get(..at)?, entry.get(at + 1..)?))
    });
    let passed = |name: &[u8]| {
        let name = String::from_utf8_lossy(name);
        let ours = name.starts_with("WITHKEY_") || provider::key_variables().any(|key| key == name);
        // It would be wrong: the helper runs in another directory.
        let stale = name == "PWD" || name == "OLDPWD";
        !name.is_empty() && !ours && !stale && !variable::runs_code(&name)
    };
    let entries = entries.filter(move |(name, _)| passed(name));
    entries.map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value)))
}

/// The last steps in the new process. std has emptied the mask of signals and made SIGPIPE default; what nohup(1) and a
/// shell's `&` ignore stays ignored.
fn prepare() -> io::Result<()> {
    // SAFETY: plain system calls. Nothing but 0 to 2 is for the helper, nor for a daemon that it leaves behind.
    unsafe {
        #[cfg(target_os = "linux")]
        {
            // A helper at its prompt does not outlive a withkey that was ended.
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
        }
        #[cfg(not(target_os = "linux"))]
        for descriptor in 3..libc::getdtablesize() {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
    Ok(())
}

fn has_more(output: BorrowedFd, wait: PollTimeout) -> io::Result<bool> {
    match poll(&mut [PollFd::new(output, PollFlags::POLLIN)], wait) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Ends the helper and what it has started and waits for; a daemon that it left behind is nobody's child any more.
fn stop(child: &mut Child) {
    let started = i32::try_from(child.id()).map_or_else(|_| Vec::new(), descendants);
    // One that has just ended needs no more.
    let _ = child.kill();
    let _ = child.wait();
    for process in started {
        let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
    }
}

/// The processes below this one, as the kernel tells them: proc_pid_task(5). None where it does not.
fn descendants(process: i32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let children: Vec<i32> = children.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    children.iter().flat_map(|&child| descendants(child)).chain(children.iter().copied()).collect()
}

fn failure(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("it ended with status {code}")),
        (None, signal) => Some(format!("it was ended by signal {}", signal.unwrap_or_default())),
    }
}

/// SIGCHLD made default, until this is dropped.
struct Sigchld(libc::sigaction);

impl Sigchld {
    fn to_default() -> Self {
        // SAFETY: both structures are ours; an all-zero one is the default with no flags.
        unsafe {
            let default: libc::sigaction = std::mem::zeroed();
            let mut before: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGCHLD, &raw const default, &raw mut before);
            Self(before)
        }
    }
}

impl Drop for Sigchld {
    fn drop(&mut self) {
        // SAFETY: puts back what was there.
        unsafe { libc::sigaction(libc::SIGCHLD, &raw const self.0, std::ptr::null_mut()) };
    }
}
