//! dotenv text: read by dotenvy behind a guard, written so that dotenvy gives back every byte.
//!
//! dotenvy expands `$`, drops what follows `#`, and understands backslashes; a key that goes through it would arrive
//! changed. The guard refuses, by line number and name, whatever dotenvy would not leave alone. What withkey writes stands
//! in single quotes, with `'` as `'\''` and a backslash as `'\\'`.

use std::ops::Range;

use crate::error::Error;
use crate::key::Key;
use crate::memory::Protected;
use crate::profile::Variable;
use crate::store::Change;

const BOM: &[u8] = b"\xEF\xBB\xBF";

const OPEN_SINGLE: &str = "a single quote is opened and not closed";
const OPEN_DOUBLE: &str = "a double quote is opened and not closed on its line";
const DOUBT: &str = "a line above it opens a quote and does not close it";
const ESCAPED_END: &str = "a backslash stands before the closing quote";

/// Where an assignment stands in the text.
#[derive(Debug, PartialEq, Eq)]
struct Assignment {
    name: String,
    line: usize,
    /// From the start of its first line to behind the end of its last.
    range: Range<usize>,
    /// Why its value would not arrive byte for byte.
    refusal: Option<&'static str>,
}

/// The values of the `wanted` variables, in that order; nothing for one that is not there. `file` is for errors.
///
/// # Errors
/// [`Error::Dotenv`] when a wanted value would not arrive byte for byte, its name stands twice, or the text cannot be taken
/// apart. Other lines may hold what they like.
///
/// # Secrets
/// `text` stays the caller's; dotenvy's own copies lie on the heap and are overwritten when freed.
pub fn read(text: &[u8], wanted: &[&Variable], file: &str) -> Result<Vec<Option<Key>>, Error> {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    let assignments = guard(text, file)?;
    wanted.iter().map(|variable| value(text, variable, &assignments, file)).collect()
}

/// Every name that the text assigns to, in its order, whether withkey would inject it or not. `file` is for errors.
///
/// # Errors
/// When the text cannot be taken apart.
pub fn names(text: &[u8], file: &str) -> Result<Vec<String>, Error> {
    let assignments = guard(text.strip_prefix(BOM).unwrap_or(text), file)?;
    Ok(assignments.into_iter().map(|assignment| assignment.name).collect())
}

fn value(text: &[u8], variable: &Variable, all: &[Assignment], file: &str) -> Result<Option<Key>, Error> {
    let mut found = all.iter().filter(|assignment| assignment.name == variable.as_str());
    let Some(assignment) = found.next() else { return Ok(None) };
    let refuse = |line, why| Error::Dotenv { file: file.to_owned(), line, name: variable.to_string(), why };
    if let Some(again) = found.next() {
        return Err(refuse(again.line, "the name stands there twice"));
    }
    if let Some(why) = assignment.refusal {
        return Err(refuse(assignment.line, why));
    }
    // dotenvy wants an end to the last line too.
    let lines = std::io::Read::chain(text.get(assignment.range.clone()).unwrap_or_default(), &b"\n"[..]);
    let mut values = dotenvy::Iter::new(lines);
    // dotenvy's error shows the line, key and all: only its number is passed on.
    let (Some(Ok((name, value))), None) = (values.next(), values.next()) else {
        return Err(refuse(assignment.line, "it cannot be read"));
    };
    if name != assignment.name {
        return Err(refuse(assignment.line, "it cannot be read"));
    }
    let key = Key::new(value.as_bytes()).map_err(|source| Error::System { doing: "keep a key in memory", source })?;
    Ok(Some(key))
}

/// The text with `changes` made: comments, order and the other lines stay as they are.
///
/// # Errors
/// As [`read`]; also when there is no memory.
///
/// # Secrets
/// The new text is the caller's, in protected pages.
pub fn change(text: &[u8], changes: &[Change], file: &str) -> Result<Protected, Error> {
    let assignments = guard(text, file)?;
    let goes_on =
        |one: &&Assignment| one.refusal.is_some() && stays_open(text.get(one.range.clone()).unwrap_or_default());
    if let Some(open) = assignments.iter().find(goes_on) {
        // A new line behind it would be a piece of its value.
        let (line, name) = (open.line, open.name.clone());
        return Err(Error::Dotenv { file: file.to_owned(), line, name, why: "it opens a quote and does not close it" });
    }
    let lines: Vec<Option<Protected>> = changes.iter().map(line_of).collect::<Result<_, _>>()?;
    let mut pieces: Vec<&[u8]> = Vec::new();
    let mut placed = vec![false; changes.len()];
    let mut end = 0;
    for assignment in &assignments {
        let Some(index) = changes.iter().position(|change| change.variable().as_str() == assignment.name) else {
            continue;
        };
        pieces.extend(text.get(end..assignment.range.start));
        pieces.extend(lines.get(index).into_iter().flatten().map(Protected::bytes));
        placed.iter_mut().skip(index).take(1).for_each(|placed| *placed = true);
        end = assignment.range.end;
    }
    let rest = text.get(end..).unwrap_or_default();
    pieces.push(rest);
    if !rest.is_empty() && !rest.ends_with(b"\n") {
        pieces.push(b"\n");
    }
    for (line, placed) in lines.iter().zip(placed) {
        pieces.extend(line.iter().filter(|_| !placed).map(Protected::bytes));
    }
    Protected::from_pieces(&pieces).map_err(|source| Error::System { doing: "keep a key in memory", source })
}

