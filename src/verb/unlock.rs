//! `withkey unlock`: keeps a passphrase-protected identity ready for a while, or changes its passphrase.

use crate::cli::verbs::Unlock as Words;
use crate::error::Error;
use crate::error::unlock::Unlock;
use crate::exit::Exit;
use crate::host::Host;
use crate::store::protect::{self, Done};
use crate::store::unlock::{self, For, NotHere};
use crate::store::{identity, passphrase};
use crate::ui::Ui;

/// How long if not said, in seconds.
const USUAL: u32 = 15 * 60;

/// The longest time: thirty days, in seconds.
const LONGEST: u32 = 30 * 24 * 60 * 60;

/// Runs the verb.
pub fn run(words: &Words, host: &Host, ui: Ui) -> Result<Exit, Error> {
    if words.set_passphrase {
        return set_passphrase(host, ui);
    }
    let seconds = words.time.as_deref().map_or(Ok(USUAL), seconds)?;
    let (sealed, from) = identity::file_in_force(host)?;
    if !passphrase::protects(sealed.bytes()) {
        identity::must_be_age(&sealed, &from)?;
        ui.notice(&format!("{from} has no passphrase: it opens without asking, and nothing is kept"));
        return Ok(Exit::Done);
    }
    let no_keyring = |NotHere(why)| Error::Unlock(Unlock::NoKeyring { why });
    // Before anybody types a passphrase for nothing.
    unlock::probe().map_err(no_keyring)?;
    let opened = passphrase::open_anew(sealed.bytes(), &from, host)?;
    identity::must_be_age(&opened, &from)?;
    unlock::keep(For::Unlocked, sealed.bytes(), opened.bytes(), seconds, host).map_err(no_keyring)?;
    ui.notice(&format!("{from} is unlocked for {}; withkey lock ends it", spoken(seconds)));
    Ok(Exit::Done)
}

fn set_passphrase(host: &Host, ui: Ui) -> Result<Exit, Error> {
    let from = host.folders()?.identity();
    ui.notice(&match protect::set_passphrase(host)? {
        Done::Set => format!("{} has a new passphrase; a copy of the old file opens as before", from.display()),
        Done::Removed => format!("{} has no passphrase any more: who can read it can read your keys", from.display()),
        Done::Nothing => format!("{} has no passphrase, as before", from.display()),
    });
    Ok(Exit::Done)
}

/// A time such as `90s`, `30m`, `8h` or `2d`, from one second to thirty days.
fn seconds(text: &str) -> Result<u32, Error> {
    let wrong = || Error::usage(format!("{text} is no time from 1s to 30d, such as 30m, 8h or 2d"), Some("unlock"));
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit = UNITS.iter().find(|(name, _, _)| *name == unit).map(|(_, _, seconds)| *seconds).ok_or_else(wrong)?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let time = number.parse::<u32>().ok().filter(|_| digits).and_then(|number| number.checked_mul(unit));
    time.filter(|time| (1..=LONGEST).contains(time)).ok_or_else(wrong)
}

/// Units of time, the longest first: as typed, as spoken, in seconds.
const UNITS: [(&str, &str, u32); 4] =
    [("d", "day", 86_400), ("h", "hour", 3_600), ("m", "minute", 60), ("s", "second", 1)];

/// A time in words, by the largest unit that fits it.
fn spoken(seconds: u32) -> String {
    let unit = UNITS.iter().find(|(_, _, unit)| seconds.is_multiple_of(*unit));
    let (number, name) = unit.map_or((seconds, "second"), |(_, name, unit)| (seconds / unit, *name));
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit_up_to_thirty_days() {
        for (text, time) in [("1s", 1), ("90s", 90), ("15m", 900), ("8h", 28_800), ("30d", LONGEST), ("007m", 420)] {
            assert_eq!(seconds(text).unwrap(), time, "{text}");
        }
        for text in
            ["", "8", "h", "0m", "31d", "-1h", "+1h", "1.5h", "8 h", "8H", "99999999999d", "4294967295d", "8h8m", "8é"]
        {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_is_spoken_as_it_was_typed() {
        for (text, words) in
            [("15m", "15 minutes"), ("1h", "1 hour"), ("90m", "90 minutes"), ("24h", "1 day"), ("1s", "1 second")]
        {
            assert_eq!(spoken(seconds(text).unwrap()), words);
        }
    }
}
