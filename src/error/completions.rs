//! What `withkey completions` could not do. The rules of wording stand in `error.rs`.

use std::path::PathBuf;

use super::{Error, Words, line, p};

/// What went wrong.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are the words of the sentence that the variant's line announces")]
pub enum Completions {
    /// A file that withkey did not write stands where the script goes.
    NotOurs { path: PathBuf },
}

impl Completions {
    pub(super) fn words(&self) -> Words {
        match self {
            Self::NotOurs { path } => Words::new(format!("{} is there already", p(path)))
                .cause("withkey did not write it and leaves it as it is")
                .hint(line(
                    &line("move it away and type the same line again: mv", path),
                    &PathBuf::from(format!("{}.old", p(path))),
                )),
        }
    }
}

impl From<Completions> for Error {
    fn from(failure: Completions) -> Self {
        Self::Completions(failure)
    }
}
