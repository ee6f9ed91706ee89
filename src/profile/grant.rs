//! Grants: the user's recorded consent to a dotfile found in a directory. One file a path, in the state folder.
//!
//! A grant binds the canonical path and what the dotfile holds: for each variable an HMAC-SHA256 over path, name and
//! value, each with its length before it, under a random key of this machine. So a dotfile that is only encrypted anew
//! stays allowed, a change can be told by name, the same file elsewhere is not allowed, and a stolen grant does not help to
//! guess a short value. The names and masks answer `status` and `--dry-run`, which open no store.

use std::fmt::Write as _;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::error::project::Project;
use crate::files::{self, Guard};
use crate::host::Folders;
use crate::key::Key;
use crate::memory::Protected;
use crate::profile::{Variable, date};

mod text;

/// The file of the random key.
const SECRET: &str = "secret";
/// Its length, in bytes.
const SECRET_LENGTH: usize = 32;
/// The largest grant, in bytes: a full dotfile of the shortest names.
const LARGEST: usize = 16 * 1024 * 1024;

/// What was said of a dotfile.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The dotfile's canonical path.
    pub path: PathBuf,
    /// When, in RFC 3339; empty where the clock could not be read.
    pub given: String,
    /// What.
    pub said: Said,
}

/// Consent or its contrary.
#[derive(Clone, Debug)]
pub enum Said {
    /// These variables with these values may be injected.
    Allowed {
        /// In the dotfile's order.
        keys: Vec<Granted>,
        /// What it held before, while withkey itself is replacing it: a reader may meet either.
        before: Vec<Granted>,
        /// The age file that withkey wrote last, and to whom; while it is replaced, the one before too.
        written: Vec<Written>,
    },
    /// The dotfile is passed over.
    Never,
}

/// An age file that withkey wrote.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its SHA-256: another file may have been put in its place, by a teammate for instance.
    pub sealed: String,
    /// Whom it is encrypted to, sorted.
    pub recipients: Vec<String>,
}

impl Written {
    /// That `sealed` was encrypted to `recipients`.
    #[must_use]
    pub fn new(sealed: &[u8], recipients: Vec<String>) -> Self {
        Self { sealed: hexadecimal(&Sha256::digest(sealed)), recipients }
    }
}

/// A variable that a grant covers.
#[derive(Clone, Debug)]
pub struct Granted {
    /// Its name.
    pub variable: Variable,
    /// What may be shown of its key.
    pub masked: String,
    /// The keyed hash of path, name and value, in hexadecimal digits.
    tag: String,
}

/// How a dotfile differs from what was allowed: names, each with what may be shown of it.
#[derive(Debug, Default)]
pub struct Difference {
    /// Variables that were not there: name and mask.
    pub new: Vec<(Variable, String)>,
    /// Variables of another value: name, mask before, mask now.
    pub changed: Vec<(Variable, String, String)>,
    /// Variables that are no longer there.
    pub gone: Vec<Variable>,
}

impl Difference {
    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.new.is_empty() && self.changed.is_empty() && self.gone.is_empty()
    }

    /// In words, on one line.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.new.iter().map(|(variable, mask)| format!("{variable} is new ({mask})")));
        words.extend(
            self.changed
                .iter()
                .map(|(variable, before, now)| format!("{variable} has another key ({before} -> {now})")),
        );
        words.extend(self.gone.iter().map(|variable| format!("{variable} is gone")));
        words.join(", ")
    }
}

