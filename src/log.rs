//! The log: one line for each launch, so that its owner can see which key was used, when, where and by what.
//!
//! A line holds names only, never an argument or a key. At most 1 MiB is kept, in `log.jsonl` and the older
//! `log.1.jsonl`.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files::{self, Guard, append};
use crate::host::Folders;

/// From this size on, in bytes, a file of the log is put aside. Twice this and what is written meanwhile stay under 1 MiB.
const FULL: u64 = 480 * 1024;

/// How every line begins.
const BEGINNING: &str = "{\"time\":";

/// How often a reader looks again when writers put the log aside meanwhile.
const LOOKS: usize = 100;

/// One launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, RFC 3339, to the second, in UTC.
    pub time: String,
    /// The profile.
    pub profile: String,
    /// The profile's variables whose keys were used.
    pub variables: Vec<String>,
    /// The name of COMMAND's program.
    pub program: String,
    /// The directory it was started in, as JSON answers write paths.
    pub directory: String,
    /// The name of the program that started withkey, where the system tells.
    pub parent: Option<String>,
    /// Whether standard error was a terminal.
    pub terminal: bool,
}

/// What the log says.
#[derive(Debug, Default)]
pub struct Log {
    /// The launches, oldest first.
    pub entries: Vec<Entry>,
    /// Lines that are none, such as one that a full disk cut.
    pub unreadable: usize,
}

fn newest(folders: &Folders) -> PathBuf {
    folders.state.join("log.jsonl")
}

fn older(folders: &Folders) -> PathBuf {
    folders.state.join("log.1.jsonl")
}

/// Adds a launch, in one write. Waits for nobody.
///
/// # Errors
/// When the log cannot be written: the launch goes on.
pub fn append(folders: &Folders, entry: &Entry) -> Result<(), Error> {
    let mut line = Vec::with_capacity(512);
    serde_json::to_writer(&mut line, entry).map_err(|_| Error::Internal)?;
    line.push(b'\n');
    append::add_line(&newest(folders), &older(folders), FULL, &line)
}

/// Whether the log could be written now. Makes nothing and adds nothing.
///
/// # Errors
/// What a launch would meet, when the log is there.
pub fn probe(folders: &Folders) -> Result<(), Error> {
    append::probe(&newest(folders))
}

/// Reads the whole log; none is an empty one.
///
/// # Errors
/// When a file of it is there and cannot be read, or is another user's.
pub fn read(folders: &Folders) -> Result<Log, Error> {
    let (newest, older) = (newest(folders), older(folders));
    let place = |path: &Path| std::fs::metadata(path).ok().map(|facts| (facts.dev(), facts.ino()));
    for _ in 0..LOOKS {
        let before = place(&older);
        let mut text = files::read(&older, files::LARGEST, Guard::Own)?.unwrap_or_default();
        text.extend(files::read(&newest, files::LARGEST, Guard::Own)?.unwrap_or_default());
        if place(&older) == before {
            return Ok(parse(&text));
        }
    }
    Err(Error::File { doing: "read", path: newest, source: std::io::ErrorKind::ResourceBusy.into() })
}

fn parse(text: &[u8]) -> Log {
    let mut log = Log::default();
    for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let line = String::from_utf8_lossy(line);
        // Behind a line that was cut stands the next one, without a line's end between them.
        let whole = || line.rfind(BEGINNING).and_then(|start| line.get(start..));
        match serde_json::from_str(&line).ok().or_else(|| serde_json::from_str(whole()?).ok()) {
            Some(entry) => log.entries.push(entry),
            None => log.unreadable += 1,
        }
    }
    log
}

impl Log {
    /// When each key was last used: by profile and variable.
    #[must_use]
    pub fn last_used(&self) -> HashMap<(&str, &str), &str> {
        let uses = self.entries.iter().flat_map(|entry| {
            entry.variables.iter().map(|variable| ((entry.profile.as_str(), variable.as_str()), entry.time.as_str()))
        });
        let mut last = HashMap::new();
        for (key, time) in uses {
            let known = last.entry(key).or_insert(time);
            *known = time.max(*known);
        }
        last
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(program: &str) -> Entry {
        Entry {
            time: "2026-11-23T10:00:00Z".to_owned(),
            profile: "work".to_owned(),
            variables: vec!["OPENAI_API_KEY".to_owned()],
            program: program.to_owned(),
            directory: "/".to_owned(),
            parent: None,
            terminal: false,
        }
    }

    #[test]
    fn a_line_that_was_cut_takes_no_other_one_along() {
        let line = |program: &str| serde_json::to_string(&entry(program)).unwrap();
        let odd = "x{\"time\":\"\n";
        let (whole, cut) = (line(odd), &line("cut")[..40]);
        let log = parse(format!("{whole}\n{cut}{whole}\n{cut}\n\u{fffd}\n\n{whole}").as_bytes());
        assert_eq!(log.entries, [entry(odd), entry(odd), entry(odd)]);
        assert_eq!(log.unreadable, 2);
    }

    #[test]
    fn the_beginning_is_what_every_line_begins_with() {
        assert!(serde_json::to_string(&entry("x")).unwrap().starts_with(BEGINNING));
    }
}
