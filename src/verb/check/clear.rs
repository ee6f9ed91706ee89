//! Keys in clear: in this directory's `.env` files and in the files that a shell reads when it starts.
//!
//! A stored key is recognised by its salted hash, whatever it looks like; any other by its provider's format, or by the
//! variable of the provider table that it is given to.

use std::path::{Path, PathBuf};

use super::{Described, Finding};
use crate::host::{self, Host};
use crate::key::{self, Key, SHORTEST};
use crate::provider;
use crate::store::salt::Salt;
use crate::verb::env_files;

const PROBE: &str = "clear keys";

/// The files of bash, zsh, fish and sh, below HOME.
const START_UP: [&str; 13] = [
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_aliases",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".config/fish/config.fish",
    ".config/fish/fish_variables",
    ".config/environment.d/env.conf",
    ".pam_environment",
];

pub fn probe(described: &[Described], host: &Host) -> Vec<Finding> {
    let salt = host.folders().ok().and_then(Salt::read);
    let known = Known { stored: stored(described), salt };
    let files: Vec<PathBuf> = env_files_here().into_iter().chain(start_up_files(host)).collect();
    let mut findings: Vec<Finding> = files.iter().flat_map(|file| known.look_into(file)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(PROBE, "none in this directory's .env files and your shells' start-up files"));
    }
    findings
}

/// A key that is stored: its hash, its profile, its variable.
struct Stored<'a> {
    hash: &'a str,
    profile: &'a str,
    variable: &'a str,
}

fn stored(described: &[Described]) -> Vec<Stored<'_>> {
    let readable = described.iter().filter_map(|(name, read)| Some((name, read.as_ref().ok()?)));
    let keys = readable.flat_map(|(name, description)| {
        // A previous key lies about as openly as the one that took its place.
        description.variables.iter().chain(&description.previous).filter_map(|described| {
            let hash = described.hash.as_deref()?;
            Some(Stored { hash, profile: name.as_str(), variable: described.variable.as_str() })
        })
    });
    keys.collect()
}

/// This directory's, as far as it can be listed.
fn env_files_here() -> Vec<PathBuf> {
    host::current_directory().and_then(|here| env_files::of(&here)).unwrap_or_default()
}

fn start_up_files(host: &Host) -> Vec<PathBuf> {
    host.home().map_or_else(Vec::new, |home| START_UP.iter().map(|file| home.join(file)).collect())
}

struct Known<'a> {
    stored: Vec<Stored<'a>>,
    salt: Option<Salt>,
}

impl Known<'_> {
    /// One finding for each line that holds a key.
    fn look_into(&self, file: &Path) -> Vec<Finding> {
        let text = match env_files::text(file) {
            Ok(Some(text)) => text,
            Ok(None) => return Vec::new(),
            Err(error) => {
                let what = format!("not looked into: {}", error.words().error);
                return vec![Finding::warning(PROBE, what, format!("look into {} yourself", file.display()))];
            }
        };
        let lines = text.bytes().split(|byte| *byte == b'\n').enumerate();
        lines.filter_map(|(index, line)| self.judge(line, file, index + 1)).collect()
    }

    fn judge(&self, line: &[u8], file: &Path, number: usize) -> Option<Finding> {
        // A comment may hold a key as well as any other line.
        let words = line.split(|byte| !is_of_a_key(*byte)).filter(|word| !word.is_empty());
        let mut variable = None;
        for word in words {
            if let Some(found) = provider::key_variables().find(|name| name.as_bytes() == word) {
                variable = Some(found);
            } else if word.len() >= SHORTEST
                && let Some(finding) = self.judge_word(word, variable, file, number)
            {
                return Some(finding);
            }
        }
        None
    }

    fn judge_word(&self, word: &[u8], variable: Option<&str>, file: &Path, number: usize) -> Option<Finding> {
        let place = format!("line {number} of {}", file.display());
        let masked = Key::new(word).ok()?.masked();
        let hash = self.salt.as_ref().map(|salt| salt.hash(word));
        if let Some(stored) = self.stored.iter().find(|stored| Some(stored.hash) == hash.as_deref()) {
            let what = format!("{place} holds {} of profile {} ({masked}) in clear", stored.variable, stored.profile);
            return Some(Finding::problem(PROBE, what, format!("delete {place}; the key is stored")));
        }
        let prefix = provider::prefix_of(word);
        if !looks_random(word) || key::is_placeholder(word) || (prefix.is_none() && variable.is_none()) {
            return None;
        }
        let whose = match (&prefix, variable) {
            (Some((_, rows)), _) => {
                format!("a key of {}", rows.iter().map(|row| row.name).collect::<Vec<_>>().join(" or "))
            }
            (None, variable) => format!("a value for {}", variable.unwrap_or_default()),
        };
        let row = prefix.and_then(|(_, rows)| rows.first().and_then(|row| row.variables.first()).copied());
        let name = variable.or(row).unwrap_or(crate::profile::USUAL_VARIABLE);
        let what = format!("{place} holds what looks like {whose} ({masked}) in clear");
        let mend = format!("withkey add PROFILE {name}, then delete {place}");
        Some(Finding::warning(PROBE, what, mend))
    }
}

/// The characters that keys are made of.
fn is_of_a_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

/// Letters and digits both, as a random text of that length has them and a name seldom has.
fn looks_random(word: &[u8]) -> bool {
    word.iter().any(u8::is_ascii_digit) && word.iter().any(u8::is_ascii_alphabetic)
}
