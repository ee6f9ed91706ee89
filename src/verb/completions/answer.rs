//! The hidden call of the completion scripts, `withkey __complete WORD...`: what the last WORD could become.
//!
//! The words are those typed behind withkey's own name, up to the cursor, without their quotes. The answer's first line is
//! one of
//!
//! ```text
//! command N        WORD number N, counted from 1, is COMMAND: from there on its own completion is asked
//! words ATTACHED   the last word is ATTACHED and one of the values that follow
//! files ATTACHED   the last word is ATTACHED and a file, which the shell knows best
//! directories ATTACHED
//! ```
//!
//! and each line behind it a value, a tab and what it is. Of `command N` these are the verbs, when N is the word being
//! typed. Nothing is opened but descriptions and bindings, nothing is written or asked, and whatever fails is nothing: a
//! person who presses TAB wants no error on the line being typed.

use std::collections::BTreeSet;

use crate::cli::expect::{Expected, Kind, expect};
use crate::host::Host;
use crate::profile::binding::{Bindings, Bound};
use crate::profile::{self, Description, Profile, ProfileName, USUAL_VARIABLE, description, resolve};
use crate::provider;
use crate::ui::layout::tilde;
use crate::ui::{self, sanitize};

/// The longest list of profiles that is told with masked keys and directories: each costs reading a file.
const DETAILED: usize = 50;

type Offer = (String, String);

/// Answers; see above.
pub fn run(words: &[String], host: &Host) {
    let mut expected = expect(words);
    // It is sent back as it was typed, and must stay one line.
    if sanitize::clean(&expected.attached) != expected.attached {
        expected = Expected { command: None, attached: String::new(), typed: String::new(), kind: Kind::Nothing };
    }
    let head = match (expected.command, &expected.kind) {
        (Some(place), _) => format!("command {place}"),
        (None, Kind::File) => format!("files {}", expected.attached),
        (None, Kind::Directory) => format!("directories {}", expected.attached),
        (None, _) => format!("words {}", expected.attached),
    };
    let mut text = head + "\n";
    for (value, meaning) in offers(expected.kind, &expected.typed, host) {
        sanitize::push(&mut text, &value);
        text.push('\t');
        sanitize::push(&mut text, &meaning);
        text.push('\n');
    }
    // A shell that has stopped reading has no use for it.
    let _ = ui::answer(&text);
}

/// What begins with `typed`, in the order in which it is shown.
fn offers(kind: Kind, typed: &str, host: &Host) -> Vec<Offer> {
    let fits = |offer: &Offer| offer.0.starts_with(typed);
    match kind {
        Kind::Nothing | Kind::File | Kind::Directory => Vec::new(),
        // Long options alone, until a person asks for the short ones by one dash.
        Kind::Words(words) => words.into_iter().filter(fits).collect(),
        Kind::Profile { inherit } => {
            let reserved = (profile::INHERIT.to_owned(), "the key that the environment has already".to_owned());
            profiles(typed, host).into_iter().chain([reserved].into_iter().filter(|_| inherit).filter(fits)).collect()
        }
        Kind::ProfileOrVariable => {
            let variables = variables(None, host).into_iter().filter(fits);
            profiles(typed, host).into_iter().chain(variables.filter(|_| !typed.is_empty())).collect()
        }
        Kind::Kept(profile) => kept(profile, host).into_iter().filter(fits).collect(),
        Kind::Variable(profile) => variables(profile, host).into_iter().filter(fits).collect(),
    }
}

/// The profiles, with their masked keys and directories when they are few.
fn profiles(typed: &str, host: &Host) -> Vec<Offer> {
    let Ok(folders) = host.folders() else { return Vec::new() };
    let names = description::names_beginning(folders, typed).unwrap_or_default();
    if names.len() > DETAILED {
        return names.into_iter().map(|name| (name.into(), String::new())).collect();
    }
    let bindings = Bindings::read(folders).and_then(|bindings| bindings.all()).unwrap_or_default();
    names.iter().map(|name| (name.to_string(), details(name, &bindings, host))).collect()
}

fn details(name: &ProfileName, bindings: &[Bound], host: &Host) -> String {
    let description = host.folders().and_then(|folders| Description::read(folders, name)).ok().flatten();
    let variables = description.map(|description| description.variables).unwrap_or_default();
    let keys = variables.into_iter().map(|described| match described.variable.as_str() {
        USUAL_VARIABLE => described.masked,
        other => format!("{other} {}", described.masked),
    });
    let bound = bindings.iter().filter(|bound| bound.profile == *name);
    let places = bound.map(|bound| match &bound.directory {
        Some(directory) => tilde(directory, host),
        None => "the default".to_owned(),
    });
    keys.chain(places).collect::<Vec<_>>().join(", ")
}

/// The variables that a profile has keys for; of the one chosen here if none is named.
fn kept(profile: Option<String>, host: &Host) -> Vec<Offer> {
    let description = match profile.map(|name| name.parse()) {
        Some(name) => name.and_then(|name| Description::read(host.folders()?, &name)).ok().flatten(),
        None => {
            let chosen = resolve::resolve(None, host).ok().flatten();
            chosen.and_then(|chosen| Profile::open(chosen, host).ok()).and_then(|profile| profile.description)
        }
    };
    let variables = description.map(|description| description.variables).unwrap_or_default();
    variables.into_iter().map(|described| (described.variable.to_string(), described.masked)).collect()
}

/// The variables that a profile has keys for, then those of the providers' table.
fn variables(profile: Option<String>, host: &Host) -> Vec<Offer> {
    let mut offers = kept(profile, host);
    let known: BTreeSet<_> = offers.iter().map(|offer| offer.0.clone()).collect();
    let table = provider::key_variables().filter(|name| !known.contains(*name));
    offers.extend(
        table.map(|name| {
            (name.to_owned(), provider::of_variable(name).map(|row| row.name.to_owned()).unwrap_or_default())
        }),
    );
    offers
}
