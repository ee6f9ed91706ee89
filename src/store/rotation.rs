//! Replacing a key with a way back: the new key and the previous one change places in one step, as any change of a store.
//!
//! The previous key stays sealed in the same store under a name of its own ([`Variable::previous`]), and the description
//! says so under `[previous.VARIABLE]`, with the dates it had. Only [`finish`] deletes a key.

use crate::error::{Error, rotation::Rotation};
use crate::files;
use crate::host::Host;
use crate::key::Key;
use crate::profile::description::Described;
use crate::profile::{Description, ProfileName, Variable, date};
use crate::provider;
use crate::store::salt::Salt;
use crate::store::{Change, Store, change, transfer};
use crate::ui::Ui;

/// Puts `new` in the place of the key of `variable`, and keeps that one. Gives what is known of the one that is kept.
///
/// # Errors
/// When a previous key is kept already, `new` is the key that is there, or something cannot be read or written; the
/// profile is then as it was.
pub fn switch(
    store: &dyn Store,
    name: &ProfileName,
    variable: &Variable,
    new: &Key,
    host: &Host,
    ui: Ui,
) -> Result<Described, Error> {
    let folders = host.folders()?;
    alter(store, name, host, ui, |old| {
        may_begin(old, name, variable)?;
        let current = described(old, name, variable)?;
        let key = one(store.read(name, old, &[variable])?)?;
        differs(name, variable, &key, new)?;
        let previous = variable.previous()?;
        let data = store.stage(name, Some(old), &[Change::Put(variable, new), Change::Put(&previous, &key)])?;
        let mut description = old.clone();
        description.describe(Described {
            variable: variable.clone(),
            masked: new.masked(),
            added: date::now(),
            hash: Salt::read_or_make(folders).and_then(|salt| salt.hash_of_key(variable, new)),
            created: None,
            expires: None,
            helper: Vec::new(),
        })?;
        description.describe_previous(current.clone())?;
        Ok((description, data, current))
    })
}

/// Goes back to the previous key of `variable`; the one that was in its place is the previous one then, so that neither is
/// lost. Gives what is known of both: the key that is used again, and the one that is kept.
///
/// # Errors
/// When there is no previous key, or something cannot be read or written; the profile is then as it was.
pub fn undo(
    store: &dyn Store,
    name: &ProfileName,
    variable: &Variable,
    host: &Host,
    ui: Ui,
) -> Result<(Described, Described), Error> {
    alter(store, name, host, ui, |old| {
        let kept = kept(old, name, variable, true)?;
        let current = described(old, name, variable)?;
        let previous = variable.previous()?;
        let keys = store.read(name, old, &[variable, &previous])?;
        let [newer, older] = keys.as_slice() else { return Err(Error::Internal) };
        let data = store.stage(name, Some(old), &[Change::Put(variable, older), Change::Put(&previous, newer)])?;
        let mut description = old.clone();
        description.describe(kept.clone())?;
        description.describe_previous(current.clone())?;
        Ok((description, data, (kept, current)))
    })
}

/// Deletes the previous key of `variable` for good. Gives what was known of it.
///
/// # Errors
/// As [`undo`].
pub fn finish(
    store: &dyn Store,
    name: &ProfileName,
    variable: &Variable,
    host: &Host,
    ui: Ui,
) -> Result<Described, Error> {
    alter(store, name, host, ui, |old| {
        let kept = kept(old, name, variable, false)?;
        let data = store.stage(name, Some(old), &[Change::Remove(&variable.previous()?)])?;
        let mut description = old.clone();
        description.forget_previous(variable)?;
        Ok((description, data, kept))
    })
}

/// Whether a rotation of `variable` may begin.
///
/// # Errors
/// When there is no such variable, or its last rotation is not finished.
pub fn may_begin(description: &Description, name: &ProfileName, variable: &Variable) -> Result<(), Error> {
    described(description, name, variable)?;
    match description.previous(variable) {
        None => Ok(()),
        Some(previous) => Err(Error::Rotation(Rotation::Unfinished {
            profile: name.to_string(),
            variable: variable.to_string(),
            masked: previous.masked.clone(),
        })),
    }
}

/// Refuses the key that is there already as the new one.
///
/// # Errors
/// When both are the same.
pub fn differs(name: &ProfileName, variable: &Variable, current: &Key, new: &Key) -> Result<(), Error> {
    if current.expose() != new.expose() {
        return Ok(());
    }
    let page = provider::of_variable(variable.as_str()).map(|row| row.keys_page);
    Err(Error::Rotation(Rotation::SameKey { profile: name.to_string(), variable: variable.to_string(), page }))
}

/// Changes the profile under the lock: `stage` stages the new state and gives the description that commits it.
fn alter<T>(
    store: &dyn Store,
    name: &ProfileName,
    host: &Host,
    ui: Ui,
    stage: impl Fn(&Description) -> Result<(Description, String, T), Error>,
) -> Result<T, Error> {
    store.prepare()?;
    let folders = host.folders()?;
    let _lock = files::lock(&folders.config)?;
    let unknown = || Error::UnknownProfile { name: name.to_string(), chosen_by: None };
    let old = Description::read(folders, name)?.ok_or_else(unknown)?;
    let old = transfer::finish(name, old, host, ui)?;
    if old.store != store.kind() {
        // Moved to another store since this one was opened.
        return Err(Error::Overtaken { profile: name.to_string() });
    }
    // What a change that was cut short still owes is done, even where there is nothing else to do: a previous key of which
    // the description says no more is deleted by the next `--finish`, too.
    store.settle(name, &old)?;
    let old = Description::read(folders, name)?.ok_or_else(unknown)?;
    let (new, data, told) = stage(&old)?;
    change::commit(store, name, Some(&old), new, data, folders)?;
    Ok(told)
}

fn described(description: &Description, name: &ProfileName, variable: &Variable) -> Result<Described, Error> {
    let missing = || Error::VariableMissing { profile: name.to_string(), variable: variable.to_string() };
    description.variable(variable).cloned().ok_or_else(missing)
}

fn kept(description: &Description, name: &ProfileName, variable: &Variable, undo: bool) -> Result<Described, Error> {
    described(description, name, variable)?;
    let nothing = || {
        let (profile, variable) = (name.to_string(), variable.to_string());
        Error::Rotation(Rotation::NothingKept { profile, variable, undo })
    };
    description.previous(variable).cloned().ok_or_else(nothing)
}

fn one(keys: Vec<Key>) -> Result<Key, Error> {
    keys.into_iter().next().ok_or(Error::Internal)
}
