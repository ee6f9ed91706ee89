//! The heap below the zeroing allocator: where the system gives nothing more, withkey ends in words, with its keys wiped.
//!
//! Std would end it too, by SIGABRT and with words for programmers, and nothing may unwind out of an allocator.

use std::alloc::{GlobalAlloc, Layout, System};

/// exit.rs has it as the failure of a launch; it is a verb's too, as where withkey meets an internal error.
const STATUS: libc::c_int = 125;

/// Said without a heap, which is why it does not come from where all other sentences stand.
const WORDS: &[u8] = b"withkey: error: there is no memory left\n\
withkey: hint: end other programs, or raise this shell's limits: ulimit -v unlimited; ulimit -d unlimited\n";

/// The system's heap, which gives memory or ends this process.
pub struct Heap;

// SAFETY: the system's allocator does all of it; what it refuses is never given.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller was asked for.
        given(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller was asked for.
        given(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: as the caller was asked for.
        unsafe { System.dealloc(start, layout) }
    }
}

#[inline]
fn given(start: *mut u8) -> *mut u8 {
    if start.is_null() { end() } else { start }
}

#[cold]
fn end() -> ! {
    super::wipe_all();
    // SAFETY: plain system calls on constant text.
    unsafe {
        libc::write(libc::STDERR_FILENO, WORDS.as_ptr().cast(), WORDS.len());
        libc::_exit(STATUS)
    }
}
