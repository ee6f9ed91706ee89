//! `withkey check`.

use crate::cli::verbs::Check;
use crate::error::Error;
use crate::exit::Exit;
use crate::host::Host;
use crate::ui::Ui;

mod online;

/// Runs the verb.
pub fn run(words: &Check, host: &Host, ui: Ui) -> Result<Exit, Error> {
    if words.online {
        return online::run(words, host, ui);
    }
    Err(Error::usage("not in this step yet", Some("check")))
}
