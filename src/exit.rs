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
            Self::LaunchFailed => 125,
            Self::CannotRun => 126,
            Self::NotFound => 127,
            Self::Command(status) => status,
        }
    }
}
