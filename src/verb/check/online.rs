//! `withkey check --online`: asks the providers whether the keys work.

use serde::Serialize;

use crate::cli::verbs::Check;
use crate::error::{Error, online::Online};
use crate::exit::Exit;
use crate::host::{self, Host};
use crate::profile::description;
use crate::profile::{ProfileName, resolve};
use crate::provider::answer::Answer;
use crate::store::current;
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
    let names = if words.all { description::names(host.folders()?)? } else { vec![chosen(words, host)?] };
    let mut exit = None;
    let mut keys = Vec::new();
    let mut unread = Vec::new();
    for name in &names {
        let each = |key: KeyJson, answer: Option<&Answer>| {
            if !words.json {
                ui::answer(&lines(&key))?;
            }
            keys.push(key);
            if let Some(answer) = answer {
                exit = Some(exit.unwrap_or(Exit::Done).worse(answer.exit()));
            }
            Ok(())
        };
        if let Err(error) = profile(name, &asker, host, ui, each) {
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
    let nothing = match (names.first(), words.all) {
        (Some(name), false) => name.to_string(),
        _ => "or any other".to_owned(),
    };
    let exit = exit.ok_or(Error::Online(Online::NothingToAsk { profile: nothing }))?;
    if words.json {
        ui::answer(&ui::json(&Report { version: 1, keys })?)?;
    }
    Ok(exit)
}

fn chosen(words: &Check, host: &Host) -> Result<ProfileName, Error> {
    let name = words.profile.as_deref().map(str::parse::<ProfileName>).transpose()?;
    let chosen = match name {
        Some(name) => name,
        None => match resolve::resolve(None, host)? {
            Some(chosen) => chosen.name,
            None => return Err(Error::NoProfile { directory: host::current_directory()? }),
        },
    };
    if chosen.is_inherit() {
        return Err(Error::Online(Online::NothingToAsk { profile: chosen.to_string() }));
    }
    Ok(chosen)
}

/// Asks about the keys of one profile. Its store is opened once, and only for keys that somebody can be asked about.
fn profile(
    name: &ProfileName,
    asker: &Asker,
    host: &Host,
    ui: Ui,
    mut each: impl FnMut(KeyJson, Option<&Answer>) -> Result<(), Error>,
) -> Result<(), Error> {
    let (description, keys) = current::read(name, host, ui, |description| {
        let variables = description.variables.iter().map(|described| &described.variable);
        Ok(variables.filter(|variable| run_key_of(variable).is_some()).cloned().collect())
    })?;
    for described in &description.variables {
        let key = keys.iter().find(|(variable, _)| *variable == described.variable).map(|(_, key)| key);
        let asked = match key {
            Some(key) => asker.ask(&described.variable, key, Some(&description))?,
            None => None,
        };
        let masked = key.map_or_else(|| described.masked.clone(), crate::key::Key::masked);
        let json = key_json(name, described.variable.as_str(), masked, asked.as_ref());
        each(json, asked.as_ref().map(|asked| &asked.answer))?;
    }
    Ok(())
}

fn key_json(profile: &ProfileName, variable: &str, masked: String, asked: Option<&Asked>) -> KeyJson {
    let told = asked.map_or(Vec::new(), |asked| {
        let told = asked.told.iter().map(|(name, value)| ToldJson { name, value: sanitize::clean(value) });
        told.collect()
    });
    KeyJson {
        profile: profile.to_string(),
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
fn lines(key: &KeyJson) -> String {
    let asked = key.host.as_deref().map_or(String::new(), |host| format!(" ({host})"));
    let first = format!("{} {} {}: {}{asked}", key.profile, key.variable, key.masked, key.sentence);
    let told = key.told.iter().map(|told| format!("  {}: {}", told.name, told.value));
    let page = key.page.map(|page| format!("  see: {page}"));
    let all = std::iter::once(first).chain(told).chain(page);
    all.map(|line| sanitize::clean(&line) + "\n").collect()
}
