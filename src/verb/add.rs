//! `withkey add`: takes keys in, stores them, reads them back.

use std::ffi::CString;
use std::io::IsTerminal;
use std::path::Path;

use crate::cli::verbs::Add;
use crate::error::{Error, helper::Helper, intake::Intake};
use crate::exit::Exit;
use crate::files::{self, Guard};
use crate::host::{self, Host};
use crate::key::Key;
use crate::profile::description::StoreKind;
use crate::profile::{Description, ProfileName, USUAL_VARIABLE, Variable, date, resolve};
use crate::program::Program;
use crate::provider::online;
use crate::store::change::{self, Taken};
use crate::store::{self, dotenv, helper, intake};
use crate::ui::Ui;
use crate::ui::layout::tilde;
use crate::ui::prompt::Prompt;
use crate::verb::check::helper::weakness;
use crate::verb::online::{Asker, run_key_of};

mod project;

/// Runs the verb.
pub fn run(words: Add, host: &Host, ui: Ui) -> Result<Exit, Error> {
    if let Some(file) = &words.file {
        return project::run(&words, file, host, ui);
    }
    let (name, variables) = meant(&words.words)?;
    let helper = helper_words(&words)?;
    let asked = words.store.as_deref().map(str::parse).transpose().map_err(|why| Error::usage(why, Some("add")))?;
    let asked = asked.or((!helper.is_empty()).then_some(StoreKind::Helper));
    let created = words.created.as_deref().map(date::day).transpose()?;
    let expires = words.expires.as_deref().map(date::day_or_days).transpose()?;
    let asker = words.online.then(|| Asker::new(words.proxy.as_deref(), host)).transpose()?;
    let directory = if words.bind { Some(super::r#use::directory(None)?) } else { None };
    // Whatever can go wrong goes wrong before the key is taken in: its owner may see it once only.
    let kind = change::room_for(&name, &variables, asked, words.replace, host, ui)?;
    let store = store::of(kind, host, ui)?;
    if kind == StoreKind::Helper {
        let [variable] = variables.as_slice() else {
            return Err(Error::usage("a helper prints one key: name one variable", Some("add")));
        };
        let (helper, key) = from_helper(&helper, &name, variable, host, ui)?;
        let (program, masked) = (helper.first().cloned().unwrap_or_default(), key.masked());
        let given = Taken { variable: variable.clone(), key, created, expires, helper };
        change::add(&*store, &name, &[given], words.replace, host, ui)?;
        ui.notice(&format!("profile {name} takes {variable} ({masked}) from {program} now, store helper"));
        return bind(directory.as_deref(), &name, host, ui);
    }
    if !helper.is_empty() {
        return Err(Error::usage("a helper's key is not stored: leave out --store", Some("add")));
    }
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
    let taken = |(variable, key)| Taken { variable, key, created, expires, helper: Vec::new() };
    let taken: Vec<_> = variables.into_iter().zip(keys).map(taken).collect();
    if let Some(asker) = &asker {
        let description = Description::read(host.folders()?, &name)?;
        for Taken { variable, key, .. } in &taken {
            asker.ask_about_new(variable, key, description.as_ref(), ui)?;
        }
    }
    change::add(&*store, &name, &taken, words.replace, host, ui)?;
    intake::say_stored(&name, &taken, store.kind(), ui);
    if let Some(file) = &words.from {
        let names: Vec<_> = taken.iter().map(|taken| taken.variable.as_str()).collect();
        ui.hint(&format!("the clear copy should go now: delete {} from {}", names.join(", "), file.display()));
    }
    let exit = bind(directory.as_deref(), &name, host, ui)?;
    if let Some(prompt) = asked_on {
        if asker.is_none() {
            offer_to_ask(&prompt, &taken, &name, host, ui);
        }
        what_next(&prompt, &name, host, ui);
    }
    Ok(exit)
}

fn bind(directory: Option<&Path>, name: &ProfileName, host: &Host, ui: Ui) -> Result<Exit, Error> {
    if let Some(directory) = directory {
        super::r#use::bind(directory, name, host, ui)?;
    }
    Ok(Exit::Done)
}

/// The helper as it was typed: in one word, or behind `--`. Empty when none was.
fn helper_words(words: &Add) -> Result<Vec<String>, Error> {
    let Some(text) = &words.helper else { return Ok(words.program.clone()) };
    let split = shlex::split(text).filter(|words| !words.is_empty());
    split.ok_or_else(|| Error::Helper(Helper::Words { text: text.clone() }))
}

fn holds(word: &[u8], key: &[u8]) -> bool {
    word.windows(key.len()).any(|part| part == key)
}

/// The helper with its program's absolute path, and the key that it gives now.
fn from_helper(
    words: &[String],
    name: &ProfileName,
    variable: &Variable,
    host: &Host,
    ui: Ui,
) -> Result<(Vec<String>, Key), Error> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Error::Helper(Helper::HelperWanted { profile: name.to_string() }));
    };
    let not_text = || Error::usage("a helper's path is UTF-8 text", Some("add"));
    let found = Program::find(&CString::new(program.as_str()).map_err(|_| not_text())?, host)?;
    // As it was found, not what a link there leads to today.
    let path =
        std::path::absolute(found.path()).map_err(|source| Error::System { doing: "find the helper", source })?;
    let helper = [&[path.to_str().ok_or_else(not_text)?.to_owned()], arguments].concat();
    let given = helper::ask(variable, &helper, host)?;
    if helper.iter().any(|word| holds(word.as_bytes(), given.key.expose())) {
        return Err(Error::Helper(Helper::KeyInWords { variable: variable.to_string() }));
    }
    intake::say_odd(variable, &given.odd, "used", ui);
    if let Some(weakness) = weakness(&path) {
        ui.warn(&weakness.what);
        if let Some(mend) = weakness.mend {
            ui.hint(&mend);
        }
    }
    Ok((helper, given.key))
}

