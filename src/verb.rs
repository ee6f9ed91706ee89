//! The verbs: one match, one file each.

use crate::cli::Verb;
use crate::error::{Error, life::Life};
use crate::exit::Exit;
use crate::host::Host;
use crate::provider;
use crate::ui::Ui;

mod add;
mod allow;
mod check;
pub mod completions;
mod env_files;
mod list;
mod lock;
mod log;
mod r#move;
mod online;
mod remove;
mod rotate;
mod status;
mod unlock;
mod r#use;

/// Does what the verb says.
///
/// # Errors
/// What the verb could not do; it has then changed nothing, or says what.
pub fn run(verb: Verb, host: &Host, ui: Ui) -> Result<Exit, Error> {
    if let (Some(verb), Some(agent)) = (a_persons(&verb), host.agent()) {
        return Err(Error::Life(Life::ForAPerson { verb, agent, line: line(verb, host) }));
    }
    match verb {
        Verb::Add(words) => add::run(words, host, ui),
        Verb::Use(words) => r#use::run(words, host, ui),
        Verb::Status(words) => status::run(&words, host, ui),
        Verb::List(words) => list::run(&words, host, ui),
        Verb::Check(words) => check::run(&words, host, ui),
        Verb::Rotate(words) => rotate::run(&words, host, ui),
        Verb::Move(words) => r#move::run(&words, host, ui),
        Verb::Remove(words) => remove::run(&words, host, ui),
        Verb::Allow(words) => allow::run(&words, host, ui),
        Verb::Unlock(words) => unlock::run(&words, host, ui),
        Verb::Lock(words) => lock::run(&words, host, ui),
        Verb::Log(words) => log::run(&words, host, ui),
        Verb::Completions(words) => completions::run(&words, host, ui),
    }
}

/// The verb's name, when only a person may do it: it takes keys in, or away, or changes what they are trusted to.
fn a_persons(verb: &Verb) -> Option<&'static str> {
    match verb {
        Verb::Add(_) => Some("add"),
        Verb::Remove(_) => Some("remove"),
        Verb::Rotate(_) => Some("rotate"),
        Verb::Allow(words) if !words.list => Some("allow"),
        Verb::Unlock(_) => Some("unlock"),
        Verb::Use(_)
        | Verb::Status(_)
        | Verb::List(_)
        | Verb::Check(_)
        | Verb::Move(_)
        | Verb::Allow(_)
        | Verb::Lock(_)
        | Verb::Log(_)
        | Verb::Completions(_) => None,
    }
}

/// The line that was typed, to be typed again. A word that looks like a key is left out with all the others.
fn line(verb: &str, host: &Host) -> String {
    let words: Option<Vec<_>> = host.arguments.iter().map(|word| word.to_str().ok()).collect();
    let harmless = words.filter(|words| !words.iter().any(|word| provider::prefix_of(word.as_bytes()).is_some()));
    let line = harmless.and_then(|words| shlex::try_join(words).ok());
    format!("withkey {}", line.as_deref().unwrap_or(verb))
}
