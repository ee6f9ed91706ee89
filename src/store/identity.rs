//! age's private keys, which open dotfiles: which one is used, how it is opened, how the personal one is made.
//!
//! In this order and without falling through: WITHKEY_IDENTITY, WITHKEY_IDENTITY_FILE, the personal one together with the
//! SSH keys of config.toml.

use std::io::BufReader;
use std::path::Path;

use age::secrecy::{ExposeSecret, SecretString};
use age::{Identity, ssh, x25519};

use crate::config::Config;
use crate::error::Error;
use crate::error::unlock::Unlock;
use crate::files::{self, Guard};
use crate::host::{Host, IDENTITY, IDENTITY_FILE, PASSPHRASE_FILE};
use crate::memory::{Kept, Protected};
use crate::profile::description;
use crate::store::{envelope, passphrase};
use crate::ui::Ui;
use crate::ui::prompt::Prompt;

mod public_half;
mod ssh_passphrase;

pub use public_half::{parse_recipient, recipient, write_recipient_if_missing};
use ssh_passphrase::Ask;

/// The largest identity file, in bytes.
pub const LARGEST: usize = 64 * 1024;

/// What to do without a terminal.
const NO_TERMINAL: &str = "give it from a file: WITHKEY_PASSPHRASE_FILE=FILE withkey COMMAND";

/// Identities that open dotfiles, and their public halves.
pub struct Identities {
    /// Where they come from, for messages.
    pub from: String,
    pairs: Vec<Pair>,
    /// How many of the pairs, from the first on, own dotfiles are encrypted to. The others only open.
    own: usize,
    /// Further recipients of own dotfiles, as config.toml writes them.
    further: Vec<String>,
    /// Whether passphrases may be asked for.
    asks: bool,
    /// Who asks for an SSH key's passphrase, and what came of it.
    ask: Option<Ask>,
}

/// A private key of a kind that age knows. Its public half is computed when it is asked for: a launch does not need it.
enum Pair {
    Age(Kept<x25519::Identity>),
    Ssh(ssh::Identity),
}

impl Identities {
    /// The identities in force. Prompts when one is protected by a passphrase.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or its passphrase is not given.
    ///
    /// # Secrets
    /// They lie where age keeps them, on the heap, and are wiped when dropped.
    pub fn in_force(host: &Host) -> Result<Self, Error> {
        Self::load(Self::none(), host)
    }

    /// Those in force that open without a question to anybody; nothing when the identity itself would be asked for.
    ///
    /// # Errors
    /// As [`Identities::in_force`].
    ///
    /// # Secrets
    /// As [`Identities::in_force`].
    pub fn without_asking(host: &Host) -> Result<Option<Self>, Error> {
        match Self::load(Self { asks: false, ..Self::none() }, host) {
            Err(Error::Unlock(Unlock::Locked { .. })) => Ok(None),
            // An SSH key with a passphrase, and nothing else.
            Ok(loaded) if loaded.pairs.is_empty() => Ok(None),
            loaded => loaded.map(Some),
        }
    }

    fn load(mut identities: Self, host: &Host) -> Result<Self, Error> {
        if let Some(text) = &host.identity {
            IDENTITY.clone_into(&mut identities.from);
            identities.take(text.bytes(), host)?;
            identities.own = identities.pairs.len();
            return Ok(identities);
        }
        if let Some(file) = host.variable(IDENTITY_FILE) {
            let path = Path::new(file);
            identities.from = path.display().to_string();
            let missing = || Error::NoIdentity { path: path.to_owned() };
            let text = files::read_secret(path, LARGEST, Guard::Named)?.ok_or_else(missing)?;
            identities.take(text.bytes(), host)?;
            identities.own = identities.pairs.len();
            return Ok(identities);
        }
        let config = Config::read(host)?;
        let path = host.folders()?.identity();
        identities.from = path.display().to_string();
        match files::read_secret(&path, LARGEST, Guard::Secret)? {
            Some(text) => identities.take(text.bytes(), host)?,
            None if config.identities.is_empty() => return Err(Error::NoIdentity { path }),
            None => {}
        }
        identities.own = identities.pairs.len();
        for path in &config.identities {
            let missing = || Error::NoIdentity { path: path.clone() };
            let text = files::read_secret(path, LARGEST, Guard::Secret)?.ok_or_else(missing)?;
            identities.take(text.bytes(), host)?;
        }
        // Own dotfiles are encrypted to the SSH keys of config.toml only where there is no personal identity.
        identities.own = if identities.own == 0 { identities.pairs.len() } else { identities.own };
        identities.further = config.recipients;
        Ok(identities)
    }

