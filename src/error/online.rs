//! The sentences about asking a provider.

use super::Words;
use crate::exit::Exit;

/// What went wrong when a provider was to be asked, or was asked about a new key.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are the words of the sentence that the variant's line announces")]
pub enum Online {
    /// Built without the feature `online`.
    NotBuilt,
    /// No variable of the profile is a provider's.
    NothingToAsk { profile: String },
    /// The provider calls a new key wrong.
    Refused { variable: String, provider: &'static str, page: &'static str },
    /// `--online` in vain, and nobody to ask whether to go on.
    Unclear { variable: String, sentence: String, hint: String, exit: Exit },
}

impl Online {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::NotBuilt | Self::NothingToAsk { .. } => Exit::VerbFailed,
            Self::Refused { .. } => Exit::KeyInvalid,
            Self::Unclear { exit, .. } => *exit,
        }
    }

    pub(super) fn words(&self) -> Words {
        match self {
            Self::NotBuilt => Words::new("this withkey cannot ask a provider")
                .cause("it was built without the feature `online`")
                .hint("leave out --online, or build it with the feature: cargo install --features online"),
            Self::NothingToAsk { profile } => Words::new(format!("there is nobody to ask about profile {profile}"))
                .cause("none of its variables is one of a provider that withkey knows")
                .hint("see which variables it has: withkey list"),
            Self::Refused { variable, provider, page } => {
                Words::new(format!("not stored: {provider} calls the key for {variable} wrong, deleted or expired"))
                    .hint(format!("make a new one at {page}"))
            }
            Self::Unclear { variable, sentence, hint, .. } => {
                Words::new(format!("not stored: whether the key for {variable} works is not known"))
                    .cause(sentence)
                    .hint(hint)
            }
        }
    }
}
