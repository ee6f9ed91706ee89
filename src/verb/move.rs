//! `withkey move`: to another store, one profile or all.

use crate::cli::verbs::Move;
use crate::error::Error;
use crate::exit::Exit;
use crate::host::Host;
use crate::profile::description::{self, StoreKind};
use crate::profile::{Description, ProfileName};
use crate::store::Stores;
use crate::store::transfer::{self, Moved};
use crate::ui::Ui;

/// Runs the verb. With `--all` a profile that cannot be moved does not keep the others.
pub fn run(words: &Move, host: &Host, ui: Ui) -> Result<Exit, Error> {
    let wrong = |what: String| Error::usage(what, Some("move"));
    match (words.all, words.words.as_slice()) {
        (false, [name, store]) => one(&name.parse()?, kind(store)?, &Stores::new(host, ui)?, host, ui),
        (true, [store]) => all(kind(store)?, host, ui),
        (false, _) => Err(wrong("a PROFILE and a STORE are wanted".to_owned())),
        (true, _) => Err(wrong("with --all only a STORE is named".to_owned())),
    }
}

fn kind(text: &str) -> Result<StoreKind, Error> {
    let own = StoreKind::OWN.into_iter().find(|kind| kind.as_str() == text);
    let words = StoreKind::OWN.map(StoreKind::as_str).join(" or ");
    own.ok_or_else(|| Error::usage(format!("keys are moved to {words}, not to {text}"), Some("move")))
}

fn one(name: &ProfileName, kind: StoreKind, stores: &Stores, host: &Host, ui: Ui) -> Result<Exit, Error> {
    let store = kind.as_str();
    ui.notice(&match transfer::to(name, kind, stores, host)? {
        Moved::From(before, count) => {
            let keys = if count == 1 { "its key is" } else { "its keys are" };
            format!(
                "profile {name} is kept in the store {store} now; {keys} deleted from the store {}",
                before.as_str()
            )
        }
        Moved::Nothing => format!("profile {name} is kept in the store {store} already"),
    });
    Ok(Exit::Done)
}

/// Every profile that withkey itself keeps: what a team's helper gives is not copied out of it by the way.
fn all(kind: StoreKind, host: &Host, ui: Ui) -> Result<Exit, Error> {
    let (folders, stores) = (host.folders()?, Stores::new(host, ui)?);
    let mut failed = Vec::new();
    for name in description::names(folders)? {
        let own = Description::read(folders, &name)
            .map(|description| description.is_some_and(|description| StoreKind::OWN.contains(&description.store)));
        match own {
            Ok(false) => {}
            Ok(true) => failed.extend(one(&name, kind, &stores, host, ui).err()),
            Err(error) => failed.push(error),
        }
    }
    let last = failed.pop();
    for error in &failed {
        ui.error(error);
    }
    last.map_or(Ok(Exit::Done), Err)
}
