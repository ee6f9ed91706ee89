//! What help and manual say beyond clap's trees: one source for `-h`, `--help` and withkey(1).

/// What is said about withkey itself or one verb.
#[derive(Debug)]
pub struct Text {
    /// The verb; empty for withkey itself.
    pub verb: &'static str,
    /// How it is called, one form a line, without `withkey`.
    pub usage: &'static [&'static str],
    /// Paragraphs for `--help` and the manual.
    pub more: &'static [&'static str],
    /// A line to type, and what it does.
    pub examples: Facts,
}

/// Names, each with its meaning.
pub type Facts = &'static [(&'static str, &'static str)];

/// When the manual was last changed by hand.
pub const DATE: &str = "2026-11-28";

/// withkey itself.
pub static LAUNCH: Text = Text {
    verb: "",
    usage: &["[OPTIONS] [--] COMMAND [ARG]...", "VERB ..."],
    more: &[
        "withkey finds the profile that belongs to the current directory, reads its key from its store, puts it into the \
         environment of COMMAND, wipes its own memory, and becomes COMMAND. Options stand before COMMAND; from COMMAND \
         on every word is COMMAND's.",
        "The profile is the first that answers: -f or -p; WITHKEY_PROFILE; the nearest directory upwards that is tied to \
         one, or has a dotfile .env.age that was allowed; the default. When its key cannot be read, COMMAND is not \
         started.",
        "A verb is one as the very first word only: `withkey -- list` runs a program named list.",
    ],
    examples: &[
        ("withkey add", "take a key in, as default"),
        ("withkey add work --use", "as work, for this directory"),
        ("withkey python app.py", "run with this directory's key"),
        ("withkey -p work make test", "run with the key of work"),
        ("withkey -e LLM_KEY=OPENAI_API_KEY ./app", "give the key another name"),
        ("withkey -n make test", "say what would happen, in names"),
    ],
};

/// The verbs.
pub static VERBS: &[Text] = &[
    Text {
        verb: "add",
        usage: &[
            "add [OPTIONS] [PROFILE] [VARIABLE]...",
            "add [OPTIONS] [PROFILE] [VARIABLE] --store helper -- PROGRAM [ARG]...",
            "add [OPTIONS] -f FILE [VARIABLE]...",
        ],
        more: &[
            "On a terminal each key is asked for and not shown. Else standard input gives them, one a line, in the order of \
             the variables. A key is cleaned (quotes, blanks, NAME=), checked, stored, and read back before it is called \
             stored.",
            "A first word that can be no profile's name is a variable of the profile default.",
            "A new profile's keys go into the system's keychain where one answers, else into an encrypted dotfile. With \
             --helper no key is stored: the program, its words split as a shell splits them, is run at each launch and prints \
             it. No shell is run. With -f they go into a project's dotfile, for everybody in .age-recipients beside it.",
        ],
        examples: &[
            ("withkey add", "ask for an OpenAI key, as default"),
            ("withkey add ANTHROPIC_API_KEY", "an Anthropic key beside it"),
            ("withkey add work --use", "as work, for this directory"),
            ("withkey add work --from .env", "OPENAI_API_KEY out of a .env file"),
            ("pass show openai | withkey add work", "take it from another program"),
            ("withkey add work --helper 'pass openai'", "ask that program at each launch"),
            ("withkey add -f .env.age OPENAI_API_KEY", "into the dotfile of this project"),
        ],
    },
    Text {
        verb: "use",
        usage: &["use PROFILE [DIR]", "use --default PROFILE", "use --remove [DIR]"],
        more: &["The directory and all below it use the profile, until a nearer directory is tied to another one."],
        examples: &[
            ("withkey use work", "this directory uses work"),
            ("withkey use client-a ~/src/a", "that one uses client-a"),
            ("withkey use --default work", "every other directory uses work"),
            ("withkey use --remove", "untie this directory"),
        ],
    },
    Text {
        verb: "status",
        usage: &["status [OPTIONS]"],
        more: &["Opens no store: it speaks of names and masked keys only, and names your provider's pages."],
        examples: &[
            ("withkey status", "the profile of this directory, and why"),
            ("withkey status -p work", "as if work were chosen"),
            ("withkey status --json", "for a program"),
        ],
    },
    Text {
        verb: "list",
        usage: &["list [OPTIONS]"],
        more: &[
            "Opens no store. A masked key is its known prefix and its last four characters, as the provider's page \
                 shows it.",
        ],
        examples: &[("withkey list", "every profile"), ("withkey list --json", "for a program")],
    },
    Text {
        verb: "check",
        usage: &["check [OPTIONS] [PROFILE]"],
        more: &[
            "Every part is probed by doing what a launch does with it, and each fault has the line that mends it.",
            "With --online each key is sent to its provider in one request that spends nothing, and the exit status is the \
             worst answer.",
        ],
        examples: &[
            ("withkey check", "the profile of this directory"),
            ("withkey check work --online", "ask the provider whether its keys work"),
            ("withkey check --all", "every profile"),
        ],
    },
    Text {
        verb: "rotate",
        usage: &["rotate [OPTIONS] PROFILE [VARIABLE]"],
        more: &[
            "The new key is taken in and switched to in one step; the old one is kept sealed as the previous one. --undo \
             lets the two change places, as often as you like; --finish deletes the previous one, whichever it is then. A \
             key works at its provider until you delete it there.",
        ],
        examples: &[
            ("withkey rotate work", "take a new key in"),
            ("withkey rotate work LLM_KEY", "for one variable of several"),
            ("withkey rotate work --undo", "go back to the previous key"),
            ("withkey rotate work --finish", "delete the previous key for good"),
        ],
    },
    Text {
        verb: "move",
        usage: &["move PROFILE STORE", "move --all STORE"],
        more: &["The keys are copied, read back, compared, and only then deleted where they were."],
        examples: &[
            ("withkey move work keychain", "into the system's keychain"),
            ("withkey move --all dotfile", "every profile into a dotfile of its own"),
        ],
    },
    Text {
        verb: "remove",
        usage: &["remove [OPTIONS] PROFILE [VARIABLE]"],
        more: &["Shows what goes and asks. A key that is removed here still works: delete it at its provider too."],
        examples: &[
            ("withkey remove work", "the profile, its keys and its bindings"),
            ("withkey remove work LLM_KEY", "one key of it"),
        ],
    },
    Text {
        verb: "allow",
        usage: &["allow [OPTIONS] [FILE]"],
        more: &[
            "Anyone can encrypt a dotfile to your public recipient, with a key of theirs in it. So one that is found in a \
             directory is used only after you have seen its names and masked keys and said yes; when a name or a key in \
             it changes, you are asked again.",
        ],
        examples: &[
            ("withkey allow", "the nearest .env.age"),
            ("withkey allow --never", "pass it over from now on"),
            ("withkey allow --list", "what was said of which file"),
        ],
    },
    Text {
        verb: "unlock",
        usage: &["unlock [OPTIONS]"],
        more: &["Asks for the passphrase once; until the time is over, or `withkey lock`, no launch asks for it."],
        examples: &[
            ("withkey unlock", "for 15 minutes"),
            ("withkey unlock --for 8h", "for a working day"),
            ("withkey unlock --set-passphrase", "give the identity a passphrase"),
        ],
    },
    Text {
        verb: "lock",
        usage: &["lock"],
        more: &["Ends what `withkey unlock` began: the next launch asks for the passphrase again."],
        examples: &[("withkey lock", "before you leave your desk")],
    },
    Text {
        verb: "log",
        usage: &["log [OPTIONS]"],
        more: &[
            "One line a launch: when, which profile, which command, where, which variables, and what started it. Never a \
             key, and never an argument of a command.",
        ],
        examples: &[
            ("withkey log", "everything that is kept"),
            ("withkey log -p work --since 7d", "the last week of work"),
        ],
    },
    Text {
        verb: "completions",
        usage: &["completions [OPTIONS] SHELL"],
        more: &[
            "Behind COMMAND's first word COMMAND's own completion takes over, as if withkey were not there. Profiles are \
             shown with their masked key and directories. No store is opened.",
        ],
        examples: &[
            ("withkey completions bash --install", "write it where bash looks for it"),
            ("source <(withkey completions zsh)", "use it in this zsh only"),
        ],
    },
];

