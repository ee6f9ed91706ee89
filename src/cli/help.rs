//! The help, drawn from clap's trees and the texts beside it. 80 columns, whatever the terminal has: longer lines read worse.

use clap::{Arg, Command};

use super::{launch_tree, verb_tree};
use crate::ui::layout::{COLUMNS, examples, rows, wrapped};
use crate::ui::style::Style;

mod roff;
pub mod texts;

pub use roff::manual;
use texts::Text;

/// A page of help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The verb; none for withkey itself.
    pub verb: Option<String>,
    /// `--help`, not `-h`.
    pub long: bool,
}

/// The page as it is shown.
#[must_use]
pub fn page(page: &Page, colored: bool) -> String {
    let tree = verb_tree();
    let found = page.verb.as_deref().and_then(|verb| Some((tree.find_subcommand(verb)?, texts::of(verb)?)));
    match found {
        Some((verb, text)) => draw(verb, text, page.long, colored),
        None => draw(&launch_tree(), &texts::LAUNCH, page.long, colored),
    }
}

fn draw(tree: &Command, text: &Text, long: bool, colored: bool) -> String {
    let heading = |words: &str| format!("\n{}\n", Style::Heading.paint(words, colored));
    let mut out = wrapped(&about(tree), 0, COLUMNS);
    for paragraph in text.more.iter().filter(|_| long) {
        out += "\n";
        out += &wrapped(paragraph, 0, COLUMNS);
    }
    out += &heading("Usage:");
    for form in text.usage {
        out += &format!("  withkey {form}\n");
    }
    let words = words(tree);
    if !words.is_empty() {
        out += &heading("Arguments:");
        out += &rows(&words);
    }
    out += &heading("Options:");
    out += &rows(&options(tree));
    if text.verb.is_empty() {
        out += &heading("Verbs:");
        out += &rows(&verbs());
    }
    if long || text.verb.is_empty() {
        out += &heading("Examples:");
        out += &examples(&owned(text.examples));
    }
    for (name, facts) in texts::tables(text).iter().filter(|_| long) {
        out += &heading(&format!("{name}:"));
        out += &rows(&owned(facts));
    }
    if !long {
        let verb = if text.verb.is_empty() { String::new() } else { format!(" {}", text.verb) };
        out += &format!("\nMore: withkey{verb} --help\n");
    }
    out
}

fn owned(facts: &[(&str, &str)]) -> Vec<(String, String)> {
    facts.iter().map(|&(name, meaning)| (name.to_owned(), meaning.to_owned())).collect()
}

fn about(tree: &Command) -> String {
    tree.get_about().map(ToString::to_string).unwrap_or_default()
}

/// The verbs, each with what it does.
fn verbs() -> Vec<(String, String)> {
    verb_tree().get_subcommands().map(|verb| (verb.get_name().to_owned(), about(verb))).collect()
}

/// A verb's words that are no options. COMMAND is told in the usage.
fn words(tree: &Command) -> Vec<(String, String)> {
    let positional = tree.get_positionals().filter(|_| tree.get_name() != "withkey");
    positional.map(|word| (value_name(word), meaning(word))).collect()
}

/// The options, each with its forms and what it does.
fn options(tree: &Command) -> Vec<(String, String)> {
    let shown = tree.get_arguments().filter(|option| !option.is_positional() && !option.is_hide_set());
    shown.map(|option| (forms(option), meaning(option))).collect()
}

/// `-p, --profile NAME`.
fn forms(option: &Arg) -> String {
    let short = option.get_short().map_or("    ".to_owned(), |short| format!("-{short}, "));
    let long = option.get_long().map(|long| format!("--{long}")).unwrap_or_default();
    let value = if option.get_action().takes_values() { format!(" {}", value_name(option)) } else { String::new() };
    format!("{short}{long}{value}")
}

fn value_name(argument: &Arg) -> String {
    let names: Vec<_> = argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
    names.join(" ")
}

/// What an argument is for, in one sentence; the values it takes when they are few.
fn meaning(argument: &Arg) -> String {
    match argument.get_id().as_str() {
        "help" => return "This page: -h in short, --help in full".to_owned(),
        "version" => return "The version".to_owned(),
        _ => {}
    }
    let mut meaning = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<_> = argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if argument.get_action().takes_values() && !values.iter().all(|value| meaning.contains(value)) {
        meaning = format!("{meaning}: {}", values.join(", "));
    }
    meaning
}
