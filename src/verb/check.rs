//! `withkey check`: probes by doing what withkey relies on, and says how to mend what is wrong. Asks nobody for anything.

use crate::cli::verbs::Check;
use crate::config::Config;
use crate::error::Error;
use crate::exit::Exit;
use crate::host::Host;
use crate::profile::description::{self, Description};
use crate::profile::{Chosen, Name, ProfileName, resolve};
use crate::ui::{self, Ui};

mod bindings;
mod clear;
mod completions;
mod dates;
mod environment;
mod files;
mod finding;
pub(super) mod helper;
mod identity;
mod keychain;
mod keyring;
mod log;
mod memory;
mod online;
mod path;
mod profiles;
mod report;

use finding::{Finding, State};

/// Runs the verb. Any problem makes it end with 1; the answer is complete all the same.
pub fn run(words: &Check, host: &Host, ui: Ui) -> Result<Exit, Error> {
    if words.online {
        return online::run(words, host, ui);
    }
    let folders = host.folders()?;
    let described = described(host)?;
    let (mut findings, examined) = examined(words, &described, host)?;
    findings.extend(memory::probe());
    findings.extend(keyring::probe());
    findings.extend(keychain::probe(&described, &examined, host, ui)?);
    findings.extend(files::probe(folders));
    findings.extend(identity::probe(&described, host));
    findings.extend(bindings::probe(folders));
    findings.extend(profiles::probe(&described, &examined, host, ui));
    findings.extend(helper::probe(&described, host));
    match Config::read(host) {
        Ok(config) => {
            findings.push(log::probe(&config, folders));
            findings.extend(dates::probe(&described, &examined, &config));
        }
        Err(error) => findings.push(Finding::problem_of("configuration", &error)),
    }
    findings.extend(environment::probe(&examined, host));
    findings.extend(clear::probe(&described, host));
    findings.extend(completions::probe(host));
    findings.extend(path::probe(host));
    ui::answer(&report::text(&findings, words.json, host, ui)?)?;
    let any_problem = findings.iter().any(|finding| finding.state == State::Problem);
    Ok(if any_problem { Exit::VerbFailed } else { Exit::Done })
}

/// A profile, and its description or why it cannot be read.
type Described = (ProfileName, Result<Description, Error>);

fn described(host: &Host) -> Result<Vec<Described>, Error> {
    let folders = host.folders()?;
    let read = |name: ProfileName| match Description::read(folders, &name) {
        Ok(Some(description)) => Some((name, Ok(description))),
        // Removed since the folder was read.
        Ok(None) => None,
        Err(error) => Some((name, Err(error))),
    };
    Ok(description::names(folders)?.into_iter().filter_map(read).collect())
}

/// Which profiles' keys are looked at, and what there is to say of the choice.
fn examined(words: &Check, described: &[Described], host: &Host) -> Result<(Vec<Finding>, Vec<ProfileName>), Error> {
    if words.all {
        return Ok((Vec::new(), described.iter().map(|(name, _)| name.clone()).collect()));
    }
    if let Some(name) = &words.profile {
        let name: ProfileName = name.parse()?;
        if !described.iter().any(|(known, _)| *known == name) {
            return Err(Error::UnknownProfile { name: name.to_string(), chosen_by: None });
        }
        return Ok((Vec::new(), vec![name]));
    }
    Ok(match resolve::resolve(None, host) {
        Ok(Some(Chosen { name: Name::Dotfile(_), source, .. })) => {
            (vec![Finding::ok("profile", format!("none: {source} is used here"))], vec![])
        }
        Ok(Some(chosen)) if chosen.name.is_inherit() => {
            (vec![Finding::ok("profile", format!("inherit, by {}: nothing is injected", chosen.source))], vec![])
        }
        Ok(Some(Chosen { name: Name::Profile(name), source, .. })) => {
            if described.iter().any(|(known, _)| *known == name) {
                (vec![Finding::ok("profile", format!("{name}, by {source}"))], vec![name])
            } else {
                let unknown = Error::UnknownProfile { name: name.to_string(), chosen_by: Some(source.to_string()) };
                (vec![Finding::problem_of("profile", &unknown)], vec![])
            }
        }
        Ok(None) => (vec![Finding::ok("profile", "none is chosen for this directory")], vec![]),
        Err(error) => (vec![Finding::problem_of("profile", &error)], vec![]),
    })
}
