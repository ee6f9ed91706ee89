//! A user beside root, to whom a sandbox can be given. Root only.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::ptr;

use crate::common::{Sandbox, Start, withkey_binary};

/// A user of no name.
pub const USER: u32 = 12_345;

/// Everything in the sandbox, and the sandbox, is the user's; so is a copy of withkey, because the user need not be able to
/// reach the one under test.
#[track_caller]
pub fn users(sandbox: Sandbox) -> Sandbox {
    // SAFETY: a plain system call.
    let user = unsafe { libc::geteuid() };
    assert_eq!(user, 0, "other users' files and processes can be made by root only: run the tests as tests/run does");
    sandbox.program("bin/withkey", fs::read(withkey_binary()).unwrap());
    give(&sandbox.path(""), USER);
    sandbox
}

/// A file or folder and all below it.
pub fn give(path: &Path, user: u32) {
    std::os::unix::fs::lchown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path(), user));
    }
}

/// withkey, started by the user.
pub fn as_user<T: AsRef<OsStr>>(sandbox: &Sandbox, words: impl IntoIterator<Item = T>) -> Start {
    by_user(sandbox.directly([sandbox.path("bin/withkey")])).args(words)
}

/// Started by the user.
pub fn by_user(start: Start) -> Start {
    // SAFETY: plain system calls; the pointer to no groups is not read.
    let start = start.step(|| unsafe { libc::setgroups(0, ptr::null()) });
    // SAFETY: plain system calls.
    start.step(|| unsafe { libc::setgid(USER) }).step(|| unsafe { libc::setuid(USER) })
}
