//! argv -> Request. Two parsers, chosen by the first word: a verb's, or the launch's, which knows no verb at all.

use std::ffi::{CStr, CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, ValueEnum};

use crate::error::Error;
use crate::exit::Exit;
use crate::profile::ProfileName;
use crate::profile::Variable;
use crate::profile::injection::Wanted;
use crate::ui::style::Color;

pub mod expect;
pub mod help;
pub mod verbs;

use help::Page;
pub use verbs::Verb;
use verbs::{VERBS, VerbLine};

/// What was asked for.
#[derive(Debug)]
pub enum Request {
    /// Run a command.
    Launch(Launch),
    /// Answer to a verb.
    Verb(Verb, Color),
    /// Say what the last of these words could become, for the shells' completion.
    Complete(Vec<String>),
    /// The version, on standard output.
    Show(String),
    /// A page of help, on standard output.
    Help(Page, Color),
    /// The help, because nothing was asked: on standard error, as a failure.
    HelpUnasked(Page),
}

/// An answer's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One object.
    Json,
}

impl Format {
    /// `--json` or not.
    #[must_use]
    pub fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// A launch, decided.
#[derive(Debug, Default)]
pub struct Launch {
    /// `-p`.
    pub profile: Option<ProfileName>,
    /// `-f`.
    pub file: Option<PathBuf>,
    /// `-e`, in order; empty for everything.
    pub wanted: Vec<Wanted>,
    /// `--drop-other-keys`.
    pub drop_other_keys: bool,
    /// `--dry-run`, and its form.
    pub dry_run: Option<Format>,
    /// `--spawn`.
    pub spawn: bool,
    /// `--verbose`.
    pub verbose: bool,
    /// `--color`.
    pub color: Color,
    /// COMMAND and its arguments, byte for byte; never empty.
    pub command: Vec<CString>,
}

/// Words that make no request.
#[derive(Debug)]
pub struct Refused {
    /// What is wrong with them.
    pub error: Error,
    /// 125 for a launch, 2 for a verb.
    pub exit: Exit,
}

/// The very first word of a call that the scripts in `completions` make and no person does: the words typed so far, without
/// their quotes, follow it. What comes back is told in `verb::completions::answer`.
const COMPLETE: &[u8] = b"__complete";

/// Runs COMMAND with this directory's API key in its environment, and leaves the key nowhere else.
#[derive(Debug, Parser)]
#[command(
    name = "withkey",
    version,
    disable_help_subcommand = true,
    override_usage = "withkey [OPTIONS] [--] COMMAND [ARG]...\n       withkey VERB ..."
)]
struct LaunchLine {
    /// Use this profile, whatever the directory says
    #[arg(short, long, value_name = "NAME")]
    profile: Option<String>,
    /// Use this dotfile (.env.age); naming it is consent
    #[arg(short, long, value_name = "FILE", conflicts_with = "profile")]
    file: Option<PathBuf>,
    /// Inject only this key; NAME gets VARIABLE's key
    #[arg(short, long = "env", value_name = "NAME[=VARIABLE]")]
    env: Vec<String>,
    /// Leave out inherited keys that are not injected
    #[arg(long)]
    drop_other_keys: bool,
    /// Say what would be run, in names, and run nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// With --dry-run: one JSON object
    #[arg(long, requires = "dry_run")]
    json: bool,
    /// Stay as COMMAND's parent, not become COMMAND
    #[arg(long)]
    spawn: bool,
    /// Say what is run, in names, then run it
    #[arg(short, long)]
    verbose: bool,
    /// When to use colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    color: Color,
    /// What to run; everything behind it is its own
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    command: Vec<OsString>,
}

