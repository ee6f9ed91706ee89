//! Where a secret lies while withkey holds it, and how it is wiped.
//!
//! Secrets lie in pages of `memfd_secret(2)`: the kernel takes them out of its own map, never swaps or dumps them,
//! and zeroes them when they are freed. Where the kernel has none (ENOSYS before 5.14, or not switched on before 6.5;
//! EAGAIN over RLIMIT_MEMLOCK), they lie in locked anonymous pages that no core dump holds; nobody but us zeroes those.

#![allow(unsafe_code)]

use std::io;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroize;
use zeroizing_alloc::ZeroAlloc;

mod allocator;
mod registers;

use allocator::Heap;
pub use registers::scrub_registers;

/// Every heap block is overwritten when it is freed: age, dotenvy and std keep copies that nobody else wipes.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<Heap> = ZeroAlloc(Heap);

/// Pages are mapped in pieces of at least this many bytes; a usual launch needs one.
const CHUNK: usize = 32 * 1024;

static CHUNKS: Mutex<Vec<Chunk>> = Mutex::new(Vec::new());

/// A mapping that hands out its bytes once, front to back.
struct Chunk {
    start: NonNull<u8>,
    len: usize,
    used: usize,
    /// Shared with a forked child, and zeroed by the kernel when the last user is gone.
    secretmem: bool,
}

// SAFETY: a chunk is only a range of addresses; every use goes through the mutex.
unsafe impl Send for Chunk {}

/// Bytes in protected pages, overwritten when dropped. No Clone, no Debug: what lies here is a secret.
pub struct Protected {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the bytes are owned by one value, and changed only through a borrow of it alone.
unsafe impl Send for Protected {}
// SAFETY: as above.
unsafe impl Sync for Protected {}

impl Protected {
    /// `len` zero bytes in protected pages.
    ///
    /// # Errors
    /// When the system gives no memory at all.
    pub fn zeroed(len: usize) -> io::Result<Self> {
        let mut chunks = CHUNKS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = chunks.last_mut().and_then(|chunk| chunk.take(len)) {
            return Ok(found);
        }
        let mut chunk = Chunk::map(len.max(1).div_ceil(CHUNK) * CHUNK, libc::MAP_PRIVATE)?;
        let taken = chunk.take(len);
        chunks.push(chunk);
        taken.ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
    }

    /// The given pieces, one after the other, in protected pages.
    ///
    /// # Errors
    /// When the system gives no memory at all.
    ///
    /// # Secrets
    /// The pieces stay the caller's to wipe.
    pub fn from_pieces(pieces: &[&[u8]]) -> io::Result<Self> {
        let mut protected = Self::zeroed(pieces.iter().map(|piece| piece.len()).sum())?;
        let mut rest = protected.bytes_mut();
        for piece in pieces {
            let (head, tail) = rest.split_at_mut(piece.len());
            head.copy_from_slice(piece);
            rest = tail;
        }
        Ok(protected)
    }

    /// `len` zero bytes in protected pages of their own, which a process forked from now on shares.
    ///
    /// # Errors
    /// When the system gives no memory at all.
    pub fn shared(len: usize) -> io::Result<Self> {
        let mut chunk = Chunk::map(len.max(1), libc::MAP_SHARED)?;
        let taken = chunk.take(len);
        // The last one is who gives further pieces out; this one has none left.
        CHUNKS.lock().unwrap_or_else(PoisonError::into_inner).insert(0, chunk);
        taken.ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `start` and `len` are a piece of a mapping that lives as long as the process, owned by `self` alone.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    /// Keeps the first `len` bytes and overwrites the rest; a larger `len` changes nothing.
    pub fn truncate(&mut self, len: usize) {
        if let Some(tail) = self.bytes_mut().get_mut(len..) {
            tail.zeroize();
            self.len = len;
        }
    }
}

impl Drop for Protected {
    fn drop(&mut self) {
        self.bytes_mut().zeroize();
    }
}

/// A value that is a secret in itself, such as an identity's number, kept in protected pages. No Clone, no Debug.
///
/// The heap of a process that is forked meanwhile does not hold it. What the value points to lies where it lay.
pub struct Kept<T> {
    value: NonNull<T>,
    /// Overwritten after the value was dropped.
    _place: Protected,
}

impl<T> Kept<T> {
    /// Moves the value there. Where it stood before is the caller's to clean: [`scrub_stack`].
    ///
    /// # Errors
    /// When the system gives no memory at all.
    pub fn new(value: T) -> io::Result<Self> {
        let place = Protected::zeroed(size_of::<T>() + align_of::<T>())?;
        let start = place.start;
        // SAFETY: less than the value's alignment, for which there is room before the value.
        let at = unsafe { start.add(start.align_offset(align_of::<T>())) }.cast::<T>();
        // SAFETY: aligned, inside the piece that `place` owns alone, and with room for the value.
        unsafe { at.write(value) };
        Ok(Self { value: at, _place: place })
    }
}

impl<T> std::ops::Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: written in `new`, and dropped with `self` only.
        unsafe { self.value.as_ref() }
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        // SAFETY: written in `new`, and used by nobody from now on.
        unsafe { self.value.drop_in_place() };
    }
}