impl Grant {
    /// Consent to what the dotfile at `path` holds now. Makes this machine's random key when there is none; the lock of
    /// the configuration must be held.
    ///
    /// # Errors
    /// When the random key cannot be read or made.
    ///
    /// # Secrets
    /// Of `keys` only masks and keyed hashes stay.
    pub fn to(
        path: &Path,
        keys: &[(Variable, Key)],
        written: Option<Written>,
        folders: &Folders,
    ) -> Result<Self, Error> {
        let secret = secret_or_new(folders)?;
        let keys = keys
            .iter()
            .map(|(variable, key)| {
                let tag = tag(&secret, path, variable, key)?;
                Ok(Granted { variable: variable.clone(), masked: key.masked(), tag })
            })
            .collect::<Result<_, Error>>()?;
        let said = Said::Allowed { keys, before: Vec::new(), written: written.into_iter().collect() };
        Ok(Self { path: path.to_owned(), given: now(), said })
    }

    /// The same, good for what `old` allowed too: while withkey replaces the dotfile a reader may meet either.
    #[must_use]
    pub fn with_before(&self, old: Option<&Self>) -> Self {
        let mut both = self.clone();
        if let (Said::Allowed { before, written, .. }, Some(Said::Allowed { keys, written: earlier, .. })) =
            (&mut both.said, old.map(|old| &old.said))
        {
            before.clone_from(keys);
            written.extend(earlier.iter().cloned());
        }
        both
    }

    /// Whom `sealed` is encrypted to, if withkey wrote it.
    #[must_use]
    pub fn recipients_of(&self, sealed: &[u8]) -> Option<&[String]> {
        let written: &[Written] = match &self.said {
            Said::Allowed { written, .. } => written,
            Said::Never => &[],
        };
        let hash = hexadecimal(&Sha256::digest(sealed));
        written.iter().find(|written| written.sealed == hash).map(|written| written.recipients.as_slice())
    }

    /// The wish to pass the dotfile at `path` over.
    #[must_use]
    pub fn never(path: &Path) -> Self {
        Self { path: path.to_owned(), given: now(), said: Said::Never }
    }

    /// What was said of the dotfile at `path`; nothing when nothing was.
    ///
    /// # Errors
    /// When the grant cannot be read, others may change it, or it cannot be understood.
    pub fn read(folders: &Folders, path: &Path) -> Result<Option<Self>, Error> {
        let Some(grant) = read_file(&file(folders, path))? else { return Ok(None) };
        // A grant that was copied to another's name says nothing of this path.
        Ok(Some(grant).filter(|grant| grant.path == path))
    }

    /// Everything that was said, sorted by path.
    ///
    /// # Errors
    /// As [`Grant::read`].
    pub fn all(folders: &Folders) -> Result<Vec<Self>, Error> {
        let folder = folders.grants();
        let cannot = |source| Error::File { doing: "read", path: folder.clone(), source };
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(cannot(error)),
        };
        let mut grants = Vec::new();
        for entry in entries {
            let name = entry.map_err(cannot)?.file_name();
            // A hash's digits; the random key and files half written have other names.
            if name.as_bytes().len() == 64 {
                grants.extend(read_file(&folder.join(name))?);
            }
        }
        grants.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Ok(grants)
    }

    /// Writes it in place of what was said of that path. The lock of the configuration must be held.
    ///
    /// # Errors
    /// When it cannot be written; what was said is then as it was.
    pub fn write(&self, folders: &Folders) -> Result<(), Error> {
        files::replace(&file(folders, &self.path), &text::of(self))
    }

    /// Takes back what was said of `path`. Gives whether anything was. The lock of the configuration must be held.
    ///
    /// # Errors
    /// When the file cannot be deleted.
    pub fn forget(folders: &Folders, path: &Path) -> Result<bool, Error> {
        let file = file(folders, path);
        let there = file.symlink_metadata().is_ok();
        files::remove(&file)?;
        Ok(there)
    }

    /// Names and keyed hashes: what makes two grants of one path the same.
    #[must_use]
    pub fn names(&self) -> Vec<(&Variable, &str)> {
        match &self.said {
            Said::Allowed { keys, .. } => {
                keys.iter().map(|granted| (&granted.variable, granted.tag.as_str())).collect()
            }
            Said::Never => Vec::new(),
        }
    }

    /// How what the dotfile holds differs from what was allowed. Against [`Said::Never`] everything is new.
    ///
    /// # Errors
    /// When this machine's random key cannot be read.
    pub fn compare(&self, keys: &[(Variable, Key)], folders: &Folders) -> Result<Difference, Error> {
        let (granted, before): (&[Granted], &[Granted]) = match &self.said {
            Said::Allowed { keys, before, .. } => (keys, before),
            Said::Never => (&[], &[]),
        };
        // Without the random key nothing can be told apart: everything counts as changed.
        let secret = secret(folders)?;
        let difference = self.difference(granted, keys, secret.as_ref())?;
        if !difference.is_none() && !before.is_empty() {
            let other = self.difference(before, keys, secret.as_ref())?;
            return Ok(if other.is_none() { other } else { difference });
        }
        Ok(difference)
    }

    fn difference(
        &self,
        granted: &[Granted],
        keys: &[(Variable, Key)],
        secret: Option<&Protected>,
    ) -> Result<Difference, Error> {
        let mut difference = Difference::default();
        for (variable, key) in keys {
            let Some(before) = granted.iter().find(|granted| granted.variable == *variable) else {
                difference.new.push((variable.clone(), key.masked()));
                continue;
            };
            let same = match secret {
                Some(secret) => tag(secret, &self.path, variable, key)? == before.tag,
                None => false,
            };
            if !same {
                difference.changed.push((variable.clone(), before.masked.clone(), key.masked()));
            }
        }
        let is_gone = |granted: &&Granted| !keys.iter().any(|(variable, _)| *variable == granted.variable);
        difference.gone = granted.iter().filter(is_gone).map(|granted| granted.variable.clone()).collect();
        Ok(difference)
    }
}

