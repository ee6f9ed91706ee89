//! The identity in force: there, readable by its owner alone, of a kind that age knows.

use super::{Described, Finding};
use crate::host::{Host, IDENTITY, IDENTITY_FILE};
use crate::profile::description::StoreKind;
use crate::store::identity::{self, Identities};
use crate::store::passphrase;
use crate::store::unlock::{self, For};

const PROBE: &str = "identity";

pub fn probe(described: &[Described], host: &Host) -> Vec<Finding> {
    if identity::is_given_by(IDENTITY, host) || identity::is_given_by(IDENTITY_FILE, host) {
        let variable = if identity::is_given_by(IDENTITY, host) { IDENTITY } else { IDENTITY_FILE };
        // A pipe can be read once, and the profiles' dotfiles need it.
        return vec![Finding::ok(PROBE, format!("given by {variable}, in place of the personal one"))];
    }
    let any_dotfile =
        described.iter().any(|(_, read)| read.as_ref().is_ok_and(|read| read.store == StoreKind::Dotfile));
    match identity::personal(host) {
        Ok(None) if !any_dotfile => vec![Finding::ok(PROBE, "none yet; the first withkey add makes one")],
        Ok(Some(text)) if passphrase::protects(text.bytes()) => {
            let unlocked = unlock::find(For::Unlocked, text.bytes(), host).is_some();
            let state =
                if unlocked { "and is unlocked now: every process of yours can read it" } else { "and is locked" };
            vec![Finding::ok(PROBE, format!("it has a passphrase, {state}"))]
        }
        Err(error) => vec![Finding::problem_of(PROBE, &error)],
        _ => match Identities::without_asking(host) {
            Ok(_) => vec![Finding::ok(PROBE, "it has no passphrase: it opens without asking")],
            Err(error) => vec![Finding::problem_of(PROBE, &error)],
        },
    }
}
