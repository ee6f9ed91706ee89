//! The other file that `execve` needs: a script's `#!` or a binary's loader.
//!
//! When it is missing, execvp goes on along PATH (ENOENT). withkey must know before it opens a store, so it looks as the
//! kernel does: fs/binfmt_script.c and the PT_INTERP header of elf(5).

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

/// What the kernel reads of a file to see what it is: BINPRM_BUF_SIZE is 256; headers of binaries lie right behind.
const HEAD: usize = 1024;

/// A script's interpreter may be a script, this many times: fs/exec.c.
const DEPTH: usize = 5;

/// Fails as `execve` of `path` would fail for its interpreter.
///
/// A file that may be run but not read cannot be looked into, and passes.
pub fn check(path: &Path) -> io::Result<()> {
    let mut path = path.to_owned();
    for _ in 0..DEPTH {
        let Ok(file) = File::open(&path) else { return Ok(()) };
        let mut head = [0; HEAD];
        let Ok(count) = file.read_at(&mut head, 0) else { return Ok(()) };
        let head = head.get(..count).unwrap_or_default();
        let Some(interpreter) = script(head).or_else(|| loader(head)) else { return Ok(()) };
        let interpreter = Path::new(OsStr::from_bytes(interpreter));
        if !std::fs::metadata(interpreter)?.is_file() {
            return Err(io::Error::from_raw_os_error(libc::EACCES));
        }
        access(interpreter, AccessFlags::X_OK)?;
        if !head.starts_with(b"#!") {
            return Ok(());
        }
        path = interpreter.to_owned();
    }
    Err(io::Error::from_raw_os_error(libc::ELOOP))
}

/// The interpreter of a `#!` line.
fn script(head: &[u8]) -> Option<&[u8]> {
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let word = line.trim_ascii_start().split(|byte| b" \t\0".contains(byte)).next()?;
    (!word.is_empty()).then_some(word)
}

/// The loader of an ELF file of this machine's byte order.
fn loader(head: &[u8]) -> Option<&[u8]> {
    const PT_INTERP: usize = 3;
    let wide = match head.strip_prefix(b"\x7fELF")?.first()? {
        1 => false,
        2 => true,
        _ => return None,
    };
    let number = |at: usize, len: usize| {
        let mut bytes = [0; 8];
        bytes.get_mut(..len)?.copy_from_slice(head.get(at..at.checked_add(len)?)?);
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    };
    let (table, size, count) = if wide {
        (number(32, 8)?, number(54, 2)?, number(56, 2)?)
    } else {
        (number(28, 4)?, number(42, 2)?, number(44, 2)?)
    };
    (0..count).find_map(|index| {
        let row = table.checked_add(index.checked_mul(size)?)?;
        if number(row, 4)? != PT_INTERP {
            return None;
        }
        let (offset, len) = if wide {
            (number(row.checked_add(8)?, 8)?, number(row.checked_add(32)?, 8)?)
        } else {
            (number(row.checked_add(4)?, 4)?, number(row.checked_add(16)?, 4)?)
        };
        head.get(offset..offset.checked_add(len)?)?.split(|&byte| byte == 0).next()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_script_names_its_interpreter_as_the_kernel_reads_it() {
        assert_eq!(script(b"#! /bin/sh -e\nx"), Some(&b"/bin/sh"[..]));
        assert_eq!(script(b"#!/usr/bin/env\tpython\n"), Some(&b"/usr/bin/env"[..]));
        assert_eq!(script(b"#!\n"), None);
        assert_eq!(script(b"echo"), None);
    }

    #[test]
    fn a_binary_names_its_loader() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let found = loader(this.get(..HEAD).unwrap());
        assert!(found.is_none_or(|path| Path::new(OsStr::from_bytes(path)).exists()), "{found:?}");
        assert_eq!(loader(b"\x7fELF\x02\x01"), None);
    }
}
