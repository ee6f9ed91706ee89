//! Passphrases: where one comes from when it is needed, and how an identity is opened with it.
//!
//! An identity kept by `withkey unlock` needs none. Else WITHKEY_PASSPHRASE_FILE gives it, else the terminal, where several
//! launches at once ask one question: the one that asked leaves the opened identity in the kernel's keyring for those that
//! wait, and for nobody who comes later.

use std::ffi::OsStr;
use std::path::Path;

use age::secrecy::SecretString;

use crate::error::Error;
use crate::error::unlock::Unlock;
use crate::files::{self, Guard};
use crate::host::{Host, PASSPHRASE_FILE};
use crate::memory::Protected;
use crate::store::envelope::{self, Closed};
use crate::store::turn::Turn;
use crate::store::unlock::{self, For};
use crate::ui::prompt::Prompt;

/// What to do without a terminal.
const NO_TERMINAL: &str = "withkey unlock, on a terminal, or give it from a file: WITHKEY_PASSPHRASE_FILE=FILE";

/// The longest passphrase, in bytes, as a terminal takes it.
const LARGEST: usize = 4096;

/// How long an opened identity lies ready for those that wait, in seconds; the last of them clears it away before.
const HANDED_OVER: u32 = 30;

/// The text of the identity that `sealed` holds, by the way that asks least. `from` is its name for people. May prompt,
/// and may wait for somebody else's prompt on the same terminal.
///
/// # Errors
/// When there is nobody to ask, or the passphrase does not open it.
///
/// # Secrets
/// The text is the caller's, in protected pages; pieces may be left on the stack (`memory::scrub_stack`).
pub fn open(sealed: &[u8], from: &str, host: &Host) -> Result<Protected, Error> {
    match unlock::find(For::Unlocked, sealed, host) {
        Some(kept) => Ok(kept),
        None => open_anew(sealed, from, host),
    }
}

/// The same without a question to anybody: nothing when one would be needed.
///
/// # Errors
/// As [`open`].
///
/// # Secrets
/// As [`open`].
pub fn open_without_asking(sealed: &[u8], from: &str, host: &Host) -> Result<Option<Protected>, Error> {
    match (unlock::find(For::Unlocked, sealed, host), host.variable(PASSPHRASE_FILE)) {
        (None, Some(file)) => open_with(sealed, &from_file(file)?, from).map(Some),
        (kept, _) => Ok(kept),
    }
}

/// The same, with the passphrase in any case.
///
/// # Errors
/// As [`open`].
///
/// # Secrets
/// As [`open`].
pub fn open_anew(sealed: &[u8], from: &str, host: &Host) -> Result<Protected, Error> {
    if let Some(file) = host.variable(PASSPHRASE_FILE) {
        return open_with(sealed, &from_file(file)?, from);
    }
    let prompt = Prompt::open(host.agent(), "the identity's passphrase", NO_TERMINAL)?;
    let turn = Turn::wait(host);
    if turn.waited()
        && let Some(opened) = unlock::find(For::Waiting, sealed, host)
    {
        if !turn.is_awaited() {
            let _ = unlock::forget(For::Waiting, host);
        }
        return Ok(opened);
    }
    let opened = open_with(sealed, &prompt.secret(&format!("passphrase of {from}: "))?, from)?;
    if turn.is_awaited() {
        // Where the kernel keeps nothing, each of them asks.
        let _ = unlock::keep(For::Waiting, sealed, opened.bytes(), HANDED_OVER, host);
    }
    Ok(opened)
}

/// Opens `sealed` with this passphrase and nothing else.
///
/// # Errors
/// When it is the wrong one, or the file is damaged.
///
/// # Secrets
/// As [`open`]; the passphrase stays the caller's.
pub fn open_with(sealed: &[u8], passphrase: &Protected, from: &str) -> Result<Protected, Error> {
    envelope::open_with_passphrase(sealed, as_secret(passphrase)?).map_err(|closed| match closed {
        Closed::Damaged(why) => Error::Identity { from: from.to_owned(), why },
        _ => Error::WrongPassphrase { from: from.to_owned() },
    })
}

/// The passphrase in the file that WITHKEY_PASSPHRASE_FILE names: all of it, but for one line end at its end.
///
/// # Errors
/// When the file cannot be read, others may read it, or it holds none.
///
/// # Secrets
/// The passphrase is the caller's, in protected pages.
pub fn from_file(file: &OsStr) -> Result<Protected, Error> {
    let path = Path::new(file);
    let wrong = |why| Error::Unlock(Unlock::PassphraseFile { path: path.to_owned(), why });
    let mut text = files::read_secret(path, LARGEST, Guard::Named)?.ok_or_else(|| wrong("it does not exist"))?;
    let line = text.bytes().strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    if let Some(length) = line.map(<[u8]>::len) {
        text.truncate(length);
    }
    if text.bytes().is_empty() { Err(wrong("it is empty")) } else { Ok(text) }
}

/// Asks for a new passphrase twice; none when it is left empty.
///
/// # Errors
/// When the terminal closes.
///
/// # Secrets
/// The passphrase is the caller's, in protected pages.
pub fn ask_new(prompt: &Prompt, question: &str) -> Result<Option<Protected>, Error> {
    loop {
        let first = prompt.secret(question)?;
        if first.bytes().is_empty() {
            return Ok(None);
        }
        let second = prompt.secret("the same passphrase again: ")?;
        if first.bytes() == second.bytes() {
            return Ok(Some(first));
        }
        prompt.tell("the two are not the same; once more");
    }
}

/// A passphrase as age takes it.
///
/// # Errors
/// When it is not UTF-8 text.
///
/// # Secrets
/// The copy lies on the heap and is wiped by its type.
pub fn as_secret(passphrase: &Protected) -> Result<SecretString, Error> {
    let text = std::str::from_utf8(passphrase.bytes())
        .map_err(|_| Error::Prompt { why: "the passphrase is not UTF-8 text" })?;
    Ok(SecretString::from(text.to_owned()))
}

/// Whether an identity's file opens with a passphrase only.
#[must_use]
pub fn protects(file: &[u8]) -> bool {
    envelope::is_age(file) && envelope::is_protected(file)
}
