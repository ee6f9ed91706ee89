//! age files: opened into protected pages, sealed to recipients. The only file that calls age's encryption.

use std::io::{BufRead, Read, Write};
use std::path::Path;

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, EncryptError, Encryptor, Identity, Recipient};

use crate::error::Error;
use crate::memory::Protected;

/// How an age file in text form begins.
pub const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// How an age file in binary form begins.
pub const BINARY: &[u8] = b"age-encryption.org/v1";

/// The work of a passphrase: 2^18 rounds of scrypt, as age and rage take; about a second.
const WORK: u8 = 18;
/// The most work accepted when opening: four seconds and 1 GiB, not the hours that a hostile file could ask for.
const MOST_WORK: u8 = 20;

/// Whether `bytes` are an age file, by their beginning.
#[must_use]
pub fn is_age(bytes: &[u8]) -> bool {
    bytes.starts_with(BINARY) || bytes.trim_ascii_start().starts_with(ARMOR)
}

/// Why an age file did not open.
#[derive(Debug, PartialEq, Eq)]
pub enum Closed {
    /// None of the identities is a recipient of the file.
    NotForUs,
    /// The passphrase is wrong, or more work is asked than [`MOST_WORK`].
    Passphrase,
    /// The file is not what was sealed.
    Damaged(&'static str),
}

/// Opens an age file with identities.
///
/// # Errors
/// Why it stays closed.
///
/// # Secrets
/// The plaintext is the caller's, in protected pages; pieces may be left on the stack (`memory::scrub_stack`).
pub fn open(sealed: &[u8], identities: &[Box<dyn Identity>]) -> Result<Protected, Closed> {
    decrypt(sealed, identities.iter().map(|identity| &**identity))
}

/// Opens an age file with a passphrase.
///
/// # Errors
/// Why it stays closed.
///
/// # Secrets
/// As [`open`]; the passphrase is consumed and wiped by its type.
pub fn open_with_passphrase(sealed: &[u8], passphrase: SecretString) -> Result<Protected, Closed> {
    let mut identity = age::scrypt::Identity::new(passphrase);
    identity.set_max_work_factor(MOST_WORK);
    match Decryptor::new_buffered(ArmoredReader::new(sealed)).map_err(closed)?.decrypt(std::iter::once(&identity as _))
    {
        Ok(reader) => read_all(reader, sealed.len()),
        Err(DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed) => Err(Closed::Passphrase),
        Err(error) => Err(closed(error)),
    }
}

/// Whether an age file is sealed with a passphrase rather than to recipients.
#[must_use]
pub fn is_protected(sealed: &[u8]) -> bool {
    Decryptor::new_buffered(ArmoredReader::new(sealed)).is_ok_and(|decryptor| decryptor.is_scrypt())
}

fn decrypt<'a>(sealed: &[u8], identities: impl Iterator<Item = &'a dyn Identity>) -> Result<Protected, Closed> {
    if sealed.is_empty() {
        return Err(Closed::Damaged("it is empty"));
    }
    // The reader of the text form would take binary too, at the price of two more buffers.
    let form: Box<dyn BufRead> =
        if sealed.starts_with(BINARY) { Box::new(sealed) } else { Box::new(ArmoredReader::new(sealed)) };
    let decryptor = Decryptor::new_buffered(form).map_err(closed)?;
    read_all(decryptor.decrypt(identities).map_err(closed)?, sealed.len())
}

/// The whole plaintext, which is shorter than the file that seals it.
fn read_all(mut reader: impl Read, limit: usize) -> Result<Protected, Closed> {
    let mut plaintext = Protected::zeroed(limit).map_err(|_| Closed::Damaged("there is no memory to open it in"))?;
    let mut filled = 0;
    while let Some(rest) = plaintext.bytes_mut().get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Err(Closed::Damaged("its content is damaged or cut short")),
        }
    }
    plaintext.truncate(filled);
    Ok(plaintext)
}

fn closed(error: DecryptError) -> Closed {
    match error {
        DecryptError::NoMatchingKeys => Closed::NotForUs,
        DecryptError::ExcessiveWork { .. } => Closed::Damaged("it asks for more work than any passphrase needs"),
        DecryptError::KeyDecryptionFailed => Closed::Passphrase,
        DecryptError::UnknownFormat => Closed::Damaged("it is of an age format this build does not know"),
        DecryptError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Closed::Damaged("it is cut short")
        }
        DecryptError::InvalidMac | DecryptError::DecryptionFailed => Closed::Damaged("it is damaged"),
        _ => Closed::Damaged("it is not an age file, or it is damaged"),
    }
}

/// What a dotfile that stays closed means for a person. `identity` says which one was tried.
#[must_use]
pub fn explain(closed: Closed, path: &Path, identity: &str) -> Error {
    match closed {
        Closed::NotForUs => Error::NotARecipient { path: path.to_owned(), identity: identity.to_owned() },
        Closed::Passphrase => Error::WrongPassphrase { from: identity.to_owned() },
        Closed::Damaged(why) => {
            Error::Dotfile { path: path.to_owned(), why, hint: "put it back from its backup".to_owned() }
        }
    }
}

/// Seals `plaintext` to `recipients`, in text form, for a file that lies in a repository.
///
/// # Errors
/// When a recipient cannot be encrypted to.
pub fn seal_as_text(plaintext: &[u8], recipients: &[Box<dyn Recipient + Send>]) -> Result<Vec<u8>, Error> {
    encrypt(plaintext, recipients.iter().map(|recipient| &**recipient as &dyn Recipient), Format::AsciiArmor)
}

/// Seals `plaintext` to `recipients`, in binary form.
///
/// # Errors
/// When a recipient cannot be encrypted to.
pub fn seal(plaintext: &[u8], recipients: &[Box<dyn Recipient + Send>]) -> Result<Vec<u8>, Error> {
    encrypt(plaintext, recipients.iter().map(|recipient| &**recipient as &dyn Recipient), Format::Binary)
}

/// Seals `plaintext` with a passphrase, in text form.
///
/// # Errors
/// When the library fails.
///
/// # Secrets
/// The passphrase is consumed and wiped by its type.
pub fn seal_with_passphrase(plaintext: &[u8], passphrase: SecretString) -> Result<Vec<u8>, Error> {
    let mut recipient = age::scrypt::Recipient::new(passphrase);
    recipient.set_work_factor(WORK);
    encrypt(plaintext, std::iter::once(&recipient as &dyn Recipient), Format::AsciiArmor)
}

fn encrypt<'a>(
    plaintext: &[u8],
    recipients: impl Iterator<Item = &'a dyn Recipient>,
    format: Format,
) -> Result<Vec<u8>, Error> {
    let encryptor =
        Encryptor::with_recipients(recipients).map_err(|error| Error::Seal { why: cannot_seal(&error).to_owned() })?;
    let mut sealed = Vec::new();
    let write = || {
        let mut writer = encryptor.wrap_output(ArmoredWriter::wrap_output(&mut sealed, format)?)?;
        writer.write_all(plaintext)?;
        writer.finish()?.finish()
    };
    write().map_err(|_: std::io::Error| Error::Seal { why: "the encryption could not be finished".to_owned() })?;
    Ok(sealed)
}

fn cannot_seal(error: &EncryptError) -> &'static str {
    match error {
        EncryptError::MissingRecipients => "there is nobody to encrypt to",
        EncryptError::IncompatibleRecipients { .. } | EncryptError::MixedRecipientAndPassphrase => {
            "recipients of these kinds cannot be mixed"
        }
        _ => "the encryption failed",
    }
}