impl Chunk {
    /// `sharing` is MAP_SHARED or MAP_PRIVATE, for pages that are not of memfd_secret: those are shared always.
    fn map(len: usize, sharing: libc::c_int) -> io::Result<Self> {
        if let Some(start) = map_secretmem(len) {
            return Ok(Self { start, len, used: 0, secretmem: true });
        }
        let start = map(len, sharing | libc::MAP_ANON, -1).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the range was mapped just now. Both calls are best effort: over RLIMIT_MEMLOCK the page may be swapped.
        unsafe {
            libc::mlock(start.as_ptr().cast(), len);
            #[cfg(target_os = "linux")]
            libc::madvise(start.as_ptr().cast(), len, libc::MADV_DONTDUMP);
        }
        Ok(Self { start, len, used: 0, secretmem: false })
    }

    fn take(&mut self, len: usize) -> Option<Protected> {
        let end = self.used.checked_add(len).filter(|&end| end <= self.len)?;
        // SAFETY: `used <= end <= len`, so the address lies in the mapping (or one past it for an empty piece).
        let start = unsafe { self.start.add(self.used) };
        self.used = end;
        Some(Protected { start, len })
    }
}

fn map(len: usize, flags: libc::c_int, fd: libc::c_int) -> Option<NonNull<u8>> {
    // SAFETY: a fresh mapping at an address of the kernel's choice touches no memory of ours.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, flags, fd, 0) };
    if start == libc::MAP_FAILED { None } else { NonNull::new(start.cast()) }
}

#[cfg(target_os = "linux")]
fn map_secretmem(len: usize) -> Option<NonNull<u8>> {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    let size = libc::off_t::try_from(len).ok()?;
    // SAFETY: the call takes one flag word and gives a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
    let fd = libc::c_int::try_from(fd).ok().filter(|&fd| fd >= 0)?;
    // SAFETY: the descriptor is new and nobody else's; it is closed at the end of this function, the mapping stays.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: plain system call on our own descriptor.
    if unsafe { libc::ftruncate(fd.as_raw_fd(), size) } != 0 {
        return None;
    }
    map(len, libc::MAP_SHARED, fd.as_raw_fd())
}

#[cfg(not(target_os = "linux"))]
fn map_secretmem(_len: usize) -> Option<NonNull<u8>> {
    None
}

/// Whether the kernel gives pages that it zeroes itself when they are freed; found out by taking one.
#[must_use]
pub fn has_secret_pages() -> bool {
    const LEN: usize = 4096;
    let page = map_secretmem(LEN);
    if let Some(start) = page {
        // SAFETY: the page was mapped just now and nobody else knows of it.
        unsafe { libc::munmap(start.as_ptr().cast(), LEN) };
    }
    page.is_some()
}

/// Where `byte` stands first. The C library's search, which reads 32 bytes at a time; std's reads 16 and more slowly.
#[must_use]
pub fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    // SAFETY: memchr reads no byte behind the length, and gives null or an address in the range.
    unsafe {
        let found = libc::memchr(bytes.as_ptr().cast(), byte.into(), bytes.len()).cast::<u8>();
        (!found.is_null()).then(|| found.offset_from_unsigned(bytes.as_ptr()))
    }
}

