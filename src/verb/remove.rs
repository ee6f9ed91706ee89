//! `withkey remove`: from store, configuration and bindings, after asking.

use crate::cli::verbs::Remove;
use crate::error::Error;
use crate::exit::Exit;
use crate::host::Host;
use crate::profile::binding::Bindings;
use crate::profile::{Description, ProfileName, Variable};
use crate::store::change;
use crate::ui::Ui;
use crate::ui::prompt::Prompt;

/// Runs the verb.
pub fn run(words: &Remove, host: &Host, ui: Ui) -> Result<Exit, Error> {
    let name: ProfileName = words.profile.parse()?;
    let variable = words.variable.as_deref().map(str::parse::<Variable>).transpose()?;
    if !words.yes {
        confirm(&name, variable.as_ref(), host)?;
    }
    let whole = change::remove(&name, variable.as_ref(), host, ui)?;
    ui.notice(&match (&variable, whole) {
        (Some(variable), false) => format!("removed {variable} from profile {name}"),
        _ => format!("removed profile {name}, its keys and its bindings"),
    });
    ui.hint("a key that is no longer needed is deleted at its provider too: withkey status names the page");
    Ok(Exit::Done)
}

fn confirm(name: &ProfileName, variable: Option<&Variable>, host: &Host) -> Result<(), Error> {
    let folders = host.folders()?;
    let unknown = || Error::UnknownProfile { name: name.to_string(), chosen_by: None };
    let description = Description::read(folders, name)?.ok_or_else(unknown)?;
    if let Some(variable) = variable {
        let missing = || Error::VariableMissing { profile: name.to_string(), variable: variable.to_string() };
        description.variable(variable).ok_or_else(missing)?;
    }
    let what = variable.map_or_else(|| format!("profile {name}"), |variable| format!("{variable} of profile {name}"));
    let hint = match variable {
        Some(variable) => format!("withkey remove {name} {variable} --yes"),
        None => format!("withkey remove {name} --yes"),
    };
    let prompt = Prompt::open(host.agent(), "leave to remove it", &hint)?;
    for described in
        description.variables.iter().filter(|described| variable.is_none_or(|variable| described.variable == *variable))
    {
        prompt.tell(&format!("  {} {}", described.variable, described.masked));
        if let Some(previous) = description.previous(&described.variable) {
            prompt.tell(&format!("  its previous key {}, kept since it was rotated", previous.masked));
        }
    }
    for bound in Bindings::read(folders)?.all()?.iter().filter(|bound| bound.profile == *name && variable.is_none()) {
        if let Some(directory) = &bound.directory {
            prompt.tell(&format!("  used in {}", directory.display()));
        }
    }
    if prompt.yes(&format!("remove {what}? The key cannot be brought back"), false)? {
        Ok(())
    } else {
        Err(Error::Declined { what: "removing" })
    }
}
