//! What the tests share: a sandbox to run withkey in, processes started in odd states, a terminal to type on.
//!
//! Nothing here skips. What a test needs and does not find fails it, with the line to type.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, unused_imports, reason = "each test file is a crate of its own and uses a part")]

mod diff;
mod pty;
mod report;
mod running;
mod sandbox;
mod start;

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

pub use diff::assert_same;
pub use pty::Pty;
pub use report::{Report, escaped};
pub use running::{End, Outcome, Running, kill};
pub use sandbox::{KEY, OTHER_KEY, Rest, Sandbox};
pub use start::{Start, memory_file, pipe};

/// The two ways to launch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    Exec,
    Spawn,
}

impl Mode {
    pub const BOTH: [Self; 2] = [Self::Exec, Self::Spawn];

    /// The options that ask for it.
    pub fn options(self) -> &'static [&'static str] {
        match self {
            Self::Exec => &[],
            Self::Spawn => &["--spawn"],
        }
    }
}

/// Makes two tests of one: `NAME::exec` and `NAME::spawn`.
#[macro_export]
macro_rules! in_both_modes {
    ($($(#[$comment:meta])* fn $name:ident($mode:ident: Mode) $body:block)+) => {$(
        mod $name {
            use super::*;

            $(#[$comment])*
            fn check($mode: Mode) $body

            #[test]
            fn exec() {
                check(Mode::Exec);
            }

            #[test]
            fn spawn() {
                check(Mode::Spawn);
            }
        }
    )+};
}

/// How long anything may take before it counts as never happening: long enough for a passphrase's scrypt in a debug build on
/// a machine that is busy with everything else. Only a failure waits so long.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Looks again and again until there is something to see; `None` after [`PATIENCE`].
pub fn look_for<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = look();
        if seen.is_some() || Instant::now() > deadline {
            return seen;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until a condition holds, and fails if it never does.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    assert!(look_for(|| condition().then_some(())).is_some(), "waited in vain until {what}");
}

/// The withkey under test: the one cargo built, or the file that WITHKEY_TEST_BINARY names.
pub fn withkey_binary() -> PathBuf {
    match env::var_os("WITHKEY_TEST_BINARY") {
        Some(named) => {
            fs::canonicalize(&named).unwrap_or_else(|error| panic!("WITHKEY_TEST_BINARY: {named:?}: {error}"))
        }
        None => PathBuf::from(env!("CARGO_BIN_EXE_withkey")),
    }
}

/// The program in `tests/probe`, which cargo builds as an example into the folder beside the tests'.
pub fn probe_binary() -> PathBuf {
    let tests = env::current_exe().unwrap();
    let probe = tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples/probe");
    assert!(probe.is_file(), "{} is missing; build it: cargo build --example probe", probe.display());
    probe
}
