//! Recipients: the public halves of identities, and other people's from their text.

use std::path::Path;

use age::{Recipient, ssh, x25519};

use super::{Identities, LARGEST, Pair};
use crate::error::Error;
use crate::files::{self, Guard};
use crate::host::{Host, IDENTITY_FILE};
use crate::memory::Protected;
use crate::store::envelope;

impl Identities {
    /// What own dotfiles are encrypted to.
    ///
    /// # Errors
    /// When a recipient cannot be encrypted to.
    pub fn recipients(&self) -> Result<Vec<Box<dyn Recipient + Send>>, Error> {
        let own = self.pairs.iter().take(self.own).map(|pair| self.public(pair));
        own.chain(self.further.iter().map(|text| parse_recipient(text))).collect()
    }

    /// The first recipient, as text to give away.
    #[must_use]
    pub fn recipient(&self) -> Option<String> {
        match self.pairs.first()? {
            Pair::Age(identity) => Some(identity.to_public().to_string()),
            Pair::Ssh(identity) => {
                ssh::Recipient::try_from(identity.clone()).ok().map(|recipient| recipient.to_string())
            }
        }
    }

    fn public(&self, pair: &Pair) -> Result<Box<dyn Recipient + Send>, Error> {
        match pair {
            Pair::Age(identity) => Ok(Box::new(identity.to_public())),
            Pair::Ssh(identity) => match ssh::Recipient::try_from(identity.clone()) {
                Ok(recipient) => Ok(Box::new(recipient)),
                Err(_) => Err(Error::Identity { from: self.from.clone(), why: "its public half cannot be used" }),
            },
        }
    }
}

/// Writes the personal identity's public half, which nobody can read any more when the identity is protected.
///
/// # Errors
/// When it cannot be written.
pub fn write_recipient_if_missing(text: &Protected, host: &Host) -> Result<(), Error> {
    let path = host.folders()?.recipient();
    let mut identities = Identities::none();
    identities.take_plain(text.bytes())?;
    match identities.recipient() {
        Some(recipient) if !path.exists() => files::replace(&path, format!("{recipient}\n").as_bytes()),
        _ => Ok(()),
    }
}

/// The user's own recipient, to be given to others, without a prompt; none when it is not known here.
///
/// # Errors
/// When a file is there and cannot be read.
pub fn recipient(host: &Host) -> Result<Option<String>, Error> {
    let named = match (&host.identity, host.variable(IDENTITY_FILE)) {
        (Some(text), _) => Protected::from_pieces(&[text.bytes()]).ok(),
        (None, Some(file)) => files::read_secret(Path::new(file), LARGEST, Guard::Named)?,
        (None, None) => {
            let text = files::read(&host.folders()?.recipient(), LARGEST, Guard::Own)?;
            return Ok(text.and_then(|text| std::str::from_utf8(&text).ok().map(|text| text.trim().to_owned())));
        }
    };
    // One behind a passphrase would have to be opened.
    let Some(text) = named.filter(|text| !envelope::is_age(text.bytes())) else { return Ok(None) };
    let mut identities = Identities::none();
    identities.take(text.bytes(), host)?;
    Ok(identities.recipient())
}

/// A recipient from its text: `age1…`, `ssh-ed25519 …` or `ssh-rsa …`; what stands behind an SSH key is a comment.
///
/// # Errors
/// [`Error::Recipient`] when withkey cannot encrypt to it.
pub fn parse_recipient(text: &str) -> Result<Box<dyn Recipient + Send>, Error> {
    let wrong = |why| Error::Recipient { text: text.to_owned(), why };
    if text.starts_with("ssh-") {
        let recipient: ssh::Recipient = text.parse().map_err(|_| wrong("it is not an SSH public key age supports"))?;
        return Ok(Box::new(recipient));
    }
    let recipient: Result<x25519::Recipient, _> = text.parse();
    match recipient {
        Ok(recipient) => Ok(Box::new(recipient)),
        // One in a thousand of the usual ones begins so, too.
        Err(_) if text.starts_with("age1pq") => Err(wrong("post-quantum recipients are not supported by this build")),
        Err(_) => Err(wrong("it is not an age recipient")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_usual_recipient_may_begin_as_a_post_quantum_one_does() {
        let identities =
            std::iter::repeat_with(x25519::Identity::generate).map(|identity| identity.to_public().to_string());
        let recipient = identities.take(100_000).find(|recipient| recipient.starts_with("age1pq")).unwrap();
        assert!(parse_recipient(&recipient).is_ok(), "{recipient}");
        let refused = parse_recipient("age1pq1qqqqqq").err().unwrap().words();
        assert!(refused.cause.unwrap().contains("post-quantum"));
    }
}
