//! Every variant's words, judged by the rules at the top of `error.rs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::ffi::CString;

use completions::Completions;
use helper::Helper;
use intake::Intake;
use keychain::Keychain;
use life::Life;
use online::Online;
use program::Program;
use project::Project;
use rotation::Rotation;
use unlock::Unlock;

use super::*;
use crate::cli;

/// A value for each number, all of them one after the other.
trait Sample {
    fn sample(number: usize) -> Self;
}

macro_rules! samples {
    ($($kind:ty: $values:expr;)*) => {
        $(impl Sample for $kind {
            fn sample(number: usize) -> Self {
                let mut values = Vec::from($values);
                values.swap_remove(number % values.len())
            }
        })*
    };
}

// Where a variant's words depend on several fields, the lengths have no common divisor: every combination is met.
samples! {
    bool: [true, false];
    u32: [0o644];
    u64: [1, 30];
    i64: [2];
    usize: [1, 2];
    (usize, usize): [(1, 2)];
    &'static str: ["open", "write", "read", "make", "remove"];
    String: ["work".to_owned(), "OPENAI_API_KEY".to_owned()];
    PathBuf: ["/srv/a b", "/run/secrets/key", "/srv/c"].map(PathBuf::from);
    Vec<String>: [vec!["OPENAI_API_KEY".to_owned()], vec!["A_KEY".to_owned(), "B_KEY".to_owned()]];
    Exit: [Exit::KeyUnknown];
    io::Error: [libc::EACCES, libc::ENOSPC, libc::EROFS, libc::E2BIG, libc::EISDIR, libc::ENOENT, libc::EIO]
        .map(io::Error::from_raw_os_error);
}

impl<T: Sample> Sample for Option<T> {
    fn sample(number: usize) -> Self {
        number.is_multiple_of(2).then(|| T::sample(number / 2))
    }
}

/// Every variant with its fields. The compiler refuses a list that lacks one.
macro_rules! variants {
    ($($kind:ident: $($variant:ident $({ $($field:ident),* })? $(($room:ident))?),*;)*) => {
        $(impl Sample for $kind {
            fn sample(number: usize) -> Self {
                let _ = |error: &Self| match error { $(Self::$variant { .. } => ()),* };
                let makers: &[fn(usize) -> Self] = &[$(|_number| {
                    $(let $room = Sample::sample(_number);)?
                    Self::$variant $({ $($field: Sample::sample(_number)),* })? $(($room))?
                }),*];
                makers[number % makers.len()](number / makers.len())
            }
        })*
    };
}

#[rustfmt::skip]
variants! {
    Error:
        Usage { what, hint }, NoProfile { directory }, UnknownProfile { name, chosen_by }, KeyAsWord,
        ProfileName { name }, ReservedProfile { name }, NothingToInherit, InheritInjectsNothing,
        VariableName { name, why }, VariablesCollide { name }, VariableMissing { profile, variable },
        NoCurrentDirectory { source }, BindingLine { file, line, why }, BindingTwice { file, lines, directory },
        NothingBound { directory }, CannotBind { directory, why }, NoHome { variable },
        File { doing, path, source }, NotDurable { path, source }, Overtaken { profile }, FileKind { path, why },
        Foreign { path }, Exposed { path, mode, secret }, TooLarge { path, limit }, Description { path, why },
        NewerVersion { path, version }, Config { path, why }, NoIdentity { path }, Identity { from, why },
        WrongPassphrase { from }, NobodyToAsk { wanted, why, hint }, Declined { what }, Prompt { why },
        Dotfile { path, why, hint }, DotfileGone { path, profile }, NotARecipient { path, identity },
        Dotenv { file, line, name, why }, Recipient { text, why }, Seal { why }, Date { text },
        System { doing, source }, Completions(room), Helper(room), Intake(room), Keychain(room), Life(room),
        Online(room), Program(room), Project(room), Rotation(room), Unlock(room), Internal;
    Completions:
        NotOurs { path };
    Helper:
        CannotRun { program, source }, NoKey { program, variable, why, by_hand }, NoHelper { profile, variable },
        KeptElsewhere { profile }, Words { text }, KeyInWords { variable }, HelperWanted { profile };
    Intake:
        NotAKey { variable, why, hint }, NotInFile { file, variable }, LineCount { variables, lines },
        Exists { profile, variable, helper }, OtherStore { profile, store }, ReadBack { profile };
    Keychain:
        NoBus, NoService, NoCollection, LockedElsewhere, LockedWithoutScreen, LockedWithoutPrompter, Dismissed,
        Missing { profile, variable }, Duplicates { item }, NoKey { item, why }, Silent { seconds }, Died,
        Refused { answer }, ReadBack { item }, Apart { source };
    Life:
        ForAPerson { verb, agent, line }, Expired { profile, variable, day };
    Online:
        NotBuilt, NothingToAsk { profile }, Refused { variable, provider, page },
        Unclear { variable, sentence, hint, exit };
    Program:
        NotFound { name, elsewhere }, CannotRun { program, source, elsewhere }, Changed { program };
    Project:
        NotAllowed { path }, Changed { path, how }, Missing { path }, Unfit { path, what, why, named },
        NoneHere { directory }, NothingSaid { path }, NotARecipient { path, identity, recipient },
        NoIdentity { identity, path }, Passphrase { path }, Damaged { path, why }, Refused { path, name },
        Empty { path, name }, Nothing { path }, Lacks { path, variable }, Exists { path, variable },
        Grant { file, why }, NoRecipients { file, dotfile, recipient }, RecipientLine { file, line, why },
        WriterLeftOut { file, recipient }, ChangedMeanwhile { path }, ReadBack { path };
    Rotation:
        SameKey { profile, variable, page }, Unfinished { profile, variable, masked },
        NothingKept { profile, variable, undo }, WhichVariable { profile, variables, options };
    Unlock:
        NoKeyring { why }, PassphraseFile { path, why }, NotThis { what, why }, Locked { from }, Changed { path };
}

