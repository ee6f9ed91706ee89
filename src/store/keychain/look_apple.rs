//! The same for macOS, whose keychain asks and answers by itself.

use super::item::{Failed, Failure};

/// Why keyring could not begin.
pub fn at_start(error: &keyring::Error) -> Failed {
    failed(error)
}

/// Why a step of keyring's failed.
pub fn failed(error: &keyring::Error) -> Failed {
    match error {
        keyring::Error::Ambiguous(_) => Failure::Duplicates.into(),
        keyring::Error::NoStorageAccess(_) => Failure::Locked.into(),
        _ => Failure::Refused.into(),
    }
}

/// Whether the system waits for somebody to answer its prompt. It does not say; its prompt is the usual reason to wait.
pub fn waits_for_prompt(_users: &[String], _any: bool) -> bool {
    true
}

/// Whether a new item could be kept. The login keychain is always there.
pub fn ready(_unlock: bool) -> Result<(), Failed> {
    Ok(())
}

/// There is nothing to wait for.
pub fn greet() {}
