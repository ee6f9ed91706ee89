//! The OS keychain: whether it answers, and the keys of the profiles that are looked at, as far as that asks nobody.

use super::{Described, Finding, profiles};
use crate::error::Error;
use crate::host::Host;
use crate::profile::ProfileName;
use crate::profile::description::StoreKind;
use crate::store;
use crate::ui::Ui;

const PROBE: &str = "keychain";

pub fn probe(described: &[Described], examined: &[ProfileName], host: &Host, ui: Ui) -> Result<Vec<Finding>, Error> {
    let kept = described.iter().filter_map(|(name, read)| Some((name, read.as_ref().ok()?)));
    let kept: Vec<_> = kept.filter(|(_, description)| description.store == StoreKind::Keychain).collect();
    let first = match (store::keychain_answers(host, ui), kept.len()) {
        (Ok(()), 0) => Finding::ok(PROBE, "it answers; no profile is kept there"),
        (Ok(()), 1) => Finding::ok(PROBE, "it answers; 1 profile is kept there"),
        (Ok(()), count) => Finding::ok(PROBE, format!("it answers; {count} profiles are kept there")),
        (Err(Error::Keychain(why)), 0) if why.is_absent() => Finding::ok(PROBE, "none here; keys are kept in dotfiles"),
        (Err(error), _) => return Ok(vec![Finding::problem_of(PROBE, &error)]),
    };
    let mut findings = vec![first];
    let mut examined = kept.into_iter().filter(|(name, _)| examined.contains(name)).peekable();
    if examined.peek().is_none() {
        return Ok(findings);
    }
    match store::keychain_is_open(host, ui) {
        Ok(()) => {
            let store = store::of(StoreKind::Keychain, host, ui)?;
            findings.extend(examined.map(|(name, description)| profiles::opens(PROBE, &*store, name, description)));
        }
        Err(Error::Keychain(why)) if why.is_locked() => {
            let what = "its keys were not read: it is locked, and check asks for nothing";
            findings.push(Finding::warning(PROBE, what, "unlock it in your desktop session, then withkey check"));
        }
        Err(error) => findings.push(Finding::problem_of(PROBE, &error)),
    }
    Ok(findings)
}
