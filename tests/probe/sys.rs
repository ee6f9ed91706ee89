//! Signals as the kernel sees them: the C library hides 32 and 33 from its callers.

use libc::{c_long, syscall};

/// The last signal of Linux.
pub const LAST_SIGNAL: i32 = 64;

/// The kernel's `struct sigaction`, the same four words on x86-64 and AArch64.
#[repr(C)]
#[derive(Default)]
pub struct Action {
    pub handler: usize,
    pub flags: usize,
    restorer: usize,
    pub mask: u64,
}

/// The disposition of `signal`.
pub fn action(signal: i32) -> Action {
    let mut old = Action::default();
    // SAFETY: the kernel fills `old`, which has its layout; the null pointer means that nothing is changed.
    let result = unsafe { syscall(libc::SYS_rt_sigaction, signal, 0_usize, &raw mut old, 8_usize) };
    assert_eq!(result, 0, "rt_sigaction refused signal {signal}");
    old
}

/// Gives `signal` its default disposition; SIGKILL and SIGSTOP have no other.
pub fn set_default(signal: i32) {
    let default = Action::default();
    // SAFETY: the kernel reads `default`, which has its layout.
    unsafe { syscall(libc::SYS_rt_sigaction, signal, &raw const default, 0_usize, 8_usize) };
}

/// The blocked signals, one bit each, signal 1 the lowest.
pub fn blocked() -> u64 {
    change_mask(libc::SIG_BLOCK, 0)
}

/// Blocks the signals of `set`.
pub fn block(set: u64) {
    change_mask(libc::SIG_BLOCK, set);
}

/// Unblocks the signals of `set`.
pub fn unblock(set: u64) {
    change_mask(libc::SIG_UNBLOCK, set);
}

fn change_mask(how: i32, set: u64) -> u64 {
    let mut old = 0_u64;
    // SAFETY: both masks are the kernel's eight bytes.
    let result = unsafe { syscall(libc::SYS_rt_sigprocmask, how, &raw const set, &raw mut old, 8_usize) };
    assert_eq!(result, 0, "rt_sigprocmask failed");
    old
}

/// The pending signals, one bit each.
pub fn pending() -> u64 {
    let mut set = 0_u64;
    // SAFETY: the mask is the kernel's eight bytes.
    let result = unsafe { syscall(libc::SYS_rt_sigpending, &raw mut set, 8_usize) };
    assert_eq!(result, 0, "rt_sigpending failed");
    set
}

/// Waits for one of the signals of `set`: its number, its `si_code` and the sender's process id.
pub fn wait_for(set: u64) -> (i32, i32, i32) {
    // SAFETY: an all-zero siginfo_t is a valid value; the kernel fills it.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: the mask is the kernel's eight bytes, `info` its siginfo; no time limit.
        let signal: c_long =
            unsafe { syscall(libc::SYS_rt_sigtimedwait, &raw const set, &raw mut info, 0_usize, 8_usize) };
        if signal > 0 {
            // SAFETY: a signal sent by a process carries the sender's id at this place.
            return (info.si_signo, info.si_code, unsafe { info.si_pid() });
        }
    }
}
