//! Nothing is lost: withkey is killed at every system call of a change, its calls fail, its limits are low, the clock runs
//! backwards, a hundred writers and a thousand launches meet.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code, reason = "a child is traced")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the README's figures, with --nocapture")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/project.rs"]
mod project;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;
#[path = "common/terminal.rs"]
mod terminal;
#[path = "common/traced.rs"]
mod traced;

use std::fs;

use common::{End, KEY, OTHER_KEY, Outcome, Sandbox, look_for, withkey_binary};
use refusal::assert_refused;
use session::{assert_no_key_in_files, shell};
use traced::killed_at_every_call;

/// A key that no change touches.
const BYSTANDER: &str = "sk-test-bystander-0123456789abcdef";

/// The profile `work`, with a second variable, and `beside`; a binding.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add_variables("work", &[("OPENAI_API_KEY", KEY), ("LLM_KEY", BYSTANDER)]);
    sandbox.add("beside", BYSTANDER);
    sandbox.bind("work", ".");
    sandbox
}

/// What a launch with this profile finds under this variable.
fn key_of(sandbox: &Sandbox, profile: &str, variable: &str) -> Result<String, Outcome> {
    let outcome = sandbox.withkey(["-p", profile, "printenv", variable]).run();
    if outcome.end == End::Exit(0) { Ok(outcome.stdout().trim_end().to_owned()) } else { Err(outcome) }
}

/// A change, and what its key may be afterwards.
struct Change {
    /// Done before: words, and what standard input holds.
    after: &'static [(&'static [&'static str], &'static str)],
    words: &'static [&'static str],
    input: &'static str,
    /// The profile and the variable that it touches.
    touches: (&'static str, &'static str),
    /// Before and after; `None` is no key.
    states: [Option<&'static str>; 2],
}

/// One line each: what is to survive kill -9 at every system call.
const CHANGES: [Change; 11] = [
    Change {
        after: &[],
        words: &["add", "work", "OPENAI_API_KEY", "--replace"],
        input: OTHER_KEY,
        touches: ("work", "OPENAI_API_KEY"),
        states: [Some(KEY), Some(OTHER_KEY)],
    },
    Change {
        after: &[],
        words: &["add", "work", "HF_TOKEN", "--use"],
        input: OTHER_KEY,
        touches: ("work", "HF_TOKEN"),
        states: [None, Some(OTHER_KEY)],
    },
    Change {
        after: &[],
        words: &["add", "fresh"],
        input: OTHER_KEY,
        touches: ("fresh", "OPENAI_API_KEY"),
        states: [None, Some(OTHER_KEY)],
    },
    Change {
        after: &[],
        words: &["remove", "work", "OPENAI_API_KEY", "--yes"],
        input: "",
        touches: ("work", "OPENAI_API_KEY"),
        states: [Some(KEY), None],
    },
    Change {
        after: &[],
        words: &["remove", "spare", "--yes"],
        input: "",
        touches: ("spare", "OPENAI_API_KEY"),
        states: [Some(KEY), None],
    },
    Change {
        after: &[],
        words: &["use", "beside"],
        input: "",
        touches: ("work", "OPENAI_API_KEY"),
        states: [Some(KEY), Some(KEY)],
    },
    Change {
        after: &[],
        words: &["use", "--default", "beside"],
        input: "",
        touches: ("work", "OPENAI_API_KEY"),
        states: [Some(KEY), Some(KEY)],
    },
    Change {
        after: &[],
        words: &["rotate", "work", "OPENAI_API_KEY"],
        input: OTHER_KEY,
        touches: ("work", "OPENAI_API_KEY"),
        states: [Some(KEY), Some(OTHER_KEY)],
    },
    Change {
        after: &[(&["rotate", "work", "OPENAI_API_KEY"], OTHER_KEY)],
        words: &["rotate", "work", "OPENAI_API_KEY", "--undo"],
        input: "",
        touches: ("work", "OPENAI_API_KEY"),
        states: [Some(OTHER_KEY), Some(KEY)],
    },
    Change {
        after: &[(&["rotate", "work", "OPENAI_API_KEY"], OTHER_KEY)],
        words: &["rotate", "work", "OPENAI_API_KEY", "--finish"],
        input: "",
        touches: ("work", "OPENAI_API_KEY"),
        states: [Some(OTHER_KEY), Some(OTHER_KEY)],
    },
    Change {
        after: &[(&["use", "--default", "beside"], "")],
        words: &["use", "--remove"],
        input: "",
        touches: ("work", "OPENAI_API_KEY"),
        states: [Some(KEY), Some(KEY)],
    },
];

