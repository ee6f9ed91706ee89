//! `withkey unlock`.

use crate::cli::verbs::Unlock;
use crate::error::Error;
use crate::exit::Exit;
use crate::host::Host;
use crate::ui::Ui;

/// Runs the verb.
pub fn run(_words: &Unlock, _host: &Host, _ui: Ui) -> Result<Exit, Error> {
    Err(Error::usage("not in this step yet", Some("unlock")))
}
