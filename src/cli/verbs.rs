//! The verbs' own words.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::ui::style::Color;

/// Every verb. A program of the same name is run by `withkey -- NAME`.
pub const VERBS: [&str; 5] = ["add", "use", "status", "list", "remove"];

/// The other words of the set that is closed for 1.x.
pub const LATER_VERBS: [&str; 8] = ["allow", "check", "completions", "lock", "log", "move", "rotate", "unlock"];

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
    ///
    /// On a terminal each key is asked for and not shown. Else standard input gives them,
    /// one a line, in the order of the variables. A key is cleaned, checked, stored, and
    /// read back before it is called stored.
    #[command(verbatim_doc_comment)]
    Add(Add),
    /// Tie a directory to a profile
    Use(Use),
    /// Say which profile is used here, why, and what a command's environment would gain and lose
    Status(Status),
    /// List the profiles with their masked keys
    List(List),
    /// Delete a profile with its keys and bindings, or one of its keys
    Remove(Remove),
}

/// `withkey add`.
#[derive(Debug, Args)]
pub struct Add {
    /// The profile (`default` if none is named) and the variables (OPENAI_API_KEY if none is named)
    #[arg(value_name = "[PROFILE] [VARIABLE]")]
    pub words: Vec<String>,
    /// Where to keep the keys: dotfile
    #[arg(long, value_name = "STORE", value_parser = ["dotfile"])]
    pub store: Option<String>,
    /// Take the variables from this .env file
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// The day the keys stop working: YYYY-MM-DD, or 90d from today
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
