//! Everything a process is started with, one `name: value` a line; bytes are escaped as in Rust's byte strings.

use std::ffi::{CStr, c_int};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::sys::{self, LAST_SIGNAL};

/// Lines of /proc/self/status that a parent can determine.
const STATUS: [&str; 17] = [
    "Umask",
    "TracerPid",
    "Uid",
    "Gid",
    "Groups",
    "VmLck",
    "Threads",
    "SigPnd",
    "ShdPnd",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Cpus_allowed_list",
];

/// Higher descriptors than this are not looked for.
const LAST_FD: c_int = 4096;

/// Writes the report to the file named by the second argument, which is opened last: it takes a descriptor.
pub fn write(argv: &[&[u8]], environment: &[&[u8]]) -> c_int {
    let mut text = String::new();
    // First what opening a file would change, or be hindered by.
    descriptors(&mut text);
    signals(&mut text);
    strings(&mut text, "argv", argv);
    strings(&mut text, "env", environment);
    program(&mut text);
    family(&mut text);
    limits(&mut text);
    scheduling(&mut text);
    timers(&mut text);
    flags(&mut text);
    terminal(&mut text);

    let path = argv.get(2).copied().unwrap_or_default();
    match fs::write(std::ffi::OsStr::from_bytes(path), text) {
        Ok(()) => 0,
        Err(_) => 98,
    }
}

/// One line; `String` takes any text, so writing cannot fail.
fn line(text: &mut String, name: &str, value: &dyn std::fmt::Display) {
    writeln!(text, "{name}: {value}").unwrap();
}

fn strings(text: &mut String, name: &str, strings: &[&[u8]]) {
    for string in strings {
        line(text, name, &string.escape_ascii());
    }
}

fn descriptors(text: &mut String) {
    for fd in 0..LAST_FD {
        // SAFETY: asks about a number; nothing is changed.
        let (flags, mode, offset) = unsafe {
            (libc::fcntl(fd, libc::F_GETFD), libc::fcntl(fd, libc::F_GETFL), libc::lseek(fd, 0, libc::SEEK_CUR))
        };
        if flags == -1 {
            continue;
        }
        let target = link(&format!("/proc/self/fd/{fd}"));
        line(text, &format!("fd {fd}"), &format!("{target} flags {flags:#x} mode {mode:#o} offset {offset}"));
    }
}

fn signals(text: &mut String) {
    for signal in 1..=LAST_SIGNAL {
        let action = sys::action(signal);
        let disposition = match action.handler {
            libc::SIG_DFL => "default",
            libc::SIG_IGN => "ignored",
            _ => "handled",
        };
        let value = format!("{disposition} flags {:#x} mask {:#x}", action.flags, action.mask);
        line(text, &format!("signal {signal}"), &value);
    }
    line(text, "blocked", &numbers(sys::blocked()));
    line(text, "pending", &numbers(sys::pending()));
}

fn numbers(set: u64) -> String {
    let members: Vec<String> =
        (1..=LAST_SIGNAL).filter(|signal| set >> (signal - 1) & 1 == 1).map(|signal| signal.to_string()).collect();
    members.join(" ")
}

/// The file that runs, under which name it was started, and where.
fn program(text: &mut String) {
    line(text, "exe", &link("/proc/self/exe"));
    line(text, "comm", &read("/proc/self/comm"));
    // SAFETY: the kernel's own copy of the path given to execve, alive as long as the process.
    let started_as = unsafe { CStr::from_ptr(libc::getauxval(libc::AT_EXECFN) as *const _) };
    line(text, "started as", &started_as.to_bytes().escape_ascii());
    line(text, "cwd", &link("/proc/self/cwd"));
    line(text, "root", &link("/proc/self/root"));
}

fn family(text: &mut String) {
    // SAFETY: plain system calls about this process.
    let (pid, parent, group, session) = unsafe { (libc::getpid(), libc::getppid(), libc::getpgrp(), libc::getsid(0)) };
    for (name, value) in [("pid", pid), ("ppid", parent), ("pgid", group), ("sid", session)] {
        line(text, name, &value);
    }
    // SAFETY: an all-zero siginfo_t is a valid value, and WNOWAIT leaves any child as it is.
    let children = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)
    };
    line(text, "children", &if children == -1 { "none" } else { "some" });
}