impl Change {
    /// Fails unless the touched key is the old one or the new one, and every other one is what it was.
    #[track_caller]
    fn assert_old_or_new(&self, what: &str, sandbox: &Sandbox) {
        let (profile, variable) = self.touches;
        let found = key_of(sandbox, profile, variable);
        match &found {
            Ok(key) => assert!(self.states.contains(&Some(key)), "{what}: {key}"),
            Err(outcome) => {
                assert!(self.states.contains(&None), "{what}: {outcome:?}");
                assert!(
                    outcome.stderr().is_empty() || outcome.stderr().starts_with("withkey: "),
                    "{what}: {outcome:?}"
                );
            }
        }
        for (profile, variable) in [("work", "LLM_KEY"), ("beside", "OPENAI_API_KEY")] {
            let key = key_of(sandbox, profile, variable).unwrap_or_else(|outcome| panic!("{what}: {outcome:?}"));
            assert_eq!(key, BYSTANDER, "{what}");
        }
        // The directory leads to a profile that is there.
        let here = sandbox.withkey(["printenv", "LLM_KEY", "OPENAI_API_KEY"]).run();
        assert!(here.stdout().contains(BYSTANDER), "{what}: {here:?}");
        assert_no_key_in_files(&sandbox.home());
    }

    /// The same words once more do the whole of it.
    #[track_caller]
    fn assert_can_be_repeated(&self, what: &str, sandbox: &Sandbox) {
        let words = if self.words[0] == "add" && !self.words.contains(&"--replace") {
            [self.words, &["--replace"]].concat()
        } else {
            self.words.to_vec()
        };
        let (profile, variable) = self.touches;
        let before = key_of(sandbox, profile, variable).ok();
        let outcome = sandbox.withkey(words).input(self.input).run();
        // What is removed cannot be removed again, and a rotation that is not finished cannot begin again.
        let once = self.states[1].is_none() || self.words[0] == "rotate" || self.words.contains(&"--remove");
        let gone = once && outcome.end == End::Exit(1);
        assert!(outcome.end == End::Exit(0) || gone, "{what}, then once more: {outcome:?}");
        // Who goes back once more is where he was.
        let undone = self.words.contains(&"--undo") && before.as_deref() == self.states[1];
        let expected = self.states[usize::from(!undone)];
        assert_eq!(key_of(sandbox, profile, variable).ok().as_deref(), expected, "{what}, then once more");
    }
}

fn killed_everywhere(change: &Change) {
    let sandbox = sandbox();
    sandbox.add("spare", KEY);
    for (words, input) in change.after {
        sandbox.withkey(*words).input(input).run().assert_exit(0);
    }
    killed_at_every_call(&sandbox, change.words, change.input, |what| {
        change.assert_old_or_new(what, &sandbox);
        change.assert_can_be_repeated(what, &sandbox);
    });
}

#[test]
fn an_added_key_survives_a_kill_at_every_call() {
    CHANGES[..2].iter().for_each(killed_everywhere);
}

#[test]
fn a_new_profile_survives_a_kill_at_every_call() {
    CHANGES[2..3].iter().for_each(killed_everywhere);
}

#[test]
fn a_removal_survives_a_kill_at_every_call() {
    CHANGES[3..5].iter().for_each(killed_everywhere);
}

#[test]
fn a_binding_survives_a_kill_at_every_call() {
    CHANGES[5..7].iter().for_each(killed_everywhere);
}

#[test]
fn a_rotation_survives_a_kill_at_every_call() {
    CHANGES[7..10].iter().for_each(killed_everywhere);
}

#[test]
fn a_binding_taken_away_survives_a_kill_at_every_call() {
    CHANGES[10..].iter().for_each(killed_everywhere);
}

/// Nothing is there before: it makes the folders, the identity and the salt.
#[test]
fn the_very_first_key_survives_a_kill_at_every_call() {
    let sandbox = Sandbox::new();
    killed_at_every_call(&sandbox, &["add"], KEY, |what| {
        let found = key_of(&sandbox, "default", "OPENAI_API_KEY");
        match &found {
            Ok(key) => assert_eq!(key, KEY, "{what}"),
            Err(outcome) => _ = outcome.assert_exit(125).assert_stderr_has("withkey: error: "),
        }
        for (name, key) in [("default", OTHER_KEY), ("beside", BYSTANDER)] {
            sandbox.withkey(["add", name, "--replace"]).input(key).run().assert_exit(0);
            assert_eq!(key_of(&sandbox, name, "OPENAI_API_KEY").unwrap(), key, "{what}, then once more");
        }
        assert_no_key_in_files(&sandbox.home());
    });
}

