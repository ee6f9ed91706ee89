//! `withkey log`: who used what when.

use std::path::Path;

use serde::Serialize;

use crate::cli::verbs::Log as Words;
use crate::config::Config;
use crate::error::Error;
use crate::exit::Exit;
use crate::host::Host;
use crate::log::{self, Entry};
use crate::profile::{ProfileName, date};
use crate::ui::layout::Layout;
use crate::ui::{self, Ui, sanitize};

#[derive(Serialize)]
struct Report {
    version: u8,
    launches: Vec<Entry>,
    unreadable: usize,
}

/// Runs the verb.
pub fn run(words: &Words, host: &Host, ui: Ui) -> Result<Exit, Error> {
    let profile: Option<ProfileName> = words.profile.as_deref().map(str::parse).transpose()?;
    let since = words.since.as_deref().map(date::since).transpose()?;
    let log = log::read(host.folders()?)?;
    let wanted = |entry: &Entry| {
        profile.as_ref().is_none_or(|profile| entry.profile == profile.as_str())
            && since.as_ref().is_none_or(|since| entry.time >= *since)
    };
    let launches: Vec<_> = log.entries.into_iter().filter(wanted).collect();
    if Config::read(host)?.no_log {
        ui.notice("nothing is added to the log: config.toml has log = false");
    }
    if words.json {
        ui::answer(&ui::json(&Report { version: 1, launches, unreadable: log.unreadable })?)?;
        return Ok(Exit::Done);
    }
    if log.unreadable > 0 {
        ui.warn(&format!("lines of the log that cannot be read are left out: {}", log.unreadable));
    }
    if launches.is_empty() {
        ui.notice("no launch is in the log");
    }
    ui::answer(&table(&launches, host, ui.layout(host)))?;
    Ok(Exit::Done)
}

/// One line a launch, oldest first.
fn table(launches: &[Entry], host: &Host, layout: Layout) -> String {
    if layout.is_terminal() {
        return laid_out(launches, host, layout);
    }
    let width = |of: fn(&Entry) -> &str| launches.iter().map(|entry| of(entry).chars().count()).max().unwrap_or(0);
    let (profile, program) = (width(|entry| &entry.profile), width(|entry| &entry.program));
    let line = |entry: &Entry| {
        let parent = entry.parent.as_deref().map_or(String::new(), |parent| format!("  by {parent}"));
        let terminal = if entry.terminal { ", on a terminal" } else { "" };
        let variables = entry.variables.join(", ");
        let Entry { time, profile: name, program: ran, directory, .. } = entry;
        let line = format!("{time}  {name:profile$}  {ran:program$}  {directory}  {variables}{parent}{terminal}");
        sanitize::clean(&line) + "\n"
    };
    launches.iter().map(line).collect()
}

/// The same for a person: in columns, folded at the terminal's width.
fn laid_out(launches: &[Entry], host: &Host, layout: Layout) -> String {
    let row = |entry: &Entry| {
        let path = |text: &str| layout.path(Path::new(text), text, host);
        let parent = entry.parent.as_deref().map(|parent| format!("by {parent}"));
        let by: Vec<_> = parent.into_iter().chain(entry.terminal.then(|| "on a terminal".to_owned())).collect();
        vec![
            entry.time.clone(),
            // Or the path of a dotfile.
            path(&entry.profile),
            entry.program.clone(),
            path(&entry.directory),
            entry.variables.join(", "),
            by.join(", "),
        ]
    };
    layout.table(&launches.iter().map(row).collect::<Vec<_>>())
}
