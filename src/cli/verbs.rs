//! The verbs' own words.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::profile::description::StoreKind;
use crate::ui::style::Color;

/// Every verb. A program of the same name is run by `withkey -- NAME`.
pub const VERBS: [&str; 13] = [
    "add",
    "use",
    "status",
    "list",
    "check",
    "rotate",
    "move",
    "remove",
    "allow",
    "unlock",
    "lock",
    "log",
    "completions",
];

/// A line that begins with a verb.
#[derive(Debug, Parser)]
#[command(name = "withkey", disable_help_subcommand = true, disable_version_flag = true)]
pub struct VerbLine {
    #[command(subcommand)]
    pub(super) verb: Verb,
    /// When to use colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, global = true)]
    pub(super) color: Color,
}

/// A verb with its words.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Take keys in and store them
    Add(Add),
    /// Tie a directory to a profile
    Use(Use),
    /// Say which profile is used here, and why
    Status(Status),
    /// List the profiles with their masked keys
    List(List),
    /// Probe everything, and say how to mend what is wrong
    Check(Check),
    /// Replace a key, with a way back
    Rotate(Rotate),
    /// Move a profile's keys to another store
    Move(Move),
    /// Delete a profile with its keys and bindings, or one of its keys
    Remove(Remove),
    /// Allow a dotfile found in a directory
    Allow(Allow),
    /// Keep a passphrase-protected identity ready for a while
    Unlock(Unlock),
    /// Forget an unlocked identity now
    Lock(Lock),
    /// Show who used what when
    Log(Log),
    /// Print the completion script of a shell, or install it
    Completions(Completions),
}

/// `withkey add`.
#[derive(Debug, Args)]
pub struct Add {
    /// The profile (`default` if none is named) and the variables (OPENAI_API_KEY if none is named)
    #[arg(value_name = "[PROFILE] [VARIABLE]")]
    pub words: Vec<String>,
    /// Where keys are kept: keychain (if one answers), dotfile or helper
    #[arg(long, value_name = "STORE", value_parser = StoreKind::ALL.map(StoreKind::as_str))]
    pub store: Option<String>,
    /// Into this project's dotfile, for everybody in .age-recipients beside it; all words are
    /// variables then (none: only encrypt it anew)
    #[arg(
        short,
        long,
        value_name = "FILE",
        conflicts_with_all = ["store", "expires", "created", "bind"],
        verbatim_doc_comment
    )]
    pub file: Option<PathBuf>,
    /// Keep no key: this program prints it at each launch
    #[arg(long, value_name = "PROGRAM ARG", conflicts_with = "from")]
    pub helper: Option<String>,
    /// Behind -- with --store helper: the program, word by word
    #[arg(last = true, value_name = "PROGRAM ARG", conflicts_with_all = ["from", "helper"])]
    pub program: Vec<String>,
    /// Take the variables from this .env file
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// The keys' last day: YYYY-MM-DD, or 90d from now
    #[arg(long, value_name = "DATE")]
    pub expires: Option<String>,
    /// The day the provider made the keys: YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub created: Option<String>,
    /// Tie this directory to the profile too
    #[arg(long = "use")]
    pub bind: bool,
    /// Store in place of a key that is there
    #[arg(long)]
    pub replace: bool,
    /// Ask the provider about the keys before storing them
    #[arg(long)]
    pub online: bool,
    /// With --online: the proxy to go through
    #[arg(long, value_name = "URL", requires = "online")]
    pub proxy: Option<String>,
}

/// `withkey use`.
#[derive(Debug, Args)]
#[command(
    override_usage = "withkey use PROFILE [DIR]\n       withkey use --default PROFILE\n       withkey use --remove [DIR]"
)]
pub struct Use {
    /// The profile, then the directory (this one if none is named)
    #[arg(value_name = "PROFILE [DIR]")]
    pub words: Vec<PathBuf>,
    /// Use this profile wherever nothing else is chosen
    #[arg(long, value_name = "PROFILE", conflicts_with_all = ["words", "remove"])]
    pub default: Option<String>,
    /// Untie the directory
    #[arg(long)]
    pub remove: bool,
}

/// `withkey status`.
#[derive(Debug, Args)]
pub struct Status {
    /// As if this profile were chosen
    #[arg(short, long, value_name = "NAME")]
    pub profile: Option<String>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// `withkey list`.
#[derive(Debug, Args)]
pub struct List {
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// `withkey remove`.
#[derive(Debug, Args)]
pub struct Remove {
    /// The profile
    pub profile: String,
    /// Only this variable
    pub variable: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// `withkey check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The profile (the one chosen here if none is named)
    pub profile: Option<String>,
    /// Ask the provider whether the key works
    #[arg(long)]
    pub online: bool,
    /// With --online: the proxy to go through
    #[arg(long, value_name = "URL", requires = "online")]
    pub proxy: Option<String>,
    /// Every profile
    #[arg(long, conflicts_with = "profile")]
    pub all: bool,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// `withkey rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    /// The profile
    pub profile: String,
    /// The variable (the profile's only one if none is named)
    pub variable: Option<String>,
    /// Go back to the previous key: the two change places
    #[arg(long, conflicts_with = "finish")]
    pub undo: bool,
    /// Delete the previous key for good
    #[arg(long)]
    pub finish: bool,
    /// Ask the provider about the new key before it is used
    #[arg(long, conflicts_with_all = ["undo", "finish"])]
    pub online: bool,
    /// With --online: the proxy to go through
    #[arg(long, value_name = "URL", requires = "online")]
    pub proxy: Option<String>,
}

/// `withkey move`.
#[derive(Debug, Args)]
pub struct Move {
    /// The profile, then the store: keychain or dotfile
    #[arg(value_name = "PROFILE STORE", required = true, num_args = 1..=2)]
    pub words: Vec<String>,
    /// Every profile; only STORE is named then
    #[arg(long)]
    pub all: bool,
}

/// `withkey allow`.
#[derive(Debug, Args)]
pub struct Allow {
    /// The dotfile (the nearest .env.age if none is named)
    pub file: Option<PathBuf>,
    /// Pass the dotfile over from now on, without an error
    #[arg(long, conflicts_with_all = ["list", "revoke"])]
    pub never: bool,
    /// List what is allowed and what is passed over
    #[arg(long, conflicts_with_all = ["file", "revoke"])]
    pub list: bool,
    /// Take back what was said of the dotfile
    #[arg(long)]
    pub revoke: bool,
    /// With --list: one JSON object
    #[arg(long, requires = "list")]
    pub json: bool,
}

/// `withkey unlock`.
#[derive(Debug, Args)]
pub struct Unlock {
    /// How long: 30m, 8h, 2d (15 minutes if not said)
    #[arg(long = "for", value_name = "TIME")]
    pub time: Option<String>,
    /// Give the identity a passphrase, another one, or none
    #[arg(long, conflicts_with = "time")]
    pub set_passphrase: bool,
}

/// `withkey lock`.
#[derive(Debug, Args)]
pub struct Lock {}

/// `withkey log`.
#[derive(Debug, Args)]
pub struct Log {
    /// Only this profile
    #[arg(short, long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Only from then on: YYYY-MM-DD, or 12h, 7d ago
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// `withkey completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
    /// Write the script where the shell looks for it, in your own folders
    #[arg(long)]
    pub install: bool,
}

/// A shell that withkey completes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    /// 4.3 or later; uses the package bash-completion where it is there
    Bash,
    /// 5.3 or later
    Zsh,
    /// 3.1 or later
    Fish,
}
