//! What the description's `data` says of the keychain: which change it belongs to, and what that change still owes.
//!
//! `data = "change 7"`, or with debts `data = "change 7 +OPENAI_API_KEY -HF_TOKEN"`: the new key of the first still lies in
//! its second item, and the item of the other is still to be deleted.

use std::fmt;

use crate::profile::{Description, Variable};

/// A change and its debts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Grows with every change of the profile.
    pub change: u64,
    /// Variables whose key is in the item of the new one.
    pub staged: Vec<Variable>,
    /// Variables whose item is to be deleted.
    pub gone: Vec<Variable>,
}

impl Ledger {
    /// What a description says; words that are not withkey's say nothing.
    pub fn of(description: &Description) -> Self {
        let mut ledger = Self::default();
        let mut words = description.data.as_deref().unwrap_or_default().split(' ');
        if words.next() != Some("change") {
            return ledger;
        }
        ledger.change = words.next().and_then(|number| number.parse().ok()).unwrap_or(0);
        for word in words {
            let (list, name) = match (word.strip_prefix('+'), word.strip_prefix('-')) {
                (Some(name), _) => (&mut ledger.staged, name),
                (_, Some(name)) => (&mut ledger.gone, name),
                _ => continue,
            };
            list.extend(name.parse::<Variable>());
        }
        ledger
    }

    /// The next one, without debts.
    pub fn next(&self) -> Self {
        Self { change: self.change + 1, ..Self::default() }
    }

    /// Whether something is still to be done.
    pub fn owes(&self) -> bool {
        !self.staged.is_empty() || !self.gone.is_empty()
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "change {}", self.change)?;
        self.staged.iter().try_for_each(|variable| write!(f, " +{variable}"))?;
        self.gone.iter().try_for_each(|variable| write!(f, " -{variable}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::profile::description::StoreKind;

    #[test]
    fn what_is_written_is_read() {
        let mut description = Description::new(StoreKind::Keychain);
        assert_eq!(Ledger::of(&description), Ledger::default());
        let ledger = Ledger {
            change: 7,
            staged: vec!["OPENAI_API_KEY".parse().unwrap()],
            gone: vec!["HF_TOKEN".parse().unwrap()],
        };
        assert_eq!(ledger.to_string(), "change 7 +OPENAI_API_KEY -HF_TOKEN");
        description.belong_to(ledger.to_string()).unwrap();
        assert_eq!(Ledger::of(&description), ledger);
        assert!(ledger.owes() && !ledger.next().owes());
        description.belong_to("sha256:00".to_owned()).unwrap();
        assert_eq!(Ledger::of(&description), Ledger::default());
    }
}
