//! How answers are laid out: columns, wrapped text, paths as a person writes them.

use std::path::Path;

use crate::host::Host;

/// A path as a person writes it: HOME as `~`.
#[must_use]
pub fn tilde(path: &Path, host: &Host) -> String {
    match host.home().and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

/// How wide an answer may be, in columns.
pub const COLUMNS: usize = 80;

/// The widest first column that still has its meaning beside it.
const NAMES: usize = 30;

/// Two columns: a name, and what it means, wrapped beside it. A name that is too long stands on a line of its own.
#[must_use]
pub fn rows(rows: &[(String, String)]) -> String {
    let fits = |name: &&str| width(name) <= NAMES;
    let column = rows.iter().map(|row| row.0.as_str()).filter(fits).map(width).max().unwrap_or(NAMES);
    let mut out = String::new();
    for (name, meaning) in rows {
        let beside = wrapped(meaning, column + 4, COLUMNS);
        if width(name) > column {
            out += &format!("  {name}\n{beside}");
        } else {
            out += &format!("  {name}{}  {}", " ".repeat(column - width(name)), beside.trim_start());
        }
        if beside.is_empty() {
            out = format!("{}\n", out.trim_end());
        }
    }
    out
}

/// Text in lines of at most `columns`, each indented by `indent`; a word that is longer is not cut.
#[must_use]
pub fn wrapped(text: &str, indent: usize, columns: usize) -> String {
    let mut out = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent + width(&line) + 1 + width(word) > columns {
            out += &format!("{}{line}\n", " ".repeat(indent));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    if !line.is_empty() {
        out += &format!("{}{line}\n", " ".repeat(indent));
    }
    out
}

/// How many columns `text` takes, which no name of withkey's exceeds: one a character.
#[must_use]
pub fn width(text: &str) -> usize {
    text.chars().count()
}
