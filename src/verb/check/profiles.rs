//! Descriptions that can be read, and dotfiles that open, as far as that asks nobody.

use super::{Described, Finding};
use crate::host::Host;
use crate::profile::ProfileName;
use crate::profile::description::{Description, StoreKind};
use crate::store::identity::Identities;
use crate::store::{self, Store};
use crate::ui::Ui;

const DESCRIPTION: &str = "description";
const DOTFILE: &str = "dotfile";

pub fn probe(described: &[Described], examined: &[ProfileName], host: &Host, ui: Ui) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (_, read) in described {
        findings.extend(read.as_ref().err().map(|error| Finding::problem_of(DESCRIPTION, error)));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            DESCRIPTION,
            match described.len() {
                0 => "no profile yet".to_owned(),
                1 => "1 profile, which can be read".to_owned(),
                count => format!("{count} profiles, each can be read"),
            },
        ));
    }
    let dotfiles: Vec<_> = described
        .iter()
        .filter(|(name, _)| examined.contains(name))
        .filter_map(|(name, read)| Some((name, read.as_ref().ok()?)))
        .filter(|(_, description)| description.store == StoreKind::Dotfile)
        .collect();
    if dotfiles.is_empty() {
        return findings;
    }
    let opener = match Identities::without_asking(host) {
        Ok(Some(identities)) => store::dotfile_opened_by(identities, host, ui),
        Ok(None) => {
            let what = "not opened: the identity is locked, and check asks for nothing";
            findings.push(Finding::warning(
                DOTFILE,
                what,
                "withkey unlock, or WITHKEY_PASSPHRASE_FILE=FILE for once, then withkey check again",
            ));
            return findings;
        }
        Err(error) => Err(error),
    };
    match opener {
        Ok(opener) => {
            findings.extend(dotfiles.into_iter().map(|(name, description)| opens(DOTFILE, &*opener, name, description)))
        }
        // The probe of the identity has said so.
        Err(_) => {
            let what = "not opened: the identity cannot be used";
            findings.push(Finding::problem(DOTFILE, what, "as the identity above"));
        }
    }
    findings
}

/// Reads every key of the profile.
pub fn opens(probe: &'static str, store: &dyn Store, name: &ProfileName, description: &Description) -> Finding {
    let variables: Vec<_> = description.variables.iter().map(|described| &described.variable).collect();
    match store.read(name, description, &variables) {
        Ok(keys) => {
            let names: Vec<_> = variables.iter().map(ToString::to_string).collect();
            let what = if keys.is_empty() { "no key".to_owned() } else { names.join(", ") };
            Finding::ok(probe, format!("{name} opens: {what}"))
        }
        Err(error) => Finding::problem_of(probe, &error),
    }
}
