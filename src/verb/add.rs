//! `withkey add`: takes keys in, stores them, reads them back.

use std::io::IsTerminal;
use std::path::Path;

use crate::cli::verbs::Add;
use crate::error::Error;
use crate::exit::Exit;
use crate::files::{self, Guard};
use crate::host::{self, Host};
use crate::key::Key;
use crate::profile::{ProfileName, USUAL_VARIABLE, Variable, date, resolve};
use crate::store::change::{self, Taken};
use crate::store::{self, dotenv, intake};
use crate::ui::Ui;
use crate::ui::layout::tilde;
use crate::ui::prompt::Prompt;

/// Runs the verb.
pub fn run(words: Add, host: &Host, ui: Ui) -> Result<Exit, Error> {
    let (name, variables) = meant(&words.words)?;
    let asked = words.store.as_deref().map(str::parse).transpose().map_err(|why| Error::usage(why, Some("add")))?;
    let created = words.created.as_deref().map(date::day).transpose()?;
    let expires = words.expires.as_deref().map(date::day_or_days).transpose()?;
    let directory = if words.bind { Some(super::r#use::directory(None)?) } else { None };
    // Whatever can go wrong goes wrong before the key is taken in: its owner may see it once only.
    let store = store::of(change::room_for(&name, &variables, asked, words.replace, host)?, host, ui)?;
    let mut asked_on = None;
    let keys = match &words.from {
        Some(file) => from_file(file, &variables, ui)?,
        None if std::io::stdin().is_terminal() => {
            let prompt = prompt(&words.words, host)?;
            store.prepare()?;
            let keys = variables.iter().map(|variable| intake::ask(&prompt, variable, ui)).collect::<Result<_, _>>()?;
            asked_on = Some(prompt);
            keys
        }
        None => intake::from_standard_input(&variables, ui)?,
    };
    let taken: Vec<_> =
        variables.into_iter().zip(keys).map(|(variable, key)| Taken { variable, key, created, expires }).collect();
    change::add(&*store, &name, &taken, words.replace, host)?;
    intake::say_stored(&name, &taken, store.kind(), ui);
    if let Some(file) = &words.from {
        let names: Vec<_> = taken.iter().map(|taken| taken.variable.as_str()).collect();
        ui.hint(&format!("the clear copy should go now: delete {} from {}", names.join(", "), file.display()));
    }
    if let Some(directory) = directory {
        super::r#use::bind(&directory, &name, host, ui)?;
    }
    if let Some(prompt) = asked_on {
        what_next(&prompt, &name, host, ui);
    }
    Ok(Exit::Done)
}

/// Offers to tie this directory to the profile, and names the next line to type. The key is stored by now: whatever goes
/// wrong here is no failure of `add`.
fn what_next(prompt: &Prompt, name: &ProfileName, host: &Host, ui: Ui) {
    let chosen_here = || matches!(resolve::resolve(None, host), Ok(Some(chosen)) if chosen.name == *name);
    if !chosen_here()
        && let Ok(here) = host::current_directory()
        && may_be_bound(&here, host)
        && prompt.yes(&format!("use profile {name} in {} from now on?", tilde(&here, host)), false).is_ok_and(|yes| yes)
        && let Err(error) = super::r#use::bind(&here, name, host, ui)
    {
        ui.error(&error);
    }
    let option = if chosen_here() { String::new() } else { format!("-p {name} ") };
    ui.hint(&format!("run something with it: withkey {option}COMMAND"));
}

/// Not HOME and not the root, from where a binding would reach too far.
fn may_be_bound(here: &Path, host: &Host) -> bool {
    let home = host.home().and_then(|home| home.canonicalize().ok());
    here != Path::new("/") && Some(here) != home.as_deref()
}

/// The profile and the variables that the words name. A first word that is no profile's name but a variable's is a
/// variable of `default`.
fn meant(words: &[String]) -> Result<(ProfileName, Vec<Variable>), Error> {
    let (name, names) = match words.split_first() {
        None => (ProfileName::usual(), words),
        Some((first, rest)) => match first.parse() {
            Ok(name) => (name, rest),
            Err(_) if Variable::has_form(first) => (ProfileName::usual(), words),
            Err(error) => return Err(error),
        },
    };
    let mut variables = Vec::new();
    for name in names {
        let variable = Variable::for_key(name)?;
        if variables.contains(&variable) {
            return Err(Error::usage(format!("{variable} is named twice"), Some("add")));
        }
        variables.push(variable);
    }
    if variables.is_empty() {
        variables.push(USUAL_VARIABLE.parse()?);
    }
    Ok((name, variables))
}

fn prompt(words: &[String], host: &Host) -> Result<Prompt, Error> {
    let line = [&["withkey".to_owned(), "add".to_owned()], words].concat().join(" ");
    Prompt::open_with_stdin(host.agent(), "a key", &format!("printf '%s\\n' \"$KEY\" | {line}"))
}

/// The values of `variables` in a `.env` file, which may be anybody's: it is clear text as it is.
fn from_file(path: &Path, variables: &[Variable], ui: Ui) -> Result<Vec<Key>, Error> {
    let shown = path.display().to_string();
    let text = files::read_secret(path, files::LARGEST, Guard::None)?;
    let missing = || Error::File {
        doing: "read",
        path: path.to_owned(),
        source: std::io::Error::from_raw_os_error(libc::ENOENT),
    };
    let text = text.ok_or_else(missing)?;
    let wanted: Vec<_> = variables.iter().collect();
    let found = dotenv::read(text.bytes(), &wanted, &shown)?;
    let keys = found.into_iter().zip(variables).map(|(key, variable)| {
        let missing = || Error::NotInFile { file: shown.clone(), variable: variable.to_string() };
        intake::judged(variable, key.ok_or_else(missing)?.expose(), ui)
    });
    keys.collect()
}
