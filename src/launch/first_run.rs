//! The first `withkey COMMAND` in a project, on a terminal: a key is taken in, and the launch goes on.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files;
use crate::host::{self, Host};
use crate::profile::binding::Bindings;
use crate::profile::{Chosen, Description, ProfileName, Source, USUAL_VARIABLE, Variable};
use crate::store::change::{self, Taken};
use crate::store::{self, intake};
use crate::ui::Ui;
use crate::ui::prompt::Prompt;

/// Offers to take a key in for this directory's project, and gives the profile made. Where nobody can be asked, or the
/// answer is no, the error is `none`.
pub fn offer(host: &Host, ui: Ui, none: Error) -> Result<Chosen, Error> {
    let Ok(prompt) = Prompt::open_with_stdin(host.agent(), "a key", "withkey add") else { return Err(none) };
    let root = project_root(&host::current_directory()?, host);
    let name = match &root {
        Some(root) => free_name(root, host)?,
        None => ProfileName::usual(),
    };
    let whereto = match &root {
        Some(root) => format!("profile {name}, for {}", root.display()),
        None => format!("profile {name}, used where nothing else is chosen"),
    };
    prompt.tell("withkey has no key for this directory yet");
    if !prompt.yes(&format!("take one in now ({whereto})?"), true)? {
        return Err(none);
    }
    let variable: Variable = USUAL_VARIABLE.parse()?;
    let kind = change::room_for(&name, std::slice::from_ref(&variable), None, false, host, ui)?;
    let store = store::of(kind, host, ui)?;
    store.prepare()?;
    let key = intake::ask(&prompt, &variable, ui)?;
    let taken = [Taken { variable, key, created: None, expires: None, helper: Vec::new() }];
    change::add(&*store, &name, &taken, false, host, ui)?;
    intake::say_stored(&name, &taken, kind, ui);
    let Some(root) = root else { return Ok(Chosen::profile(name, Source::Default)) };
    let folders = host.folders()?;
    let _lock = files::lock(&folders.config)?;
    Bindings::read(folders)?.bind(Some(&root), Some(&name))?;
    ui.notice(&format!("{} uses profile {name} now", root.display()));
    Ok(Chosen::profile(name, Source::Binding(root)))
}

/// git's top level, else `here`; nothing when that is HOME or the root, where a binding would reach too far.
fn project_root(here: &Path, host: &Host) -> Option<PathBuf> {
    let home = host.home().and_then(|home| home.canonicalize().ok());
    let too_far = |directory: &Path| directory == Path::new("/") || Some(directory) == home.as_deref();
    // A HOME that is a repository, of dotfiles for instance, is no project.
    let top = here.ancestors().find(|directory| !too_far(directory) && directory.join(".git").exists());
    Some(top.unwrap_or(here)).filter(|root| !too_far(root)).map(Path::to_owned)
}

/// The directory's name as a profile's name, numbered when one of that name exists.
fn free_name(root: &Path, host: &Host) -> Result<ProfileName, Error> {
    let bytes = root.file_name().map(OsStrExt::as_bytes).unwrap_or_default().to_ascii_lowercase();
    let allowed = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let text: String =
        bytes.iter().map(|byte| if allowed(byte) || b"._".contains(byte) { char::from(*byte) } else { '-' }).collect();
    let text: String = text.trim_matches(['-', '.', '_']).chars().take(60).collect();
    let base = if text.is_empty() { "project".to_owned() } else { text };
    let folders = host.folders()?;
    let names = std::iter::once(base.clone()).chain((2..).map(|number| format!("{base}-{number}")));
    for name in names.take(1000) {
        let name: ProfileName = name.parse()?;
        if !name.is_inherit() && Description::read(folders, &name)?.is_none() {
            return Ok(name);
        }
    }
    Err(Error::ProfileName { name: base })
}
