//! What a launch will do, in names: for `--dry-run` and `--verbose`.

use serde::Serialize;

use crate::cli::Format;
use crate::error::Error;
use crate::exit::Exit;
use crate::host::Host;
use crate::profile::description::StoreKind;
use crate::profile::injection::Injection;
use crate::profile::resolve::SourceJson;
use crate::profile::{Profile, ProfileName};
use crate::program::Program;
use crate::ui::layout::Layout;
use crate::ui::{self, Ui, sanitize};

#[derive(Serialize)]
struct Report<'a> {
    version: u8,
    program: String,
    profile: Option<&'a str>,
    source: SourceJson,
    store: Option<&'static str>,
    added: Vec<&'a str>,
    replaced: Vec<&'a str>,
    dropped: &'a [&'static str],
    names_known: bool,
}

/// Answers `--dry-run` on standard output.
///
/// # Errors
/// When the answer cannot be written.
pub fn answer(
    format: Format,
    program: &Program,
    profile: &Profile,
    injection: &Injection,
    host: &Host,
    ui: Ui,
) -> Result<Exit, Error> {
    let text = match format {
        Format::Text => lines(program, profile, injection, host, ui.layout(host)),
        Format::Json => ui::json(&Report {
            version: 1,
            program: sanitize::string(program.path().as_os_str()),
            profile: profile.name.profile().map(ProfileName::as_str),
            source: (&profile.source).into(),
            store: store(profile),
            added: injection.added(host).collect(),
            replaced: injection.replaced(host).collect(),
            dropped: &injection.dropped,
            names_known: names_known(profile),
        })?,
    };
    ui::answer(&text).map(|()| Exit::Done)
}

/// Says the same on standard error, for `--verbose`.
pub fn tell(program: &Program, profile: &Profile, injection: &Injection, host: &Host) {
    for line in lines(program, profile, injection, host, Layout::PIPE).lines() {
        ui::say(&format!("withkey: {line}\n"));
    }
}

fn lines(program: &Program, profile: &Profile, injection: &Injection, host: &Host, layout: Layout) -> String {
    let join = |names: &mut dyn Iterator<Item = &str>| vec![names.collect::<Vec<_>>().join(", ")];
    layout.facts(&[
        ("program", vec![layout.sentence(&program.path().display().to_string(), host)]),
        ("profile", vec![profile.name.profile().map_or(String::new(), ToString::to_string)]),
        ("source", vec![layout.sentence(&profile.source.to_string(), host)]),
        ("store", vec![store(profile).unwrap_or_default().to_owned()]),
        ("added", join(&mut injection.added(host))),
        ("replaced", join(&mut injection.replaced(host))),
        ("dropped", join(&mut injection.dropped.iter().copied())),
        ("names", vec![if names_known(profile) { "" } else { "known when the dotfile is opened" }.to_owned()]),
    ])
}

fn store(profile: &Profile) -> Option<&'static str> {
    match &profile.description {
        Some(description) => Some(description.store.as_str()),
        None => profile.name.dotfile().map(|_| StoreKind::Dotfile.as_str()),
    }
}

/// A dotfile that `-f` named says nothing before it is opened.
fn names_known(profile: &Profile) -> bool {
    profile.description.is_some() || profile.name.is_inherit()
}
