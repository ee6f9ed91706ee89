//! What can go wrong with passphrases and unlocking.

use std::path::PathBuf;

use super::{Words, p};

/// What could not be unlocked or changed.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are the words of the sentence that the variant's line announces")]
pub enum Unlock {
    /// The kernel's keyring is not to be had.
    NoKeyring { why: &'static str },
    /// WITHKEY_PASSPHRASE_FILE names something that gives no passphrase.
    PassphraseFile { path: PathBuf, why: &'static str },
    /// The identity is not a file that can be unlocked or changed.
    NotThis { what: String, why: &'static str },
    /// A passphrase would have to be asked for, and shall not be.
    Locked { from: String },
    /// The identity was changed by somebody else meanwhile.
    Changed { path: PathBuf },
}

impl Unlock {
    pub(super) fn words(&self) -> Words {
        match self {
            Self::NoKeyring { why } => Words::new("nothing is unlocked: the kernel's keyring is not to be had here")
                .cause(*why)
                .hint("the passphrase is asked for at each launch; from a script: WITHKEY_PASSPHRASE_FILE=FILE"),
            Self::PassphraseFile { path, why } => Words::new(format!("no passphrase in {}", p(path)))
                .cause(*why)
                .hint("write the passphrase into a file of mode 0600 and name that: WITHKEY_PASSPHRASE_FILE=FILE"),
            Self::NotThis { what, why } => Words::new(what).cause(*why),
            Self::Locked { from } => {
                Words::new(format!("{from} is locked")).cause("it opens with a passphrase").hint("withkey unlock")
            }
            Self::Changed { path } => Words::new(format!("the passphrase of {} is as it was", p(path)))
                .cause("the file was changed by another process meanwhile")
                .hint("run the same line again"),
        }
    }
}
