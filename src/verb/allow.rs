//! `withkey allow`: consent to a dotfile found in a directory, and the list of what was said.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::verbs::Allow;
use crate::error::{Error, line, project::Project};
use crate::exit::Exit;
use crate::files::{self, Guard};
use crate::host::{self, Host};
use crate::key::Key;
use crate::profile::grant::{Difference, Said};
use crate::profile::{Grant, Variable, project, resolve};
use crate::provider;
use crate::store::identity::Identities;
use crate::store::project::Opened;
use crate::ui::prompt::Prompt;
use crate::ui::{self, Ui, sanitize};

/// Runs the verb.
pub fn run(words: &Allow, host: &Host, ui: Ui) -> Result<Exit, Error> {
    if words.list {
        return list(words.json, host, ui);
    }
    let path = match &words.file {
        Some(file) => place(file)?,
        None => {
            let none = || host::current_directory().map(|directory| Project::NoneHere { directory }.into());
            resolve::nearest_dotfile()?.map_or_else(|| none().and_then(Err), Ok)?
        }
    };
    let folders = host.folders()?;
    if words.revoke {
        let _lock = files::lock(&folders.config)?;
        if !Grant::forget(folders, &path)? {
            return Err(Project::NothingSaid { path }.into());
        }
        ui.notice(&format!("took back what was said of {}", path.display()));
    } else if words.never {
        let _lock = files::lock(&folders.config)?;
        Grant::never(&path).write(folders)?;
        ui.notice(&format!("{} is passed over from now on, and withkey status says so", path.display()));
    } else {
        allow(&path, host, ui)?;
    }
    Ok(Exit::Done)
}

/// The canonical path of the dotfile that `file` names; of a directory it is the one in it. The file itself need not be
/// there, and is not followed where it is a link.
///
/// # Errors
/// When its folder is not there.
pub fn place(file: &Path) -> Result<PathBuf, Error> {
    let file = if file.is_dir() { file.join(project::DOTFILE) } else { file.to_owned() };
    let absolute = std::path::absolute(&file).unwrap_or_else(|_| file.clone());
    let missing = || Project::Missing { path: file.clone() };
    let (Some(folder), Some(name)) = (absolute.parent(), absolute.file_name()) else { return Err(missing().into()) };
    // What was said of a folder that is gone can still be taken back.
    Ok(folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).join(name))
}

/// Opens the dotfile once, shows what it holds, asks, and records consent to exactly that.
fn allow(path: &Path, host: &Host, ui: Ui) -> Result<(), Error> {
    let folders = host.folders()?;
    let hint = format!("type it yourself, on a terminal: {}", line("withkey allow", path));
    let prompt = Prompt::open(host.agent(), "consent", &hint)?;
    let missing = || Project::Missing { path: path.to_owned() };
    let sealed = project::read(path, Guard::Found)?.ok_or_else(missing)?;
    let identities = Identities::in_force_or_new(host, ui)?;
    let Opened { keys, .. } = Opened::of(sealed, path, &identities, host)?;
    let before = Grant::read(folders, path)?.filter(|grant| matches!(grant.said, Said::Allowed { .. }));
    let difference = before.as_ref().map(|before| before.compare(&keys, folders)).transpose()?;
    if difference.as_ref().is_some_and(Difference::is_none) {
        ui.notice(&format!("{} is allowed already, as it is now", path.display()));
        return Ok(());
    }
    if keys.is_empty() {
        return Err(Project::Nothing { path: path.to_owned() }.into());
    }
    show(&prompt, path, &keys, difference.as_ref());
    if !prompt.yes("allow it?", false)? {
        return Err(Error::Declined { what: "allowing" });
    }
    let _lock = files::lock(&folders.config)?;
    Grant::to(path, &keys, None, folders)?.write(folders)?;
    let names: Vec<_> = keys.iter().map(|(variable, _)| variable.as_str()).collect();
    ui.notice(&format!("allowed {}: {}", path.display(), names.join(", ")));
    Ok(())
}

fn show(prompt: &Prompt, path: &Path, keys: &[(Variable, Key)], difference: Option<&Difference>) {
    prompt.tell(&format!("{} sets:", path.display()));
    for (variable, key) in keys {
        let change = match difference {
            Some(difference) if difference.new.iter().any(|(new, _)| new == variable) => ", new".to_owned(),
            Some(difference) => difference
                .changed
                .iter()
                .find(|(changed, ..)| changed == variable)
                .map_or_else(String::new, |(_, before, _)| format!(", changed: it was {before}")),
            None => String::new(),
        };
        let unknown =
            if provider::of_variable(variable.as_str()).is_none() { ", of no provider withkey knows" } else { "" };
        prompt.tell(&format!("  {variable} {}{unknown}{change}", key.masked()));
    }
    for gone in difference.iter().flat_map(|difference| &difference.gone) {
        prompt.tell(&format!("  {gone} is gone"));
    }
    prompt.tell("whoever wrote the file chose these keys; commands that withkey runs here and below get them");
}

#[derive(Serialize)]
struct Report {
    version: u8,
    grants: Vec<GrantJson>,
}

#[derive(Serialize)]
struct GrantJson {
    path: String,
    state: &'static str,
    given: String,
    keys: Vec<KeyJson>,
}

#[derive(Serialize)]
struct KeyJson {
    variable: String,
    masked: String,
}

fn list(json: bool, host: &Host, ui: Ui) -> Result<Exit, Error> {
    let grants: Vec<_> = Grant::all(host.folders()?)?.iter().map(GrantJson::from).collect();
    if json {
        ui::answer(&ui::json(&Report { version: 1, grants })?)?;
    } else if grants.is_empty() {
        ui.notice("nothing is allowed yet; withkey allow asks about the dotfile here");
    } else {
        ui::answer(&grants.iter().map(lines).collect::<String>())?;
    }
    Ok(Exit::Done)
}

impl From<&Grant> for GrantJson {
    fn from(grant: &Grant) -> Self {
        let (state, keys) = match &grant.said {
            Said::Allowed { keys, .. } => ("allowed", keys.as_slice()),
            Said::Never => ("never", &[][..]),
        };
        let keys = keys
            .iter()
            .map(|granted| KeyJson { variable: granted.variable.to_string(), masked: granted.masked.clone() });
        Self { path: sanitize::string(grant.path.as_os_str()), state, given: grant.given.clone(), keys: keys.collect() }
    }
}

fn lines(grant: &GrantJson) -> String {
    let day = grant.given.get(..10).unwrap_or(&grant.given);
    let mut text = sanitize::clean(&format!("{} ({} {day})", grant.path, grant.state)) + "\n";
    for key in &grant.keys {
        text += &sanitize::clean(&format!("  {} {}", key.variable, key.masked));
        text.push('\n');
    }
    text
}