/// The line that dotenvy reads back as this key; none for a removal.
fn line_of(change: &Change) -> Result<Option<Protected>, Error> {
    let Change::Put(variable, key) = change else { return Ok(None) };
    let mut pieces: Vec<&[u8]> = vec![variable.as_str().as_bytes(), b"='"];
    let mut rest = key.expose();
    while let Some(at) = rest.iter().position(|byte| b"'\\".contains(byte)) {
        let (plain, special) = rest.split_at(at);
        pieces.push(plain);
        pieces.push(if special.starts_with(b"'") { br"'\''" } else { br"'\\'" });
        rest = special.get(1..).unwrap_or_default();
    }
    pieces.push(rest);
    pieces.push(b"'\n");
    let line =
        Protected::from_pieces(&pieces).map_err(|source| Error::System { doing: "keep a key in memory", source })?;
    Ok(Some(line))
}

/// Whether dotenvy sees a quote that is still open at the end of this text. It may see one where dotenvy sees a comment.
fn stays_open(line: &[u8]) -> bool {
    let (mut quote, mut escaped, mut behind_blank) = (None, false, false);
    for &byte in line {
        match (byte, quote) {
            _ if escaped => escaped = false,
            (b'\\', _) => escaped = true,
            (b'#', None) if behind_blank => return false,
            (b'\'' | b'"', None) => quote = Some(byte),
            (_, Some(open)) if open == byte => quote = None,
            _ => {}
        }
        behind_blank = quote.is_none() && matches!(byte, b' ' | b'\t');
    }
    quote.is_some()
}

/// Finds every assignment, and marks those that dotenvy would change.
fn guard(text: &[u8], file: &str) -> Result<Vec<Assignment>, Error> {
    let mut found = Vec::new();
    let mut doubt = None;
    let mut start = 0;
    let mut line = 1;
    while start < text.len() {
        let rest = text.get(start..).unwrap_or_default();
        let refuse = |name: &str, why| Error::Dotenv { file: file.to_owned(), line, name: name.to_owned(), why };
        let mut cursor = Cursor { rest };
        cursor.blanks();
        if cursor.at_end_or(b'#') {
            let length = cursor.skip_line(rest);
            start += length;
            line += 1;
            continue;
        }
        let name = cursor.name().map_err(|why| refuse("no name", why))?;
        let refusal = match cursor.value() {
            Ok(()) => None,
            // Where this value ends, and what the next lines are, would be a guess.
            Err(why @ (OPEN_SINGLE | OPEN_DOUBLE | ESCAPED_END)) => return Err(refuse(&name, why)),
            Err(why) => Some(why),
        };
        let length = cursor.skip_line(rest);
        let range = start..start + length;
        let lines = text.get(range.clone()).unwrap_or_default();
        let refusal = refusal.or(std::str::from_utf8(lines).is_err().then_some("it is not UTF-8 text"));
        let count = lines.iter().filter(|&&byte| byte == b'\n').count();
        let goes_on = refusal.is_some() && stays_open(lines);
        found.push(Assignment { name, line, range, refusal: doubt.or(refusal) });
        // dotenvy would go on into the next lines, which would then be no assignments.
        doubt = doubt.or(goes_on.then_some(DOUBT));
        start += length;
        line += count.max(1);
    }
    Ok(found)
}

