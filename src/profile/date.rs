//! Dates of keys: days, in UTC. Asked for by verbs only.

use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, Duration, OffsetDateTime};
use toml_edit::Datetime;

use crate::error::Error;

/// This moment, to the second.
#[must_use]
pub fn now() -> Option<Datetime> {
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).ok()?;
    now.format(&Rfc3339).ok()?.parse().ok()
}

/// A day: `2027-01-31`.
///
/// # Errors
/// [`Error::Date`] when it is none.
pub fn day(text: &str) -> Result<Datetime, Error> {
    let date = Date::parse(text, &Iso8601::DATE).map_err(|_| no_date(text))?;
    date.to_string().parse().map_err(|_| no_date(text))
}

/// A day to come: `2027-01-31`, or `90d` for ninety days from today.
///
/// # Errors
/// [`Error::Date`] when it is neither.
pub fn day_or_days(text: &str) -> Result<Datetime, Error> {
    let Some(days) = text.strip_suffix('d') else { return day(text) };
    let days = days.parse::<u16>().map_err(|_| no_date(text))?;
    let date = OffsetDateTime::now_utc().date().checked_add(Duration::days(days.into()));
    date.and_then(|date| date.to_string().parse().ok()).ok_or_else(|| no_date(text))
}

fn no_date(text: &str) -> Error {
    Error::Date { text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_date_is_a_day_or_a_number_of_days() {
        assert_eq!(day("2027-01-31").unwrap().to_string(), "2027-01-31");
        assert!(day("2027-02-30").is_err());
        assert!(day("tomorrow").is_err());
        assert!(day_or_days("90d").unwrap().date.is_some());
        assert!(day_or_days("d").is_err());
        assert!(day_or_days("99999d").is_err());
    }
}