/// Under strace, which lets every call of this kind from the `number`th on fail with this error.
fn failing(sandbox: &Sandbox, words: &[&str], input: &str, call: &str, error: &str, number: usize) -> Option<Outcome> {
    let trace = sandbox.path("trace");
    let inject = format!("inject={call}:error={error}:when={number}+");
    let start = sandbox.directly(["/usr/bin/strace", "-qq", "-e", &format!("trace={call}"), "-e", &inject, "-o"]);
    let outcome = start.args([trace.as_os_str(), withkey_binary().as_os_str()]).args(words).input(input).run();
    let text = fs::read_to_string(&trace).unwrap_or_else(|_| panic!("strace is needed: {outcome:?}"));
    text.contains("(INJECTED)").then_some(outcome)
}

/// A disk that fails stays failed: every later call fails too. Not `close`, which under strace would leave the file open, as
/// no failure does.
#[test]
fn a_disk_that_fails_from_some_call_on_loses_nothing() {
    let sandbox = sandbox();
    sandbox.add("spare", KEY);
    let (home, saved) = (sandbox.home(), sandbox.path("saved"));
    let copy = |from: &str, to: &str| sandbox.directly(["/bin/cp", "-a", from, to]).run().assert_exit(0).end;
    copy(home.to_str().unwrap(), saved.to_str().unwrap());
    let mut failures = 0;
    for change in [0, 3, 5].map(|number| &CHANGES[number]) {
        for (call, error) in [
            ("write", "EIO"),
            ("fsync", "EIO"),
            ("rename", "EIO"),
            ("unlink", "EIO"),
            ("flock", "ENOLCK"),
            ("rename", "EROFS"),
            ("unlink", "EROFS"),
            ("fchmod", "EROFS"),
            ("openat", "EMFILE"),
            ("openat", "EIO"),
        ] {
            for number in 1.. {
                fs::remove_dir_all(&home).unwrap();
                copy(saved.to_str().unwrap(), home.to_str().unwrap());
                let Some(outcome) = failing(&sandbox, change.words, change.input, call, error, number) else { break };
                let what = format!("{:?}, from {call} {number} on {error}: {outcome:?}", change.words);
                change.assert_old_or_new(&what, &sandbox);
                assert!(matches!(outcome.end, End::Exit(0 | 1 | 127)), "{what}");
                if outcome.end == End::Exit(0) {
                    let (profile, variable) = change.touches;
                    assert_eq!(key_of(&sandbox, profile, variable).ok().as_deref(), change.states[1], "{what}");
                }
                failures += 1;
            }
        }
    }
    println!("{failures} failures");
    assert!(failures > 100, "{failures}");
}

/// Fails unless COMMAND got exactly the key, or did not start.
#[track_caller]
fn assert_all_or_nothing(what: &str, outcome: &Outcome) -> bool {
    match outcome.end {
        End::Exit(0) => outcome.assert_stdout(&format!("{KEY}\n")).end == End::Exit(0),
        _ => {
            assert_eq!(outcome.stdout(), "", "{what}: {outcome:?}");
            false
        }
    }
}

#[test]
fn with_few_descriptors_the_key_arrives_or_command_does_not_start() {
    let sandbox = sandbox();
    let mut arrived = Vec::new();
    for most in 3..=12 {
        for words in [&["printenv", "OPENAI_API_KEY"][..], &["--spawn", "printenv", "OPENAI_API_KEY"]] {
            let outcome = sandbox.withkey(words).limited(libc::RLIMIT_NOFILE, most, most).run();
            if assert_all_or_nothing(&format!("{most} descriptors"), &outcome) {
                arrived.push(most);
            }
        }
        let outcome =
            sandbox.withkey(["add", "spare", "--replace"]).limited(libc::RLIMIT_NOFILE, most, most).input(KEY).run();
        CHANGES[0].assert_old_or_new(&format!("{most} descriptors"), &sandbox);
        if outcome.end == End::Exit(0) {
            assert_eq!(key_of(&sandbox, "spare", "OPENAI_API_KEY").unwrap(), KEY);
        }
    }
    assert!(arrived.contains(&12) && arrived.contains(&8), "{arrived:?}");
}