/// Decides what `arguments` ask for.
///
/// # Errors
/// When they do not fit together, with the exit status that the parser in charge gives.
pub fn parse(arguments: &[&'static CStr]) -> Result<Request, Refused> {
    let first = arguments.first().map(|first| first.to_bytes());
    match first {
        None => Ok(Request::HelpUnasked(Page { verb: None, long: false })),
        Some(word) if VERBS.iter().any(|verb| verb.as_bytes() == word) => parse_verb(arguments),
        Some(word) if word == COMPLETE => {
            let words = arguments.iter().skip(1);
            Ok(Request::Complete(words.map(|word| word.to_string_lossy().into_owned()).collect()))
        }
        Some(word) if !word.starts_with(b"-") => Ok(plain(arguments)),
        Some(_) => parse_launch(arguments),
    }
}

/// A launch without options. clap would find the same; it is left out because building it costs as much as the launch.
fn plain(arguments: &[&CStr]) -> Request {
    let command = arguments.iter().map(|&argument| argument.to_owned()).collect();
    Request::Launch(Launch { command, ..Launch::default() })
}

fn parse_launch(arguments: &[&CStr]) -> Result<Request, Refused> {
    let refused = |error| Refused { error, exit: Exit::LaunchFailed };
    let line = match LaunchLine::try_parse_from(words(arguments)) {
        Ok(line) => line,
        Err(error) => return shown(error, arguments, None).map_err(refused),
    };
    if line.command.is_empty() {
        return Err(refused(Error::usage("no COMMAND is given", None)));
    }
    decide(line).map(Request::Launch).map_err(refused)
}

fn decide(line: LaunchLine) -> Result<Launch, Error> {
    let command: Result<Vec<_>, _> = line.command.into_iter().map(|word| CString::new(word.into_vec())).collect();
    Ok(Launch {
        profile: line.profile.as_deref().map(str::parse).transpose()?,
        file: line.file,
        wanted: line.env.iter().map(|text| wanted(text)).collect::<Result<_, _>>()?,
        drop_other_keys: line.drop_other_keys,
        dry_run: line.dry_run.then_some(Format::of(line.json)),
        spawn: line.spawn,
        verbose: line.verbose,
        color: line.color,
        command: command.map_err(|_| Error::Internal)?,
    })
}

fn wanted(text: &str) -> Result<Wanted, Error> {
    let (name, from) = text.split_once('=').unwrap_or((text, text));
    Ok(Wanted { name: Variable::for_key(name)?, from: Variable::for_key(from)? })
}

fn parse_verb(arguments: &[&CStr]) -> Result<Request, Refused> {
    let verb = arguments.first().map(|word| word.to_string_lossy().into_owned());
    match VerbLine::try_parse_from(words(arguments)) {
        Ok(line) => Ok(Request::Verb(line.verb, line.color)),
        Err(error) => {
            shown(error, arguments, verb.as_deref()).map_err(|error| Refused { error, exit: Exit::VerbUsage })
        }
    }
}

/// The arguments as clap wants them: behind the program's name.
fn words(arguments: &[&CStr]) -> impl Iterator<Item = OsString> {
    let arguments = arguments.iter().map(|argument| OsString::from_vec(argument.to_bytes().to_vec()));
    std::iter::once(OsString::from("withkey")).chain(arguments)
}

/// clap's answer: help and version are answers, all else is an error in our own form.
fn shown(error: clap::Error, arguments: &[&CStr], verb: Option<&str>) -> Result<Request, Error> {
    match error.kind() {
        ErrorKind::DisplayVersion => return Ok(Request::Show(error.render().to_string())),
        ErrorKind::DisplayHelp => {
            let long = arguments.iter().any(|word| word.to_bytes() == b"--help");
            return Ok(Request::Help(Page { verb: verb.map(str::to_owned), long }, color_of(arguments)));
        }
        _ => {}
    }
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.clone(),
        Some(ContextValue::Strings(arguments)) => arguments.join(", "),
        _ => String::new(),
    };
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value.clone(),
        _ => String::new(),
    };
    let what = match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => format!("there is no option {argument}"),
        ErrorKind::UnknownArgument => format!("one word too many: {argument}"),
        ErrorKind::InvalidValue if value.is_empty() => format!("a value is missing: {argument}"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => format!("{value} is no value for {argument}"),
        ErrorKind::MissingRequiredArgument => format!("missing: {argument}"),
        ErrorKind::ArgumentConflict => format!("{argument} does not go with what stands before it"),
        ErrorKind::InvalidUtf8 => "a word is not UTF-8 text".to_owned(),
        _ => error.render().to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    };
    let near = [ContextKind::SuggestedArg, ContextKind::SuggestedValue].into_iter().find_map(|kind| error.get(kind));
    let near = match near {
        Some(ContextValue::String(near)) => Some(near.clone()),
        Some(ContextValue::Strings(near)) => near.first().cloned(),
        _ => None,
    };
    Err(match (Error::usage(what, verb), near) {
        (Error::Usage { what, hint }, Some(near)) => {
            Error::Usage { what, hint: format!("did you mean {near}? {hint}") }
        }
        (error, _) => error,
    })
}

/// The tree of the launch's options.
fn launch_tree() -> clap::Command {
    let mut tree = <LaunchLine as clap::CommandFactory>::command();
    tree.build();
    tree
}

/// The tree of the verbs.
fn verb_tree() -> clap::Command {
    let mut tree = <VerbLine as clap::CommandFactory>::command();
    tree.build();
    tree
}

/// What `--color` says beside a question for help, which ends clap's reading.
fn color_of(arguments: &[&CStr]) -> Color {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let value = words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix("--color") {
        Some("") => words.get(at + 1).map(|value| value.as_ref()),
        Some(rest) => rest.strip_prefix('='),
        None => None,
    });
    value.and_then(|value| Color::from_str(value, false).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn both_ways_to_a_launch_without_options_give_the_same_request() {
        for line in [&[c"true"][..], &[c"make", c"-n", c"--json", c"--", c"x"], &[c"\xff", c""], &[c"x", c"-h"]] {
            let short = plain(line);
            let long = parse_launch(line).unwrap();
            assert_eq!(format!("{short:?}"), format!("{long:?}"));
        }
    }

    #[test]
    fn a_verb_is_recognised_only_as_the_very_first_word() {
        let command = |line: &[&'static CStr]| match parse(line) {
            Ok(Request::Launch(launch)) => launch.command,
            other => panic!("{other:?}"),
        };
        assert_eq!(command(&[c"--", c"list"]), [c"list".to_owned()]);
        assert_eq!(command(&[c"-p", c"work", c"list"]), [c"list".to_owned()]);
        assert_eq!(command(&[c"help"]), [c"help".to_owned()]);
        assert!(matches!(parse(&[c"list"]), Ok(Request::Verb(Verb::List(_), _))));
    }

    #[test]
    fn an_unknown_option_never_becomes_part_of_the_command() {
        assert!(matches!(parse(&[c"--bogus", c"git"]), Err(Refused { exit: Exit::LaunchFailed, .. })));
        assert!(matches!(parse(&[c"--"]), Err(Refused { exit: Exit::LaunchFailed, .. })));
        assert!(matches!(parse(&[c"--json", c"git"]), Err(Refused { exit: Exit::LaunchFailed, .. })));
    }

    #[test]
    fn the_parsers_are_well_formed() {
        <LaunchLine as clap::CommandFactory>::command().debug_assert();
        <VerbLine as clap::CommandFactory>::command().debug_assert();
    }
}
