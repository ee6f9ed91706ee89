//! What comes from files and names must not move the cursor, colour, hide or reorder what a person reads.

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// `text` with control and invisible or reordering characters written as escapes (Unicode TR 36, "Trojan Source").
#[must_use]
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    push(&mut cleaned, text);
    cleaned
}

/// Adds such a text to another.
pub fn push(cleaned: &mut String, text: &str) {
    // Nearly everything is clean.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return cleaned.push_str(text);
    }
    for c in text.chars() {
        if c.is_control() || is_deceiving(c) {
            let _ = write!(cleaned, "{}", c.escape_unicode());
        } else {
            cleaned.push(c);
        }
    }
}

fn is_deceiving(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A path or name as one string, for JSON: as it is when it is UTF-8, else `b"…"` with each byte that is not as `\xNN`.
///
/// A path of withkey's answers is absolute and so never begins with `b"`, which makes the mark plain.
#[must_use]
pub fn string(name: &OsStr) -> String {
    if let Some(text) = name.to_str() {
        return text.to_owned();
    }
    let mut marked = String::from("b\"");
    for chunk in name.as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if matches!(c, '\\' | '"') {
                marked.push('\\');
            }
            marked.push(c);
        }
        for byte in chunk.invalid() {
            let _ = write!(marked, "\\x{byte:02x}");
        }
    }
    marked.push('"');
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_reorders_the_line() {
        assert_eq!(clean("a\x1b[31mb\nc\u{202e}d"), "a\\u{1b}[31mb\\u{a}c\\u{202e}d");
        assert_eq!(clean("/home/zoë/…"), "/home/zoë/…");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_escaped_and_marked() {
        assert_eq!(string(OsStr::new("/a b")), "/a b");
        assert_eq!(string(OsStr::from_bytes(b"/a\xff\"")), "b\"/a\\xff\\\"\"");
    }
}
