//! A key that stops working soon, or has: said once a day and profile, on a terminal; refused only when its owner wants that.

use crate::config::Config;
use crate::error::{Error, life::Life};
use crate::files::{self, Guard};
use crate::host::Host;
use crate::profile::expiry::Ending;
use crate::profile::injection::Injection;
use crate::profile::{Profile, ProfileName, Variable, date};
use crate::ui::{self, Ui};

/// The folder with a file for each profile that was warned about: the day on which.
const WARNED: &str = "warned";

/// The largest of these files, in bytes.
const LARGEST: usize = 64;

/// Refuses an expired key where `refuse_expired` says so.
///
/// # Errors
/// [`Life::Expired`], naming the first one.
pub fn refuse(profile: &Profile, injection: &Injection, config: &Config) -> Result<(), Error> {
    let Some(name) = profile.name.profile().filter(|_| config.refuse_expired) else { return Ok(()) };
    match endings(profile, injection).find(|(_, ending)| ending.is_past()) {
        Some((variable, ending)) => Err(Error::Life(Life::Expired {
            profile: name.to_string(),
            variable: variable.to_string(),
            day: ending.day.to_string(),
        })),
        None => Ok(()),
    }
}

/// Warns of keys whose end is near or past, unless that was done today.
pub fn warn(profile: &Profile, injection: &Injection, host: &Host, ui: Ui) {
    let Some(name) = profile.name.profile() else { return };
    let mut endings = endings(profile, injection).peekable();
    if endings.peek().is_none() || !ui::stderr_is_terminal() || was_warned(name, host) {
        return;
    }
    for (variable, ending) in endings {
        let what = format!("the key for {variable} of profile {name} {ending}");
        ui.warn(&format!("{what}; a new one in its place: withkey rotate {name} {variable}"));
    }
}

fn endings<'a>(profile: &'a Profile, injection: &'a Injection) -> impl Iterator<Item = (&'a Variable, Ending)> {
    let described = profile.description.iter().flat_map(|description| &description.variables);
    let used = described
        .filter(|known| known.expires.is_some() && injection.keys.iter().any(|wanted| wanted.from == known.variable));
    used.filter_map(|known| Some((&known.variable, Ending::of(known, date::today())?)))
}

/// Whether today's warning was given, which it is from now on. What cannot be noted is said again.
fn was_warned(name: &ProfileName, host: &Host) -> bool {
    let Ok(folders) = host.folders() else { return false };
    let note = folders.state.join(WARNED).join(name.as_str());
    let today = date::today().to_string();
    if files::read(&note, LARGEST, Guard::Own).ok().flatten().is_some_and(|day| day == today.as_bytes()) {
        return true;
    }
    let _ = files::replace(&note, today.as_bytes());
    false
}
