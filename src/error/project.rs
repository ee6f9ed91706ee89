//! What can go wrong with a project's dotfile and the grants.

use std::path::PathBuf;

use super::{Words, line, p};

/// What withkey could not do with a project's dotfile.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are the words of the sentence that the variant's line announces")]
pub enum Project {
    /// A dotfile on the way up without a grant.
    NotAllowed { path: PathBuf },
    /// What the dotfile holds is not what was allowed.
    Changed { path: PathBuf, how: String },
    /// There is no dotfile where one was named.
    Missing { path: PathBuf },
    /// The dotfile is not what may be opened; `named` when its user named it.
    Unfit { path: PathBuf, what: String, why: String, named: bool },
    /// There is no dotfile here or above.
    NoneHere { directory: PathBuf },
    /// Nothing was ever said of that dotfile.
    NothingSaid { path: PathBuf },
    /// The dotfile is encrypted to others.
    NotARecipient { path: PathBuf, identity: String, recipient: Option<String> },
    /// There is no identity to open the dotfile with.
    NoIdentity { identity: PathBuf, path: PathBuf },
    /// The dotfile is encrypted with a passphrase.
    Passphrase { path: PathBuf },
    /// The dotfile is not what was sealed.
    Damaged { path: PathBuf, why: &'static str },
    /// A name that no dotfile may set.
    Refused { path: PathBuf, name: String },
    /// A name without a value.
    Empty { path: PathBuf, name: String },
    /// The dotfile holds no variable at all.
    Nothing { path: PathBuf },
    /// The dotfile lacks a variable that was asked for.
    Lacks { path: PathBuf, variable: String },
    /// The dotfile holds a variable that is to be added.
    Exists { path: PathBuf, variable: String },
    /// The grant's file says nothing that can be understood.
    Grant { file: PathBuf, why: &'static str },
    /// There is no `.age-recipients` beside the dotfile.
    NoRecipients { file: PathBuf, dotfile: PathBuf, recipient: String },
    /// A line of `.age-recipients` that is no recipient.
    RecipientLine { file: PathBuf, line: usize, why: String },
    /// The writer could not open what would be written.
    WriterLeftOut { file: PathBuf, recipient: Option<String> },
    /// The dotfile or its recipients changed while they were asked about.
    ChangedMeanwhile { path: PathBuf },
    /// What was written does not open to what was sealed.
    ReadBack { path: PathBuf },
}

impl Project {
    pub(super) fn words(&self) -> Words {
        match self {
            Self::NotAllowed { path } => Words::new(format!("found {}, which is not allowed yet", p(path)))
                .cause("anyone can put a dotfile into a directory, so one is used only with your consent")
                .hint(line("withkey allow", path)),
            Self::Changed { path, how } => Words::new(format!("{} is not what you allowed", p(path)))
                .cause(how)
                .hint(format!("if you know why it changed: {}", line("withkey allow", path))),
            Self::Missing { path } => Words::new(format!("there is no dotfile {}", p(path)))
                .cause("no such file or directory")
                .hint(format!("name another, or make it: {} OPENAI_API_KEY", line("withkey add -f", path))),
            Self::Unfit { path, what, why, named } => Words::new(what).cause(why).hint(if *named {
                "name another: withkey -f FILE COMMAND".to_owned()
            } else {
                format!(
                    "choose a profile: withkey -p PROFILE COMMAND, or pass the file over: {}",
                    line("withkey allow --never", path)
                )
            }),
            Self::NoneHere { directory } => Words::new(format!("there is no .env.age in {} or above", p(directory)))
                .hint("name one: withkey allow FILE"),
            Self::NothingSaid { path } => {
                Words::new(format!("nothing is recorded of {}", p(path))).hint("see what is: withkey allow --list")
            }
            Self::NotARecipient { path, identity, recipient } => {
                let words = Words::new(format!("cannot open the dotfile {}", p(path)))
                    .cause(format!("it is not encrypted to the identity of {identity}"));
                match recipient {
                    Some(recipient) => words.hint(format!(
                        "ask somebody who can open it to add your recipient {recipient} to .age-recipients and to run \
                         withkey add -f .env.age"
                    )),
                    None => words.hint("use the identity it was made for: WITHKEY_IDENTITY_FILE=FILE withkey COMMAND"),
                }
            }
            Self::NoIdentity { identity, path } => Words::new(format!("there is no identity to open {} with", p(path)))
                .cause(format!("{} does not exist", p(identity)))
                .hint(format!(
                    "on a terminal this makes one and tells what to give your team: {}; in CI set WITHKEY_IDENTITY",
                    line("withkey allow", path)
                )),
            Self::Passphrase { path } => Words::new(format!("cannot open the dotfile {}", p(path)))
                .cause("it is encrypted with a passphrase, and a project's dotfile is encrypted to recipients")
                .hint("make it again: age -e -a -R .age-recipients"),
            Self::Damaged { path, why } => Words::new(format!("cannot open the dotfile {}", p(path)))
                .cause(*why)
                .hint("take it from the repository again; no other key is used in its place"),
            Self::Refused { path, name } => Words::new(format!("{} sets {name}", p(path)))
                .cause("it would redirect programs or change what they run; no dotfile may set it")
                .hint("if that is right, it belongs under [set] in a profile's description, or on the command line"),
            Self::Empty { path, name } => Words::new(format!("{} has no value for {name}", p(path)))
                .cause("a key is not empty")
                .hint(format!("{} {name} --replace", line("withkey add -f", path))),
            Self::Nothing { path } => Words::new(format!("{} holds no variable", p(path)))
                .hint(format!("{} OPENAI_API_KEY", line("withkey add -f", path))),
            Self::Lacks { path, variable } => Words::new(format!("{} has no key for {variable}", p(path)))
                .hint(format!("{} {variable}", line("withkey add -f", path))),
            Self::Exists { path, variable } => Words::new(format!("{} has a key for {variable} already", p(path)))
                .cause("a stored key is not overwritten unasked")
                .hint(format!("{} {variable} --replace", line("withkey add -f", path))),
            Self::Grant { file, why } => Words::new(format!("cannot read the grant {}", p(file)))
                .cause(*why)
                .hint(format!("delete it and allow the dotfile again: {}", line("rm", file))),
            Self::NoRecipients { file, dotfile, recipient } => Words::new(format!("{} does not exist", p(file)))
                .cause("it says who can open the dotfile beside it, one recipient a line")
                .hint(format!(
                    "make it with yourself in it: echo {recipient} > {}; then {}",
                    line("", file).trim_start(),
                    line("withkey add -f", dotfile)
                )),
            Self::RecipientLine { file, line, why } => {
                Words::new(format!("line {line} of {} is not a recipient withkey encrypts to", p(file)))
                    .cause(why)
                    .hint("a line is age1…, ssh-ed25519 … or ssh-rsa …; a comment begins with #")
            }
            Self::WriterLeftOut { file, recipient } => {
                let words = Words::new("not written: you could not open it yourself")
                    .cause(format!("your recipient is not in {}", p(file)));
                match recipient {
                    Some(recipient) => words.hint(format!("add the line {recipient}")),
                    None => words,
                }
            }
            Self::ChangedMeanwhile { path } => Words::new(format!("not written: {} changed meanwhile", p(path)))
                .cause("it is not what you were asked about")
                .hint("run the same line again"),
            Self::ReadBack { path } => Words::new(format!("not written: {} is as it was", p(path)))
                .cause("what was sealed did not open to what it should hold")
                .hint("keep the key at hand, and look at the disk"),
        }
    }
}