fn now() -> String {
    date::now().map_or_else(String::new, |now| now.to_string())
}

/// Where what is said of `path` is kept: a hash, because a path may be longer than a file's name.
fn file(folders: &Folders, path: &Path) -> PathBuf {
    folders.grants().join(hexadecimal(&Sha256::digest(path.as_os_str().as_bytes())))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

fn secret(folders: &Folders) -> Result<Option<Protected>, Error> {
    let path = folders.grants().join(SECRET);
    match files::read_secret(&path, SECRET_LENGTH, Guard::Secret)? {
        Some(secret) if secret.bytes().len() == SECRET_LENGTH => Ok(Some(secret)),
        Some(_) => {
            Err(Project::Grant { file: path, why: "it is not 32 bytes long, and all grants depend on it" }.into())
        }
        None => Ok(None),
    }
}

fn secret_or_new(folders: &Folders) -> Result<Protected, Error> {
    if let Some(secret) = secret(folders)? {
        return Ok(secret);
    }
    let cannot = |source| Error::System { doing: "get random bytes", source };
    let mut secret = Protected::zeroed(SECRET_LENGTH).map_err(cannot)?;
    let random = std::fs::File::open("/dev/urandom");
    random.and_then(|mut random| random.read_exact(secret.bytes_mut())).map_err(cannot)?;
    files::replace(&folders.grants().join(SECRET), secret.bytes())?;
    Ok(secret)
}

/// HMAC-SHA256 (RFC 2104) over path, name and value; lengths stand before them, so that no field runs into the next.
fn tag(secret: &Protected, path: &Path, variable: &Variable, key: &Key) -> Result<String, Error> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.bytes()).map_err(|_| Error::Internal)?;
    for field in [path.as_os_str().as_bytes(), variable.as_str().as_bytes(), key.expose()] {
        mac.update(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(field);
    }
    Ok(hexadecimal(&mac.finalize().into_bytes()))
}

fn read_file(file: &Path) -> Result<Option<Grant>, Error> {
    let Some(text) = files::read(file, LARGEST, Guard::Own)? else { return Ok(None) };
    text::parse(&text).map(Some).map_err(|why| Project::Grant { file: file.to_owned(), why }.into())
}

#[cfg(test)]
mod tests;
