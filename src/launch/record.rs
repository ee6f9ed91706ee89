//! The log's line about this launch: who uses which key, where. Names only.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::host::{self, Host};
use crate::log::{self, Entry};
use crate::profile::injection::Injection;
use crate::profile::{Name, Profile, date};
use crate::program::Program;
use crate::ui::{self, sanitize};

/// What is known before the keys are read. The time is that of [`append`].
pub fn entry(program: &Program, profile: &Profile, injection: &Injection, host: &Host) -> Entry {
    Entry {
        time: String::new(),
        profile: match &profile.name {
            Name::Profile(name) => name.to_string(),
            Name::Dotfile(path) => sanitize::string(absolute(path).as_os_str()),
        },
        variables: injection.keys.iter().map(|wanted| wanted.from.to_string()).collect(),
        program: name(program.path()),
        directory: host::current_directory().map_or_else(|_| "?".to_owned(), |path| sanitize::string(path.as_os_str())),
        parent: parent(host),
        terminal: ui::stderr_is_terminal(),
    }
}

/// Writes the line, right before COMMAND starts.
///
/// # Errors
/// When it cannot be written; the launch goes on all the same.
pub fn append(mut entry: Entry, host: &Host) -> Result<(), Error> {
    entry.time = date::stamp();
    log::append(host.folders()?, &entry)
}

/// The program of the process that started withkey; the name it gives itself where the file may not be seen.
#[cfg(target_os = "linux")]
fn parent(host: &Host) -> Option<String> {
    let process = host.parent();
    match std::fs::read_link(format!("/proc/{process}/exe")) {
        // The kernel's mark of a program that was upgraded since it was started.
        Ok(file) => Some(name(&file).trim_end_matches(" (deleted)").to_owned()),
        Err(_) => Some(std::fs::read_to_string(format!("/proc/{process}/comm")).ok()?.trim_end().to_owned()),
    }
}

#[cfg(not(target_os = "linux"))]
fn parent(_host: &Host) -> Option<String> {
    None
}

/// A dotfile's path that says the same in any directory; `-f` takes it as it was typed.
fn absolute(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent().map(Path::canonicalize), absolute.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => absolute,
    }
}

fn name(file: &Path) -> String {
    sanitize::string(file.file_name().unwrap_or(OsStr::new("?")))
}