/// What is left of the text from here on.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn next(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    fn blanks(&mut self) {
        let count = self.rest.iter().take_while(|byte| b" \t".contains(byte)).count();
        self.skip(count);
    }

    fn at_line_end(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with(b"\n") || self.rest.starts_with(b"\r\n") || self.rest == b"\r"
    }

    fn at_end_or(&self, byte: u8) -> bool {
        self.at_line_end() || self.next() == Some(byte)
    }

    /// Goes behind the line's end; gives how far that is from the start of `whole`.
    fn skip_line(&mut self, whole: &[u8]) -> usize {
        let count = self.rest.iter().position(|&byte| byte == b'\n').map_or(self.rest.len(), |at| at + 1);
        self.skip(count);
        whole.len() - self.rest.len()
    }

    /// `NAME =`, perhaps with `export` before it.
    fn name(&mut self) -> Result<String, &'static str> {
        let mut name = self.word();
        self.blanks();
        if name == "export" && self.next() != Some(b'=') {
            name = self.word();
            self.blanks();
        }
        if !Variable::has_form(&name) {
            return Err("it does not begin with a variable's name");
        }
        if self.next() != Some(b'=') {
            return Err("there is no = behind the name");
        }
        self.skip(1);
        self.blanks();
        Ok(name)
    }

    fn word(&mut self) -> String {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let word = String::from_utf8_lossy(self.rest.get(..count).unwrap_or_default()).into_owned();
        self.skip(count);
        word
    }

    /// A value that dotenvy leaves alone, and what may follow it on the line.
    fn value(&mut self) -> Result<(), &'static str> {
        match self.next() {
            Some(b'#') => return Err("the value begins with #, which would be read as a comment"),
            Some(b'\'') => self.single_quoted()?,
            Some(b'"') => self.double_quoted()?,
            _ => self.unquoted()?,
        }
        if self.at_line_end() {
            return Ok(());
        }
        let before = self.rest.len();
        self.blanks();
        let blanks = before - self.rest.len();
        match self.next() {
            _ if self.at_line_end() => Ok(()),
            Some(b'#') if blanks > 0 => self.comment(blanks),
            _ => Err("there is more behind the value"),
        }
    }

    /// A comment behind a value. dotenvy sees it only behind an odd number of blanks (its two states take turns); else
    /// it takes a quote in the comment for one that opens.
    fn comment(&self, blanks: usize) -> Result<(), &'static str> {
        let mut line = self.rest.iter().take_while(|&&byte| byte != b'\n');
        if blanks.is_multiple_of(2) && line.any(|byte| b"'\"\\".contains(byte)) {
            return Err("the comment behind it holds a quote or a backslash");
        }
        Ok(())
    }

    /// `'…'`, and as withkey writes it `'…'\''…'` and `'…'\\'…'`. May span lines.
    fn single_quoted(&mut self) -> Result<(), &'static str> {
        loop {
            if self.rest.starts_with(br"\'") || self.rest.starts_with(br"\\") {
                self.skip(2);
            } else if self.next() == Some(b'\'') {
                self.skip(1);
                loop {
                    match (self.next(), self.rest.get(1)) {
                        (None, _) => return Err(OPEN_SINGLE),
                        (Some(0), _) => return Err("it holds a NUL byte"),
                        (Some(b'\''), _) => break,
                        // dotenvy takes this quote for an escaped one and reads on into the next lines.
                        (Some(b'\\'), Some(b'\'')) => return Err(ESCAPED_END),
                        (Some(b'\\'), Some(_)) => self.skip(2),
                        _ => self.skip(1),
                    }
                }
                self.skip(1);
            } else {
                return Ok(());
            }
        }
    }

    fn double_quoted(&mut self) -> Result<(), &'static str> {
        self.skip(1);
        loop {
            match self.next() {
                None | Some(b'\n') => return Err(OPEN_DOUBLE),
                Some(b'"') => break,
                Some(b'$') => return Err("it holds $ outside single quotes, which would be replaced"),
                Some(b'\\') => return Err("it holds a backslash outside single quotes, which would be replaced"),
                Some(0) => return Err("it holds a NUL byte"),
                Some(_) => self.skip(1),
            }
        }
        self.skip(1);
        Ok(())
    }

    fn unquoted(&mut self) -> Result<(), &'static str> {
        while !self.at_line_end() {
            match self.next() {
                None | Some(b' ' | b'\t') => break,
                Some(b'$') => return Err("it holds $ outside single quotes, which would be replaced"),
                Some(b'\\') => return Err("it holds a backslash outside single quotes, which would be replaced"),
                Some(b'#') => return Err("it holds # outside quotes, which may be read as a comment"),
                Some(b'\'' | b'"') => return Err("a quote stands inside the value"),
                Some(byte) if byte.is_ascii_control() => return Err("it holds a control character"),
                // White space beyond ASCII is cut off the end by dotenvy.
                Some(byte) if !byte.is_ascii() => return Err("it holds a character outside ASCII without quotes"),
                Some(_) => self.skip(1),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