/// Memory that runs out in the midst of it.
#[test]
fn with_little_memory_the_key_arrives_or_command_does_not_start() {
    let sandbox = sandbox();
    for limit in [libc::RLIMIT_AS, libc::RLIMIT_DATA] {
        let (mut arrived, mut refused) = (0, 0);
        for size in (0..40).map(|step| step * 512 * 1024) {
            let outcome = sandbox.withkey(["printenv", "OPENAI_API_KEY"]).limited(limit, size, size).try_start();
            // The system may not even load the program.
            let Ok(running) = outcome else { continue };
            match assert_all_or_nothing(&format!("{size} bytes"), &running.outcome()) {
                true => arrived += 1,
                false => refused += 1,
            }
            let adding =
                sandbox.withkey(["add", "spare", "--replace"]).limited(limit, size, size).input(KEY).try_start();
            let added = adding.map(common::Running::outcome);
            CHANGES[0].assert_old_or_new(&format!("{size} bytes: {added:?}"), &sandbox);
        }
        assert!(arrived > 3 && refused > 0, "limit {limit}: {arrived} arrived, {refused} refused");
    }
}

#[test]
fn a_hundred_writers_and_a_thousand_launches_at_once_lose_nothing_and_nobody_hangs() {
    let sandbox = sandbox();
    let script = r#"
        for number in $(seq 100); do
            case $((number % 4)) in
            0) echo "sk-test-of-writer-$number-0123456789abcdef" | withkey add work "KEY_$number" ;;
            1) echo "sk-test-of-writer-$number-0123456789abcdef" | withkey add "p$number" ;;
            2) echo "$OTHER_KEY" | withkey add work --replace ;;
            3) mkdir "$number" && withkey use beside "$number" ;;
            esac 2>>words && echo "writer $?" >>../done || echo "writer failed" >>../done &
            for launch in 1 2 3 4 5 6 7 8 9 10; do
                withkey sh -c 'echo "$OPENAI_API_KEY $LLM_KEY"' >>../done 2>>words || echo "launch failed" >>../done &
            done
        done
        wait
        echo all"#;
    let running = shell(&sandbox, script).start();
    let done = || fs::read_to_string(sandbox.path("done")).unwrap_or_default().lines().count();
    // As long as anything ends, nobody hangs.
    let mut seen = 0;
    while seen < 1100 {
        let more = look_for(|| Some(done()).filter(|now| *now > seen));
        seen = more.unwrap_or_else(|| panic!("{seen} have ended, and no other does"));
    }
    running.outcome().assert_exit(0).assert_stdout("all\n");
    let words = fs::read_to_string(sandbox.project().join("words")).unwrap();
    assert!(!words.contains("error"), "{words}");
    let text = fs::read_to_string(sandbox.path("done")).unwrap();
    assert_eq!(text.lines().filter(|line| *line == "writer 0").count(), 100);
    let launched =
        [KEY, OTHER_KEY].map(|key| text.lines().filter(|line| *line == format!("{key} {BYSTANDER}")).count());
    assert_eq!(launched.iter().sum::<usize>(), 1000, "{launched:?}");
    println!("100 writers, 1000 launches");
    let key = |number: usize| format!("sk-test-of-writer-{number}-0123456789abcdef");
    for number in (4..=100).step_by(4) {
        assert_eq!(key_of(&sandbox, "work", &format!("KEY_{number}")).unwrap(), key(number));
        assert_eq!(key_of(&sandbox, &format!("p{}", number - 3), "OPENAI_API_KEY").unwrap(), key(number - 3));
        let there = sandbox.project().join((number - 1).to_string());
        let bound = sandbox.withkey(["printenv", "OPENAI_API_KEY"]).in_directory(there).run();
        bound.assert_stdout(&format!("{BYSTANDER}\n"));
    }
}

