//! COMMAND's side of the launch tests.
//!
//! `probe report FILE …` writes to FILE everything it was started with. `probe ACTION…` does one thing after the other, as a
//! test needs it of a command (`say:up stop:19 exit:3`); [`act`] names them. `probe report-then FILE ACTION…` does both.
//!
//! It has a C `main`: Rust's runtime start would ignore SIGPIPE and open closed fds 0–2, which are facts to report.
#![no_main]
#![allow(unsafe_code, reason = "asks the kernel what no safe interface tells")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test program stops at its first failure")]

mod act;
mod report;
mod sys;

use std::ffi::{CStr, c_char, c_int};

/// The C entry: glibc and musl both hand over the environment as the kernel laid it down.
///
/// # Safety
///
/// Called by the C start-up code, with its two null-terminated vectors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(_argc: c_int, argv: *const *const c_char, envp: *const *const c_char) -> c_int {
    // SAFETY: both vectors come from the C start-up code and live as long as the process.
    let (argv, environment) = unsafe { (strings(argv), strings(envp)) };
    match argv.get(1).copied() {
        Some(b"report") => report::write(&argv, &environment),
        Some(b"report-then") => match report::write(&argv, &environment) {
            0 => act::all(argv.get(3..).unwrap_or_default()),
            failed => failed,
        },
        _ => act::all(argv.get(1..).unwrap_or_default()),
    }
}

/// The bytes of each string of a null-terminated vector.
///
/// # Safety
///
/// `vector` ends with a null pointer and its strings live as long as the process.
unsafe fn strings(vector: *const *const c_char) -> Vec<&'static [u8]> {
    (0..)
        // SAFETY: the walk stops at the null pointer which ends the vector.
        .map(|index| unsafe { *vector.add(index) })
        .take_while(|string| !string.is_null())
        // SAFETY: each element is a C string of the process's own start.
        .map(|string| unsafe { CStr::from_ptr(string) }.to_bytes())
        .collect()
}
