//! The least that a launch from an age file can cost: the yardstick of `tests/bench/run`.
//!
//!     floor IDENTITY FILE PROGRAM [ARG]...
//!
//! It decrypts FILE, whose plaintext is one line NAME='value', with the age identity in IDENTITY, and becomes
//! PROGRAM with that variable added. It chooses nothing, checks nothing and wipes nothing; like withkey's, its
//! `main` is C's, so that Rust's runtime does not start.

#![no_main]
#![allow(unsafe_code, clippy::unwrap_used)] // a C `main` and its pointers; whatever goes wrong, it dies

use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::{fs, ptr};

// The name is the C library's: without it there is no program.
#[unsafe(no_mangle)]
extern "C" fn main(_: c_int, argv: *const *const c_char, inherited: *const *const c_char) -> c_int {
    // SAFETY: the kernel's argv has four entries (see the usage above) and ends, as the environment does, with a null.
    unsafe {
        let file = |n| fs::read(OsStr::from_bytes(CStr::from_ptr(*argv.add(n)).to_bytes())).unwrap();
        let identity = String::from_utf8(file(1)).unwrap();
        let identity: age::x25519::Identity = identity.lines().last().unwrap().parse().unwrap();
        let mut line = age::decrypt(&identity, &file(2)).unwrap();
        line.retain(|byte| !matches!(byte, b'\'' | b'\n'));
        let line = CString::new(line).unwrap();

        let count = (0..).take_while(|n| !(*inherited.add(*n)).is_null()).count();
        let mut block: Vec<_> = (0..count).map(|n| *inherited.add(n)).collect();
        block.extend([line.as_ptr(), ptr::null()]);
        libc::execve(*argv.add(3), argv.add(3), block.as_ptr())
    }
}
