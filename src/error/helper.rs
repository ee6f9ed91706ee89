//! What can go wrong with a helper.

use std::path::PathBuf;

use super::{Words, io, p};

/// A helper gave no key, or is asked for what it cannot do.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are the words of the sentence that the variant's line announces")]
pub enum Helper {
    /// The system does not run it.
    CannotRun { program: PathBuf, source: std::io::Error },
    /// It ran, and what came is no key.
    NoKey { program: PathBuf, variable: String, why: String, by_hand: String },
    /// The description names no helper for a variable.
    NoHelper { profile: String, variable: String },
    /// A key was to be put where withkey keeps none.
    KeptElsewhere { profile: String },
    /// Words that no shell would take.
    Words { text: String },
    /// The key itself among a helper's words.
    KeyInWords { variable: String },
    /// A helper's keys are not typed in.
    HelperWanted { profile: String },
}

impl Helper {
    pub(super) fn words(&self) -> Words {
        match self {
            Self::CannotRun { program, source } => {
                Words::new(format!("cannot run the helper {}", p(program))).cause(io(source)).hint(
                    "install it again, or name another: withkey add PROFILE VARIABLE --replace --helper 'PROGRAM ARG'",
                )
            }
            Self::NoKey { program, variable, why, by_hand } => {
                Words::new(format!("the helper {} gave no key for {variable}", p(program)))
                    .cause(why)
                    .hint(format!("try it by hand: {by_hand}"))
            }
            Self::NoHelper { profile, variable } => {
                Words::new(format!("profile {profile} has no helper for {variable}"))
                    .cause("its description says that a helper gives the key, and not which")
                    .hint(format!("withkey add {profile} {variable} --replace --helper 'PROGRAM ARG'"))
            }
            Self::KeptElsewhere { profile } => Words::new(format!("withkey keeps no key of profile {profile}"))
                .cause("a helper reads it from where it is kept")
                .hint("change the key there; the next launch has it"),
            Self::Words { text } => Words::new(format!("cannot split into words: {text}"))
                .cause("a quote is open at its end")
                .hint("write it as in a shell, or behind --: withkey add PROFILE --store helper -- PROGRAM ARG"),
            Self::KeyInWords { variable } => {
                Words::new(format!("the key for {variable} stands in the helper's own words"))
                    .cause("they are kept in clear, in the profile's description")
                    .hint("let the helper read the key from where it is kept, or store it: withkey add PROFILE")
            }
            Self::HelperWanted { profile } => Words::new(format!("no helper is named for profile {profile}"))
                .cause("in the store helper a program gives the key, and none is typed in")
                .hint(format!("withkey add {profile} --helper 'PROGRAM ARG'")),
        }
    }
}
