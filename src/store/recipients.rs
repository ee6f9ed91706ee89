//! `.age-recipients`: who can open the dotfile beside it. The format of `age -R`: a recipient a line, `#` for comments.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use age::armor::ArmoredReader;
use age::{Recipient, ssh};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::error::project::Project;
use crate::files::{self, Guard};
use crate::store::identity::parse_recipient;

/// The file's name.
pub const FILE: &str = ".age-recipients";

/// The largest such file, in bytes.
const LARGEST: usize = 1024 * 1024;

/// Those who can open a dotfile.
pub struct Recipients {
    /// Where they are written down.
    pub file: PathBuf,
    /// Each as written, in the file's order, every one once.
    pub all: Vec<Person>,
}

/// One recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The recipient without its comment.
    pub recipient: String,
    /// What the file says of them: an SSH key's comment, or the comment on the line above.
    pub comment: String,
}

impl Person {
    /// On one line, for a person to read.
    #[must_use]
    pub fn words(&self) -> String {
        // An SSH key is long: its kind and its end tell it apart.
        let end = self.recipient.len().saturating_sub(16);
        let shown = match (self.recipient.split_once(' '), self.recipient.get(end..)) {
            (Some((kind, _)), Some(end)) => format!("{kind} …{end}"),
            _ => self.recipient.clone(),
        };
        if self.comment.is_empty() { shown } else { format!("{shown} ({})", self.comment) }
    }
}

/// Where the recipients of the dotfile at `path` are written down.
#[must_use]
pub fn beside(path: &Path) -> PathBuf {
    path.with_file_name(FILE)
}

impl Recipients {
    /// Reads the recipients of the dotfile at `path`; nothing when they are not written down.
    ///
    /// # Errors
    /// When the file is not the user's own, others may change it, or a line is no recipient.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let file = beside(path);
        let Some(bytes) = files::read(&file, LARGEST, Guard::Found)? else { return Ok(None) };
        let mut all: Vec<Person> = Vec::new();
        let mut above = "";
        let wrong = |line, why: &str| Project::RecipientLine { file: file.clone(), line, why: why.to_owned() };
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong(1, "the file is not UTF-8 text"))?;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(comment) = line.strip_prefix('#') {
                above = comment.trim();
                continue;
            }
            if !line.is_empty() {
                parse_recipient(line).map_err(|error| match error {
                    Error::Recipient { why, .. } => wrong(index + 1, why).into(),
                    other => other,
                })?;
                let person = person(line, above);
                if !all.iter().any(|known| known.recipient == person.recipient) {
                    all.push(person);
                }
            }
            above = "";
        }
        Ok(Some(Self { file, all }))
    }

    /// One recipient alone, who is not written down yet.
    #[must_use]
    pub fn alone(path: &Path, recipient: &str) -> Self {
        Self { file: beside(path), all: vec![person(recipient, "")] }
    }

    /// As the file holds them.
    #[must_use]
    pub fn text(&self) -> String {
        self.all.iter().map(|person| format!("{}\n", person.recipient)).collect()
    }

    /// As age takes them.
    ///
    /// # Errors
    /// None that reading has not met.
    pub fn parsed(&self) -> Result<Vec<Box<dyn Recipient + Send>>, Error> {
        self.all.iter().map(|person| parse_recipient(&person.recipient)).collect()
    }

    /// The recipients alone, sorted: what a grant remembers.
    #[must_use]
    pub fn sorted(&self) -> Vec<String> {
        let mut all: Vec<_> = self.all.iter().map(|person| person.recipient.clone()).collect();
        all.sort_unstable();
        all
    }
}

fn person(line: &str, above: &str) -> Person {
    let mut words = line.split_ascii_whitespace();
    let first = words.next().unwrap_or_default();
    if !first.starts_with("ssh-") {
        return Person { recipient: line.to_owned(), comment: above.to_owned() };
    }
    let recipient = format!("{first} {}", words.next().unwrap_or_default());
    let comment = words.collect::<Vec<_>>().join(" ");
    Person { recipient, comment: if comment.is_empty() { above.to_owned() } else { comment } }
}

/// What an age file's head tells of its recipients. X25519's are anonymous; SSH's carry a tag.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// How many are anonymous.
    pub anonymous: usize,
    /// The tags of the others.
    pub tags: Vec<String>,
}

/// Whom an age file is encrypted to, as far as its head tells; nothing when the head cannot be read.
#[must_use]
pub fn heads(sealed: &[u8]) -> Option<Heads> {
    let head = head(sealed)?;
    let mut heads = Heads::default();
    for stanza in head.split(|&byte| byte == b'\n').filter_map(|line| line.strip_prefix(b"-> ")) {
        let mut words = stanza.split(|&byte| byte == b' ');
        match (words.next(), words.next()) {
            // One of no meaning, which keeps the format supple.
            (Some(kind), _) if kind.ends_with(b"grease") => {}
            (Some(b"ssh-ed25519" | b"ssh-rsa"), Some(tag)) => {
                heads.tags.push(String::from_utf8_lossy(tag).into_owned());
            }
            _ => heads.anonymous += 1,
        }
    }
    Some(heads)
}

impl Person {
    /// The tag that this recipient has in an age file's head: of SSH keys the first four bytes of their SHA-256.
    #[must_use]
    pub fn tag(&self) -> Option<String> {
        let (ssh::Recipient::SshRsa(wire, _) | ssh::Recipient::SshEd25519(wire, _)) = self.recipient.parse().ok()?;
        Some(base64(Sha256::digest(wire).get(..4)?))
    }
}

/// Base64 without padding: RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let number = (0..3).fold(0_usize, |number, at| number << 8 | usize::from(chunk.get(at).copied().unwrap_or(0)));
        let digit = move |shift: u32| DIGITS.get(number >> shift & 63).copied().map(char::from);
        [18, 12, 6, 0].into_iter().take(chunk.len() + 1).filter_map(digit)
    });
    digits.collect()
}

/// The head of an age file, up to its last line.
fn head(sealed: &[u8]) -> Option<Vec<u8>> {
    let mut reader = BufReader::new(ArmoredReader::new(sealed).take(1024 * 1024));
    let mut head = Vec::new();
    loop {
        let start = head.len();
        reader.read_until(b'\n', &mut head).ok()?;
        match head.get(start..) {
            None | Some([]) => return None,
            Some(line) if line.starts_with(b"---") => return Some(head),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_written_as_age_writes_it() {
        assert_eq!(base64(&[0xfb, 0xff, 0x00, 0x10]), "+/8AEA");
        assert_eq!(base64(b"abc"), "YWJj");
    }

    #[test]
    fn a_head_that_never_ends_tells_nothing() {
        assert_eq!(heads(b"age-encryption.org/v1\n-> X25519 x\n"), None);
        assert_eq!(heads(b""), None);
    }
}
