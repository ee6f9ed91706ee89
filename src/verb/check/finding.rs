//! What a probe found.

use serde::Serialize;

use crate::error::Error;

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// withkey works, and something deserves a look.
    Warning,
    /// Something does not work, or a key lies open.
    Problem,
}

/// One line of the answer.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What was probed; stays the same from version to version.
    pub probe: &'static str,
    /// How it stands.
    pub state: State,
    /// What was found, in words.
    pub what: String,
    /// The line that mends it; always there unless the state is ok.
    pub mend: Option<String>,
}

impl Finding {
    pub fn ok(probe: &'static str, what: impl Into<String>) -> Self {
        Self { probe, state: State::Ok, what: what.into(), mend: None }
    }

    pub fn warning(probe: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { probe, state: State::Warning, what: what.into(), mend: Some(mend.into()) }
    }

    pub fn problem(probe: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { probe, state: State::Problem, what: what.into(), mend: Some(mend.into()) }
    }

    /// An error's words, as a problem.
    pub fn problem_of(probe: &'static str, error: &Error) -> Self {
        let words = error.words();
        let what = words.cause.map_or_else(|| words.error.clone(), |cause| format!("{}: {cause}", words.error));
        Self::problem(probe, what, words.hint.unwrap_or_else(|| "mend or delete it by hand".to_owned()))
    }
}
