//! The last step: this process becomes COMMAND.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;

use crate::error::{self, Error};
use crate::host::{Host, IDENTITY_FILE, PASSPHRASE_FILE};
use crate::launch::environment::Environment;
use crate::program::Program;

/// The shell for a script without `#!`, as execvp(3) uses it.
const SHELL: &CStr = c"/bin/sh";

/// Replaces this process by `program`, called as `command`, with `environment`. Returns only on failure.
///
/// argv[0] is the word as it was typed. Nothing else of the process is touched: no signal, no mask, no descriptor.
pub fn run(program: Program, command: &[CString], environment: &Environment) -> Error {
    // What stood there when it was found is what is run: a prompt may have taken its time.
    if !program.is_still_there() {
        return Error::Program(error::program::Program::Changed { program: program.path().to_owned() });
    }
    let Ok(path) = CString::new(program.path().as_os_str().as_bytes()) else { return Error::Internal };
    let words: Vec<&CStr> = command.iter().map(CString::as_c_str).collect();
    let mut source = execve(&path, &words, environment);
    if source.raw_os_error() == Some(libc::ENOEXEC) {
        let script = [SHELL, path.as_c_str()].into_iter().chain(words.iter().skip(1).copied());
        source = execve(SHELL, &script.collect::<Vec<_>>(), environment);
    }
    program.refused(source)
}

/// A descriptor that was opened for withkey alone, and named as /dev/fd/N, is closed when COMMAND starts.
///
/// In the place of a standard one stands /dev/null: a COMMAND with a closed 0 to 2 would get one of its own files there.
/// A terminal stays, since it is not withkey's alone.
pub fn keep_back_descriptors(host: &Host) {
    for variable in [IDENTITY_FILE, PASSPHRASE_FILE] {
        keep_back(host.variable(variable).and_then(|path| path.to_str()));
    }
}

fn keep_back(named: Option<&str>) {
    let number = named.and_then(|path| match path {
        "/dev/stdin" => Some("0"),
        _ => path.strip_prefix("/dev/fd/").or_else(|| path.strip_prefix("/proc/self/fd/")),
    });
    let Some(number) = number.and_then(|number| number.parse::<libc::c_int>().ok()) else { return };
    // SAFETY: plain system calls; on a number that is not open they do nothing.
    unsafe {
        if number > 2 {
            libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC);
        } else if number >= 0 && libc::isatty(number) == 0 {
            let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
            if null >= 0 {
                libc::dup2(null, number);
                libc::close(null);
            }
        }
    }
}

fn execve(path: &CStr, words: &[&CStr], environment: &Environment) -> io::Error {
    let block = |strings: &mut dyn Iterator<Item = &CStr>| -> Vec<*const libc::c_char> {
        strings.map(CStr::as_ptr).chain([std::ptr::null()]).collect()
    };
    let argv = block(&mut words.iter().copied());
    let envp = block(&mut environment.entries());
    // SAFETY: both lists end with a null pointer and point to C strings that are borrowed for the whole call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}
