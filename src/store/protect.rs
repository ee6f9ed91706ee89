//! Giving the personal identity a passphrase, another one, or none, as `ssh-keygen -p` does. The identity stays the same.

use crate::error::Error;
use crate::error::unlock::Unlock;
use crate::files::{self, Guard};
use crate::host::{Host, IDENTITY, IDENTITY_FILE};
use crate::memory::Protected;
use crate::store::unlock::{self, For};
use crate::store::{envelope, identity, passphrase};
use crate::ui::prompt::Prompt;

/// What became of the passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The identity has this passphrase now.
    Set,
    /// It has none any more.
    Removed,
    /// It had none, and has none.
    Nothing,
}

/// Asks for the old passphrase, if there is one, and for the new one twice, and replaces the identity's file in one step.
/// Takes a second or two for each passphrase. Forgets what was kept unlocked.
///
/// # Errors
/// When nobody can be asked, the old passphrase is wrong, or the file cannot be written; the identity is then as it was.
pub fn set_passphrase(host: &Host) -> Result<Done, Error> {
    if let Some(variable) = [IDENTITY, IDENTITY_FILE].into_iter().find(|name| identity::is_given_by(name, host)) {
        let what = "the passphrase of the personal identity only is set here".to_owned();
        let why = if variable == IDENTITY { "WITHKEY_IDENTITY is set" } else { "WITHKEY_IDENTITY_FILE is set" };
        return Err(Error::Unlock(Unlock::NotThis { what, why }));
    }
    let folders = host.folders()?;
    let path = folders.identity();
    let from = path.display().to_string();
    let before = identity::personal(host)?.ok_or_else(|| Error::NoIdentity { path: path.clone() })?;
    let prompt = Prompt::open(host.agent(), "a passphrase", "run the same line on a terminal")?;
    let is_protected = envelope::is_age(before.bytes());
    let opened = if is_protected {
        let old = prompt.secret(&format!("old passphrase of {from}: "))?;
        Some(passphrase::open_with(before.bytes(), &old, &from)?)
    } else {
        None
    };
    let text = opened.as_ref().unwrap_or(&before);
    identity::must_be_age(text, &from)?;
    let new = passphrase::ask_new(&prompt, "new passphrase (empty for none, then it opens without asking): ")?;
    let sealed = match &new {
        None if !is_protected => return Ok(Done::Nothing),
        None => None,
        Some(new) => Some(sealed(text, new, &from)?),
    };
    let after = sealed.as_deref().unwrap_or(text.bytes());
    let _lock = files::lock(&folders.config)?;
    // While the passphrases were typed another process may have done the same.
    let now = files::read_secret(&path, identity::LARGEST, Guard::Secret)?;
    if now.is_none_or(|now| now.bytes() != before.bytes()) {
        return Err(Error::Unlock(Unlock::Changed { path }));
    }
    identity::write_recipient_if_missing(text, host)?;
    files::replace(&path, after)?;
    for what in [For::Unlocked, For::Waiting] {
        let _ = unlock::forget(what, host);
    }
    Ok(if new.is_some() { Done::Set } else { Done::Removed })
}

/// Seals the identity, and opens it again: nothing else opens its owner's dotfiles.
fn sealed(text: &Protected, passphrase: &Protected, from: &str) -> Result<Vec<u8>, Error> {
    let sealed = envelope::seal_with_passphrase(text.bytes(), passphrase::as_secret(passphrase)?)?;
    if passphrase::open_with(&sealed, passphrase, from)?.bytes() == text.bytes() {
        Ok(sealed)
    } else {
        Err(Error::Seal { why: "what was sealed did not come back as it went in".to_owned() })
    }
}
