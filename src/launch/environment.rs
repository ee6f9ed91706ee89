//! COMMAND's environment as a value: what was inherited, byte for byte and in order, but for the names that change.

use std::ffi::CStr;

use crate::error::Error;
use crate::host::value_of;
use crate::memory::Protected;

/// One entry of the block.
enum Entry {
    /// As it was; its bytes stay where the kernel put them.
    Inherited(&'static CStr),
    /// `NAME=value` and a NUL, in protected pages.
    Injected(Protected),
}

/// What an injection met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// No entry of that name.
    Nothing,
    /// An entry of that name with the same value, or an empty one.
    SameValue,
    /// An entry of that name with another value.
    AnotherValue,
}

/// The entries that COMMAND gets.
pub struct Environment {
    entries: Vec<Entry>,
}

impl Environment {
    /// Everything that was inherited, malformed entries and duplicates too.
    pub fn inherited(entries: &[&'static CStr]) -> Self {
        Self { entries: entries.iter().copied().map(Entry::Inherited).collect() }
    }

    /// Puts `name` in the place of the first entry of that name, or at the end, and leaves out later ones of that name:
    /// C's `getenv` reads the first, shells and Python the last.
    ///
    /// # Errors
    /// When there is no memory.
    ///
    /// # Secrets
    /// `value` is copied into protected pages and stays the caller's to wipe.
    pub fn inject(&mut self, name: &str, value: &[u8]) -> Result<Replaced, Error> {
        let entry = Protected::from_pieces(&[name.as_bytes(), b"=", value, b"\0"]);
        let entry = entry.map_err(|source| Error::System { doing: "keep a key in memory", source })?;
        let first = self.entries.iter().position(|entry| entry.value_of(name).is_some());
        let before = first.and_then(|at| self.entries.get(at)).and_then(|entry| entry.value_of(name));
        let replaced = match before {
            None => Replaced::Nothing,
            Some(before) if before.is_empty() || before == value => Replaced::SameValue,
            Some(_) => Replaced::AnotherValue,
        };
        let at = first.unwrap_or(self.entries.len());
        self.remove(name);
        self.entries.insert(at, Entry::Injected(entry));
        Ok(replaced)
    }

    /// Leaves out every entry of that name.
    pub fn remove(&mut self, name: &str) {
        self.entries.retain(|entry| entry.value_of(name).is_none());
    }

    /// The entries as C strings, for `execve`.
    pub fn entries(&self) -> impl Iterator<Item = &CStr> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Inherited(entry) => Some(*entry),
            Entry::Injected(entry) => CStr::from_bytes_with_nul(entry.bytes()).ok(),
        })
    }
}

impl Entry {
    fn value_of(&self, name: &str) -> Option<&[u8]> {
        match self {
            Self::Inherited(entry) => value_of(entry, name),
            Self::Injected(entry) => value_of(CStr::from_bytes_with_nul(entry.bytes()).ok()?, name),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn block(environment: &Environment) -> Vec<&[u8]> {
        environment.entries().map(CStr::to_bytes).collect()
    }

    #[test]
    fn the_environment_is_a_table() {
        let inherited =
            [c"A=1", c"K=old", c"no equals sign", c"=odd", c"B=\xff", c"K=older", c"K2=x", c"A=1", c"", c"EMPTY="];
        let mut environment = Environment::inherited(&inherited);
        assert_eq!(environment.inject("K", b"new").unwrap(), Replaced::AnotherValue);
        assert_eq!(environment.inject("NEW", b"n").unwrap(), Replaced::Nothing);
        assert_eq!(environment.inject("A", b"1").unwrap(), Replaced::SameValue);
        assert_eq!(environment.inject("EMPTY", b"e").unwrap(), Replaced::SameValue);
        environment.remove("K2");
        let expected: Vec<&[u8]> =
            vec![b"A=1", b"K=new", b"no equals sign", b"=odd", b"B=\xff", b"", b"EMPTY=e", b"NEW=n"];
        assert_eq!(block(&environment), expected);
    }

    #[test]
    fn without_a_change_the_block_is_the_same() {
        let inherited = [c"", c"=", c"K", c"K=1", c"K=1", c"\x01\xfe=\xff"];
        let environment = Environment::inherited(&inherited);
        assert_eq!(block(&environment), inherited.iter().map(|entry| entry.to_bytes()).collect::<Vec<_>>());
    }
}
