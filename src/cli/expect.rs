//! What the word being typed is to be, for completion: walks the very trees of clap that parse, so that no option and no
//! verb can be forgotten.

use clap::{Arg, Command};

use super::verbs::VERBS;
use super::{launch_tree, verb_tree};
use crate::profile::description::StoreKind;

/// What a word is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing withkey could name.
    Nothing,
    /// One of these words, each with what it means.
    Words(Vec<(String, String)>),
    /// A profile; the reserved one too, where it can be used.
    Profile {
        /// Whether `inherit` will do.
        inherit: bool,
    },
    /// A profile or, in its place, a variable of the usual one.
    ProfileOrVariable,
    /// A variable that this profile has a key for (none: the one chosen here).
    Kept(Option<String>),
    /// Any name under which a key may be kept; those of this profile first.
    Variable(Option<String>),
    /// A file.
    File,
    /// A directory.
    Directory,
}

/// What the last of the words is to be.
#[derive(Debug, PartialEq, Eq)]
pub struct Expected {
    /// The place of COMMAND's first word among the words, counted from 1. Behind it all is COMMAND's.
    pub command: Option<usize>,
    /// What stands in the last word before the part to complete: `--profile=`.
    pub attached: String,
    /// The part to complete.
    pub typed: String,
    /// What it is to be.
    pub kind: Kind,
}

impl Expected {
    fn word(typed: &str, kind: Kind) -> Self {
        Self { command: None, attached: String::new(), typed: typed.to_owned(), kind }
    }

    fn command(at: usize, typed: &str, kind: Kind) -> Self {
        Self { command: Some(at + 1), ..Self::word(typed, kind) }
    }
}

/// What the last of `words`, all behind withkey's own name, is to be.
///
/// An empty first word is to be a verb: of two thousand programs a person who has typed nothing finds none. From the
/// first letter on it is a verb or a program.
#[must_use]
pub fn expect(words: &[String]) -> Expected {
    let Some((last, before)) = words.split_last() else { return Expected::word("", Kind::Nothing) };
    match before.first() {
        None if last.is_empty() => Expected::word("", verbs()),
        Some(first) if VERBS.contains(&first.as_str()) => verb(first, before.get(1..).unwrap_or_default(), last),
        _ => launch(before, last),
    }
}

