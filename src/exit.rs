//! Exit statuses, each with its meaning.

/// How withkey ends. A launch ends as env(1) and nice(1) do, a verb as most commands do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: a verb did what was asked, or `--dry-run` answered.
    Done,
    /// 1: a verb failed.
    VerbFailed,
    /// 2: a verb was called with wrong words.
    VerbUsage,
    /// 3: a provider calls a key wrong, deleted or expired.
    KeyInvalid,
    /// 4: a key is real, and a permission or something about its account stands in the way.
    KeyRefused,
    /// 5: a key is real, and there is no money for it.
    KeyUnpaid,
    /// 6: a key is real, and was asked about too often.
    KeyMustWait,
    /// 7: a provider's answer says nothing about the key.
    KeyUnknown,
    /// 125: a launch failed in withkey itself; COMMAND was not started.
    LaunchFailed,
    /// 126: COMMAND was found but cannot be run.
    CannotRun,
    /// 127: COMMAND was not found.
    NotFound,
    /// The status of a COMMAND that ran under `--spawn`.
    Command(u8),
}

impl Exit {
    /// The number for the operating system.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::VerbFailed => 1,
            Self::VerbUsage => 2,
            Self::KeyInvalid => 3,
            Self::KeyRefused => 4,
            Self::KeyUnpaid => 5,
            Self::KeyMustWait => 6,
            Self::KeyUnknown => 7,
            Self::LaunchFailed => 125,
            Self::CannotRun => 126,
            Self::NotFound => 127,
            Self::Command(status) => status,
        }
    }

    /// The worse of two answers about keys: what is known to be broken first, then what is not known, then what passes.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other.badness() > self.badness() { other } else { self }
    }

    fn badness(self) -> u8 {
        match self {
            Self::Done | Self::Command(_) => 0,
            Self::KeyMustWait => 1,
            Self::KeyUnknown => 2,
            Self::VerbFailed => 3,
            Self::KeyUnpaid => 4,
            Self::KeyRefused => 5,
            Self::KeyInvalid => 6,
            Self::VerbUsage | Self::LaunchFailed | Self::CannotRun | Self::NotFound => 7,
        }
    }
}