    /// The identities in force; makes the personal one when there is none at all, offering a passphrase on a terminal.
    ///
    /// # Errors
    /// As [`Identities::in_force`], and when it cannot be written.
    pub fn in_force_or_new(host: &Host, ui: Ui) -> Result<Self, Error> {
        match Self::in_force(host) {
            // A new identity would not open what another one sealed: then it is lost, not missing.
            Err(Error::NoIdentity { path }) if path == host.folders()?.identity() && !any_dotfile(host)? => {}
            other => return other,
        }
        let folders = host.folders()?;
        let passphrase = offer_passphrase(host)?;
        let lock = files::lock(&folders.config)?;
        // Another process may have made it meanwhile.
        if !folders.identity().exists() {
            let identity = x25519::Identity::generate();
            let recipient = identity.to_public().to_string();
            let secret = identity.to_string();
            let lines: [&[u8]; 5] =
                [b"# public key: ", recipient.as_bytes(), b"\n", secret.expose_secret().as_bytes(), b"\n"];
            let text =
                Protected::from_pieces(&lines).map_err(|source| Error::System { doing: "make an identity", source })?;
            files::replace(&folders.recipient(), format!("{recipient}\n").as_bytes())?;
            match passphrase {
                Some(passphrase) => {
                    let sealed = envelope::seal_with_passphrase(text.bytes(), passphrase)?;
                    files::replace(&folders.identity(), &sealed)?;
                }
                None => files::replace(&folders.identity(), text.bytes())?,
            }
            ui.notice(&format!(
                "made your identity, {}: back it up, nothing else opens your dotfiles",
                folders.identity().display()
            ));
            drop(lock);
            let mut identities = Self::none();
            identities.from = folders.identity().display().to_string();
            identities.take(text.bytes(), host)?;
            identities.own = identities.pairs.len();
            identities.further = Config::read(host)?.recipients;
            return Ok(identities);
        }
        drop(lock);
        Self::in_force(host)
    }

    /// Opens a dotfile; `path` is for errors.
    ///
    /// # Errors
    /// Why it stays closed.
    ///
    /// # Secrets
    /// The plaintext is the caller's, in protected pages.
    pub fn open(&self, sealed: &[u8], path: &Path) -> Result<Protected, Error> {
        let open: Vec<Box<dyn Identity>> = self.pairs.iter().map(|pair| pair.identity(self.ask.as_ref())).collect();
        envelope::open(sealed, &open).map_err(|closed| {
            // A prompt that could not be shown says more than what age made of it.
            self.ask.as_ref().and_then(Ask::failed).unwrap_or_else(|| envelope::explain(closed, path, &self.from))
        })
    }

    fn none() -> Self {
        Self { from: String::new(), pairs: Vec::new(), own: 0, further: Vec::new(), asks: true, ask: None }
    }

    /// Takes in the identities that `text` holds: age's, an SSH key, or either protected by a passphrase.
    fn take(&mut self, text: &[u8], host: &Host) -> Result<(), Error> {
        let wrong = |why| Error::Identity { from: self.from.clone(), why };
        if envelope::is_age(text) {
            if !envelope::is_protected(text) {
                return Err(wrong("it is an age file without a passphrase, not an identity"));
            }
            let opened = if self.asks {
                passphrase::open(text, &self.from, host)?
            } else {
                let locked = || Error::Unlock(Unlock::Locked { from: self.from.clone() });
                passphrase::open_without_asking(text, &self.from, host)?.ok_or_else(locked)?
            };
            return self.take_plain(opened.bytes());
        }
        if is_ssh(text) {
            return self.take_ssh(text, host);
        }
        self.take_plain(text)
    }

