//! `withkey status`: which profile here, why, and what COMMAND's environment would gain and lose. Opens no store.

use std::path::Path;

use serde::Serialize;

use crate::cli::verbs::Status;
use crate::config::Config;
use crate::error::project::Project;
use crate::error::{self, Error};
use crate::exit::Exit;
use crate::host::{self, Host};
use crate::profile::description::Described;
use crate::profile::expiry::{self, Ending};
use crate::profile::injection::Injection;
use crate::profile::resolve::{self, SourceJson};
use crate::profile::{Description, Profile, ProfileName, Source, USUAL_VARIABLE, date};
use crate::provider::{self, Provider};
use crate::store::identity;
use crate::ui::layout::{Layout, width};
use crate::ui::{self, Ui, sanitize};

#[derive(Serialize)]
struct Report<'a> {
    version: u8,
    directory: String,
    profile: Option<&'a str>,
    source: Option<SourceJson>,
    store: Option<&'static str>,
    keys: Vec<KeyJson<'a>>,
    ending: Vec<EndingJson<'a>>,
    old: Vec<OldJson<'a>>,
    added: Vec<&'a str>,
    replaced: Vec<&'a str>,
    dropped: &'a [&'static str],
    passed_over: Vec<String>,
    /// The dotfile found here that waits for consent; a launch is refused until then.
    not_allowed: Option<String>,
    recipient: Option<String>,
    pages: Vec<PageJson>,
}

#[derive(Serialize)]
struct KeyJson<'a> {
    variable: &'a str,
    masked: &'a str,
    /// The program that prints it. Its arguments are shown by the description alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    helper: Option<&'a str>,
    /// The masked key of an unfinished rotation.
    previous: Option<&'a str>,
}

/// A key whose last day is near or past.
#[derive(Serialize)]
struct EndingJson<'a> {
    variable: &'a str,
    expires: String,
    expired: bool,
    #[serde(skip)]
    words: String,
}

/// A key over the age that config.toml calls old.
#[derive(Serialize)]
struct OldJson<'a> {
    variable: &'a str,
    days: i64,
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
    let mut passed_over = Vec::new();
    let (chosen, not_allowed) = match resolve::resolve_and_tell(option.as_ref(), host, &mut passed_over) {
        // A state to tell of: a newcomer reads here which recipient is theirs.
        Err(Error::Project(Project::NotAllowed { path })) => (None, Some(path)),
        chosen => (chosen?, None),
    };
    let profile = chosen.map(|chosen| Profile::open(chosen, host)).transpose()?;
    let injection = match &profile {
        Some(profile) => Injection::decide(profile, &[], false, host)?,
        None => Injection::default(),
    };
    let description = profile.as_ref().and_then(|profile| profile.description.as_ref());
    let described = description.map_or(&[][..], |description| &description.variables);
    let (today, old_after) = (date::today(), Config::read(host)?.old_after);
    let report = Report {
        version: 1,
        directory: sanitize::string(directory.as_os_str()),
        profile: profile.as_ref().and_then(|profile| profile.name.profile()).map(ProfileName::as_str),
        source: profile.as_ref().map(|profile| (&profile.source).into()),
        store: description.map(|description| description.store.as_str()),
        keys: described.iter().map(|known| key(known, description)).collect(),
        ending: described.iter().filter_map(|known| ending(known, today)).collect(),
        old: described.iter().filter_map(|known| old(known, old_after, today)).collect(),
        added: injection.added(host).collect(),
        replaced: injection.replaced(host).collect(),
        dropped: &injection.dropped,
        passed_over: passed_over.iter().map(|path| sanitize::string(path.as_os_str())).collect(),
        not_allowed: not_allowed.as_ref().map(|path| sanitize::string(path.as_os_str())),
        recipient: identity::recipient(host)?,
        pages: pages(&injection),
    };
    let text = if words.json {
        ui::json(&report)?
    } else {
        lines(&report, profile.as_ref(), not_allowed.as_deref(), &directory, host, ui.layout(host))
    };
    ui::answer(&text).map(|()| Exit::Done)
}

fn key<'a>(described: &'a Described, description: Option<&'a Description>) -> KeyJson<'a> {
    KeyJson {
        variable: described.variable.as_str(),
        masked: &described.masked,
        helper: described.helper.first().map(String::as_str),
        previous: description
            .and_then(|description| description.previous(&described.variable))
            .map(|previous| previous.masked.as_str()),
    }
}

