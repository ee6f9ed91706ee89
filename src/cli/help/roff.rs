//! The manual withkey(1), from the same trees and texts: the few macros of man(7) that every reader knows.

use clap::Command;

use super::texts::{self, Text};
use super::{about, options, words};
use crate::cli::{launch_tree, verb_tree};

/// The manual page, as it lies in `completions/withkey.1`.
#[must_use]
pub fn manual() -> String {
    let launch = launch_tree();
    let mut page = String::from(".\\\" Made from withkey's own help; a test compares it. See tests/manual.rs.\n");
    page += &format!(
        ".TH WITHKEY 1 {} \"withkey {}\" \"User Commands\"\n.SH NAME\nwithkey \\- {}\n",
        texts::DATE,
        env!("CARGO_PKG_VERSION"),
        escaped(&lower(&about(&launch)))
    );
    page += ".SH SYNOPSIS\n";
    page += &synopsis(&texts::LAUNCH);
    page += ".SH DESCRIPTION\n";
    page += &paragraphs(&texts::LAUNCH);
    page += ".SH OPTIONS\n";
    page += &terms(&options(&launch));
    page += ".SH VERBS\n";
    let verbs = verb_tree();
    for verb in verbs.get_subcommands() {
        page += &of_verb(verb);
    }
    for (name, facts) in texts::tables(&texts::LAUNCH) {
        page += &format!(".SH {}\n{}", name.to_uppercase(), terms(&super::owned(facts)));
    }
    page += ".SH EXAMPLES\n";
    page += &examples(&texts::LAUNCH);
    page += ".SH SEE ALSO\n.BR age (1),\n.BR env (1),\n.BR printenv (1)\n";
    page
}

fn of_verb(verb: &Command) -> String {
    let Some(text) = texts::of(verb.get_name()) else { return String::new() };
    let mut page = format!(".SS {}\n{}.PP\n{}.\n", verb.get_name(), synopsis(text), escaped(&about(verb)));
    for paragraph in text.more {
        page += &format!(".PP\n{}\n", escaped(paragraph));
    }
    // What every verb has is told once, above.
    let own = |row: &(String, String)| !row.0.contains("--color ") && !row.0.ends_with("--help");
    page += &terms(&words(verb).into_iter().chain(options(verb).into_iter().filter(own)).collect::<Vec<_>>());
    for (name, facts) in texts::tables(text) {
        page += &format!(".PP\n{name}:\n{}", terms(&super::owned(facts)));
    }
    page + ".PP\nExamples:\n" + &examples(text)
}

fn synopsis(text: &Text) -> String {
    let lines: Vec<_> = text.usage.iter().map(|form| format!(".B withkey\n{}\n", escaped(form))).collect();
    lines.join(".br\n")
}

fn paragraphs(text: &Text) -> String {
    text.more.iter().map(|paragraph| format!("{}\n", escaped(paragraph))).collect::<Vec<_>>().join(".PP\n")
}

fn terms(rows: &[(String, String)]) -> String {
    let term = |(name, meaning): &(String, String)| format!(".TP\n.B {}\n{}\n", escaped(name.trim()), escaped(meaning));
    rows.iter().map(term).collect()
}

fn examples(text: &Text) -> String {
    let example = |&(line, meaning): &(&str, &str)| format!(".TP\n.B {}\n{}\n", escaped(line), escaped(meaning));
    text.examples.iter().map(example).collect()
}

/// The first letter small, as NAME has it.
fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// Text that roff shows as it is: a dash that can be copied, no request at the start of a line.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out += "\\e",
            '-' => out += "\\-",
            '~' => out += "\\(ti",
            '`' => out += "\\(ga",
            '\'' => out += "\\(aq",
            '"' => out += "\\(dq",
            c if c.is_ascii() => out.push(c),
            c => out += &format!("\\[u{:04X}]", u32::from(c)),
        }
    }
    if out.starts_with('.') { format!("\\&{out}") } else { out }
}
