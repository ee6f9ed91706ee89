//! `withkey check --online`: asks the providers whether the keys work.

use serde::Serialize;

use crate::cli::verbs::Check;
use crate::error::{Error, online::Online};
use crate::exit::Exit;
use crate::host::{self, Host};
use crate::key::Key;
use crate::profile::description;
use crate::profile::{Chosen, Description, Name, Profile, ProfileName, Source, Variable, resolve};
use crate::provider::answer::Answer;
use crate::store::current::{self, Current};
use crate::store::{Store, project};
use crate::ui::layout::Layout;
use crate::ui::{self, Ui, sanitize};
use crate::verb::online::{Asked, Asker, NOBODY, run_key_of};

#[derive(Serialize)]
struct Report {
    version: u8,
    keys: Vec<KeyJson>,
}

#[derive(Serialize)]
struct KeyJson {
    profile: String,
    variable: String,
    masked: String,
    provider: Option<&'static str>,
    host: Option<String>,
    answer: &'static str,
    sentence: String,
    page: Option<&'static str>,
    /// Seconds.
    retry_after: Option<u32>,
    told: Vec<ToldJson>,
}

#[derive(Serialize)]
struct ToldJson {
    name: &'static str,
    value: String,
}

/// Asks about every key of the profile, or of every profile, one after the other. The status is the worst answer's.
pub fn run(words: &Check, host: &Host, ui: Ui) -> Result<Exit, Error> {
    let asker = Asker::new(words.proxy.as_deref(), host)?;
    let all = words.all.then(|| description::names(host.folders()?)).transpose()?;
    let chosen = match all {
        Some(names) => names.into_iter().map(named).collect(),
        None => vec![chosen(words, host)?],
    };
    let first = chosen.first().map(|chosen| shown(&chosen.name));
    let mut exit = None;
    let mut keys = Vec::new();
    let mut unread = Vec::new();
    let mut opened = None;
    for chosen in chosen {
        let each = |key: KeyJson, answer: Option<&Answer>| {
            if !words.json {
                ui::answer(&lines(&key, ui.layout(host)))?;
            }
            keys.push(key);
            if let Some(answer) = answer {
                exit = Some(exit.unwrap_or(Exit::Done).worse(answer.exit()));
            }
            Ok(())
        };
        if let Err(error) = profile(chosen, &mut opened, &asker, host, ui, each) {
            unread.push(error);
        }
    }
    // On failure standard output stays empty: a script must not take a part for the whole.
    let last = unread.pop();
    for error in &unread {
        ui.error(error);
    }
    if let Some(error) = last {
        if !words.all {
            return Err(error);
        }
        ui.error(&error);
        return Ok(exit.unwrap_or(Exit::Done).worse(Exit::VerbFailed));
    }
    let nothing = first.filter(|_| !words.all).unwrap_or_else(|| "or any other".to_owned());
    let exit = exit.ok_or(Error::Online(Online::NothingToAsk { profile: nothing }))?;
    if words.json {
        ui::answer(&ui::json(&Report { version: 1, keys })?)?;
    }
    Ok(exit)
}

fn chosen(words: &Check, host: &Host) -> Result<Chosen, Error> {
    let name = words.profile.as_deref().map(str::parse::<ProfileName>).transpose()?;
    let chosen = match name {
        Some(name) => named(name),
        None => match resolve::resolve(None, host)? {
            Some(chosen) => chosen,
            None => return Err(Error::NoProfile { directory: host::current_directory()? }),
        },
    };
    if chosen.name.is_inherit() {
        return Err(Error::Online(Online::NothingToAsk { profile: shown(&chosen.name) }));
    }
    Ok(chosen)
}

fn named(name: ProfileName) -> Chosen {
    Chosen { name: name.into(), source: Source::Option, grant: None }
}

/// A profile's name, a dotfile's path.
fn shown(name: &Name) -> String {
    name.profile().map_or_else(|| name.to_string(), ToString::to_string)
}

