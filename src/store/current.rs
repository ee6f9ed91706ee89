//! Reading keys of a profile as it is now, whatever writers do meanwhile.

use crate::error::Error;
use crate::host::Host;
use crate::key::Key;
use crate::profile::{Description, ProfileName, Variable};
use crate::store::{self, Store};
use crate::ui::Ui;

/// How often to look again when writers keep changing the profile.
const LOOKS: usize = 1000;

/// A profile as it was read.
pub struct Current<'a> {
    /// What is known of it.
    pub description: Description,
    /// The keys that were asked for, in that order, each with its variable.
    pub keys: Vec<(Variable, Key)>,
    /// The store that gave them. What opened it is not asked for again.
    pub store: Box<dyn Store + 'a>,
}

/// Reads the keys of the variables that `choose` picks by the description. May prompt for what opens the store, unless that
/// is done: `opened` is one that gave keys of another profile. It is not opened when nothing is picked.
///
/// # Errors
/// When there is no such profile, `choose` fails, or a key cannot be read.
///
/// # Secrets
/// The keys are the caller's, in protected pages.
pub fn read<'a>(
    name: &ProfileName,
    host: &'a Host,
    ui: Ui,
    mut opened: Option<Box<dyn Store + 'a>>,
    choose: impl Fn(&Description) -> Result<Vec<Variable>, Error>,
) -> Result<Current<'a>, Error> {
    for _ in 0..LOOKS {
        let unknown = || Error::UnknownProfile { name: name.to_string(), chosen_by: None };
        let description = Description::read(host.folders()?, name)?.ok_or_else(unknown)?;
        let variables = choose(&description)?;
        let store = match opened.take().filter(|store| store.kind() == description.store) {
            Some(store) => store,
            None => store::of(description.store, host, ui)?,
        };
        let wanted: Vec<_> = variables.iter().collect();
        let keys = if wanted.is_empty() { Ok(Vec::new()) } else { store.read(name, &description, &wanted) };
        match keys {
            Err(Error::Overtaken { .. }) => opened = Some(store),
            keys => {
                let keys = variables.iter().cloned().zip(keys?).collect();
                return Ok(Current { description, keys, store });
            }
        }
    }
    Err(Error::Overtaken { profile: name.to_string() })
}
