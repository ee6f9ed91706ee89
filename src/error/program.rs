//! What can go wrong with the program that COMMAND names.

use std::path::PathBuf;

use super::{Words, io, line, p, without_value};
use crate::exit::Exit;

/// The program is not run.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are the words of the sentence that the variant's line announces")]
pub enum Program {
    /// No file of that name along PATH.
    NotFound { name: String, elsewhere: Option<PathBuf> },
    /// A file of that name that the system does not run.
    CannotRun { program: PathBuf, source: std::io::Error, elsewhere: Option<PathBuf> },
    /// Another file stands where the program was found.
    Changed { program: PathBuf },
}

impl Program {
    /// 126 and 127, as in env(1).
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::NotFound { .. } => Exit::NotFound,
            Self::CannotRun { .. } | Self::Changed { .. } => Exit::CannotRun,
        }
    }

    pub(super) fn words(&self) -> Words {
        match self {
            Self::NotFound { name, elsewhere } => {
                let words = Words::new(format!("program not found: {}", without_value(name)));
                match elsewhere {
                    Some(path) => words.cause("it is not on PATH").hint(format!("it is at {}", p(path))),
                    None if name.contains('/') => words.cause("no such file, or its interpreter is missing"),
                    None => words.cause("no directory on PATH has it"),
                }
            }
            Self::CannotRun { program, source, elsewhere } => {
                let words = Words::new(format!("cannot run {}", p(program)));
                let (cause, hint) = match source.raw_os_error() {
                    Some(libc::E2BIG) => {
                        ("arguments and environment are larger than the system takes".to_owned(), None)
                    }
                    Some(libc::EISDIR) => ("it is a directory".to_owned(), None),
                    Some(libc::EACCES) => ("permission denied".to_owned(), Some(line("chmod +x", program))),
                    _ => (io(source), None),
                };
                let words = words.cause(cause);
                match (elsewhere, hint) {
                    (Some(path), _) => words.hint(format!("one that runs is at {}", p(path))),
                    (None, Some(hint)) => words.hint(hint),
                    (None, None) => words,
                }
            }
            Self::Changed { program } => Words::new(format!("not running {}", p(program)))
                .cause("the file was replaced between finding it and starting it")
                .hint("run the same line again"),
        }
    }
}
