//! The sentences about replacing a key.

use super::Words;

/// What stands in the way of replacing a key, or of going back.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are the words of the sentence that the variant's line announces")]
pub enum Rotation {
    /// The new key is the one that is stored.
    SameKey { profile: String, variable: String, page: Option<&'static str> },
    /// A former rotation is not finished.
    Unfinished { profile: String, variable: String, masked: String },
    /// There is no previous key.
    NothingKept { profile: String, variable: String, undo: bool },
    /// Several variables, and none is named.
    WhichVariable { profile: String, variables: Vec<String>, options: &'static str },
}

impl Rotation {
    pub(super) fn words(&self) -> Words {
        match self {
            Self::SameKey { profile, variable, page } => {
                let words =
                    Words::new(format!("not replaced: {variable} of profile {profile} is this very key already"));
                match page {
                    Some(page) => words.hint(format!("make a new one at {page}")),
                    None => words.hint("take in the new key, not the old one"),
                }
            }
            Self::Unfinished { profile, variable, masked } => {
                Words::new(format!("the last replacement of {variable} of profile {profile} is not finished"))
                    .cause(format!("its previous key ({masked}) is still kept"))
                    .hint(format!(
                        "delete it: withkey rotate {profile} {variable} --finish, or go back to it: withkey rotate {profile} {variable} --undo"
                    ))
            }
            Self::NothingKept { profile, variable, undo } => {
                let what = if *undo { "go back to" } else { "delete" };
                Words::new(format!("there is no previous key of {variable} of profile {profile} to {what}"))
                    .hint("see what is kept: withkey list")
            }
            Self::WhichVariable { profile, variables, options } => {
                let first = variables.first().map_or("VARIABLE", String::as_str);
                Words::new(format!("which key of profile {profile} is not said"))
                    .cause(format!("it has {}", variables.join(", ")))
                    .hint(format!("withkey rotate {profile} {first}{options}"))
            }
        }
    }
}