/// What is known of the chosen profile or dotfile, and those of its keys that somebody can be asked about. `opened` is the
/// store of the profile before, so that nobody is asked for a passphrase twice.
fn keys_of<'a>(
    chosen: Chosen,
    opened: &mut Option<Box<dyn Store + 'a>>,
    host: &'a Host,
    ui: Ui,
) -> Result<(Description, Vec<(Variable, Key)>), Error> {
    if let Name::Profile(name) = &chosen.name {
        let Current { description, keys, store } = current::read(name, host, ui, opened.take(), |description| {
            let variables = description.variables.iter().map(|described| &described.variable);
            Ok(variables.filter(|variable| run_key_of(variable).is_some()).cloned().collect())
        })?;
        *opened = Some(store);
        return Ok((description, keys));
    }
    let mut profile = Profile::open(chosen, host)?;
    project::open_chosen(&mut profile, host)?;
    let keys = profile.opened.unwrap_or_default().into_iter().filter(|(variable, _)| run_key_of(variable).is_some());
    Ok((profile.description.ok_or(Error::Internal)?, keys.collect()))
}

/// Asks about the keys of one profile. Its store is opened once, and only for keys that somebody can be asked about.
fn profile<'a>(
    chosen: Chosen,
    opened: &mut Option<Box<dyn Store + 'a>>,
    asker: &Asker,
    host: &'a Host,
    ui: Ui,
    mut each: impl FnMut(KeyJson, Option<&Answer>) -> Result<(), Error>,
) -> Result<(), Error> {
    let shown = shown(&chosen.name);
    let (description, keys) = keys_of(chosen, opened, host, ui)?;
    for described in &description.variables {
        let key = keys.iter().find(|(variable, _)| *variable == described.variable).map(|(_, key)| key);
        let asked = match key {
            Some(key) => asker.ask(&described.variable, key, Some(&description))?,
            None => None,
        };
        let masked = key.map_or_else(|| described.masked.clone(), Key::masked);
        let json = key_json(&shown, described.variable.as_str(), masked, asked.as_ref());
        each(json, asked.as_ref().map(|asked| &asked.answer))?;
    }
    Ok(())
}

fn key_json(profile: &str, variable: &str, masked: String, asked: Option<&Asked>) -> KeyJson {
    let told = asked.map_or(Vec::new(), |asked| {
        let told = asked.told.iter().map(|(name, value)| ToldJson { name, value: sanitize::clean(value) });
        told.collect()
    });
    KeyJson {
        profile: profile.to_owned(),
        variable: variable.to_owned(),
        masked,
        provider: asked.map(|asked| asked.provider.name),
        host: asked.map(|asked| asked.host.clone()),
        answer: asked.map_or("skipped", |asked| asked.answer.word()),
        sentence: asked.map_or(NOBODY.to_owned(), |asked| asked.answer.sentence()),
        page: asked.and_then(|asked| asked.answer.page(asked.provider)),
        retry_after: match asked.map(|asked| &asked.answer) {
            Some(Answer::Wait(seconds)) => *seconds,
            _ => None,
        },
        told,
    }
}

/// One line a key; below it what the provider told, and the page to go to.
fn lines(key: &KeyJson, layout: Layout) -> String {
    let asked = key.host.as_deref().map_or(String::new(), |host| format!(" ({host})"));
    let first = format!("{} {} {}: {}{asked}", key.profile, key.variable, key.masked, key.sentence);
    let told = key.told.iter().map(|told| format!("  {}: {}", told.name, told.value));
    let page = key.page.map(|page| format!("  see: {page}"));
    let all = std::iter::once(first).chain(told).chain(page);
    let folded = |line: String| {
        let indent = if line.starts_with("  ") { "  " } else { "" };
        format!("{indent}{}", layout.beside(sanitize::clean(&line).trim_start(), 2))
    };
    all.map(folded).collect()
}
