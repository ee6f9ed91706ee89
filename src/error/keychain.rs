//! What a keychain did instead of giving or taking a key, and the sentences for it.

use std::io;

use super::Words;

/// The way out where no keychain can be had.
const ELSEWHERE: &str = "keep keys in a dotfile: withkey add PROFILE --store dotfile";

/// How to unlock GNOME's keychain without its prompt.
const UNLOCK_HERE: &str = "unlock it from here: read -rs P; printf %s \"$P\" | gnome-keyring-daemon --replace --unlock";

/// A state of the keychain in which COMMAND is not started. `item` is `PROFILE/VARIABLE`.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are the words of the sentence that the variant's line announces")]
pub enum Keychain {
    /// No session bus, or a socket that nobody listens to.
    NoBus,
    /// A bus without a Secret Service.
    NoService,
    /// A Secret Service that has nothing to put items into.
    NoCollection,
    /// It is locked, and this is an ssh session.
    LockedElsewhere,
    /// It is locked, and its prompt has no screen to appear on.
    LockedWithoutScreen,
    /// It is locked, and no program shows its prompts.
    LockedWithoutPrompter,
    /// Its prompt was dismissed.
    Dismissed,
    /// The description says there is a key, and there is no item.
    Missing { profile: String, variable: String },
    /// Several items of one name.
    Duplicates { item: String },
    /// An item's value that no key can be.
    NoKey { item: String, why: &'static str },
    /// No answer within the time limit.
    Silent { seconds: u64 },
    /// It ended in the midst of it.
    Died,
    /// Any other refusal, by the name that the service gave it.
    Refused { answer: String },
    /// What was written did not come back.
    ReadBack { item: String },
    /// The process that asks the keychain could not be started.
    Apart { source: io::Error },
}

impl Keychain {
    /// Whether there is no keychain here at all: not worth a word where one was not asked for.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::NoBus | Self::NoService)
    }

    /// Whether it is there and only locked.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::LockedElsewhere | Self::LockedWithoutScreen | Self::LockedWithoutPrompter)
    }

    pub(super) fn words(&self) -> Words {
        let locked = |cause| Words::new("the keychain is locked").cause(cause);
        match self {
            Self::NoBus => Words::new("the keychain is not available")
                .cause("no session bus answers here")
                .hint(format!("run the line in your desktop session, or {ELSEWHERE}")),
            Self::NoService => Words::new("the keychain is not available")
                .cause("no Secret Service answers on the session bus")
                .hint(format!("start GNOME Keyring, KWallet or KeePassXC, or {ELSEWHERE}")),
            Self::NoCollection => Words::new("the keychain cannot keep a key yet")
                .cause("it has no default collection")
                .hint(format!("make one in its own program (Seahorse: Passwords, New, Keyring), or {ELSEWHERE}")),
            Self::LockedElsewhere => {
                locked("its prompt would appear on the desktop, not in this ssh session").hint(UNLOCK_HERE)
            }
            Self::LockedWithoutScreen => {
                locked("its prompt has no screen here: neither DISPLAY nor WAYLAND_DISPLAY is set").hint(UNLOCK_HERE)
            }
            Self::LockedWithoutPrompter => locked("no program here shows its prompt (gcr does)").hint(UNLOCK_HERE),
            Self::Dismissed => Words::new("the keychain stays locked")
                .cause("its prompt was dismissed")
                .hint("run the same line again and answer the prompt"),
            Self::Missing { profile, variable } => {
                Words::new(format!("the keychain has no key for {variable} of profile {profile}"))
                    .cause(format!("its item {profile}/{variable} is missing"))
                    .hint(format!("store it again: withkey add {profile} {variable} --replace"))
            }
            Self::Duplicates { item } => Words::new(format!("the keychain has several items {item}"))
                .cause("withkey does not guess which of the keys is meant")
                .hint(format!(
                    "see them, and delete all but one: secret-tool search --all service withkey username {item}"
                )),
            Self::NoKey { item, why } => {
                let line = item.replacen('/', " ", 1);
                Words::new(format!("the value of the keychain's item {item} cannot be a key"))
                    .cause(*why)
                    .hint(format!("store it again: withkey add {line} --replace"))
            }
            Self::Silent { seconds } => {
                let unit = if *seconds == 1 { "second" } else { "seconds" };
                Words::new("the keychain does not answer")
                    .cause(format!("nothing came within {seconds} {unit}"))
                    .hint("run the same line again, or wait longer: keychain_timeout = 30 in config.toml")
            }
            Self::Died => Words::new("the keychain broke off")
                .cause("the Secret Service ended before it had answered")
                .hint("run the same line again"),
            Self::Refused { answer } => Words::new("the keychain refused").cause(if answer.is_empty() {
                "it gave no reason that withkey knows".to_owned()
            } else {
                format!("it answered {answer}")
            }),
            Self::ReadBack { item } => Words::new(format!("not stored: the keychain's item {item}"))
                .cause("what the keychain gave back was not what it was given")
                .hint("keep the key at hand, and look at the keychain in its own program"),
            Self::Apart { source } => Words::new("cannot ask the keychain").cause(super::io(source)),
        }
    }
}