/// Exit statuses.
const EXIT_STATUS: Facts = &[
    ("COMMAND's own", "when COMMAND was started, death by a signal included"),
    ("125", "withkey itself failed, and COMMAND was not started"),
    ("126", "COMMAND was found and cannot be run"),
    ("127", "COMMAND was not found"),
    ("0, 1, 2", "a verb: done, failed, wrong words"),
    ("3 to 7", "check --online: what the provider says of the key"),
];

/// Exit statuses of `check`.
const CHECK_STATUS: Facts = &[
    ("0", "no problem, perhaps warnings; --online: every key works"),
    ("1", "a problem; --online: nobody could be asked"),
    ("3", "--online: a key is wrong, deleted or expired"),
    ("4", "--online: a permission is missing, or something about the account"),
    ("5", "--online: there is no money for a key"),
    ("6", "--online: asked too often; wait"),
    ("7", "--online: the answer says nothing about the key"),
];

/// Variables that withkey reads.
const ENVIRONMENT: Facts = &[
    ("WITHKEY_PROFILE", "the profile, unless -p names one; `inherit` keeps the key that is there"),
    ("WITHKEY_IDENTITY", "the identity itself, as text; kept from COMMAND"),
    ("WITHKEY_IDENTITY_FILE", "the identity's file, age or SSH; kept from COMMAND"),
    ("WITHKEY_PASSPHRASE_FILE", "a file with its passphrase; kept from COMMAND"),
    ("NO_COLOR", "no colour"),
    (
        "XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_STATE_HOME",
        "where the files below lie, instead of ~/.config, ~/.local/share and ~/.local/state",
    ),
];

/// Files that withkey keeps.
const FILES: Facts = &[
    ("~/.config/withkey/bindings", "lines PROFILE PATH; PROFILE * is the default"),
    ("~/.config/withkey/profiles/", "NAME.toml describes one, NAME.age has its keys"),
    ("~/.config/withkey/config.toml", "your options; absent for most people"),
    ("~/.local/share/withkey/identity.txt", "your identity: back it up, nothing else opens your dotfiles"),
    ("~/.local/state/withkey/", "what can be lost: grants, log.jsonl"),
    (".env.age, .age-recipients", "in a project: its dotfile, and who can open it"),
];

/// Tables for `--help` and the manual, each with its heading.
#[must_use]
pub fn tables(text: &Text) -> &'static [(&'static str, Facts)] {
    match text.verb {
        "" => &[("Exit status", EXIT_STATUS), ("Environment", ENVIRONMENT), ("Files", FILES)],
        "check" => &[("Exit status", CHECK_STATUS)],
        _ => &[],
    }
}

/// The text of a verb.
#[must_use]
pub fn of(verb: &str) -> Option<&'static Text> {
    VERBS.iter().find(|text| text.verb == verb)
}