/// Offers to ask the provider whether the key works. It is stored by now, as in [`what_next`].
fn offer_to_ask(prompt: &Prompt, taken: &[Taken], name: &ProfileName, host: &Host, ui: Ui) {
    let known = |taken: &&Taken| run_key_of(&taken.variable).is_some();
    let Some(provider) = taken.iter().find(known).and_then(|taken| run_key_of(&taken.variable)) else { return };
    let question = format!("ask {} whether it works? That spends nothing", provider.name);
    if !online::BUILT || !prompt.yes(&question, false).is_ok_and(|yes| yes) {
        return;
    }
    let ask = || {
        let asker = Asker::new(None, host)?;
        let description = Description::read(host.folders()?, name)?;
        for Taken { variable, key, .. } in taken {
            if let Some(asked) = asker.ask(variable, key, description.as_ref())? {
                asked.say(variable, key, ui);
            }
        }
        Ok(())
    };
    if let Err(error) = ask() {
        ui.error(&error);
    }
}

/// Offers to tie this directory to the profile, and names the next line to type. The key is stored by now: whatever goes
/// wrong here is no failure of `add`.
fn what_next(prompt: &Prompt, name: &ProfileName, host: &Host, ui: Ui) {
    let chosen_here =
        || matches!(resolve::resolve(None, host), Ok(Some(chosen)) if chosen.name.profile() == Some(name));
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
    let mut variables = named(names)?;
    if variables.is_empty() {
        variables.push(USUAL_VARIABLE.parse()?);
    }
    Ok((name, variables))
}

fn named(names: &[String]) -> Result<Vec<Variable>, Error> {
    let mut variables = Vec::new();
    for name in names {
        let variable = Variable::for_key(name)?;
        if variables.contains(&variable) {
            return Err(Error::usage(format!("{variable} is named twice"), Some("add")));
        }
        variables.push(variable);
    }
    Ok(variables)
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
        let missing = || Error::Intake(Intake::NotInFile { file: shown.clone(), variable: variable.to_string() });
        intake::judged(variable, key.ok_or_else(missing)?.expose(), ui)
    });
    keys.collect()
}
