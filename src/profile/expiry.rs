//! How near a key is to the day on which it stops working, and how old it is.

use time::Date;

use crate::profile::date;
use crate::profile::description::Described;

/// From so many days before on, an end is near.
const NEAR: i64 = 7;

/// A key whose end is near or past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The last day.
    pub day: Date,
    /// Days from today to it; below zero when it is past.
    pub left: i64,
}

impl Ending {
    /// The end of a key, when it is near or past.
    #[must_use]
    pub fn of(described: &Described, today: Date) -> Option<Self> {
        let day = date::of(described.expires.as_ref()?)?;
        let left = (day - today).whole_days();
        (left <= NEAR).then_some(Self { day, left })
    }

    /// Whether the last day is over. On the day itself a key may still work.
    #[must_use]
    pub fn is_past(self) -> bool {
        self.left < 0
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.left {
            ..0 => write!(f, "expired on {}", self.day),
            0 => write!(f, "expires today"),
            1 => write!(f, "expires tomorrow"),
            left => write!(f, "expires in {left} days, on {}", self.day),
        }
    }
}

/// The age of a key in days, when it is over `old_after`: since the provider made it, or else since it was added.
#[must_use]
pub fn old(described: &Described, old_after: Option<u16>, today: Date) -> Option<i64> {
    let born = date::of(described.created.as_ref().or(described.added.as_ref())?)?;
    let age = (today - born).whole_days();
    (age > i64::from(old_after?)).then_some(age)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn described(created: &str, expires: &str) -> Described {
        Described {
            variable: "OPENAI_API_KEY".parse().unwrap(),
            masked: String::new(),
            hash: None,
            added: created.parse().ok(),
            created: None,
            expires: expires.parse().ok(),
            helper: Vec::new(),
        }
    }

    fn day(text: &str) -> Date {
        date::of(&text.parse().unwrap()).unwrap()
    }

    #[test]
    fn an_end_is_near_from_seven_days_before_and_past_after_its_day() {
        let words = |today: &str| {
            Ending::of(&described("2026-01-01", "2027-01-31"), day(today)).map(|end| (end.to_string(), end.is_past()))
        };
        let near = |words: &str| Some((words.to_owned(), false));
        assert_eq!(words("2027-01-23"), None);
        assert_eq!(words("2027-01-24"), near("expires in 7 days, on 2027-01-31"));
        assert_eq!(words("2027-01-30"), near("expires tomorrow"));
        assert_eq!(words("2027-01-31"), near("expires today"));
        assert_eq!(words("2027-02-01"), Some(("expired on 2027-01-31".to_owned(), true)));
        assert_eq!(Ending::of(&described("2026-01-01", ""), day("2027-02-01")), None);
        assert_eq!(Ending::of(&described("", "07:32:00"), day("2027-02-01")), None);
    }

    #[test]
    fn a_key_is_old_after_so_many_days() {
        let old = |today: &str, after| old(&described("2026-01-01T10:00:00Z", ""), after, day(today));
        assert_eq!(old("2026-01-31", Some(30)), None);
        assert_eq!(old("2026-02-01", Some(30)), Some(31));
        assert_eq!(old("2026-02-01", None), None);
    }
}