/// What was written while the clock was wrong: a description, a previous key, a grant and the log say a day to come.
#[test]
fn dates_in_the_future_hinder_nothing() {
    let sandbox = sandbox();
    let path = project::dotfile(&sandbox);
    sandbox.withkey(["add", "later", "--expires", "90d"]).input(KEY).run().assert_exit(0);
    sandbox.withkey(["rotate", "work", "OPENAI_API_KEY"]).input(OTHER_KEY).run().assert_exit(0);
    project::seal(&sandbox, &path, &format!("OPENAI_API_KEY={KEY}\n"));
    sandbox.withkey(["use", "--remove"]).run().assert_exit(0);
    project::allow(&sandbox, &path);
    project::assert_launches_with(&sandbox, &sandbox.project(), KEY);
    let script = r#"
        year=$(date -u +%Y)
        for file in ~/.config/withkey/profiles/*.toml ~/.local/state/withkey/log.jsonl ~/.local/state/withkey/grants/*; do
            grep -aq "$year-" "$file" || continue
            sed -i "s/\b\($year\|$((year+1))\)-/2200-/g" "$file" && echo ${file##*/}
        done
        withkey printenv OPENAI_API_KEY && withkey log && withkey list && withkey status && withkey check || exit 1
        for profile in later work; do
            withkey -p $profile printenv OPENAI_API_KEY || exit 2
        done
        withkey rotate work OPENAI_API_KEY --undo && withkey rotate work OPENAI_API_KEY --finish || exit 3
        withkey -p work printenv OPENAI_API_KEY || exit 4
        echo "$OTHER_KEY" | withkey add later --replace || exit 5
        withkey -p later printenv OPENAI_API_KEY || exit 6
        withkey allow --revoke && withkey -p later true"#;
    let outcome = shell(&sandbox, script).run();
    outcome.assert_exit(0);
    let text = outcome.stdout();
    let keys: Vec<_> = text.lines().filter(|line| [KEY, OTHER_KEY].contains(line)).collect();
    assert_eq!(keys, [KEY, KEY, OTHER_KEY, KEY, OTHER_KEY], "{outcome:?}");
    // Three descriptions, the log, the grant.
    let changed = text.lines().take_while(|line| *line != KEY).count();
    assert_eq!(changed, 5, "{text}");
}

/// faketime is a library, so a static program goes by the real clock: for that the dates above speak.
#[test]
fn a_clock_that_runs_backwards_hinders_nothing() {
    let sandbox = sandbox();
    let script = r#"
        at() { when=$1; shift; faketime "$when" "$@"; }
        echo "$KEY" | at '2040-01-01 00:00:00' withkey add later --expires 90d 2>/dev/null || exit 1
        grep '^added = ' ~/.config/withkey/profiles/later.toml | cut -c 1-12
        for when in '2039-01-01 00:00:00' '1999-12-31 23:59:59' '1970-01-01 00:00:01'; do
            at "$when" withkey -p later printenv OPENAI_API_KEY || exit 2
            at "$when" withkey list >/dev/null || exit 3
            at "$when" withkey status >/dev/null || exit 4
            echo "$OTHER_KEY" | at "$when" withkey add later --replace 2>/dev/null || exit 5
            at "$when" withkey -p later printenv OPENAI_API_KEY || exit 6
            echo "$KEY" | at "$when" withkey add later --replace 2>/dev/null || exit 7
        done"#;
    let outcome = shell(&sandbox, script).run();
    let libraries = sandbox.directly(["/usr/bin/ldd".as_ref(), withkey_binary().as_os_str()]).run().stdout();
    let dynamic = libraries.contains("libc.so");
    let now = sandbox.directly(["/bin/date", "-u", "+%Y"]).run().stdout();
    let year = if dynamic { "2040" } else { now.trim() };
    let expected = format!("{KEY}\n{OTHER_KEY}\n").repeat(3);
    outcome.assert_exit(0).assert_stderr("").assert_stdout(&format!("added = {year}\n{expected}"));
}

#[test]
fn a_home_that_is_a_loop_of_links_is_named_and_left_alone() {
    let sandbox = Sandbox::new();
    fs::remove_dir(sandbox.home()).unwrap();
    std::os::unix::fs::symlink(sandbox.path("again"), sandbox.home()).unwrap();
    std::os::unix::fs::symlink(sandbox.home(), sandbox.path("again")).unwrap();
    assert_refused(&sandbox.withkey(["add"]).input(KEY).run(), 1, "withkey: cause: too many symbolic links");
    assert_refused(&sandbox.withkey(["true"]).run(), 125, "withkey: ");
    // The folder's own place, and a file's.
    let sandbox = self::sandbox();
    let bindings = sandbox.configuration("bindings");
    fs::remove_file(&bindings).unwrap();
    std::os::unix::fs::symlink(&bindings, &bindings).unwrap();
    assert_refused(&sandbox.withkey(["touch", "started"]).run(), 125, "too many symbolic links");
    assert_refused(&sandbox.withkey(["use", "work"]).run(), 1, "too many symbolic links");
    assert!(fs::symlink_metadata(&bindings).unwrap().is_symlink(), "the link was replaced");
}
