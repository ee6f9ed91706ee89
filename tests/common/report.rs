//! What the probe found, read back.

use std::fs;
use std::path::Path;

use super::{End, Mode, Sandbox, Start};

/// The probe's lines, `name: value`.
pub struct Report(Vec<String>);

impl Report {
    /// Runs `start`, whose command is the probe, and reads the report it leaves at `path`.
    #[track_caller]
    pub fn of(start: Start, path: &Path) -> Self {
        let outcome = start.run();
        outcome.assert_end(End::Exit(0));
        Self::read(path)
    }

    /// Reads what the probe has left at `path`.
    #[track_caller]
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        fs::remove_file(path).unwrap();
        Self(text.lines().map(str::to_owned).collect())
    }

    /// The one value of that name.
    #[track_caller]
    pub fn value(&self, name: &str) -> &str {
        match self.values(name).as_slice() {
            [value] => value,
            values => panic!("the report has {} lines named {name:?}", values.len()),
        }
    }

    /// The values of all lines of that name, in order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
    }

    /// The environment's entries, escaped as in Rust's byte strings, one a line.
    pub fn environment(&self) -> String {
        self.values("env").join("\n")
    }

    /// All lines but those of the given names.
    pub fn without(&self, names: &[&str]) -> String {
        let named = |line: &&String| {
            names.iter().any(|name| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(": ")))
        };
        self.0.iter().filter(|line| !named(line)).cloned().collect::<Vec<_>>().join("\n")
    }
}

/// Entries as [`Report::environment`] shows them.
pub fn escaped<T: AsRef<[u8]>>(entries: impl IntoIterator<Item = T>) -> String {
    entries.into_iter().map(|entry| entry.as_ref().escape_ascii().to_string()).collect::<Vec<_>>().join("\n")
}

impl Sandbox {
    /// What COMMAND finds when it is started in some odd state without withkey, and when withkey is.
    #[track_caller]
    pub fn directly_and_launched(&self, mode: Mode, odd: impl Fn(Start) -> Start) -> (Report, Report) {
        (Report::of(odd(self.directly(self.report_words())), &self.report_path()), self.launched(mode, odd))
    }

    /// What COMMAND finds when withkey is started in some odd state.
    #[track_caller]
    pub fn launched(&self, mode: Mode, odd: impl Fn(Start) -> Start) -> Report {
        Report::of(odd(self.launch(mode, self.report_words())), &self.report_path())
    }
}
