//! The verbs: one match, one file each.

use crate::cli::Verb;
use crate::error::Error;
use crate::exit::Exit;
use crate::host::Host;
use crate::ui::Ui;

mod add;
mod allow;
mod check;
pub mod completions;
mod list;
mod lock;
mod log;
mod r#move;
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
