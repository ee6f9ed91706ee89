//! How answers are laid out: columns, wrapped text, paths as a person writes them.

use std::path::Path;

use crate::host::Host;
use crate::ui::sanitize::clean;
use crate::ui::style::Style;
use crate::ui::terminal;

/// A path as a person writes it: HOME as `~`.
#[must_use]
pub fn tilde(path: &Path, host: &Host) -> String {
    match host.home().and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

/// Where an answer goes. On a terminal it is laid out for a person: aligned, headings painted, folded at the terminal's
/// width, HOME as `~`. In a pipe each fact is a line of its own, whole, for grep and cut.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    colored: bool,
    /// The terminal's width; none in a pipe.
    columns: Option<usize>,
}

impl Layout {
    /// `colored`: whether standard output is.
    #[must_use]
    pub fn of_answer(colored: bool) -> Self {
        Self { colored, columns: terminal::columns() }
    }

    /// Whether a person reads it.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        self.columns.is_some()
    }

    /// A name for what follows.
    #[must_use]
    pub fn heading(self, text: &str) -> String {
        Style::Heading.paint(&clean(text), self.colored)
    }

    /// A path of an answer.
    #[must_use]
    pub fn path(self, path: &Path, shown: &str, host: &Host) -> String {
        if self.is_terminal() && path.to_str().is_some() { tilde(path, host) } else { shown.to_owned() }
    }

    /// Rows of `name: value`, those without a value left out; the values aligned on a terminal.
    #[must_use]
    pub fn facts(self, rows: &[(&str, String)]) -> String {
        let rows: Vec<_> = rows.iter().filter(|row| !row.1.is_empty()).collect();
        let Some(columns) = self.columns else {
            return rows.iter().map(|(name, value)| format!("{name}: {}\n", clean(value))).collect();
        };
        let widest = rows.iter().map(|row| width(row.0)).max().unwrap_or(0);
        let row = |(name, value): &&(&str, String)| {
            let space = " ".repeat(widest - width(name));
            let value = wrapped(&clean(value), widest + 2, columns);
            format!("{}{space}  {}", self.heading(name), value.trim_start())
        };
        rows.iter().map(row).collect()
    }

    /// Rows of cells, indented by two, in columns. What no longer fits beside the rest stands below it.
    #[must_use]
    pub fn table(self, rows: &[Vec<String>]) -> String {
        let count = rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &Vec<String>, at: usize| row.get(at).map(|cell| clean(cell)).unwrap_or_default();
        let widths: Vec<_> =
            (0..count).map(|at| rows.iter().map(|row| width(&cell(row, at))).max().unwrap_or(0)).collect();
        let mut lines: Vec<Vec<usize>> = vec![Vec::new()];
        let mut taken = 0;
        for (at, wide) in widths.iter().copied().enumerate().filter(|(_, wide)| *wide > 0) {
            let room = self.columns.unwrap_or(usize::MAX);
            if taken > 0 && taken + 2 + wide > room {
                lines.push(Vec::new());
                taken = 2;
            }
            taken += wide + 2;
            if let Some(line) = lines.last_mut() {
                line.push(at);
            }
        }
        let mut out = String::new();
        for row in rows {
            for (number, line) in lines.iter().enumerate() {
                let cells = line.iter().map(|&at| {
                    let text = cell(row, at);
                    let space = widths.get(at).copied().unwrap_or(0).saturating_sub(width(&text));
                    format!("  {text}{}", " ".repeat(space))
                });
                let text: String = cells.collect();
                if number == 0 || !text.trim().is_empty() {
                    out += &format!("{}{}\n", if number == 0 { "" } else { "  " }, text.trim_end());
                }
            }
        }
        out
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

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Layout = Layout { colored: false, columns: None };

    fn terminal(columns: usize) -> Layout {
        Layout { colored: false, columns: Some(columns) }
    }

    fn cells(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|&cell| cell.to_owned()).collect()).collect()
    }

    #[test]
    fn cells_stand_in_columns_and_fold_where_the_terminal_ends() {
        let rows = cells(&[&["A", "sk-…", "", "created 2026-11-01", "x"], &["LONGER", "…", "", "", ""]]);
        assert_eq!(PIPE.table(&rows), "  A       sk-…  created 2026-11-01  x\n  LONGER  …\n");
        assert_eq!(terminal(80).table(&rows), PIPE.table(&rows));
        assert_eq!(terminal(20).table(&rows), "  A       sk-…\n    created 2026-11-01\n    x\n  LONGER  …\n");
        assert_eq!(PIPE.table(&[]), "");
    }

    #[test]
    fn facts_are_one_line_each_in_a_pipe_and_aligned_on_a_terminal() {
        let rows = [("a", "one two".to_owned()), ("empty", String::new()), ("long", "x\x1b".to_owned())];
        assert_eq!(PIPE.facts(&rows), "a: one two\nlong: x\\u{1b}\n");
        assert_eq!(terminal(80).facts(&rows), "a     one two\nlong  x\\u{1b}\n");
        assert_eq!(terminal(10).facts(&rows), "a     one\n      two\nlong  x\\u{1b}\n");
    }

    #[test]
    fn a_name_that_is_too_long_stands_above_its_meaning() {
        let row = |name: &str, meaning: &str| (name.to_owned(), meaning.to_owned());
        let long = "n".repeat(NAMES + 1);
        let text = rows(&[row("a", "x"), row("bb", ""), row(&long, "y")]);
        assert_eq!(text, format!("  a   x\n  bb\n  {long}\n      y\n"));
        assert!(rows(&[row("a", &"word ".repeat(60))]).lines().all(|line| width(line) <= COLUMNS));
    }
}
