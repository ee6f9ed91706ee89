//! A key: cleaned and judged when it comes in, masked when it is spoken of, wiped when it is dropped.

use std::io;

use crate::memory::Protected;
use crate::provider;

/// The longest value withkey stores, in bytes.
pub const LONGEST: usize = 64 * 1024;

/// The shortest value that can be a key, in bytes; a shorter one is masked whole.
pub const SHORTEST: usize = 20;

/// A secret value. No Clone, Display or Serialize; its bytes leave by [`Key::expose`] alone.
pub struct Key(Protected);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Copies `bytes` into protected pages.
    ///
    /// # Errors
    /// When the system gives no memory.
    ///
    /// # Secrets
    /// `bytes` stay the caller's to wipe.
    pub fn new(bytes: &[u8]) -> io::Result<Self> {
        Protected::from_pieces(&[bytes]).map(Self)
    }

    /// The bytes of the key.
    ///
    /// # Secrets
    /// The only way out. Copy them into protected pages or into what is sealed next, nowhere else.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.bytes()
    }

    /// What may be shown of the key: its known prefix and its last four characters, as the providers' pages do. A key
    /// of no known prefix shows no tail, one under 20 bytes nothing.
    #[must_use]
    pub fn masked(&self) -> String {
        let key = self.expose();
        let prefix = provider::prefix_of(key).map(|(prefix, _)| prefix).filter(|_| key.len() >= SHORTEST);
        let tail = key.last_chunk::<4>().filter(|tail| tail.iter().all(u8::is_ascii_graphic));
        match (prefix, tail) {
            (Some(prefix), Some(tail)) => format!("{prefix}…{}", String::from_utf8_lossy(tail)),
            _ => "…".to_owned(),
        }
    }
}

/// A value taken in for a variable, and what to tell its owner about it.
#[derive(Debug)]
pub struct Intake {
    /// The key as it will be stored.
    pub key: Key,
    /// What was taken off, such as "quotes"; empty when the value came clean.
    pub taken_off: Vec<&'static str>,
    /// What is odd about the key, in whole sentences; a format never refuses.
    pub odd: Vec<String>,
}

/// Why a value cannot be a key; `hint` may be empty.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub why: String,
    /// What to do.
    pub hint: String,
}

impl Refusal {
    fn new(why: &str, hint: &str) -> Self {
        Self { why: why.to_owned(), hint: hint.to_owned() }
    }
}

/// Cleans and judges `raw` as the value of `variable`.
///
/// Under a key variable of the provider table, what people copy along with a key is taken off (white space, quotes, a
/// byte order mark, `export `, `NAME=`) and what cannot be a key is refused. Under any other name the value is stored as
/// it is, and refused only when it is empty, over [`LONGEST`] bytes, not UTF-8 (which a dotfile is), or holds a NUL.
///
/// # Errors
/// The reason for the refusal; it holds no byte of the value.
///
/// # Secrets
/// `raw` stays the caller's to wipe.
pub fn take_in(variable: &str, raw: &[u8]) -> Result<Intake, Refusal> {
    let known = provider::of_variable(variable).is_some();
    let (bytes, taken_off) = if known { clean(variable, raw) } else { (raw, Vec::new()) };
    if bytes.is_empty() {
        return Err(Refusal::new("it is empty", "copy the key from the provider's page again"));
    }
    if bytes.len() > LONGEST {
        return Err(Refusal::new("it is over 65536 bytes", ""));
    }
    if bytes.contains(&0) {
        return Err(Refusal::new("it holds a NUL byte, which no environment can carry", ""));
    }
    if std::str::from_utf8(bytes).is_err() {
        return Err(Refusal::new("it is not UTF-8 text", "store it in an encoding such as base64"));
    }
    let odd = if known { judge(variable, bytes)? } else { Vec::new() };
    let key = Key::new(bytes).map_err(|_| Refusal::new("there is no memory to keep it in", ""))?;
    Ok(Intake { key, taken_off, odd })
}

/// Takes off what a copy brings along, as often as it is there.
fn clean<'a>(variable: &str, raw: &'a [u8]) -> (&'a [u8], Vec<&'static str>) {
    let mut bytes = raw;
    let mut taken_off = Vec::new();
    loop {
        let (shorter, what) = if let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
            (rest, "a byte order mark")
        } else if bytes.trim_ascii().len() < bytes.len() {
            (bytes.trim_ascii(), "white space")
        } else if let Some(rest) = bytes.strip_prefix(b"export ") {
            (rest, "export")
        } else if let Some(rest) = bytes.strip_prefix(variable.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) {
            (rest, "the variable's name")
        } else if let Some(rest) = unquoted(bytes) {
            (rest, "quotes")
        } else {
            return (bytes, taken_off);
        };
        bytes = shorter;
        if !taken_off.contains(&what) {
            taken_off.push(what);
        }
    }
}

fn unquoted(bytes: &[u8]) -> Option<&[u8]> {
    ["'", "\"", "`"].iter().find_map(|quote| bytes.strip_prefix(quote.as_bytes())?.strip_suffix(quote.as_bytes()))
}

