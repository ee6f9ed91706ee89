//! `withkey use`: ties a directory to a profile, or names the default.

use std::path::{Path, PathBuf};

use crate::cli::verbs::Use;
use crate::error::Error;
use crate::exit::Exit;
use crate::files;
use crate::host::{self, Host};
use crate::profile::binding::Bindings;
use crate::profile::{Description, ProfileName};
use crate::ui::Ui;

/// Runs the verb.
pub fn run(words: Use, host: &Host, ui: Ui) -> Result<Exit, Error> {
    let usage = |what: &str| Error::usage(what, Some("use"));
    if let Some(name) = words.default {
        let name: ProfileName = name.parse()?;
        must_exist(&name, host)?;
        change(None, Some(&name), host)?;
        ui.notice(&format!("the default is profile {name} now"));
        return Ok(Exit::Done);
    }
    if words.remove {
        let ([] | [_]) = words.words.as_slice() else { return Err(usage("--remove takes one directory")) };
        let directory = bound_directory(words.words.first().map(PathBuf::as_path))?;
        if !change(Some(&directory), None, host)? {
            return Err(Error::NothingBound { directory: directory.display().to_string() });
        }
        ui.notice(&format!("{} is tied to no profile now", directory.display()));
        return Ok(Exit::Done);
    }
    let (name, place) = match words.words.as_slice() {
        [name] => (name, None),
        [name, place] => (name, Some(place.as_path())),
        [] => return Err(usage("no PROFILE is given")),
        _ => return Err(usage("a profile and one directory are enough")),
    };
    let name: ProfileName = name.to_string_lossy().parse()?;
    must_exist(&name, host)?;
    bind(&directory(place)?, &name, host, ui)?;
    Ok(Exit::Done)
}

/// The canonical path of an existing directory; the current one if none is named.
///
/// # Errors
/// When it is no directory.
pub fn directory(place: Option<&Path>) -> Result<PathBuf, Error> {
    let Some(place) = place else { return host::current_directory() };
    let cannot = |why| Error::CannotBind { directory: place.to_owned(), why };
    let path = place.canonicalize().map_err(|_| cannot("there is no such directory"))?;
    if path.is_dir() { Ok(path) } else { Err(cannot("it is not a directory")) }
}

/// Ties `directory` to the profile and says so.
///
/// # Errors
/// When the bindings cannot be written.
pub fn bind(directory: &Path, name: &ProfileName, host: &Host, ui: Ui) -> Result<(), Error> {
    change(Some(directory), Some(name), host)?;
    ui.notice(&format!("{} uses profile {name} now", directory.display()));
    Ok(())
}

/// The directory as it was bound: one that is gone is found by its path as typed.
fn bound_directory(place: Option<&Path>) -> Result<PathBuf, Error> {
    match (directory(place), place) {
        (Err(_), Some(place)) => Ok(std::path::absolute(place).unwrap_or_else(|_| place.to_owned())),
        (found, _) => found,
    }
}

fn change(directory: Option<&Path>, name: Option<&ProfileName>, host: &Host) -> Result<bool, Error> {
    let folders = host.folders()?;
    if name.is_none() && !Bindings::read(folders)?.all()?.iter().any(|bound| bound.directory.as_deref() == directory) {
        return Ok(false);
    }
    let _lock = files::lock(&folders.config)?;
    Bindings::read(folders)?.bind(directory, name)
}

fn must_exist(name: &ProfileName, host: &Host) -> Result<(), Error> {
    if name.is_inherit() || Description::read(host.folders()?, name)?.is_some() {
        return Ok(());
    }
    Err(Error::UnknownProfile { name: name.to_string(), chosen_by: None })
}
