//! The OS keychain: one read, of an item that does not exist, so that nobody is asked for anything.

use super::{Described, Finding};
use crate::error::Error;
use crate::host::Host;
use crate::profile::description::StoreKind;
use crate::store;
use crate::ui::Ui;

const PROBE: &str = "keychain";

pub fn probe(described: &[Described], host: &Host, ui: Ui) -> Finding {
    let read = described.iter().filter_map(|(_, read)| read.as_ref().ok());
    let kept = read.filter(|description| description.store == StoreKind::Keychain).count();
    match (store::keychain_answers(host, ui), kept) {
        (Ok(()), 0) => Finding::ok(PROBE, "it answers; no profile is kept there"),
        (Ok(()), 1) => Finding::ok(PROBE, "it answers; 1 profile is kept there"),
        (Ok(()), count) => Finding::ok(PROBE, format!("it answers; {count} profiles are kept there")),
        (Err(Error::Keychain(why)), 0) if why.is_absent() => Finding::ok(PROBE, "none here; keys are kept in dotfiles"),
        (Err(error), _) => Finding::problem_of(PROBE, &error),
    }
}
