//! Every failure and its sentences; those of one room in `error/ROOM.rs`.
//!
//! Rules of wording. `error`: what happened, naming the thing. `cause`: why, when that is not said already. `hint`: the
//! next line to type or thing to do. One line each, lower case, no full stop, no "please", no name of a Rust type, and
//! never a byte of a secret: an error carries names, paths and line numbers only.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::exit::Exit;

pub mod completions;
pub mod helper;
pub mod intake;
pub mod keychain;
pub mod life;
pub mod online;
pub mod program;
pub mod project;
pub mod rotation;
#[cfg(test)]
mod tests;
pub mod unlock;

/// What withkey could not do.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are the words of the sentence that the variant's line announces")]
pub enum Error {
    /// The words on the command line do not fit together.
    Usage { what: String, hint: String },
    /// Nothing chooses a profile for this directory.
    NoProfile { directory: PathBuf },
    /// A profile is chosen that has no description.
    UnknownProfile { name: String, chosen_by: Option<String> },
    /// A key where a name belongs. It is not repeated.
    KeyAsWord,
    /// Not the name of a profile.
    ProfileName { name: String },
    /// A name that withkey keeps for itself.
    ReservedProfile { name: String },
    /// `inherit` found no key to inherit.
    NothingToInherit,
    /// `-e` with the profile `inherit`.
    InheritInjectsNothing,
    /// Not a name for a variable, or one that no dotfile may set.
    VariableName { name: String, why: &'static str },
    /// Two injected variables of one name.
    VariablesCollide { name: String },
    /// A profile lacks a variable that was asked for.
    VariableMissing { profile: String, variable: String },
    /// The current directory has no path any more.
    NoCurrentDirectory { source: io::Error },
    /// A line of the bindings that says nothing.
    BindingLine { file: PathBuf, line: usize, why: &'static str },
    /// Two lines that bind one directory to two profiles.
    BindingTwice { file: PathBuf, lines: (usize, usize), directory: String },
    /// `use --remove` where nothing is bound.
    NothingBound { directory: String },
    /// A path that cannot be bound.
    CannotBind { directory: PathBuf, why: &'static str },
    /// Neither HOME nor the XDG variable leads anywhere.
    NoHome { variable: &'static str },
    /// A system call on a file failed.
    File { doing: &'static str, path: PathBuf, source: io::Error },
    /// A file was changed, and the disk did not confirm it.
    NotDurable { path: PathBuf, source: io::Error },
    /// A description changed between reading it and opening its store.
    Overtaken { profile: String },
    /// A file is not what withkey reads or replaces.
    FileKind { path: PathBuf, why: &'static str },
    /// A file or folder is another user's.
    Foreign { path: PathBuf },
    /// A file that others may read or write.
    Exposed { path: PathBuf, mode: u32, secret: bool },
    /// A file over its bound.
    TooLarge { path: PathBuf, limit: usize },
    /// A description that withkey cannot read.
    Description { path: PathBuf, why: String },
    /// A file of a later withkey.
    NewerVersion { path: PathBuf, version: i64 },
    /// config.toml cannot be read.
    Config { path: PathBuf, why: String },
    /// There is no identity yet.
    NoIdentity { path: PathBuf },
    /// The text that should be an identity is none.
    Identity { from: String, why: &'static str },
    /// The passphrase does not open the identity.
    WrongPassphrase { from: String },
    /// Something must be asked and there is nobody to answer.
    NobodyToAsk { wanted: &'static str, why: String, hint: String },
    /// The answer was no.
    Declined { what: &'static str },
    /// The prompt could not be shown or read.
    Prompt { why: &'static str },
    /// An age file that cannot be opened.
    Dotfile { path: PathBuf, why: &'static str, hint: String },
    /// The age file is gone, the description is there.
    DotfileGone { path: PathBuf, profile: String },
    /// The identity in use is no recipient of the file.
    NotARecipient { path: PathBuf, identity: String },
    /// A line of dotenv text that would not arrive byte for byte.
    Dotenv { file: String, line: usize, name: String, why: &'static str },
    /// A recipient of config.toml that cannot be used.
    Recipient { text: String, why: &'static str },
    /// Sealing failed inside the library.
    Seal { why: String },
    /// A date that is none.
    Date { text: String },
    /// The operating system refused something small and necessary.
    System { doing: &'static str, source: io::Error },
    /// What `completions` could not do.
    Completions(completions::Completions),
    /// A helper gave no key.
    Helper(helper::Helper),
    /// A key is not taken in.
    Intake(intake::Intake),
    /// The keychain, and what it did.
    Keychain(keychain::Keychain),
    /// A key is not to be used, or not by this one.
    Life(life::Life),
    /// Asking a provider.
    Online(online::Online),
    /// The program that COMMAND names.
    Program(program::Program),
    /// A project's dotfile, or its grant.
    Project(project::Project),
    /// Replacing a key.
    Rotation(rotation::Rotation),
    /// Passphrases and unlocking.
    Unlock(unlock::Unlock),
    /// A panic was caught at the door.
    Internal,
}

impl From<project::Project> for Error {
    fn from(error: project::Project) -> Self {
        Self::Project(error)
    }
}

/// An error's three lines.
#[derive(Debug)]
pub struct Words {
    /// What happened.
    pub error: String,
    /// Why.
    pub cause: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
}

impl Words {
    fn new(error: impl Into<String>) -> Self {
        Self { error: error.into(), cause: None, hint: None }
    }

    fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A path as a person reads it.
fn p(path: &Path) -> impl fmt::Display {
    path.display()
}

/// A line to type, with the path quoted as a shell wants it.
#[must_use]
pub fn line(words: &str, path: &Path) -> String {
    let path = path.to_string_lossy();
    format!("{words} {}", shlex::try_quote(&path).unwrap_or(path.clone()))
}

/// The hint for a file below /run/secrets, where container engines mount what nobody can change from inside.
fn mount_hint(path: &Path) -> Option<String> {
    let mounted = path.starts_with("/run/secrets") || path.starts_with("/var/run/secrets");
    mounted.then(|| format!("mount it as this user's alone: uid={},mode=0400", geteuid()))
}

/// The system's own words for a failed call, without the number that std adds.
fn io(source: &io::Error) -> String {
    match source.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_lowercase(),
        None => source.kind().to_string(),
    }
}

/// A word as it may be shown: of `NAME=VALUE` a value that is long enough to be a key is left out.
#[must_use]
pub fn without_value(word: &str) -> String {
    match word.split_once('=') {
        Some((name, value)) if value.len() >= crate::key::SHORTEST => format!("{name}=…"),
        _ => word.to_owned(),
    }
}

impl Error {
    /// A usage error that points to the help of a verb, or of withkey itself.
    pub fn usage(what: impl Into<String>, verb: Option<&str>) -> Self {
        let hint = verb.map_or_else(|| "withkey --help".to_owned(), |verb| format!("withkey {verb} --help"));
        Self::Usage { what: what.into(), hint }
    }

    /// How a launch that fails so ends. Everything is 125 but what env(1) calls 126 and 127.
    #[must_use]
    pub fn exit_of_launch(&self) -> Exit {
        match self {
            Self::Program(program) => program.exit(),
            _ => Exit::LaunchFailed,
        }
    }

    /// How a verb that fails so ends.
    #[must_use]
    pub fn exit_of_verb(&self) -> Exit {
        match self {
            Self::Usage { .. }
            | Self::KeyAsWord
            | Self::ProfileName { .. }
            | Self::VariableName { .. }
            | Self::Date { .. } => Exit::VerbUsage,
            Self::Online(online) => online.exit(),
            _ => Exit::VerbFailed,
        }
    }

    /// The sentences.
    #[must_use]
    #[allow(clippy::too_many_lines, reason = "all sentences in one place, so that they stay of one voice")]
    pub fn words(&self) -> Words {
        match self {
            Self::Usage { what, hint } => Words::new(what).hint(hint),
            Self::NoProfile { directory } => Words::new(format!("no profile for {}", p(directory)))
                .cause("no binding covers it and there is no default profile")
                .hint("store a key: withkey add, or tie a profile to this directory: withkey use PROFILE"),
            Self::UnknownProfile { name, chosen_by } => {
                let words = Words::new(format!("there is no profile {name}"))
                    .hint(format!("withkey add {name}, or see what there is: withkey list"));
                match chosen_by {
                    Some(chosen_by) => words.cause(format!("it was chosen by {chosen_by}")),
                    None => words,
                }
            }
            Self::KeyAsWord => Words::new("one of the words looks like a key")
                .cause("a key is never a word of the command line, which the shell's history and other users can see")
                .hint(
                    "delete the line from the history; withkey add PROFILE asks for the key, or reads standard input",
                ),
            Self::ProfileName { name } => Words::new(format!("not a profile name: {name}"))
                .cause("a profile name is 1 to 64 of a-z 0-9 . _ - and begins with a letter or a digit"),
            Self::ReservedProfile { name } => Words::new(format!("the profile name {name} is reserved"))
                .cause("inherit stands for the key that the environment already has")
                .hint("choose another name"),
            Self::NothingToInherit => Words::new("the profile inherit found no key")
                .cause("OPENAI_API_KEY is not set in the environment")
                .hint("set it there, or choose a profile: withkey -p PROFILE COMMAND"),
            Self::InheritInjectsNothing => Words::new("the profile inherit injects nothing")
                .cause("-e needs a profile that has keys")
                .hint("leave out -e, or choose a profile: withkey -p PROFILE -e NAME COMMAND"),
            Self::VariableName { name, why } => Words::new(format!("withkey does not inject {name}")).cause(*why),
            Self::VariablesCollide { name } => Words::new(format!("two keys for {name}"))
                .cause("COMMAND gets one value for a name")
                .hint("give each -e another NAME: -e NAME=VARIABLE"),
            Self::VariableMissing { profile, variable } => {
                Words::new(format!("profile {profile} has no key for {variable}"))
                    .hint(format!("withkey add {profile} {variable}"))
            }
            Self::NoCurrentDirectory { source } => Words::new("the current directory has no path")
                .cause(io(source))
                .hint("change to a directory that exists, or choose a profile: withkey -p PROFILE COMMAND"),
            Self::BindingLine { file, line, why } => Words::new(format!("line {line} of {} is not a binding", p(file)))
                .cause(*why)
                .hint("a line is PROFILE, one space, and an absolute path or *: mend or delete it"),
            Self::BindingTwice { file, lines: (first, second), directory } => {
                Words::new(format!("two profiles are bound to {directory}"))
                    .cause(format!("lines {first} and {second} of {} name different ones", p(file)))
                    .hint("delete one of the two lines")
            }
            Self::NothingBound { directory } => {
                Words::new(format!("nothing is bound to {directory}")).hint("see which directories are: withkey list")
            }
            Self::CannotBind { directory, why } => Words::new(format!("cannot bind {}", p(directory))).cause(*why),
            Self::NoHome { variable } => Words::new("withkey does not know where its files are")
                .cause(format!("neither HOME nor {variable} holds an absolute path"))
                .hint("set HOME to your home directory"),
            Self::File { doing, path, source } => {
                let words = Words::new(format!("cannot {doing} {}", p(path))).cause(io(source));
                match source.raw_os_error() {
                    Some(libc::ENOSPC | libc::EDQUOT) if *doing == "write" => {
                        words.hint("nothing was changed; free some space and try again")
                    }
                    Some(libc::EROFS) if *doing == "write" => {
                        words.hint("nothing was changed; the file system is read-only")
                    }
                    Some(libc::EACCES) if *doing == "open" => words.hint(
                        mount_hint(path).unwrap_or_else(|| format!("let user {} read it, who runs withkey", geteuid())),
                    ),
                    _ => words,
                }
            }
            Self::NotDurable { path, source } => {
                Words::new(format!("{} is changed, but a power failure may undo it", p(path))).cause(io(source))
            }
            Self::Overtaken { profile } => {
                Words::new(format!("profile {profile} is being changed all the time")).hint("run the same line again")
            }
            Self::FileKind { path, why } => Words::new(format!("cannot use {}", p(path))).cause(*why),
            Self::Foreign { path } => Words::new(format!("{} belongs to another user", p(path)))
                .cause("withkey uses and makes files of the user who runs it only")
                .hint(match geteuid() {
                    root if root.is_root() => {
                        "under sudo, put withkey first: withkey sudo --preserve-env=OPENAI_API_KEY COMMAND".to_owned()
                    }
                    user => mount_hint(path).unwrap_or_else(|| {
                        format!("run withkey as its owner, or as user {user} with files of that user's own")
                    }),
                }),
            Self::Exposed { path, mode, secret } => {
                let (whom, fix) = if *secret { ("read", "600") } else { ("change", "go-w") };
                Words::new(format!("other users may {whom} {}", p(path)))
                    .cause(format!("its mode is {mode:04o}"))
                    .hint(mount_hint(path).unwrap_or_else(|| line(&format!("chmod {fix}"), path)))
            }
            Self::TooLarge { path, limit } => {
                Words::new(format!("{} is too large", p(path))).cause(format!("it is over {limit} bytes"))
            }
            Self::Description { path, why } => Words::new(format!("cannot read the description {}", p(path)))
                .cause(why)
                .hint("mend it by hand, or take it from a backup; the keys themselves lie elsewhere"),
            Self::NewerVersion { path, version } => Words::new(format!("{} is of a newer withkey", p(path)))
                .cause(format!("it has version {version}, this withkey knows version 1"))
                .hint("install the newer withkey"),
            Self::Config { path, why } => {
                Words::new(format!("cannot read {}", p(path))).cause(why).hint("mend it by hand")
            }
            Self::NoIdentity { path } => Words::new("there is no identity to open the dotfile with")
                .cause(format!("{} does not exist", p(path)))
                .hint("put it back from its backup, or name another: WITHKEY_IDENTITY_FILE=FILE withkey COMMAND"),
            Self::Identity { from, why } => Words::new(format!("cannot use the identity of {from}")).cause(*why),
            Self::WrongPassphrase { from } => Words::new(format!("the identity of {from} stays closed"))
                .cause("wrong passphrase")
                .hint("run the same line again"),
            Self::NobodyToAsk { wanted, why, hint } => {
                Words::new(format!("cannot ask for {wanted}")).cause(why).hint(hint)
            }
            Self::Declined { what } => Words::new(format!("{what}: not done")).cause("the answer was no"),
            Self::Prompt { why } => Words::new("no answer was taken").cause(*why),
            Self::Dotfile { path, why, hint } => {
                Words::new(format!("cannot open the dotfile {}", p(path))).cause(*why).hint(hint)
            }
            Self::DotfileGone { path, profile } => Words::new(format!("the dotfile of profile {profile} is missing"))
                .cause(format!("{} does not exist", p(path)))
                .hint(format!("put it back from its backup, or start again: withkey remove {profile}")),
            Self::NotARecipient { path, identity } => Words::new(format!("cannot open the dotfile {}", p(path)))
                .cause(format!("it is not encrypted to the identity of {identity}"))
                .hint("use the identity it was made for: WITHKEY_IDENTITY_FILE=FILE withkey COMMAND"),
            Self::Dotenv { file, line, name, why } => Words::new(format!("line {line} of {file} ({name})"))
                .cause(*why)
                .hint("put the value in single quotes: NAME='value'"),
            Self::Recipient { text, why } => {
                Words::new(format!("cannot encrypt to {text}")).cause(*why).hint("mend `recipients` in config.toml")
            }
            Self::Seal { why } => Words::new("cannot encrypt the dotfile").cause(why),
            Self::Date { text } => {
                Words::new(format!("not a date: {text}")).cause("a date is YYYY-MM-DD, or a number of days such as 90d")
            }
            Self::System { doing, source } => Words::new(format!("cannot {doing}")).cause(io(source)),
            // Each room's sentences stand in a file of their own.
            Self::Completions(failure) => failure.words(),
            Self::Helper(failure) => failure.words(),
            Self::Intake(failure) => failure.words(),
            Self::Keychain(failure) => failure.words(),
            Self::Life(failure) => failure.words(),
            Self::Online(failure) => failure.words(),
            Self::Program(failure) => failure.words(),
            Self::Project(failure) => failure.words(),
            Self::Rotation(failure) => failure.words(),
            Self::Unlock(failure) => failure.words(),
            Self::Internal => Words::new("withkey met an internal error and stopped")
                .cause("this is a bug of withkey, not of your set-up")
                .hint("report it with the line you typed, without any key"),
        }
    }
}