/// The lines to type in a hint, as the shell splits them.
fn lines(hint: &str) -> Vec<Vec<String>> {
    let pieces = hint.split([',', ';', '(', ')']).flat_map(|piece| piece.split(": "));
    let lines = pieces.map(|piece| {
        let piece = piece.trim();
        let piece = ["then ", "or ", "WITHKEY_IDENTITY_FILE=FILE "]
            .iter()
            .find_map(|before| piece.strip_prefix(before))
            .unwrap_or(piece);
        shlex::split(piece).unwrap_or_default()
    });
    lines.filter(|words| words.first().is_some_and(|first| PROGRAMS.contains(&first.as_str()))).collect()
}

/// What hints tell to run.
const PROGRAMS: [&str; 6] = ["withkey", "chmod", "chown", "echo", "mv", "rm"];

/// Words that speak to a programmer instead of a person.
const MACHINE_WORDS: [&str; 5] = ["os error", "Os {", "Some(", "unwrap", "::"];

fn fault(words: &Words) -> Option<String> {
    for text in [Some(&words.error), words.cause.as_ref(), words.hint.as_ref()].into_iter().flatten() {
        let first = text.split_whitespace().next().unwrap_or_default();
        let is_name = !first.contains(char::is_lowercase);
        let rules = [
            (
                "is not one line",
                text.trim() != text || text.is_empty() || text.contains(['\n', '\t']) || text.contains("  "),
            ),
            ("begins with a capital letter", first.starts_with(char::is_uppercase) && !is_name),
            ("ends with a full stop", text.ends_with('.')),
            ("says please", text.to_lowercase().contains("please")),
            ("speaks to a programmer", MACHINE_WORDS.iter().any(|word| text.contains(word))),
        ];
        if let Some((rule, _)) = rules.iter().find(|(_, broken)| *broken) {
            return Some(format!("{rule}: {text:?}"));
        }
    }
    let hint = words.hint.as_deref()?;
    lines(hint).iter().find(|line| !can_be_typed(line)).map(|_| format!("cannot be typed as it is: {hint:?}"))
}

/// Whether a path with a blank is one word, and withkey understands its own.
fn can_be_typed(line: &[String]) -> bool {
    // A word in capitals stands for one of the reader's own.
    let words = line.iter().skip(1).map(|word| if word == "PROFILE" { "work" } else { word });
    let words = words.map(|word| &*Box::leak(CString::new(word).unwrap().into_boxed_c_str()));
    !line.iter().any(|word| word == "b") && (line[0] != "withkey" || cli::parse(&words.collect::<Vec<_>>()).is_ok())
}

#[test]
fn every_error_there_can_be_keeps_the_rules_of_wording() {
    let all = (0..10_000).map(|number| Error::sample(number).words());
    let different: HashMap<_, _> = all.map(|words| (format!("{words:?}"), words)).collect();
    let faults: Vec<_> = different.values().filter_map(fault).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}
