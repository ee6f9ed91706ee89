//! The launch: every step once, in order, each consuming what the one before gave.

use std::path::PathBuf;

use crate::cli::Launch;
use crate::config::Config;
use crate::error::Error;
use crate::exit::Exit;
use crate::host::Host;
use crate::key::Key;
use crate::memory;
use crate::profile::injection::Injection;
use crate::profile::{Chosen, Name, Profile, resolve};
use crate::program::Program;
use crate::store::{self, project};
use crate::ui::{self, Ui};

mod environment;
mod exec;
mod expiry;
mod first_run;
mod record;
mod report;
mod signals;
mod spawn;

use environment::{Environment, Replaced};

/// How often a launch looks again when writers keep changing its profile.
const LOOKS: usize = 1000;

/// Runs COMMAND with this directory's key: on success this process *is* COMMAND, and nothing is returned.
///
/// Returns after `--dry-run`, and in the parent of `--spawn` when COMMAND has ended.
///
/// # Errors
/// When anything on the way fails; COMMAND was not started then.
pub fn run(request: Launch, host: &mut Host, ui: Ui) -> Result<Exit, Error> {
    if request.spawn && request.dry_run.is_none() {
        // Before anything secret is read: the parent never holds a key.
        if let Some(child) = spawn::fork(host)? {
            return spawn::mirror(child);
        }
    }
    let name = request.command.first().ok_or(Error::Internal)?;
    let program = Program::find(name, host)?;
    let mut profile = choose(&request, host, ui)?;
    // What a project's dotfile holds is known when it is opened; a profile has its description for that.
    match request.dry_run {
        Some(_) => project::judge(&profile)?,
        None => project::open_chosen(&mut profile, host)?,
    }
    let injection = Injection::decide(&profile, &request.wanted, request.drop_other_keys, host)?;
    let config = Config::read(host)?;
    expiry::refuse(&profile, &injection, &config)?;
    if let Some(format) = request.dry_run {
        return report::answer(format, &program, &profile, &injection, host, ui);
    }
    if request.verbose {
        report::tell(&program, &profile, &injection, host);
    }
    for warning in injection.warnings(&profile, host) {
        ui.warn(&warning);
    }
    expiry::warn(&profile, &injection, host, ui);
    let entry = (!config.no_log).then(|| record::entry(&program, &profile, &injection, host));
    let environment = fill(profile, injection, &request, host, ui)?;
    if let Some(Err(error)) = entry.map(|entry| record::append(entry, host))
        && request.verbose
    {
        ui.warn(&format!("this launch is not in the log: {}", error.words().error));
    }
    exec::keep_back_descriptors(host);
    Err(exec::run(program, &request.command, &environment))
}

/// The profile for this directory; on a terminal, where there is none yet, a key is taken in first.
fn choose(request: &Launch, host: &Host, ui: Ui) -> Result<Profile, Error> {
    let named = request.file.as_deref().map(Chosen::file);
    if let Some(chosen) =
        named.map_or_else(|| resolve::resolve(request.profile.as_ref(), host), |named| Ok(Some(named)))?
    {
        return Profile::open(chosen, host);
    }
    let directory = crate::host::current_directory().unwrap_or_else(|_| PathBuf::from("this directory"));
    let none = Error::NoProfile { directory };
    if request.dry_run.is_some() {
        return Err(none);
    }
    Profile::open(first_run::offer(host, ui, none)?, host)
}

/// Reads the keys and builds COMMAND's environment. A profile that changes meanwhile is read again.
fn fill(
    mut profile: Profile,
    mut injection: Injection,
    request: &Launch,
    host: &Host,
    ui: Ui,
) -> Result<Environment, Error> {
    for _ in 0..LOOKS {
        match inject(&profile, &injection, host, ui) {
            Err(Error::Overtaken { .. }) => {
                profile = Profile::open(Chosen { name: profile.name, source: profile.source, grant: None }, host)?;
                injection = Injection::decide(&profile, &request.wanted, request.drop_other_keys, host)?;
            }
            filled => return filled,
        }
    }
    Err(Error::Overtaken { profile: profile.name.to_string() })
}

fn inject(profile: &Profile, injection: &Injection, host: &Host, ui: Ui) -> Result<Environment, Error> {
    let mut environment = Environment::inherited(&host.environment);
    for name in &injection.dropped {
        environment.remove(name);
    }
    if let Some(description) = profile.description.as_ref().filter(|_| !injection.keys.is_empty()) {
        let variables: Vec<_> = injection.keys.iter().map(|wanted| &wanted.from).collect();
        let read;
        let keys: Vec<&Key> = match (&profile.opened, &profile.name) {
            (Some(opened), _) => project::keys_of(opened, &variables, &profile.name)?,
            (None, Name::Profile(name)) => {
                read = store::of(description.store, host, ui)?.read(name, description, &variables)?;
                read.iter().collect()
            }
            (None, Name::Dotfile(_)) => return Err(Error::Internal),
        };
        memory::scrub_stack::<{ 16 * 1024 }>();
        for (wanted, key) in injection.keys.iter().zip(keys) {
            let replaced = environment.inject(wanted.name.as_str(), key.expose())?;
            if replaced == Replaced::AnotherValue && ui::stderr_is_terminal() {
                ui.warn(&format!("{} has another value here; the key of {} is used", wanted.name, profile.name));
            }
        }
    }
    for (name, value) in &injection.plain {
        environment.inject(name.as_str(), value.as_bytes())?;
    }
    Ok(environment)
}
