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
    /// For what is read line by line.
    pub const PIPE: Self = Self { colored: false, columns: None };

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

    /// A sentence of an answer, in which paths below HOME are shortened on a terminal. A path in quotes stays whole: the
    /// shell would not see a `~` there.
    #[must_use]
    pub fn sentence(self, text: &str, host: &Host) -> String {
        let home = host.home().and_then(Path::to_str).filter(|_| self.is_terminal());
        let Some(home) = home else { return clean(text) };
        let shortened = |piece: &str| {
            let (before, path) = piece.strip_prefix('(').map_or(("", piece), |path| ("(", path));
            let below = path.strip_prefix(home).filter(|rest| rest.is_empty() || rest.starts_with(['/', ':', ')']));
            below.map_or_else(|| piece.to_owned(), |rest| format!("{before}~{rest}"))
        };
        clean(&text.split(' ').map(shortened).collect::<Vec<_>>().join(" "))
    }

    /// A piece of the answer in a style.
    #[must_use]
    pub fn paint(self, style: Style, text: &str) -> String {
        style.paint(text, self.colored)
    }

    /// Text beside what stands in the first `indent` columns, wrapped there on a terminal.
    #[must_use]
    pub fn beside(self, text: &str, indent: usize) -> String {
        match self.columns {
            // At single blanks: a path with two in a row keeps them.
            Some(columns) => filled(text.split(' '), indent, columns).trim_start().to_owned(),
            None => format!("{text}\n"),
        }
    }

    /// A line to type, beside what takes the first `indent` columns, or below where there is no room: it is copied, and so
    /// never broken. What is to be done after it may stand on the next line.
    #[must_use]
    pub fn line(self, before: &str, text: &str, indent: usize) -> String {
        let columns = self.columns.unwrap_or(usize::MAX);
        let steps = text.replace(", then ", ",\nthen ").replace(", or ", ",\nor ");
        if steps.lines().all(|step| indent + width(step) <= columns) {
            return format!("{before}{}", filled(steps.lines(), indent, columns).trim_start());
        }
        let above = before.trim_end();
        format!("{above}{}{}", if above.is_empty() { "" } else { "\n" }, filled(steps.lines(), 4, columns))
    }

    /// Rows of `name: values`, those without a value left out. On a terminal the values are aligned, one a line. A value that
    /// begins with `withkey` is a line to type.
    #[must_use]
    pub fn facts(self, rows: &[(&str, Vec<String>)]) -> String {
        let kept =
            |values: &[String]| values.iter().filter(|value| !value.is_empty()).map(|value| clean(value)).collect();
        let rows: Vec<(&str, Vec<String>)> = rows.iter().map(|(name, values)| (*name, kept(values))).collect();
        let rows: Vec<_> = rows.into_iter().filter(|row| !row.1.is_empty()).collect();
        if !self.is_terminal() {
            return rows
                .iter()
                .map(|(name, values)| format!("{}: {}\n", self.heading(name), values.join(", ")))
                .collect();
        }
        let widest = rows.iter().map(|row| width(row.0)).max().unwrap_or(0);
        let mut out = String::new();
        for (name, values) in &rows {
            for (number, value) in values.iter().enumerate() {
                let shown = if number == 0 { self.heading(name) } else { " ".repeat(width(name)) };
                let space = " ".repeat(widest - width(name));
                let before = format!("{shown}{space}  ");
                if value.starts_with("withkey ") {
                    out += &self.line(&before, value, widest + 2);
                } else {
                    out += &format!("{before}{}", self.beside(value, widest + 2));
                }
            }
        }
        out
    }

    /// A row of cells, indented by two and as wide as `widths` say, and facts beside them: on a terminal wrapped there, or
    /// below where there is no room; a fact is never broken.
    #[must_use]
    pub fn row(self, cells: &[&str], widths: &[usize], facts: &[String]) -> String {
        let mut out = String::new();
        for (cell, wide) in cells.iter().zip(widths) {
            let cell = clean(cell);
            out += &format!("  {cell}{}", " ".repeat(wide.saturating_sub(width(&cell))));
        }
        let columns = self.columns.unwrap_or(usize::MAX);
        let facts: Vec<_> = facts.iter().map(|fact| clean(fact)).collect();
        let longest = facts.iter().map(|fact| width(fact)).max().unwrap_or(0);
        let indent = width(&out) + 2;
        if indent + longest <= columns {
            let beside = filled(facts.iter().map(String::as_str), indent, columns);
            return format!("{}\n", format!("{out}  {}", beside.trim()).trim_end());
        }
        format!("{}\n{}", out.trim_end(), filled(facts.iter().map(String::as_str), 4, columns))
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

/// The widest line to type that still has its meaning beside it.
const LINES: usize = 40;

/// Two columns: a name, and what it means, wrapped beside it. A name that is too long stands on a line of its own.
#[must_use]
pub fn rows(rows: &[(String, String)]) -> String {
    two_columns(rows, NAMES)
}

/// The same for lines to type, which are longer than names.
#[must_use]
pub fn examples(rows: &[(String, String)]) -> String {
    two_columns(rows, LINES)
}

fn two_columns(rows: &[(String, String)], widest: usize) -> String {
    let fits = |name: &&str| width(name) <= widest;
    let column = rows.iter().map(|row| row.0.as_str()).filter(fits).map(width).max().unwrap_or(widest);
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
    filled(text.split_whitespace(), indent, columns)
}

/// The same for pieces that are not broken.
fn filled<'a>(pieces: impl Iterator<Item = &'a str>, indent: usize, columns: usize) -> String {
    let mut out = String::new();
    let mut line = String::new();
    for word in pieces {
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

    const PIPE: Layout = Layout::PIPE;

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
        let value = |text: &str| vec![text.to_owned()];
        let two = vec!["x\x1b".to_owned(), "y".to_owned()];
        let rows = [("a", value("one two")), ("empty", value("")), ("none", Vec::new()), ("long", two)];
        assert_eq!(PIPE.facts(&rows), "a: one two\nlong: x\\u{1b}, y\n");
        assert_eq!(terminal(80).facts(&rows), "a     one two\nlong  x\\u{1b}\n      y\n");
        assert_eq!(terminal(10).facts(&rows), "a     one\n      two\nlong  x\\u{1b}\n      y\n");
    }

    #[test]
    fn a_line_to_type_is_never_broken() {
        let rows = [("source", vec!["not allowed yet:".to_owned(), "withkey allow '/a b/.env.age'".to_owned()])];
        assert_eq!(terminal(80).facts(&rows), "source  not allowed yet:\n        withkey allow '/a b/.env.age'\n");
        assert_eq!(terminal(30).facts(&rows), "source  not allowed yet:\n    withkey allow '/a b/.env.age'\n");
        let steps = "withkey add PROFILE A_KEY, then delete line 1";
        assert_eq!(terminal(80).line("to mend  ", steps, 9), format!("to mend  {steps}\n"));
        let broken = "withkey add PROFILE A_KEY,\n         then delete line 1\n";
        assert_eq!(terminal(40).line("to mend  ", steps, 9), format!("to mend  {broken}"));
    }

    #[test]
    fn facts_stand_beside_their_row_whole_or_below_it() {
        let facts = ["added today,".to_owned(), "used today".to_owned()];
        let row = |columns| terminal(columns).row(&["A", "sk"], &[3, 2], &facts);
        assert_eq!(row(80), "  A    sk  added today, used today\n");
        assert_eq!(row(24), "  A    sk  added today,\n           used today\n");
        assert_eq!(row(20), "  A    sk\n    added today,\n    used today\n");
        assert_eq!(terminal(80).row(&["A"], &[3], &[]), "  A\n");
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
