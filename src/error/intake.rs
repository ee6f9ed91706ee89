//! What can go wrong with taking a key in.

use super::Words;

/// A key is not taken in.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are the words of the sentence that the variant's line announces")]
pub enum Intake {
    /// A value that cannot be a key.
    NotAKey { variable: String, why: String, hint: String },
    /// A variable that a `.env` file does not hold.
    NotInFile { file: String, variable: String },
    /// As many lines as variables are wanted on standard input.
    LineCount { variables: Vec<String>, lines: usize },
    /// A key stands there already.
    Exists { profile: String, variable: String, helper: bool },
    /// A profile has one store.
    OtherStore { profile: String, store: &'static str },
    /// What was stored did not come back as it went in.
    ReadBack { profile: String },
}

impl Intake {
    pub(super) fn words(&self) -> Words {
        match self {
            Self::NotAKey { variable, why, hint } => {
                let words = Words::new(format!("not stored: the value for {variable} cannot be a key")).cause(why);
                if hint.is_empty() { words } else { words.hint(hint) }
            }
            Self::NotInFile { file, variable } => {
                Words::new(format!("{file} holds no {variable}")).hint("name a variable that it holds")
            }
            Self::LineCount { variables, lines } => {
                let number = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
                let (lines, wanted) = (number(*lines, "line"), number(variables.len(), "variable"));
                Words::new(format!("nothing stored: {lines} for {wanted}"))
                    .cause(format!("standard input gives one key a line, for {}", variables.join(", ")))
            }
            Self::Exists { profile, variable, helper } => {
                let replace = format!("withkey add {profile} {variable} --replace");
                Words::new(format!("profile {profile} has a key for {variable} already"))
                    .cause("a stored key is not overwritten unasked")
                    .hint(match helper {
                        true => replace,
                        false => format!("withkey rotate {profile} {variable} (with a way back), or {replace}"),
                    })
            }
            Self::OtherStore { profile, store } => {
                Words::new(format!("profile {profile} is kept in the store {store}"))
                    .cause("a profile has one store")
                    .hint(format!("leave out --store, or move the profile first: withkey move {profile} STORE"))
            }
            Self::ReadBack { profile } => Words::new(format!("not stored: profile {profile} is as it was"))
                .cause("what the store gave back was not what it was given")
                .hint("keep the key at hand, and look at the disk"),
        }
    }
}
