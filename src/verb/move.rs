//! `withkey move`.

use crate::cli::verbs::Move;
use crate::error::Error;
use crate::exit::Exit;
use crate::host::Host;
use crate::ui::Ui;

/// Runs the verb.
pub fn run(_words: &Move, _host: &Host, _ui: Ui) -> Result<Exit, Error> {
    Err(Error::usage("not in this step yet", Some("move")))
}
