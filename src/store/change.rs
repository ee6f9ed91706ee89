//! Changing a profile: its store and its description together, all or nothing.

use crate::error::Error;
use crate::error::intake::Intake;
use crate::files;
use crate::host::{Folders, Host};
use crate::key::Key;
use crate::profile::binding::Bindings;
use crate::profile::description::{self, Described, StoreKind};
use crate::profile::{Description, ProfileName, Variable, date};
use crate::store::salt::Salt;
use crate::store::{self, Change, Store, transfer};
use crate::ui::Ui;

/// A key on its way into a store.
#[derive(Debug)]
pub struct Taken {
    /// The variable it is stored under.
    pub variable: Variable,
    /// The key.
    pub key: Key,
    /// When the provider made it, if its owner says so.
    pub created: Option<toml_edit::Datetime>,
    /// When it stops working, if its owner says so.
    pub expires: Option<toml_edit::Datetime>,
    /// The program that gives the key, in whose place nothing is stored; empty when the key itself is.
    pub helper: Vec<String>,
}

/// Where the keys of `name` are or would be kept, if `variables` can be added to it. Looks for a keychain when the
/// profile is new and no store is asked for.
///
/// # Errors
/// When the name is reserved, another store is asked for than the profile has, or a key is there and not to be replaced.
pub fn room_for(
    name: &ProfileName,
    variables: &[Variable],
    asked: Option<StoreKind>,
    replace: bool,
    host: &Host,
    ui: Ui,
) -> Result<StoreKind, Error> {
    match kept_in(name, variables, asked, replace, host)?.or(asked) {
        Some(store) => Ok(store),
        None => store::usual(host, ui),
    }
}

/// The store of a profile that is there, if `variables` can be added to it.
fn kept_in(
    name: &ProfileName,
    variables: &[Variable],
    asked: Option<StoreKind>,
    replace: bool,
    host: &Host,
) -> Result<Option<StoreKind>, Error> {
    if name.is_inherit() {
        return Err(Error::ReservedProfile { name: name.to_string() });
    }
    let Some(description) = Description::read(host.folders()?, name)? else { return Ok(None) };
    if asked.is_some_and(|asked| asked != description.store) {
        return Err(Error::Intake(Intake::OtherStore { profile: name.to_string(), store: description.store.as_str() }));
    }
    match variables.iter().find(|variable| description.variable(variable).is_some()) {
        Some(variable) if !replace => {
            let helper = description.store == StoreKind::Helper;
            Err(Error::Intake(Intake::Exists { profile: name.to_string(), variable: variable.to_string(), helper }))
        }
        _ => Ok(Some(description.store)),
    }
}

/// Stores keys in a profile, making it if need be. When this returns, they were read back from `store`, which is the one
/// that [`room_for`] named.
///
/// # Errors
/// As [`room_for`], and when the store or the description cannot be written; the profile is then as it was.
pub fn add(
    store: &dyn Store,
    name: &ProfileName,
    taken: &[Taken],
    replace: bool,
    host: &Host,
    ui: Ui,
) -> Result<(), Error> {
    store.prepare()?;
    let folders = host.folders()?;
    let _lock = files::lock(&folders.config)?;
    // Under the lock once more: another process may have been faster.
    let variables: Vec<_> = taken.iter().map(|taken| taken.variable.clone()).collect();
    kept_in(name, &variables, Some(store.kind()), replace, host)?;
    let old = Description::read(folders, name)?;
    let old = old.map(|old| transfer::finish(name, old, host, ui)).transpose()?;
    let stored = taken.iter().filter(|taken| taken.helper.is_empty());
    let changes: Vec<_> = stored.map(|taken| Change::Put(&taken.variable, &taken.key)).collect();
    let data = store.stage(name, old.as_ref(), &changes)?;
    let mut description = match &old {
        Some(old) => old.clone(),
        None => Description::new(store.kind()),
    };
    let salt = Salt::read_or_make(folders);
    for Taken { variable, key, created, expires, helper } in taken {
        description.describe(Described {
            variable: variable.clone(),
            masked: key.masked(),
            hash: salt.as_ref().and_then(|salt| salt.hash_of_key(variable, key)),
            added: date::now(),
            created: *created,
            expires: *expires,
            helper: helper.clone(),
        })?;
    }
    commit(store, name, old.as_ref(), description, data, folders)
}

/// Writes the description, which commits what is staged; if that fails, what is staged goes.
pub(super) fn commit(
    store: &dyn Store,
    name: &ProfileName,
    old: Option<&Description>,
    mut new: Description,
    data: String,
    folders: &Folders,
) -> Result<(), Error> {
    // A helper's profile belongs to no data.
    if !data.is_empty() {
        new.belong_to(data)?;
    }
    match (new.write(folders, name), old) {
        // It is done and readers see it; what cannot be cleared away now, the next change clears away.
        (Ok(()), _) => store.settle(name, &new).or(Ok(())),
        // It is written all the same, and names what is staged.
        (Err(error @ Error::NotDurable { .. }), _) => Err(error),
        (Err(error), Some(old)) => store.settle(name, old).and(Err(error)),
        (Err(error), None) => store.erase(name).and(Err(error)),
    }
}

/// Removes one variable of a profile, or the whole profile and its bindings; the last variable takes the profile along.
/// Gives whether the whole profile went.
///
/// # Errors
/// When there is nothing of that name, or something cannot be written; what was not removed works on.
pub fn remove(name: &ProfileName, variable: Option<&Variable>, host: &Host, ui: Ui) -> Result<bool, Error> {
    let folders = host.folders()?;
    let unknown = || Error::UnknownProfile { name: name.to_string(), chosen_by: None };
    Description::read(folders, name)?.ok_or_else(unknown)?;
    let _lock = files::lock(&folders.config)?;
    let description = Description::read(folders, name)?.ok_or_else(unknown)?;
    let description = transfer::finish(name, description, host, ui)?;
    let store = store::of(description.store, host, ui)?;
    if let Some(variable) = variable {
        let missing = || Error::VariableMissing { profile: name.to_string(), variable: variable.to_string() };
        description.variable(variable).ok_or_else(missing)?;
        if description.variables.len() > 1 {
            let previous = description.previous(variable).map(|_| variable.previous()).transpose()?;
            let changes: Vec<_> = std::iter::once(variable).chain(&previous).map(Change::Remove).collect();
            let data = store.stage(name, Some(&description), &changes)?;
            let mut new = description.clone();
            new.forget(variable)?;
            commit(&*store, name, Some(&description), new, data, folders)?;
            return Ok(false);
        }
    }
    // Bindings first: a crash leaves a profile that nothing chooses, never a choice that leads nowhere.
    Bindings::read(folders)?.forget(name)?;
    store.empty(name, &description)?;
    files::remove(&description::path(folders, name))?;
    store.erase(name)?;
    Ok(true)
}