/// Overwrites `BYTES` of the stack below the caller, where libraries that worked on a secret left its pieces: as many as
/// the scan of tests/memory.rs asks for in a build that is not optimised.
///
/// The frames above are withkey's own, which hold secrets in [`Protected`] only.
#[inline(never)]
pub fn scrub_stack<const BYTES: usize>() {
    // Writing the zeros is the work; nothing may take them for unused.
    std::hint::black_box(&mut [0_u8; BYTES]);
}

/// Makes this process unreadable for others of the same user: no core dump, no ptrace. `execve` resets it.
pub fn refuse_dumps() {
    // SAFETY: both calls take numbers only.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
    // macOS: PT_DENY_ATTACH would survive execve, so it is not used there.
}

/// After a fork, in a child that works for a parent which goes on: what it needs from now on lies in pages of its own,
/// not behind what the parent has handed out of theirs.
pub fn work_apart() {
    CHUNKS.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// After a fork, in the parent that stays: gives up every protected page, without harm to the child that goes on with them.
///
/// `held` are the secrets the parent still owns; they must be all of them, because their pages are gone afterwards.
pub fn leave_to_child(held: Option<Protected>) {
    std::mem::forget(held);
    let mut chunks = CHUNKS.lock().unwrap_or_else(PoisonError::into_inner);
    for chunk in chunks.drain(..) {
        // SAFETY: the range is ours and, by the contract above, no living value points into it. Secretmem pages are
        // shared with the child and must not be written; private ones are this process's own copy.
        unsafe {
            if !chunk.secretmem {
                std::slice::from_raw_parts_mut(chunk.start.as_ptr(), chunk.len).zeroize();
            }
            libc::munmap(chunk.start.as_ptr().cast(), chunk.len);
        }
    }
}

/// Overwrites everything that was handed out, where this process must end without letting things drop.
fn wipe_all() {
    // This very thread may hold the lock, since a new chunk is noted on the heap. Then the kernel alone wipes.
    let Ok(chunks) = CHUNKS.try_lock() else { return };
    for chunk in chunks.iter() {
        // SAFETY: the range is a mapping of ours, and whoever owns a piece of it never runs again.
        unsafe { std::slice::from_raw_parts_mut(chunk.start.as_ptr(), chunk.used) }.zeroize();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn pieces_lie_one_after_the_other_and_dropping_overwrites_them() {
        let protected = Protected::from_pieces(&[b"sk-", b"test", b"\0"]).unwrap();
        assert_eq!(protected.bytes(), b"sk-test\0");
        let (start, len) = (protected.start, protected.len);
        drop(protected);
        // SAFETY: chunks are never unmapped in this process.
        assert_eq!(unsafe { std::slice::from_raw_parts(start.as_ptr(), len) }, [0; 8]);
    }

    #[test]
    fn a_kept_value_stands_aligned_and_is_overwritten() {
        for before in 0..9 {
            let _uneven = Protected::zeroed(before).unwrap();
            let kept = Kept::new((7_u8, 0x0123_4567_89ab_cdef_u64, String::from("heap"))).unwrap();
            assert_eq!((kept.0, kept.1, &*kept.2), (7, 0x0123_4567_89ab_cdef, "heap"));
            assert!(kept.value.is_aligned());
            let place = kept.value.cast::<u8>();
            drop(kept);
            // SAFETY: chunks are never unmapped in this process.
            let bytes = unsafe { std::slice::from_raw_parts(place.as_ptr(), size_of::<(u8, u64, String)>()) };
            assert!(bytes.iter().all(|byte| *byte == 0), "{bytes:?}");
        }
    }

    #[test]
    fn a_secret_larger_than_a_chunk_gets_its_own() {
        let mut protected = Protected::zeroed(3 * CHUNK + 1).unwrap();
        protected.bytes_mut()[3 * CHUNK] = 7;
        protected.truncate(5);
        assert_eq!(protected.bytes().len(), 5);
    }
}
