//! Where a profile's key is used, and where it still lies in clear: what its owner must look at when it is replaced.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::host::Host;
use crate::key::Key;
use crate::log;
use crate::memory;
use crate::profile::binding::Bindings;
use crate::profile::grant::{Grant, Said};
use crate::profile::{ProfileName, Variable};
use crate::verb::env_files;

/// How many programs are told of at most.
const MOST: usize = 20;

/// What is known of a key's uses.
#[derive(Debug, Default)]
pub struct Uses {
    /// Directories that use the profile.
    pub directories: Vec<PathBuf>,
    /// Programs that were launched with the key since it was added: name, directory, last time.
    pub launches: Vec<(String, String, String)>,
    /// Dotfiles of projects that were allowed and hold this very key under this variable.
    pub dotfiles: Vec<PathBuf>,
    /// Whether the profile is the default's.
    pub default: bool,
    /// Clear files in those directories that hold the key, and the first line that does.
    pub clear: Vec<(PathBuf, usize)>,
    /// What could not be looked into.
    pub unread: Vec<PathBuf>,
}

/// Looks at the bindings, at the log, at the grants, and at the `.env*` files of the directories that are bound to `name`.
///
/// # Errors
/// When the bindings cannot be read.
///
/// # Secrets
/// The files are read into protected pages and compared there; nothing of them stays.
pub fn of(name: &ProfileName, variable: &Variable, key: &Key, host: &Host) -> Result<Uses, Error> {
    // A log that cannot be read is no reason to keep an old key.
    let mut uses = Uses { launches: launches(name, variable, host).unwrap_or_default(), ..Uses::default() };
    uses.dotfiles = dotfiles(variable, key, host)?;
    for bound in Bindings::read(host.folders()?)?.all()?.into_iter().filter(|bound| bound.profile == *name) {
        match bound.directory {
            Some(directory) => uses.directories.push(directory),
            None => uses.default = true,
        }
    }
    for directory in uses.directories.clone() {
        look_into(&directory, key, &mut uses);
    }
    Ok(uses)
}

/// By the keyed hashes of the grants: no dotfile is opened.
fn dotfiles(variable: &Variable, key: &Key, host: &Host) -> Result<Vec<PathBuf>, Error> {
    let folders = host.folders()?;
    let copy = Key::new(key.expose()).map_err(|source| Error::System { doing: "keep a key in memory", source })?;
    let wanted = [(variable.clone(), copy)];
    let mut holding = Vec::new();
    for grant in Grant::all(folders)?.into_iter().filter(|grant| matches!(grant.said, Said::Allowed { .. })) {
        let difference = grant.compare(&wanted, folders)?;
        if difference.new.is_empty() && difference.changed.is_empty() {
            holding.push(grant.path);
        }
    }
    Ok(holding)
}

/// What the log says, the latest use first: each program and directory once.
fn launches(name: &ProfileName, variable: &Variable, host: &Host) -> Result<Vec<(String, String, String)>, Error> {
    let log = log::read(host.folders()?)?;
    let ours = log
        .entries
        .into_iter()
        .filter(|entry| entry.profile == name.as_str() && entry.variables.iter().any(|used| used == variable.as_str()));
    let mut launches: Vec<(String, String, String)> = Vec::new();
    for entry in ours {
        launches.retain(|(program, directory, _)| (program, directory) != (&entry.program, &entry.directory));
        launches.insert(0, (entry.program, entry.directory, entry.time));
    }
    launches.truncate(MOST);
    Ok(launches)
}

fn look_into(directory: &Path, key: &Key, uses: &mut Uses) {
    let Ok(files) = env_files::of(directory) else {
        uses.unread.push(directory.to_owned());
        return;
    };
    for file in files {
        match env_files::text(&file) {
            Ok(Some(text)) => uses.clear.extend(line_of(text.bytes(), key.expose()).map(|line| (file, line))),
            Ok(None) => {}
            Err(_) => uses.unread.push(file),
        }
    }
}

/// The number of the first line that holds `key`.
fn line_of(text: &[u8], key: &[u8]) -> Option<usize> {
    let first = *key.first()?;
    let mut at = 0;
    loop {
        at += memory::find(first, text.get(at..)?)?;
        if text.get(at..)?.starts_with(key) {
            return Some(text.get(..at)?.iter().filter(|&&byte| byte == b'\n').count() + 1);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_holds_the_key_is_found() {
        for (text, line) in [
            ("OPENAI_API_KEY=sk-test-x", Some(1)),
            ("# mine\n\nA='ssk-sk-test-x'\nB=sk-test-x", Some(3)),
            ("sk-test-\nx", None),
            ("sk-test-", None),
            ("", None),
        ] {
            assert_eq!(line_of(text.as_bytes(), b"sk-test-x"), line, "{text:?}");
        }
    }
}
