//! The kernel's keyring, where `withkey unlock` keeps an opened identity for a while: never on a disk, gone at its time-out.
//!
//! The key lies in the user's keyring (`@u`), readable by who possesses it alone: a process from whose keyrings it can be
//! reached, which every process of the user can arrange. keyrings(7), user-keyring(7).

use std::path::Path;

use crate::host::Host;
use crate::memory::Protected;

#[cfg(target_os = "linux")]
mod keyring;
#[cfg(not(target_os = "linux"))]
#[path = "unlock/no_keyring.rs"]
mod keyring;

/// What an identity is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// `withkey unlock` was called.
    Unlocked,
    /// Other launches wait on this terminal for the same passphrase, and nothing else.
    Waiting,
}

/// Why nothing can be kept here.
#[derive(Debug, PartialEq, Eq)]
pub struct NotHere(pub &'static str);

/// Whether something could be kept here, found out by doing: makes a key that lies in no keyring of the user, reads it and
/// lets it go.
///
/// # Errors
/// Why not.
pub fn probe() -> Result<(), NotHere> {
    keyring::probe()
}

/// The text of the identity that `sealed` opens to, if it is kept. An identity file that has changed since is another one.
///
/// # Secrets
/// The text is the caller's, in protected pages.
#[must_use]
pub fn find(what: For, sealed: &[u8], host: &Host) -> Option<Protected> {
    let payload = keyring::read(&name(what, host)?)?;
    let (stamp, text) = payload.bytes().split_at_checked(STAMP)?;
    if stamp != self::stamp(sealed) {
        return None;
    }
    Protected::from_pieces(&[text]).ok()
}

/// Keeps the identity that `sealed` opens to, in place of what was kept for the same; after `seconds` the kernel forgets it.
///
/// # Errors
/// Why it is not kept.
///
/// # Secrets
/// `text` stays the caller's to wipe; the kernel's copy lies in its own memory.
pub fn keep(what: For, sealed: &[u8], text: &[u8], seconds: u32, host: &Host) -> Result<(), NotHere> {
    let name = name(what, host).ok_or(NotHere("withkey's folders are not known"))?;
    let payload = Protected::from_pieces(&[&stamp(sealed), text]).map_err(|_| NotHere("there is no memory"))?;
    keyring::write(&name, payload.bytes(), seconds)
}

/// Forgets at once what is kept; gives whether there was anything.
#[must_use]
pub fn forget(what: For, host: &Host) -> bool {
    name(what, host).is_some_and(|name| keyring::remove(&name))
}

/// The length of [`stamp`], in bytes.
const STAMP: usize = 32;

/// Ties what is kept to the identity file that it came from.
fn stamp(sealed: &[u8]) -> [u8; STAMP] {
    use sha2::{Digest, Sha256};
    Sha256::digest(sealed).into()
}

/// One key for each folder of an identity: two homes of one user do not get in each other's way.
fn name(what: For, host: &Host) -> Option<String> {
    let folder: &Path = &host.folders().ok()?.data;
    let what = match what {
        For::Unlocked => "unlocked",
        For::Waiting => "waiting",
    };
    Some(format!("withkey:{what}:{}", crate::ui::sanitize::string(folder.as_os_str())))
}
