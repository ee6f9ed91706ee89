//! `withkey status`: which profile here, why, and what COMMAND's environment would gain and lose. Opens no store.

use std::path::Path;

use serde::Serialize;

use crate::cli::verbs::Status;
use crate::error::Error;
use crate::exit::Exit;
use crate::host::{self, Host};
use crate::profile::injection::Injection;
use crate::profile::resolve::{self, SourceJson};
use crate::profile::{Profile, Source, USUAL_VARIABLE};
use crate::provider::{self, Provider};
use crate::store::identity;
use crate::ui::layout::Layout;
use crate::ui::{self, Ui, sanitize};

#[derive(Serialize)]
struct Report<'a> {
    version: u8,
    directory: String,
    profile: Option<&'a str>,
    source: Option<SourceJson>,
    store: Option<&'static str>,
    keys: Vec<KeyJson<'a>>,
    added: Vec<&'a str>,
    replaced: Vec<&'a str>,
    dropped: &'a [&'static str],
    recipient: Option<String>,
    pages: Vec<PageJson>,
}

#[derive(Serialize)]
struct KeyJson<'a> {
    variable: &'a str,
    masked: &'a str,
}

#[derive(Serialize)]
struct PageJson {
    provider: &'static str,
    page: &'static str,
    url: &'static str,
}

/// Runs the verb.
pub fn run(words: &Status, host: &Host, ui: Ui) -> Result<Exit, Error> {
    let option = words.profile.as_deref().map(str::parse).transpose()?;
    let directory = host::current_directory()?;
    let profile = resolve::resolve(option.as_ref(), host)?.map(|chosen| Profile::open(chosen, host)).transpose()?;
    let injection = match &profile {
        Some(profile) => Injection::decide(profile, &[], false, host)?,
        None => Injection::default(),
    };
    let description = profile.as_ref().and_then(|profile| profile.description.as_ref());
    let report = Report {
        version: 1,
        directory: sanitize::string(directory.as_os_str()),
        profile: profile.as_ref().map(|profile| profile.name.as_str()),
        source: profile.as_ref().map(|profile| (&profile.source).into()),
        store: description.map(|description| description.store.as_str()),
        keys: description.map_or(Vec::new(), |description| {
            let key = description.variables.iter();
            key.map(|described| KeyJson { variable: described.variable.as_str(), masked: &described.masked }).collect()
        }),
        added: injection.added(host).collect(),
        replaced: injection.replaced(host).collect(),
        dropped: &injection.dropped,
        recipient: identity::recipient(host)?,
        pages: pages(&injection),
    };
    let text = if words.json {
        ui::json(&report)?
    } else {
        lines(&report, profile.as_ref(), &directory, host, ui.layout(host))
    };
    ui::answer(&text).map(|()| Exit::Done)
}

fn lines(report: &Report, profile: Option<&Profile>, directory: &Path, host: &Host, layout: Layout) -> String {
    let none = || "none here; withkey add stores a key, withkey use PROFILE ties one to this directory".to_owned();
    let keys: Vec<_> = report.keys.iter().map(|key| format!("{} {}", key.variable, key.masked)).collect();
    let source = |profile: &Profile| match &profile.source {
        Source::Binding(bound) => format!("binding ({})", layout.path(bound, &bound.display().to_string(), host)),
        source => source.to_string(),
    };
    let rows = [
        ("directory", layout.path(directory, &report.directory, host)),
        ("profile", report.profile.map_or_else(none, str::to_owned)),
        ("source", profile.map_or(String::new(), source)),
        ("store", report.store.unwrap_or_default().to_owned()),
        ("keys", keys.join(", ")),
        ("added", report.added.join(", ")),
        ("replaced", report.replaced.join(", ")),
        ("dropped", report.dropped.join(", ")),
        ("recipient", report.recipient.clone().unwrap_or_default()),
    ];
    let names: Vec<_> = report.pages.iter().map(|page| format!("{} {}", page.provider, page.page)).collect();
    let pages: Vec<_> =
        names.iter().zip(&report.pages).map(|(name, page)| (name.as_str(), page.url.to_owned())).collect();
    let between = if layout.is_terminal() { "\n" } else { "" };
    [&layout.facts(&rows), between, &layout.facts(&pages)].concat()
}

/// The pages of the providers whose keys are injected; OpenAI's when none is.
fn pages(injection: &Injection) -> Vec<PageJson> {
    let mut rows: Vec<&'static Provider> = Vec::new();
    let named = injection.keys.iter().map(|wanted| wanted.from.as_str());
    for row in named
        .chain([USUAL_VARIABLE].into_iter().filter(|_| injection.keys.is_empty()))
        .filter_map(provider::of_variable)
    {
        if !rows.iter().any(|known| known.name == row.name) {
            rows.push(row);
        }
    }
    let all = rows.into_iter().flat_map(|row| {
        let pages = std::iter::once(("keys", row.keys_page)).chain(row.money_pages.iter().copied());
        pages.map(|(page, url)| PageJson { provider: row.name, page, url })
    });
    all.collect()
}
