//! By what a stored key is recognised where it stands in clear: HMAC-SHA256 under a salt of this user's own, in the
//! description.
//!
//! The hash is fast, and need not be slow: a key of the provider table is random and long, so that trying keys is as hopeless
//! with the hash as without. Other values (`DATABASE_PASSWORD`) may be short and guessable: of them no hash is kept. The salt
//! lies in the state folder, apart from descriptions that are shared or backed up; lost, only the recognition is lost.

use std::fmt::Write;
use std::io::Read;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::files::{self, Guard};
use crate::host::Folders;
use crate::key::{Key, SHORTEST};
use crate::profile::Variable;
use crate::provider;

/// The length of the salt in bytes; in its file it stands as twice as many hexadecimal digits.
const LENGTH: usize = 32;

/// What makes the hashes of one user.
pub struct Salt(Vec<u8>);

impl Salt {
    /// The salt, if there is one that can be read.
    #[must_use]
    pub fn read(folders: &Folders) -> Option<Self> {
        let bytes = files::read(&folders.salt(), 4096, Guard::Secret).ok()??;
        let text = bytes.trim_ascii();
        (text.len() == 2 * LENGTH && text.iter().all(u8::is_ascii_hexdigit)).then(|| Self(text.to_vec()))
    }

    /// The salt; makes one where there is none. Nothing when that cannot be done: a key is stored all the same. The lock of
    /// the configuration must be held.
    #[must_use]
    pub fn read_or_make(folders: &Folders) -> Option<Self> {
        if let Some(salt) = Self::read(folders) {
            return Some(salt);
        }
        let mut random = [0; LENGTH];
        std::fs::File::open("/dev/urandom").ok()?.read_exact(&mut random).ok()?;
        files::replace(&folders.salt(), format!("{}\n", hexadecimal(&random)).as_bytes()).ok()?;
        Self::read(folders)
    }

    /// The words by which the description recognises `key`; nothing for a value that is no key of the provider table.
    #[must_use]
    pub fn hash_of_key(&self, variable: &Variable, key: &Key) -> Option<String> {
        let known = provider::of_variable(variable.as_str()).is_some();
        (known && key.expose().len() >= SHORTEST).then(|| self.hash(key.expose()))
    }

    /// The same for any bytes.
    #[must_use]
    pub fn hash(&self, bytes: &[u8]) -> String {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(bytes);
        format!("hmac-sha256:{}", hexadecimal(&mac.finalize().into_bytes()))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
