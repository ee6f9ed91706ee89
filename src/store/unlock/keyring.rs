//! The system calls, through linux-keyutils.

use linux_keyutils::{Key, KeyError, KeyPermissionsBuilder, KeyRing, KeyRingIdentifier, Permission};

use super::NotHere;
use crate::memory::Protected;

/// What the kernel's answer means for a person.
fn why(error: KeyError) -> NotHere {
    NotHere(match error {
        // Docker's and systemd's seccomp profiles, and kernels without CONFIG_KEYS.
        KeyError::PermissionDenied | KeyError::AccessDenied => "the system does not let this process use it",
        KeyError::Unknown(libc::ENOSYS) => "this kernel has none",
        KeyError::QuotaExceeded => "it is full",
        KeyError::InvalidArguments => "the identity is too large for it",
        _ => "it does not work here",
    })
}

fn user() -> Result<KeyRing, KeyError> {
    KeyRing::from_special_id(KeyRingIdentifier::User, true)
}

/// Makes what lies in the user's keyring ours to read, where the session's does not lead there (a fresh login, cron).
///
/// The link goes into this thread's keyring, which `execve` throws away: the session, and COMMAND, keep theirs as it was.
fn possess() -> Result<KeyRing, KeyError> {
    let thread = KeyRing::from_special_id(KeyRingIdentifier::Thread, true)?;
    thread.link_keyring_id(KeyRingIdentifier::User)?;
    Ok(thread)
}

/// A key of ours with a time-out that nobody but its possessor can use, in this thread's keyring only: a crash from here on
/// leaves nothing behind.
fn make(thread: KeyRing, name: &str, payload: &[u8], seconds: u32) -> Result<Key, KeyError> {
    let key = thread.add_key(name, payload)?;
    key.set_timeout(usize::try_from(seconds).unwrap_or(usize::MAX))?;
    let rights = Permission::VIEW | Permission::READ | Permission::SEARCH | Permission::LINK;
    key.set_perms(KeyPermissionsBuilder::builder().posessor(rights).build())?;
    Ok(key)
}

pub fn probe() -> Result<(), NotHere> {
    let probe = || {
        user()?;
        let thread = possess()?;
        let key = make(thread, "withkey:probe", b"probe", 5)?;
        let mut read = [0; 5];
        let length = key.read(&mut read)?;
        key.invalidate()?;
        Ok::<_, KeyError>(length == 5 && read == *b"probe")
    };
    match probe() {
        Ok(true) => Ok(()),
        Ok(false) => Err(NotHere("it does not give back what it was given")),
        Err(error) => Err(why(error)),
    }
}

/// The payload of a key of the user's keyring; nothing when it is not there, or nothing is to be had.
pub fn read(name: &str) -> Option<Protected> {
    let user = user().ok()?;
    let found = match read_from(user, name) {
        // It is there, and not possessed.
        Err(KeyError::AccessDenied | KeyError::PermissionDenied) => {
            possess().ok()?;
            read_from(user, name)
        }
        found => found,
    };
    found.ok()
}

fn read_from(user: KeyRing, name: &str) -> Result<Protected, KeyError> {
    let key = user.search(name)?;
    let length = key.read(&mut [])?;
    let mut payload = Protected::zeroed(length).map_err(|_| KeyError::OutOfMemory)?;
    // Another one may have taken its place meanwhile.
    if key.read(&mut payload.bytes_mut())? != length {
        return Err(KeyError::KeyDoesNotExist);
    }
    Ok(payload)
}

pub fn write(name: &str, payload: &[u8], seconds: u32) -> Result<(), NotHere> {
    let write = || {
        let user = user()?;
        let key = make(possess()?, name, payload, seconds)?;
        // Takes the place of a key of the same name.
        user.link_key(key)
    };
    write().map_err(why)
}

pub fn remove(name: &str) -> bool {
    let Ok(user) = user() else { return false };
    if possess().is_err() {
        return false;
    }
    user.search(name).is_ok_and(|key| key.invalidate().is_ok())
}
