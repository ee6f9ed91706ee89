//! What a key's age and its user can be in the way of.

use super::Words;

/// A key is not to be used, or not by this one.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are the words of the sentence that the variant's line announces")]
pub enum Life {
    /// A verb that changes keys or what they are trusted to, in a coding agent's environment.
    ForAPerson { verb: &'static str, agent: &'static str, line: String },
    /// `refuse_expired`, and a key is past its day.
    Expired { profile: String, variable: String, day: String },
}

impl Life {
    pub(super) fn words(&self) -> Words {
        match self {
            Self::ForAPerson { verb, agent, line } => Words::new(format!("{verb} is for a person to do"))
                .cause(format!("a coding agent runs this command ({agent} is set)"))
                .hint(format!("type it yourself, in a terminal of your own: {line}")),
            Self::Expired { profile, variable, day } => {
                Words::new(format!("the key for {variable} of profile {profile} expired on {day}"))
                    .cause("refuse_expired in config.toml keeps expired keys from being used")
                    .hint(format!("put a new one in its place: withkey rotate {profile} {variable}"))
            }
        }
    }
}
