//! `--spawn`: a parent that stays. It forks before anything secret is read, holds nothing, and ends as COMMAND ends.

#![allow(unsafe_code)]

use std::os::fd::AsRawFd;

use crate::error::Error;
use crate::exit::Exit;
use crate::host::Host;
use crate::launch::signals::{self, Change, Mask, Sigchld};
use crate::memory;

/// Forks. Gives the child's number in the parent, and nothing in the child, which goes on as in exec mode.
///
/// # Errors
/// When there can be no more processes.
pub fn fork(host: &mut Host) -> Result<Option<i32>, Error> {
    host.parent();
    let before = Mask::block_all();
    let sigchld = Sigchld::to_default();
    // SAFETY: this process has one thread, so the child may go on as if nothing had happened.
    let child = unsafe { libc::fork() };
    if child < 0 {
        let source = std::io::Error::last_os_error();
        sigchld.restore();
        before.restore();
        return Err(Error::System { doing: "start a second process", source });
    }
    if child > 0 {
        memory::leave_to_child(host.identity.take());
        signals::pass_on_to(child);
        let_go_of_descriptors();
        before.restore_in_parent();
        return Ok(Some(child));
    }
    sigchld.restore();
    before.restore();
    Ok(None)
}

/// Waits for COMMAND, stops when it stops, and ends as it ends: the same status, or death by the same signal.
///
/// # Errors
/// When the child cannot be waited for.
pub fn mirror(child: i32) -> Result<Exit, Error> {
    loop {
        match signals::wait(child).map_err(|source| Error::System { doing: "wait for COMMAND", source })? {
            Change::Stopped(signal) => signals::stop_by(signal, child),
            Change::Exited(status) => return Ok(Exit::Command(status)),
            Change::Killed(signal) => {
                signals::die_by(signal);
                // PID 1 does not die by a signal; a shell would report this status.
                return Ok(Exit::Command(u8::try_from(128 + signal).unwrap_or(u8::MAX)));
            }
        }
    }
}

/// The parent must not keep COMMAND's pipes, locks and sockets open after COMMAND has closed them.
fn let_go_of_descriptors() {
    let Ok(null) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") else { return };
    // SAFETY: this process uses no descriptor any more but 0 to 2, which are open again at once; `null` itself is above 2
    // because the door fills 0 to 2, and its owner is forgotten instead of closing it twice.
    unsafe {
        for descriptor in 0..3 {
            libc::dup2(null.as_raw_fd(), descriptor);
        }
        std::mem::forget(null);
        #[cfg(target_os = "linux")]
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0);
        #[cfg(not(target_os = "linux"))]
        for descriptor in 3..libc::getdtablesize() {
            libc::close(descriptor);
        }
    }
}
