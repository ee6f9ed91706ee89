//! The door: the C entry. No decision is made here.
//!
//! With a C `main` Rust's runtime does not start, so SIGPIPE and closed descriptors are as they were inherited: there is
//! nothing to put back before `execve`.

#![no_main]
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int};

use withkey::host::{Host, IDENTITY};
use withkey::memory::{self, Protected};

/// Called by the C runtime with what `execve` left on the stack.
///
/// # Safety
/// `argv` and `envp` are the process's own lists of C strings, as the C runtime gives them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char, envp: *const *mut c_char) -> c_int {
    memory::refuse_dumps();
    fill_standard_descriptors();
    // SAFETY: the C runtime gives two lists of C strings that end with a null pointer and live as long as the process;
    // nothing else reads or writes them while this function does.
    let host = unsafe {
        let identity = take_identity(envp);
        let arguments = strings(argv).skip(usize::from(argc > 0)).map(|string| CStr::from_ptr(string)).collect();
        let environment = strings(envp.cast()).map(|string| CStr::from_ptr(string)).collect();
        Host::new(arguments, environment, identity)
    };
    withkey::run(host).status().into()
}

/// The pointers of a list that ends with a null pointer.
///
/// # Safety
/// `list` must be such a list.
unsafe fn strings(list: *const *const c_char) -> impl Iterator<Item = *const c_char> {
    // SAFETY: no pointer behind the null is read.
    (0..).map(move |index| unsafe { *list.add(index) }).take_while(|string| !string.is_null())
}

/// Takes the identity's text out of the environment: copies the first value, and overwrites every one where it stands.
///
/// # Safety
/// `environment` must be the process's own list of C strings, used by nobody else meanwhile.
unsafe fn take_identity(environment: *const *mut c_char) -> Option<Protected> {
    let mut taken = None;
    // SAFETY: by the contract above.
    for string in unsafe { strings(environment.cast()) } {
        // SAFETY: each is a C string of this process.
        let entry = unsafe { CStr::from_ptr(string) };
        let Some(value) = withkey::host::value_of(entry, IDENTITY) else { continue };
        if taken.is_none() && !value.is_empty() {
            taken = Protected::from_pieces(&[value]).ok();
        }
        let (start, len) = (value.as_ptr().cast_mut(), value.len());
        // SAFETY: the bytes lie on the process's own writable stack; the borrow of them ends before.
        unsafe { std::ptr::write_bytes(start, 0, len) };
    }
    taken
}

/// Opens /dev/null in the place of a closed standard descriptor, so that no file of ours takes its number. `execve`
/// closes it again.
fn fill_standard_descriptors() {
    for descriptor in 0..=2 {
        // SAFETY: plain system calls; `open` gives the lowest number that is free, which is this one.
        unsafe {
            if libc::fcntl(descriptor, libc::F_GETFD) < 0 {
                libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
            }
        }
    }
}