fn limits(text: &mut String) {
    for resource in 0..16 {
        let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the kernel fills `limit`; 0 is this process.
        unsafe { libc::prlimit64(0, resource, std::ptr::null(), &raw mut limit) };
        let value = format!("{:#x} {:#x}", limit.rlim_cur, limit.rlim_max);
        line(text, &format!("rlimit {resource}"), &value);
    }
}

fn scheduling(text: &mut String) {
    const WHO_PROCESS: c_int = 1;
    // SAFETY: plain system calls about this process.
    let (nice, ioprio, policy) = unsafe {
        (
            libc::getpriority(libc::PRIO_PROCESS, 0),
            libc::syscall(libc::SYS_ioprio_get, WHO_PROCESS, 0),
            libc::sched_getscheduler(0),
        )
    };
    line(text, "nice", &nice);
    line(text, "ioprio", &format!("{ioprio:#x}"));
    line(text, "policy", &policy);
    line(text, "oom_score_adj", &read("/proc/self/oom_score_adj"));
}

/// The time left runs down by itself, so only whether a timer runs, and at which interval.
fn timers(text: &mut String) {
    for which in [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF] {
        // SAFETY: an all-zero itimerval is a valid value; the kernel fills it.
        let timer = unsafe {
            let mut timer: libc::itimerval = std::mem::zeroed();
            libc::getitimer(which as _, &raw mut timer);
            timer
        };
        let runs = timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0;
        line(text, &format!("itimer {which}"), &format!("runs {runs} interval {} s", timer.it_interval.tv_sec));
    }
}

fn flags(text: &mut String) {
    let asked = |option: c_int| -> c_int {
        // SAFETY: options that only answer.
        unsafe { libc::prctl(option, 0_usize, 0_usize, 0_usize, 0_usize) }
    };
    let filled = |option: c_int| -> c_int {
        let mut value: c_int = 0;
        // SAFETY: options that fill an int.
        unsafe { libc::prctl(option, &raw mut value, 0_usize, 0_usize, 0_usize) };
        value
    };
    line(text, "dumpable", &asked(libc::PR_GET_DUMPABLE));
    line(text, "timer slack", &asked(libc::PR_GET_TIMERSLACK));
    line(text, "keep capabilities", &asked(libc::PR_GET_KEEPCAPS));
    line(text, "secure bits", &asked(libc::PR_GET_SECUREBITS));
    line(text, "huge pages disabled", &asked(libc::PR_GET_THP_DISABLE));
    line(text, "parent death signal", &filled(libc::PR_GET_PDEATHSIG));
    line(text, "subreaper", &filled(libc::PR_GET_CHILD_SUBREAPER));
    // SAFETY: this value asks and changes nothing.
    line(text, "personality", &format!("{:#x}", unsafe { libc::personality(0xffff_ffff) }));
    for status in read("/proc/self/status").lines() {
        if let Some((name, value)) = status.split_once(':')
            && STATUS.contains(&name)
        {
            line(text, name, &value.trim());
        }
    }
}

/// Its modes and its foreground group, or `none`.
fn terminal(text: &mut String) {
    // SAFETY: opens and closes its own descriptor; an all-zero termios is a valid value, which the kernel fills.
    unsafe {
        let fd = libc::open(c"/dev/tty".as_ptr(), libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
        if fd == -1 {
            return line(text, "terminal", &"none");
        }
        let mut modes: libc::termios = std::mem::zeroed();
        libc::tcgetattr(fd, &raw mut modes);
        let (i, o, c, l) = (modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag);
        line(text, "terminal", &format!("{i:#o} {o:#o} {c:#o} {l:#o} {}", modes.c_cc.escape_ascii()));
        line(text, "foreground", &libc::tcgetpgrp(fd));
        libc::close(fd);
    }
}

fn link(path: &str) -> String {
    fs::read_link(path).unwrap().into_os_string().into_vec().escape_ascii().to_string()
}

fn read(path: &str) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).trim_end().to_owned()
}
