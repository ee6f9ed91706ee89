//! Moving a profile to another store: copied, read back and compared, then switched, then deleted where it was.
//!
//! The description is the switch, and says which store was left until that one is emptied: a move that was interrupted is
//! finished by the next change of the profile, or by the same move again.

use crate::error::Error;
use crate::files;
use crate::host::Host;
use crate::profile::description::StoreKind;
use crate::profile::{Description, ProfileName};
use crate::store::{Change, Stores};
use crate::ui::Ui;

/// What a move did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// The keys were moved from that store; so many.
    From(StoreKind, usize),
    /// They were there already.
    Nothing,
}

/// Moves the keys of `name` to the store `kind`, out of and into `stores`. Dates, masks, `set`, comments and bindings stay.
///
/// # Errors
/// When either store cannot be opened, or what was copied does not come back: the profile is then where it was.
///
/// # Secrets
/// All keys of the profile are held in protected pages until the copy is compared.
pub fn to(name: &ProfileName, kind: StoreKind, stores: &Stores, host: &Host) -> Result<Moved, Error> {
    let folders = host.folders()?;
    let unknown = || Error::UnknownProfile { name: name.to_string(), chosen_by: None };
    let target = stores.of(kind);
    if Description::read(folders, name)?.ok_or_else(unknown)?.store != kind {
        // Whatever asks for something asks before others are kept waiting.
        target.prepare()?;
    }
    let _lock = files::lock(&folders.config)?;
    let description = Description::read(folders, name)?.ok_or_else(unknown)?;
    let description = finish_in(stores, name, description, host)?;
    let before = description.store;
    if before == kind {
        // A move that was interrupted here may have left that to be done.
        target.settle(name, &description)?;
        return Ok(Moved::Nothing);
    }
    let source = stores.of(before);
    source.settle(name, &description)?;
    // Settling may have written it anew.
    let description = Description::read(folders, name)?.ok_or_else(unknown)?;
    let variables = description.kept()?;
    let variables: Vec<_> = variables.iter().collect();
    let keys = source.read(name, &description, &variables)?;
    let changes: Vec<_> = variables.iter().zip(&keys).map(|(variable, key)| Change::Put(variable, key)).collect();
    let data = target.stage(name, None, &changes)?;
    let mut moved = description.clone();
    moved.move_to(kind)?;
    moved.belong_to(data)?;
    match moved.write(folders, name) {
        Ok(()) => {}
        // It is written all the same. The old copies stay until the disk confirms: the next change sees to them.
        Err(error @ Error::NotDurable { .. }) => return Err(error),
        Err(error) => return target.erase(name).and(Err(error)),
    }
    target.settle(name, &moved).or(Ok::<(), Error>(()))?;
    finish_in(stores, name, moved, host)?;
    Ok(Moved::From(before, keys.len()))
}

/// Empties the store that a move has left, if the description says that this is still to be done; gives the description
/// as it is then. The lock of the configuration must be held.
///
/// # Errors
/// When that store refuses, or the description cannot be written.
pub fn finish(name: &ProfileName, description: Description, host: &Host, ui: Ui) -> Result<Description, Error> {
    match description.leaving {
        Some(_) => finish_in(&Stores::new(host, ui)?, name, description, host),
        None => Ok(description),
    }
}

fn finish_in(
    stores: &Stores,
    name: &ProfileName,
    mut description: Description,
    host: &Host,
) -> Result<Description, Error> {
    if let Some(left) = description.leaving {
        stores.of(left).retire(name, &description)?;
        description.have_left()?;
        description.write(host.folders()?, name)?;
    }
    Ok(description)
}