/// Refuses what cannot be a key of the table, and says what is odd about one that can.
fn judge(variable: &str, key: &[u8]) -> Result<Vec<String>, Refusal> {
    if is_placeholder(key) {
        return Err(Refusal::new("it is a placeholder", "copy the key itself from the provider's page"));
    }
    if !key.is_ascii() {
        return Err(Refusal::new("it holds characters that are not ASCII", "copy the key again, alone"));
    }
    if key.iter().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control()) {
        return Err(Refusal::new("it holds white space or control characters", "copy the key again, in one line"));
    }
    if key.len() < SHORTEST {
        return Err(Refusal::new("it is under 20 bytes", "copy the whole key; the provider's page shows it once"));
    }
    let admin = key.starts_with(provider::ADMIN_PREFIX.as_bytes());
    if admin && !provider::is_admin_variable(variable) {
        let why = "it is an admin key, which manages the whole account";
        return Err(Refusal::new(why, "keep it under OPENAI_ADMIN_KEY, and make a project key to run programs with"));
    }
    let mut odd = Vec::new();
    let expected = provider::of_variable(variable);
    let looks = provider::prefix_of(key);
    if let (Some(expected), Some((prefix, rows))) = (expected, &looks)
        && !rows.iter().any(|row| row.name == expected.name)
    {
        let names: Vec<_> = rows.iter().map(|row| row.name).collect();
        odd.push(format!(
            "a key that begins with {prefix} looks like one of {}, not {}",
            names.join(" or "),
            expected.name
        ));
    } else if let (Some(expected), None) = (expected, &looks)
        && !expected.prefixes.is_empty()
    {
        odd.push(format!("{} keys usually begin with {}", expected.name, expected.prefixes.join(" or ")));
    }
    if !key.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte)) {
        odd.push("keys are usually made of letters, digits, - and _ only".to_owned());
    }
    if provider::is_admin_variable(variable) && !admin {
        odd.push(format!("admin keys usually begin with {}", provider::ADMIN_PREFIX));
    }
    Ok(odd)
}

fn is_placeholder(key: &[u8]) -> bool {
    let text = String::from_utf8_lossy(key).to_lowercase();
    let hollow = |rest: &str| rest.chars().all(|c| "x.*…_-".contains(c));
    let body = provider::prefix_of(key).map_or(text.as_str(), |(prefix, _)| text.get(prefix.len()..).unwrap_or(""));
    hollow(body)
        || text.contains("...")
        || text.contains('…')
        || text.contains("your-api-key")
        || text.contains("your_api_key")
        || text.contains("api-key-here")
        || text.contains("api_key_here")
        || (text.starts_with('<') && text.ends_with('>'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = "sk-test-0123456789abcdefghijklmnop";

    fn stored(variable: &str, raw: &str) -> Result<String, String> {
        take_in(variable, raw.as_bytes())
            .map(|intake| String::from_utf8(intake.key.expose().to_vec()).unwrap())
            .map_err(|refusal| refusal.why)
    }

    #[test]
    fn what_a_copy_brings_along_is_taken_off() {
        for raw in [
            format!("  {GOOD}\r"),
            format!("\"{GOOD}\""),
            format!("'{GOOD}' "),
            format!("\u{feff}{GOOD}"),
            format!("export OPENAI_API_KEY={GOOD}"),
            format!("OPENAI_API_KEY=\"{GOOD}\""),
        ] {
            assert_eq!(stored("OPENAI_API_KEY", &raw).as_deref(), Ok(GOOD), "{raw:?}");
        }
    }

    #[test]
    fn a_value_under_any_other_name_is_stored_as_it_is() {
        assert_eq!(stored("MY_SECRET", " 'x' ").as_deref(), Ok(" 'x' "));
        assert!(stored("MY_SECRET", "").is_err());
        assert!(stored("MY_SECRET", "a\0b").is_err());
        assert!(stored("MY_SECRET", &"x".repeat(LONGEST)).is_ok());
        assert!(stored("MY_SECRET", &"x".repeat(LONGEST + 1)).is_err());
    }

    #[test]
    fn what_cannot_be_a_key_is_refused() {
        for raw in [
            "",
            "sk-short",
            "sk-...",
            "your-api-key",
            "<paste your own key in here>",
            "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "sk-test-0123456789 abcdefghijklm",
            "sk-test-0123456789\u{e9}abcdefghijklm",
            "sk-admin-0123456789abcdefghijklmnop",
        ] {
            assert!(stored("OPENAI_API_KEY", raw).is_err(), "{raw:?}");
        }
        assert!(stored("OPENAI_ADMIN_KEY", "sk-admin-0123456789abcdefghijklmnop").is_ok());
    }

    #[test]
    fn an_odd_format_is_mentioned_and_never_refused() {
        let odd = |variable, raw: &str| take_in(variable, raw.as_bytes()).unwrap().odd;
        assert!(odd("OPENAI_API_KEY", GOOD).is_empty());
        assert_eq!(odd("OPENAI_API_KEY", "sk-ant-0123456789abcdefghijkl").len(), 1);
        assert_eq!(odd("OPENAI_API_KEY", "zz-0123456789abcdefghijklmnop").len(), 1);
        assert!(odd("MISTRAL_API_KEY", "0123456789abcdefghijklmnopqrst").is_empty());
    }

    #[test]
    fn the_mask_shows_prefix_and_last_four_and_nothing_of_a_short_or_unknown_key() {
        let masked = |key: &str| Key::new(key.as_bytes()).unwrap().masked();
        assert_eq!(masked("sk-proj-0123456789abcdefMxYA"), "sk-proj-…MxYA");
        assert_eq!(masked("sk-proj-01234MxYA"), "…");
        assert_eq!(masked("0123456789abcdefghijklmnop"), "…");
        assert_eq!(masked(""), "…");
    }
}