    fn take_plain(&mut self, text: &[u8]) -> Result<(), Error> {
        let wrong = |why| Error::Identity { from: self.from.clone(), why };
        let text = std::str::from_utf8(text).map_err(|_| wrong("it is not text"))?;
        let mut any = false;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line.starts_with("AGE-PLUGIN-") || line.starts_with("AGE-SECRET-KEY-PQ-") {
                return Err(wrong("it is of a kind this build does not support"));
            }
            let identity: x25519::Identity =
                line.parse().map_err(|_| wrong("it is not an age identity or an SSH key"))?;
            let kept = Kept::new(identity);
            self.pairs.push(Pair::Age(kept.map_err(|source| Error::System { doing: "keep an identity", source })?));
            any = true;
        }
        if any { Ok(()) } else { Err(wrong("it is empty")) }
    }

    fn take_ssh(&mut self, text: &[u8], host: &Host) -> Result<(), Error> {
        let wrong = |why| Error::Identity { from: self.from.clone(), why };
        let identity =
            ssh::Identity::from_buffer(BufReader::new(text), None).map_err(|_| wrong("it is not an SSH key"))?;
        if let ssh::Identity::Unsupported(_) = identity {
            return Err(wrong("it is an SSH key of a kind age does not support; ed25519 and RSA are"));
        }
        if !self.asks && host.variable(PASSPHRASE_FILE).is_none() && matches!(identity, ssh::Identity::Encrypted(_)) {
            return Ok(());
        }
        self.ask.get_or_insert_with(|| Ask::new(host));
        self.pairs.push(Pair::Ssh(identity));
        Ok(())
    }
}

fn is_ssh(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"-----BEGIN") && !envelope::is_age(text)
}

/// Whether this variable gives the identity.
#[must_use]
pub fn is_given_by(variable: &str, host: &Host) -> bool {
    if variable == IDENTITY { host.identity.is_some() } else { host.variable(variable).is_some() }
}

/// The text of the personal identity's file as it lies there, sealed or not; nothing when there is none.
///
/// # Errors
/// When it cannot be read, or others can read it.
///
/// # Secrets
/// The text is the caller's, in protected pages.
pub fn personal(host: &Host) -> Result<Option<Protected>, Error> {
    files::read_secret(&host.folders()?.identity(), LARGEST, Guard::Secret)
}

/// The file of the identity in force as it lies there, and its name for people.
///
/// # Errors
/// When there is none, it cannot be read, or the identity is given as text.
///
/// # Secrets
/// As [`personal`].
pub fn file_in_force(host: &Host) -> Result<(Protected, String), Error> {
    if host.identity.is_some() {
        let what = "there is nothing to unlock".to_owned();
        return Err(Error::Unlock(Unlock::NotThis { what, why: "WITHKEY_IDENTITY gives the identity itself" }));
    }
    let path = match host.variable(IDENTITY_FILE) {
        Some(file) => file.into(),
        None => host.folders()?.identity(),
    };
    let guard = if is_given_by(IDENTITY_FILE, host) { Guard::Named } else { Guard::Secret };
    let text = files::read_secret(&path, LARGEST, guard)?;
    let from = path.display().to_string();
    Ok((text.ok_or(Error::NoIdentity { path })?, from))
}

/// Fails unless `text` is one of age's identities, or several.
///
/// # Errors
/// Why it is not; an SSH key, say, which its own tools protect.
pub fn must_be_age(text: &Protected, from: &str) -> Result<(), Error> {
    if is_ssh(text.bytes()) {
        let what = format!("{from} is an SSH key");
        let why = "its passphrase is changed by ssh-keygen -p, and it is not kept unlocked";
        return Err(Error::Unlock(Unlock::NotThis { what, why }));
    }
    let mut identities = Identities::none();
    from.clone_into(&mut identities.from);
    identities.take_plain(text.bytes())
}

/// Whether some profile has an age file.
fn any_dotfile(host: &Host) -> Result<bool, Error> {
    let profiles = host.folders()?.profiles();
    Ok(description::names(host.folders()?)?.iter().any(|name| profiles.join(format!("{name}.age")).exists()))
}

/// Offers a passphrase for a new identity, as ssh-keygen does; none without a terminal, or when it is left empty.
fn offer_passphrase(host: &Host) -> Result<Option<SecretString>, Error> {
    let Ok(prompt) = Prompt::open_with_stdin(host.agent(), "a passphrase", NO_TERMINAL) else { return Ok(None) };
    prompt.tell("withkey makes an identity for you now: the file that opens your dotfiles");
    let question = "passphrase for it (empty for none, then it opens without asking): ";
    passphrase::ask_new(&prompt, question)?.map(|typed| passphrase::as_secret(&typed)).transpose()
}

impl Pair {
    fn identity(&self, ask: Option<&Ask>) -> Box<dyn Identity> {
        match (self, ask) {
            (Self::Age(identity), _) => Box::new(x25519::Identity::clone(identity)),
            (Self::Ssh(identity), Some(ask)) => Box::new(identity.clone().with_callbacks(ask.clone())),
            (Self::Ssh(identity), None) => Box::new(identity.clone()),
        }
    }
}
