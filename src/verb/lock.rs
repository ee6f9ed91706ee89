//! `withkey lock`: forgets an unlocked identity now.

use crate::cli::verbs::Lock;
use crate::error::Error;
use crate::exit::Exit;
use crate::host::Host;
use crate::store::unlock::{self, For};
use crate::ui::Ui;

/// Runs the verb. That nothing was unlocked is no failure: it is locked then.
pub fn run(_words: &Lock, host: &Host, ui: Ui) -> Result<Exit, Error> {
    host.folders()?;
    let _ = unlock::forget(For::Waiting, host);
    let was_unlocked = unlock::forget(For::Unlocked, host);
    ui.notice(if was_unlocked { "locked: the identity is kept nowhere" } else { "nothing was unlocked" });
    Ok(Exit::Done)
}
