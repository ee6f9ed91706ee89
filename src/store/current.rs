//! Reading keys of a profile as it is now, whatever writers do meanwhile.

use crate::error::Error;
use crate::host::Host;
use crate::key::Key;
use crate::profile::{Description, ProfileName, Variable};
use crate::store;
use crate::ui::Ui;

/// How often to look again when writers keep changing the profile.
const LOOKS: usize = 1000;

/// The profile's description and the keys of the variables that `choose` picks by it, in that order. May prompt for what
/// opens the store; no store is opened when nothing is picked.
///
/// # Errors
/// When there is no such profile, `choose` fails, or a key cannot be read.
///
/// # Secrets
/// The keys are the caller's, in protected pages.
pub fn read(
    name: &ProfileName,
    host: &Host,
    ui: Ui,
    choose: impl Fn(&Description) -> Result<Vec<Variable>, Error>,
) -> Result<(Description, Vec<(Variable, Key)>), Error> {
    for _ in 0..LOOKS {
        let unknown = || Error::UnknownProfile { name: name.to_string(), chosen_by: None };
        let description = Description::read(host.folders()?, name)?.ok_or_else(unknown)?;
        let variables = choose(&description)?;
        if variables.is_empty() {
            return Ok((description, Vec::new()));
        }
        let wanted: Vec<_> = variables.iter().collect();
        match store::of(description.store, host, ui)?.read(name, &description, &wanted) {
            Err(Error::Overtaken { .. }) => {}
            keys => return Ok((description, variables.into_iter().zip(keys?).collect())),
        }
    }
    Err(Error::Overtaken { profile: name.to_string() })
}