fn verbs() -> Kind {
    Kind::Words(verb_tree().get_subcommands().map(|verb| (verb.get_name().to_owned(), about(verb))).collect())
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn launch(before: &[String], last: &str) -> Expected {
    let tree = launch_tree();
    let mut at = 0;
    let mut profile = None;
    while let Some(word) = before.get(at) {
        match Place::of(&tree, word) {
            Place::End => return Expected::command(at + 1, last, Kind::Nothing),
            Place::Word => return Expected::command(at, last, Kind::Nothing),
            Place::Flag => {}
            Place::Holds { option, value, .. } if option.get_id() == "profile" => profile = Some(value.to_owned()),
            Place::Holds { .. } => {}
            Place::Wants(option) => {
                let Some(value) = before.get(at + 1) else { return of_value(option, "", last, profile.as_deref()) };
                if option.get_id() == "profile" {
                    profile = Some(value.clone());
                }
                at += 1;
            }
        }
        at += 1;
    }
    if let Some(expected) = of_option(&tree, last, profile.as_deref()) {
        return expected;
    }
    Expected::command(before.len(), last, if before.is_empty() { verbs() } else { Kind::Nothing })
}

fn verb(name: &str, before: &[String], last: &str) -> Expected {
    let tree = verb_tree();
    let Some(tree) = tree.find_subcommand(name) else { return Expected::word(last, Kind::Nothing) };
    let mut own: Vec<&str> = Vec::new();
    let mut flags: Vec<&str> = Vec::new();
    let mut options = true;
    let mut at = 0;
    while let Some(word) = before.get(at) {
        match if options { Place::of(tree, word) } else { Place::Word } {
            Place::End => options = false,
            Place::Word => own.push(word),
            Place::Flag => flags.push(word),
            Place::Holds { .. } => {}
            Place::Wants(option) if at + 1 == before.len() => return of_value(option, "", last, None),
            Place::Wants(_) => at += 1,
        }
        at += 1;
    }
    if let Some(expected) = Some(()).filter(|()| options).and_then(|()| of_option(tree, last, None)) {
        return expected;
    }
    Expected::word(last, of_own_word(tree, &own, &flags))
}

/// What stands in an argument's name in the help, one word a piece: `[PROFILE] [VARIABLE]` names two.
fn names(argument: &Arg) -> Vec<String> {
    let names = argument.get_value_names().unwrap_or_default().iter();
    let pieces = names.flat_map(|name| name.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    pieces.map(|piece| piece.trim_matches(['[', ']', '.']).to_owned()).collect()
}

/// What a verb's next word is to be that is no option, behind those of its `own`.
fn of_own_word(tree: &Command, own: &[&str], flags: &[&str]) -> Kind {
    let mut wanted: Vec<(String, &Arg)> = Vec::new();
    // What stands behind `--` is a command of its own.
    for argument in tree.get_positionals().filter(|argument| !argument.is_last_set()) {
        wanted.extend(names(argument).into_iter().map(|name| (name, argument)));
    }
    let has = |flag: &str| flags.contains(&flag);
    match tree.get_name() {
        // Only a directory is named then.
        "use" if has("--remove") => wanted.retain(|(name, _)| name == "DIR"),
        // Only the store is named then.
        "move" if has("--all") => wanted.retain(|(name, _)| name == "STORE"),
        _ => {}
    }
    let many = wanted.last().is_some_and(|(name, _)| name == "VARIABLE" && tree.get_name() == "add");
    let place = if many { own.len().min(wanted.len() - 1) } else { own.len() };
    match wanted.get(place) {
        Some(_) if tree.get_name() == "add" && place == 0 => Kind::ProfileOrVariable,
        Some((name, _)) if name == "VARIABLE" && tree.get_name() == "add" => {
            Kind::Variable(own.first().map(|&name| name.to_owned()))
        }
        Some((name, argument)) => kind(argument, name, own.first().copied()),
        None => Kind::Nothing,
    }
}

/// What a value of this name is to be. `profile` is the one named before it.
fn kind(argument: &Arg, name: &str, profile: Option<&str>) -> Kind {
    let possible: Vec<_> = argument
        .get_possible_values()
        .iter()
        .map(|value| (value.get_name().to_owned(), value.get_help().map(ToString::to_string).unwrap_or_default()))
        .collect();
    let ahead =
        |days: &[&str], words: &str| Kind::Words(days.iter().map(|&day| (day.to_owned(), words.to_owned())).collect());
    match name {
        _ if !possible.is_empty() => Kind::Words(possible),
        "PROFILE" => Kind::Profile { inherit: false },
        "NAME" => Kind::Profile { inherit: true },
        "VARIABLE" => Kind::Kept(profile.map(str::to_owned)),
        "FILE" => Kind::File,
        "DIR" => Kind::Directory,
        "STORE" => Kind::Words(stores()),
        "DATE" if argument.get_id() == "expires" => ahead(&["30d", "90d", "180d", "365d"], "from today"),
        "TIME" if argument.get_id() == "since" => ahead(&["12h", "7d", "30d"], "ago"),
        "TIME" => ahead(&["15m", "1h", "8h"], "from now"),
        _ => Kind::Nothing,
    }
}

/// The stores that keys can be moved to.
fn stores() -> Vec<(String, String)> {
    StoreKind::OWN.iter().map(|kind| (kind.as_str().to_owned(), String::new())).collect()
}

/// What `last` is to be when it begins as an option does.
fn of_option(tree: &Command, last: &str, profile: Option<&str>) -> Option<Expected> {
    if !last.starts_with('-') {
        return None;
    }
    if let Place::Holds { option, attached, value } = Place::of(tree, last) {
        return Some(of_value(option, attached, value, profile));
    }
    let mut words = Vec::new();
    for option in tree.get_arguments().filter(|argument| !argument.is_positional() && !argument.is_hide_set()) {
        let help = option.get_help().map(ToString::to_string).unwrap_or_default();
        words.extend(option.get_long().map(|long| (format!("--{long}"), help.clone())));
        // A short form is named where a person looks for it: `-`. One that is typed is completed already.
        words.extend(option.get_short().map(|short| (format!("-{short}"), help)));
    }
    Some(Expected::word(last, Kind::Words(words)))
}

/// What an option's value is to be.
fn of_value(option: &Arg, attached: &str, value: &str, profile: Option<&str>) -> Expected {
    let name = names(option).into_iter().next().unwrap_or_default();
    // `-e NAME=VARIABLE`.
    let (attached, value, kind) = match (name.split_once("[="), value.split_once('=')) {
        (Some(_), Some((name, variable))) => {
            (format!("{attached}{name}="), variable, Kind::Kept(profile.map(str::to_owned)))
        }
        (Some(_), None) => (attached.to_owned(), value, Kind::Variable(profile.map(str::to_owned))),
        (None, _) => (attached.to_owned(), value, kind(option, &name, profile)),
    };
    Expected { attached, ..Expected::word(value, kind) }
}

/// What a word is among options, as clap reads it.
enum Place<'a> {
    /// `--`: no option stands behind it.
    End,
    /// No option.
    Word,
    /// Complete in itself, or not known.
    Flag,
    /// An option whose value is the next word.
    Wants(&'a Arg),
    /// An option with its value: `--profile=work`, `-p=work`, `-pwork`, `-nvpwork`.
    Holds { option: &'a Arg, attached: &'a str, value: &'a str },
}

impl<'a> Place<'a> {
    fn of(tree: &'a Command, word: &'a str) -> Self {
        if word == "--" {
            return Self::End;
        }
        let takes = |option: &&Arg| option.get_action().takes_values();
        if let Some(rest) = word.strip_prefix("--") {
            let (name, value) = rest.split_once('=').map_or((rest, None), |(name, value)| (name, Some(value)));
            let option = tree.get_arguments().find(|option| option.get_long() == Some(name)).filter(takes);
            return match (option, value) {
                (Some(option), Some(value)) => Self::Holds { option, attached: up_to(word, value), value },
                (Some(option), None) => Self::Wants(option),
                (None, _) => Self::Flag,
            };
        }
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else { return Self::Word };
        for (at, letter) in letters.char_indices() {
            let option = tree.get_arguments().find(|option| option.get_short() == Some(letter)).filter(takes);
            let Some(option) = option else { continue };
            let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
            let value = rest.strip_prefix('=').unwrap_or(rest);
            return if rest.is_empty() {
                Self::Wants(option)
            } else {
                Self::Holds { option, attached: up_to(word, value), value }
            };
        }
        Self::Flag
    }
}

/// What stands in `word` before `value`, which is its end.
fn up_to<'a>(word: &'a str, value: &str) -> &'a str {
    word.get(..word.len() - value.len()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split('|').map(str::to_owned).collect()
    }

    fn command_at(line: &str) -> Option<usize> {
        expect(&words(line)).command
    }

    #[test]
    fn the_first_word_that_is_no_option_and_no_value_is_command() {
        for (line, place) in [
            ("git|che", 1),
            ("--|git|che", 2),
            ("--|list|", 2),
            ("-p|work|git|", 3),
            ("-pwork|git|", 2),
            ("-p=work|git|", 2),
            ("--profile=work|git|", 2),
            ("--profile|work|git|", 3),
            ("-nv|git|", 2),
            ("-nvp|work|git|", 3),
            ("-nvpwork|git|", 2),
            ("-e|A=B|-e|C|-v|git|-p|", 6),
            ("-eA=B|--drop-other-keys|--spawn|--|git|", 5),
            ("-p|--|git|", 3),
            ("-p|work|list|", 3),
            ("-|x", 1),
            ("gi", 1),
            ("-v|", 2),
        ] {
            assert_eq!(command_at(line), Some(place), "{line}");
        }
        for line in ["", "-p|wo", "-p", "--profile|", "--profile=wo", "-pwo", "list|-", "use|work|", "-e|A=", "--"] {
            assert_eq!(command_at(line), None, "{line}");
        }
    }

    #[test]
    fn a_value_is_known_in_each_form() {
        for (line, attached, typed) in [
            ("-p|wo", "", "wo"),
            ("-pwo", "-p", "wo"),
            ("-p=wo", "-p=", "wo"),
            ("-nvpwo", "-nvp", "wo"),
            ("--profile=wo", "--profile=", "wo"),
            ("status|-pwo", "-p", "wo"),
        ] {
            let found = expect(&words(line));
            let kind = Kind::Profile { inherit: true };
            let (attached, typed) = (attached.to_owned(), typed.to_owned());
            assert_eq!(found, Expected { command: None, attached, typed, kind }, "{line}");
        }
        assert_eq!(expect(&words("-p|a|-e|X=O")).kind, Kind::Kept(Some("a".to_owned())));
        assert_eq!(expect(&words("-pa|-eX=O")).attached, "-eX=");
        assert_eq!(expect(&words("-e|O")).kind, Kind::Variable(None));
        assert_eq!(expect(&words("use|a|")).kind, Kind::Directory);
        assert_eq!(expect(&words("use|--remove|")).kind, Kind::Directory);
        assert_eq!(expect(&words("use|--default|")).kind, Kind::Profile { inherit: false });
        assert_eq!(expect(&words("remove|a|")).kind, Kind::Kept(Some("a".to_owned())));
        assert_eq!(expect(&words("add|")).kind, Kind::ProfileOrVariable);
        assert_eq!(expect(&words("add|a|B|C|")).kind, Kind::Variable(Some("a".to_owned())));
        assert_eq!(expect(&words("add|--from|")).kind, Kind::File);
        assert_eq!(expect(&words("list|x")).kind, Kind::Nothing);
    }

    /// A name without a kind completes nothing: a new one is decided upon here.
    #[test]
    fn every_value_of_an_option_or_verb_has_a_kind() {
        let silent = [
            // Made by hand.
            "created", "helper", "program", "proxy",
        ];
        let verbs = verb_tree();
        for tree in verbs.get_subcommands().chain([&launch_tree()]) {
            for argument in tree.get_arguments().filter(|argument| argument.get_action().takes_values()) {
                let id = argument.get_id().as_str();
                if (tree.get_name(), id) == ("withkey", "command") || silent.contains(&id) {
                    continue;
                }
                for name in names(argument).iter().filter(|name| !name.contains("[=")) {
                    assert_ne!(kind(argument, name, None), Kind::Nothing, "{} {id} {name}", tree.get_name());
                }
            }
        }
    }
}
