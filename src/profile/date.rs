//! Dates of keys and of launches, in UTC.

use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, Duration, Month, OffsetDateTime};
use toml_edit::Datetime;

use crate::error::Error;

/// This moment, to the second.
#[must_use]
pub fn now() -> Option<Datetime> {
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).ok()?;
    now.format(&Rfc3339).ok()?.parse().ok()
}

/// This moment as the log writes it: `2026-11-23T10:00:00Z`, always of this form, so that it compares as text.
#[must_use]
pub fn stamp() -> String {
    written(OffsetDateTime::now_utc())
}

/// Today.
#[must_use]
pub fn today() -> Date {
    OffsetDateTime::now_utc().date()
}

/// The day that a description names; nothing when it is a time of day alone.
#[must_use]
pub fn of(date: &Datetime) -> Option<Date> {
    let date = date.date?;
    Date::from_calendar_date(date.year.into(), Month::try_from(date.month).ok()?, date.day).ok()
}

/// The moment that `--since` means, as the log writes it: the start of a day, or so many hours (`12h`) or days (`7d`) ago.
///
/// # Errors
/// [`Error::Usage`] when it is neither.
pub fn since(text: &str) -> Result<String, Error> {
    let wrong = || Error::usage(format!("not a time: {text}; it is YYYY-MM-DD, or 12h or 7d ago"), Some("log"));
    if let Ok(date) = Date::parse(text, &Iso8601::DATE) {
        return Ok(written(date.midnight().assume_utc()));
    }
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number = i64::from(number.parse::<u16>().map_err(|_| wrong())?);
    let ago = match unit {
        "h" => Duration::hours(number),
        "d" => Duration::days(number),
        _ => return Err(wrong()),
    };
    OffsetDateTime::now_utc().checked_sub(ago).map(written).ok_or_else(wrong)
}

fn written(moment: OffsetDateTime) -> String {
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second) = moment.to_hms();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month))
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

    #[test]
    fn a_moment_is_written_so_that_it_compares_as_text() {
        let moment = Date::from_calendar_date(2027, Month::February, 3).unwrap().with_hms(4, 5, 6).unwrap();
        assert_eq!(written(moment.assume_utc()), "2027-02-03T04:05:06Z");
        assert_eq!(since("2027-02-03").unwrap(), "2027-02-03T00:00:00Z");
        assert!(since("7d").unwrap() < since("12h").unwrap() && since("12h").unwrap() < stamp());
        for text in ["", "d", "7", "7w", "-1d", "yesterday", "2027-02-30", "7ä"] {
            assert!(since(text).is_err(), "{text}");
        }
    }
}
