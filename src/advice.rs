//! What was probably meant: looked for only when something has failed, so that nothing else pays for it.

use std::os::unix::ffi::OsStrExt;

use crate::cli::verbs::VERBS;
use crate::error::program::Program;
use crate::error::{Error, without_value};
use crate::host::Host;
use crate::profile::description;

/// The hint for an error that a slip of the fingers explains; it takes the place of the error's own.
#[must_use]
pub fn advice(error: &Error, host: &Host) -> Option<String> {
    match error {
        Error::UnknownProfile { name, .. } => {
            let near = near_profile(name, host)?;
            Some(format!("did you mean {near}? every profile: withkey list"))
        }
        Error::ProfileName { name } => {
            let near = near_profile(&name.to_lowercase(), host)?;
            Some(format!("did you mean {near}? every profile: withkey list"))
        }
        Error::Program(Program::NotFound { name, elsewhere: None }) if is_assignment(name) => {
            Some(with_env(name, host))
        }
        Error::Program(Program::NotFound { name, elsewhere: None }) if is_first(name, host) => {
            let verb = VERBS.iter().find(|verb| strsim::osa_distance(verb, name) == 1)?;
            Some(format!("did you mean the verb? withkey {verb}"))
        }
        _ => None,
    }
}

/// The existing profile whose name is nearest: one letter in three may be wrong.
fn near_profile(name: &str, host: &Host) -> Option<String> {
    let names = description::names(host.folders().ok()?).ok()?;
    let near = names.iter().map(|known| (strsim::osa_distance(known.as_str(), name), known));
    let (_, near) = near.filter(|(distance, known)| distance * 3 <= known.as_str().len()).min()?;
    Some(near.to_string())
}

/// `FOO=1`, which a shell would take for a variable.
fn is_assignment(name: &str) -> bool {
    let letter = |c: char| c == '_' || c.is_ascii_alphanumeric();
    name.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(letter) && !name.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// A verb is one as the very first word only.
fn is_first(name: &str, host: &Host) -> bool {
    host.arguments.first().is_some_and(|first| first.to_bytes() == name.as_bytes())
}

/// The line as it was typed, with env(1) where the variable stood.
fn with_env(name: &str, host: &Host) -> String {
    let mut words = vec!["withkey".to_owned()];
    for word in host.arguments_os() {
        if word.as_bytes() == name.as_bytes() && !words.iter().any(|word| word == "env") {
            words.push("env".to_owned());
        }
        words.push(quoted(&without_value(&word.to_string_lossy())));
    }
    words.join(" ")
}

/// A word as a person would type it: in quotes only when the shell needs them.
fn quoted(word: &str) -> String {
    if !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "_=./:@%+,-…".contains(c)) {
        return word.to_owned();
    }
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), |quoted| quoted.into_owned())
}
