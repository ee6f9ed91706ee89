//! `withkey list`: the profiles, from their descriptions. Opens no store.

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;

use crate::cli::verbs::List;
use crate::error::Error;
use crate::exit::Exit;
use crate::host::{Folders, Host};
use crate::log;
use crate::profile::binding::{Bindings, Bound};
use crate::profile::description::{self, Described};
use crate::profile::{Description, ProfileName, date};
use crate::ui::layout::{Layout, width};
use crate::ui::{self, Ui, sanitize};

#[derive(Serialize)]
struct Report {
    version: u8,
    profiles: Vec<ProfileJson>,
}

#[derive(Serialize)]
struct ProfileJson {
    profile: String,
    default: bool,
    store: &'static str,
    keys: Vec<KeyJson>,
    directories: Vec<String>,
}

#[derive(Serialize)]
struct KeyJson {
    variable: String,
    masked: String,
    added: Option<String>,
    created: Option<String>,
    last_used: Option<String>,
    expires: Option<String>,
    /// The masked key of an unfinished rotation.
    previous: Option<String>,
}

/// Runs the verb. A description that cannot be read is told after the others, and makes it fail.
pub fn run(words: &List, host: &Host, ui: Ui) -> Result<Exit, Error> {
    let folders = host.folders()?;
    let bindings = Bindings::read(folders)?.all()?;
    let log = log::read(folders).unwrap_or_else(|error| {
        ui.warn(&format!("when the keys were last used is not known: {}", error.words().error));
        log::Log::default()
    });
    let last_used = log.last_used();
    let mut profiles = Vec::new();
    let mut unreadable = Vec::new();
    for name in description::names(folders)? {
        match profile(&name, folders, &bindings, &last_used) {
            Ok(profile) => profiles.extend(profile),
            Err(error) => unreadable.push(error),
        }
    }
    let last = unreadable.pop();
    if words.json {
        // On failure standard output stays empty: a script must not take a part for the whole.
        if last.is_none() {
            ui::answer(&ui::json(&Report { version: 1, profiles })?)?;
        }
    } else if profiles.is_empty() && last.is_none() {
        ui.notice("no profile yet; withkey add stores a key");
    } else {
        ui::answer(&table(&profiles, host, ui.layout(host)))?;
    }
    for error in &unreadable {
        ui.error(error);
    }
    last.map_or(Ok(Exit::Done), Err)
}

fn profile(
    name: &ProfileName,
    folders: &Folders,
    bindings: &[Bound],
    last_used: &HashMap<(&str, &str), &str>,
) -> Result<Option<ProfileJson>, Error> {
    // One that was removed since the folder was read is no longer listed.
    let Some(description) = Description::read(folders, name)? else { return Ok(None) };
    // What stood under the same name before it was added is another key.
    let use_of = |described: &Described| {
        let added = described.added.map(|date| date.to_string());
        let time = last_used.get(&(name.as_str(), described.variable.as_str())).copied();
        time.filter(|time| added.as_deref().is_none_or(|added| *time >= added))
    };
    let keys = description.variables.iter().map(|described| KeyJson {
        variable: described.variable.to_string(),
        masked: described.masked.clone(),
        added: described.added.map(|date| date.to_string()),
        created: described.created.map(|date| date.to_string()),
        last_used: use_of(described).map(str::to_owned),
        expires: described.expires.map(|date| date.to_string()),
        previous: description.previous(&described.variable).map(|previous| previous.masked.clone()),
    });
    let chosen = bindings.iter().find(|bound| bound.directory.is_none()).map(|bound| &bound.profile);
    let bound = bindings.iter().filter(|bound| bound.profile == *name).filter_map(|bound| bound.directory.as_ref());
    Ok(Some(ProfileJson {
        profile: name.to_string(),
        default: chosen.map_or(*name == ProfileName::usual(), |chosen| chosen == name),
        store: description.store.as_str(),
        keys: keys.collect(),
        directories: bound.map(|directory| sanitize::string(directory.as_os_str())).collect(),
    }))
}

/// One block a profile: its name and store, its keys, its directories.
fn table(profiles: &[ProfileJson], host: &Host, layout: Layout) -> String {
    let mut text = String::new();
    let today = date::today().to_string();
    let day = |label: &str, date: &Option<String>| {
        date.as_deref().map_or(String::new(), |date| format!("{label} {}", date.get(..10).unwrap_or(date)))
    };
    let dates = |key: &KeyJson| {
        let past = key.expires.as_ref().is_some_and(|day| *day < today);
        let end = day(if past { "expired" } else { "expires" }, &key.expires);
        [day("added", &key.added), day("created", &key.created), day("last used", &key.last_used), end]
    };
    // On a terminal the keys of all profiles stand in the same columns.
    let widest = |of: fn(&KeyJson) -> &str| {
        let keys = profiles.iter().flat_map(|profile| &profile.keys);
        keys.map(|key| width(of(key))).max().unwrap_or(0)
    };
    let widths = [widest(|key| &key.variable), widest(|key| &key.masked)];
    for profile in profiles {
        if layout.is_terminal() && !text.is_empty() {
            text.push('\n');
        }
        let default = if profile.default { ", the default" } else { "" };
        text += &format!("{} ({}{default})\n", layout.heading(&profile.profile), profile.store);
        if layout.is_terminal() {
            for key in &profile.keys {
                text += &layout.row(&[&key.variable, &key.masked], &widths, &listed(&dates(key)));
            }
        } else {
            let row =
                |key: &KeyJson| [key.variable.clone(), key.masked.clone()].into_iter().chain(dates(key)).collect();
            text += &layout.table(&profile.keys.iter().map(row).collect::<Vec<_>>());
        }
        for (key, previous) in profile.keys.iter().filter_map(|key| Some((key, key.previous.as_ref()?))) {
            let kept = format!("the previous key of {} ({previous}) is still kept:", key.variable);
            let line = format!("withkey rotate {} {} --finish, or --undo", profile.profile, key.variable);
            text += &layout.row(&[], &[], &[kept, line]);
        }
        for directory in &profile.directories {
            let shown = layout.path(Path::new(directory), directory, host);
            text += &format!("  {}\n", sanitize::clean(&shown));
        }
    }
    text
}

/// The facts that there are, with a comma behind all but the last.
fn listed(facts: &[String]) -> Vec<String> {
    let facts: Vec<_> = facts.iter().filter(|fact| !fact.is_empty()).collect();
    let comma = |number| if number + 1 < facts.len() { "," } else { "" };
    facts.iter().enumerate().map(|(number, fact)| format!("{fact}{}", comma(number))).collect()
}