fn ending(described: &Described, today: time::Date) -> Option<EndingJson<'_>> {
    let ending = Ending::of(described, today)?;
    Some(EndingJson {
        variable: described.variable.as_str(),
        expires: ending.day.to_string(),
        expired: ending.is_past(),
        words: ending.to_string(),
    })
}

fn old(described: &Described, old_after: Option<u16>, today: time::Date) -> Option<OldJson<'_>> {
    let days = expiry::old(described, old_after, today)?;
    Some(OldJson { variable: described.variable.as_str(), days })
}

fn lines(
    report: &Report,
    profile: Option<&Profile>,
    not_allowed: Option<&Path>,
    directory: &Path,
    host: &Host,
    layout: Layout,
) -> String {
    let none = "none here; withkey add stores a key, withkey use PROFILE ties one to this directory";
    let named = match (report.profile, profile) {
        (Some(name), _) => name,
        // A dotfile: its path is the source.
        (None, Some(_)) => "",
        (None, None) if not_allowed.is_some() => "",
        (None, None) => none,
    };
    let widest = report.keys.iter().map(|key| width(key.variable)).max().unwrap_or(0);
    let (wide, gap) = if layout.is_terminal() { (widest, "  ") } else { (0, " ") };
    let keys = report.keys.iter().map(|key| format!("{:wide$}{gap}{}", key.variable, key.masked)).collect();
    let helpers = report.keys.iter().filter(|key| key.helper.is_some());
    let helpers = helpers.map(|key| format!("{} {}", key.variable, key.helper.unwrap_or_default()));
    let helpers = helpers.map(|helper| layout.sentence(&helper, host));
    let ending = report.ending.iter().map(|key| format!("{} {}", key.variable, key.words));
    let old = report.old.iter().map(|key| format!("{} is {} days old", key.variable, key.days));
    let source = |profile: &Profile| match &profile.source {
        Source::Binding(bound) => format!("binding ({})", layout.path(bound, &bound.display().to_string(), host)),
        source => layout.sentence(&source.to_string(), host),
    };
    let source = |profile: &Profile| vec![source(profile)];
    // On a terminal the line to type is one, to be copied.
    let waiting = |path: &Path| {
        let state = layout.sentence(&format!("dotfile {}, not allowed yet:", path.display()), host);
        let line = layout.sentence(&error::line("withkey allow", path), host);
        if layout.is_terminal() { vec![state, line] } else { vec![format!("{state} {line}")] }
    };
    let unfinished = report.keys.iter().filter_map(|key| {
        let (name, previous) = (report.profile.unwrap_or_default(), key.previous?);
        let line = format!("withkey rotate {name} {} --finish, or --undo", key.variable);
        Some([format!("{} (previous {previous})", key.variable), line])
    });
    let rows = [
        ("directory", vec![layout.path(directory, &report.directory, host)]),
        ("profile", vec![named.to_owned()]),
        ("source", profile.map(source).or_else(|| not_allowed.map(waiting)).unwrap_or_default()),
        ("store", vec![report.store.unwrap_or_default().to_owned()]),
        ("keys", keys),
        ("helper", helpers.collect()),
        ("ending", ending.collect()),
        ("old", old.collect()),
        ("not finished", unfinished.flatten().collect()),
        ("added", vec![report.added.join(", ")]),
        ("replaced", vec![report.replaced.join(", ")]),
        ("dropped", vec![report.dropped.join(", ")]),
        ("passed over", report.passed_over.clone()),
        ("recipient", vec![report.recipient.clone().unwrap_or_default()]),
    ];
    layout.facts(&rows) + &pages_shown(&report.pages, layout)
}

/// The pages: on a terminal under their provider's name, in a pipe a line each.
fn pages_shown(pages: &[PageJson], layout: Layout) -> String {
    if !layout.is_terminal() {
        let name = |page: &PageJson| layout.heading(&format!("{} {}", page.provider, page.page));
        return pages.iter().map(|page| format!("{}: {}\n", name(page), page.url)).collect();
    }
    let widths = [pages.iter().map(|page| width(page.page)).max().unwrap_or(0), 0];
    let mut text = String::new();
    for of_one in pages.chunk_by(|one, next| one.provider == next.provider) {
        let name = of_one.first().map_or("", |page| page.provider);
        text += &format!("\n{}\n", layout.heading(name));
        text += &of_one.iter().map(|page| layout.row(&[page.page, page.url], &widths, &[])).collect::<String>();
    }
    text
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
