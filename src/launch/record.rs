//! The log's line about this launch: who uses which key, where. Names only.

use std::ffi::OsStr;
use std::path::Path;

use crate::error::Error;
use crate::host::{self, Host};
use crate::log::{self, Entry};
use crate::profile::injection::Injection;
use crate::profile::{Profile, date};
use crate::program::Program;
use crate::ui::{self, sanitize};

/// What is known before the keys are read. The time is that of [`append`].
pub fn entry(program: &Program, profile: &Profile, injection: &Injection, host: &Host) -> Entry {
    let name = |path: &Path| sanitize::string(path.file_name().unwrap_or(OsStr::new("?")));
    Entry {
        time: String::new(),
        profile: profile.name.to_string(),
        variables: injection.keys.iter().map(|wanted| wanted.from.to_string()).collect(),
        program: name(program.path()),
        directory: host::current_directory().map_or_else(|_| "?".to_owned(), |path| sanitize::string(path.as_os_str())),
        parent: parent(host).map(|path| name(&path)),
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

/// The program of the process that started withkey; its name alone where the file may not be seen.
#[cfg(target_os = "linux")]
fn parent(host: &Host) -> Option<std::path::PathBuf> {
    let process = host.parent();
    let file = std::fs::read_link(format!("/proc/{process}/exe")).ok();
    let file = file
        .map(|path| path.to_str().and_then(|path| path.strip_suffix(" (deleted)")).map_or(path.clone(), Into::into));
    file.or_else(|| {
        let name = std::fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
        Some(name.trim_end().into())
    })
}

#[cfg(not(target_os = "linux"))]
fn parent(_host: &Host) -> Option<std::path::PathBuf> {
    None
}
