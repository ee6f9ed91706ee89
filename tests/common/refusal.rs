//! What bad input gets: words in the form of an error, the right status, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::common::{End, KEY, Mode, OTHER_KEY, Outcome, Sandbox, assert_same};
use crate::session::assert_no_key_shown;

/// Files of the profile `default`, below the configuration's folder.
pub const DESCRIPTION: &str = "profiles/default.toml";
pub const DOTFILE: &str = "profiles/default.age";
pub const IDENTITY: &str = "../../.local/share/withkey/identity.txt";

/// Words that speak to a programmer instead of a person.
const MACHINE_WORDS: [&str; 6] = ["os error", "Os {", "Some(", "unwrap", "::", "panicked"];

/// Fails unless withkey ended with this status, nothing on standard output, and an error that holds `part`.
#[track_caller]
pub fn assert_refused(outcome: &Outcome, status: i32, part: &str) {
    outcome.assert_exit(status).assert_stdout("").assert_stderr_has(part);
    assert_no_key_shown(outcome);
    assert_speaks_well(&outcome.stderr());
}

/// An error, then perhaps its cause, then perhaps a hint; one line each, at the end. Before them notices and warnings.
#[track_caller]
fn assert_speaks_well(text: &str) {
    let labels: Vec<_> = text.lines().map(label).collect();
    let error = labels.iter().position(|label| *label == "error").unwrap_or_else(|| panic!("no error in:\n{text}"));
    let rest: Vec<_> = labels[error..].to_vec();
    let allowed: [&[&str]; 4] = [&["error"], &["error", "cause"], &["error", "hint"], &["error", "cause", "hint"]];
    assert!(allowed.contains(&&rest[..]), "the error does not come as error, cause, hint: {rest:?} in:\n{text}");
    assert!(labels[..error].iter().all(|label| ["notice", "warning"].contains(label)), "{labels:?} in:\n{text}");
    for word in MACHINE_WORDS {
        assert!(!text.contains(word), "{word:?} in:\n{text}");
    }
    for line in text.lines() {
        let full_stop = line.ends_with('.') && !line.ends_with("...");
        assert!(!full_stop && !line.to_lowercase().contains("please"), "the tone of {line:?}");
    }
}

fn label(line: &str) -> &str {
    let Some(rest) = line.strip_prefix("withkey: ") else { return "not withkey's" };
    match rest.split_once(": ") {
        Some((label @ ("error" | "cause" | "hint" | "warning"), _)) => label,
        _ => "notice",
    }
}

/// Everything below a folder: kinds, modes, owners, contents.
pub struct Tree(BTreeMap<PathBuf, String>);

impl Tree {
    /// Of the sandbox's home and project. The empty file that writers lock is no part of it, nor what launches leave in
    /// the log.
    pub fn of(sandbox: &Sandbox) -> Self {
        let mut entries = BTreeMap::new();
        for folder in [sandbox.home(), sandbox.project()] {
            collect(&folder, &mut entries);
        }
        let state = sandbox.home().join(".local/state");
        let of_the_log = |path: &Path| {
            [state.clone(), state.join("withkey"), state.join("withkey/log.jsonl")].iter().any(|known| known == path)
        };
        entries.retain(|path, _| !path.ends_with(".lock") && !of_the_log(path));
        Self(entries)
    }

    /// Fails when anything has changed since.
    #[track_caller]
    pub fn assert_unchanged(&self, what: &str, sandbox: &Sandbox) {
        assert_same(&format!("{what}: the files"), &self.text(), &Self::of(sandbox).text());
    }

    fn text(&self) -> String {
        self.0.iter().map(|(path, entry)| format!("{} {entry}\n", path.as_os_str().as_bytes().escape_ascii())).collect()
    }
}

fn collect(path: &Path, entries: &mut BTreeMap<PathBuf, String>) {
    let Ok(facts) = fs::symlink_metadata(path) else { return };
    let content = match facts.file_type() {
        kind if kind.is_symlink() => fs::read_link(path).unwrap().display().to_string(),
        kind if kind.is_file() && facts.len() < 1 << 20 => fs::read(path).unwrap().escape_ascii().to_string(),
        _ => String::new(),
    };
    let size = if facts.is_dir() { 0 } else { facts.len() };
    entries.insert(path.to_owned(), format!("{:o} {} {size} {content}", facts.mode(), facts.uid()));
    for entry in fs::read_dir(path).into_iter().flatten().map(Result::unwrap).filter(|_| facts.is_dir()) {
        collect(&entry.path(), entries);
    }
}

/// Fails unless the launch is refused with `part`, in either mode, and leaves everything as it is.
#[track_caller]
pub fn assert_not_started(what: &str, sandbox: &Sandbox, part: &str) {
    let before = Tree::of(sandbox);
    for mode in Mode::BOTH {
        let outcome = sandbox.launch(mode, ["touch", "started"]).run();
        assert_refused(&outcome, 125, part);
    }
    before.assert_unchanged(what, sandbox);
}

/// Fails unless `add` to the profile is refused and leaves everything as it is.
#[track_caller]
pub fn assert_not_added(what: &str, sandbox: &Sandbox, part: &str) {
    let before = Tree::of(sandbox);
    let outcome = sandbox.withkey(["add", "default", "LLM_KEY"]).input(OTHER_KEY).run();
    assert_refused(&outcome, 1, part);
    before.assert_unchanged(what, sandbox);
}

/// Fails unless COMMAND gets exactly the key or is not started.
#[track_caller]
pub fn assert_the_key_or_nothing(what: &str, sandbox: &Sandbox) -> Outcome {
    let outcome = sandbox.withkey(["printenv", "OPENAI_API_KEY"]).run();
    match outcome.end {
        End::Exit(0) => {
            assert_eq!(outcome.stdout(), format!("{KEY}\n"), "{what}");
        }
        _ => assert_refused(&outcome, 125, "withkey: error: "),
    }
    outcome
}

/// Every length that is cut off, and every byte with a bit turned over.
pub fn damaged(whole: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> {
    let cut = (0..whole.len()).map(|length| (format!("cut at {length}"), whole[..length].to_vec()));
    let flipped = (0..whole.len()).map(|at| {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1 << (at % 8);
        (format!("bit {} of byte {at} flipped", at % 8), bytes)
    });
    cut.chain(flipped)
}
