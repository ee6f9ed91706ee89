//! The log: one line a launch, of names only; kept small, never in the way, and read back by `log` and `list`.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::thread;

use common::{KEY, Mode, OTHER_KEY, Pty, Sandbox, withkey_binary};
use nix::sys::stat::Mode as Permissions;
use refusal::assert_refused;
use serde_json::Value;
use session::session;

/// What is kept at most, in bytes.
const MOST: u64 = 1024 * 1024;

fn log_file(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".local/state/withkey/log.jsonl")
}

fn older_file(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".local/state/withkey/log.1.jsonl")
}

/// The lines of a file of the log, each of which must be one whole object.
#[track_caller]
fn entries(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "{} ends in the midst of a line", path.display());
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// A line that a launch in `directory` left.
fn line(directory: &str) -> String {
    format!(
        "{{\"time\":\"2026-01-02T03:04:05Z\",\"profile\":\"past\",\"variables\":[\"OPENAI_API_KEY\"],\"program\":\"make\",\
         \"directory\":\"{directory}\",\"parent\":\"bash\",\"terminal\":true}}\n"
    )
}

fn launches(sandbox: &Sandbox, words: &[&str]) -> Vec<Value> {
    let outcome = sandbox.withkey(["log", "--json"]).args(words).run();
    outcome.assert_exit(0);
    let report: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(report["version"], 1);
    report["launches"].as_array().unwrap().clone()
}

in_both_modes! {
    fn a_launch_leaves_one_line_of_names(mode: Mode) {
        let sandbox = Sandbox::with_key();
        sandbox.add_variables("work", &[("OPENAI_API_KEY", KEY), ("MY_SECRET", OTHER_KEY)]);
        // Started by a shell, which stays for the sake of the last word.
        let options = mode.options().join(" ");
        let line = format!("'{}' {options} -p work -e LLM_KEY=MY_SECRET sh -c ': private argument'; :", withkey_binary().display());
        sandbox.directly(["/bin/sh", "-c", &line]).run().assert_exit(0);
        let log = entries(&log_file(&sandbox));
        assert_eq!(log.len(), 1, "{log:?}");
        let shell = fs::canonicalize("/bin/sh").unwrap();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(log[0]["profile"], "work");
        assert_eq!(log[0]["variables"], serde_json::json!(["MY_SECRET"]));
        assert_eq!(log[0]["program"], "sh");
        assert_eq!(log[0]["directory"], sandbox.project().to_str().unwrap());
        assert_eq!(log[0]["parent"], name(&shell));
        assert_eq!(log[0]["terminal"], false);
        let date = sandbox.directly(["/bin/date", "-u", "+%F"]).run().stdout();
        assert!(log[0]["time"].as_str().unwrap() >= date.trim(), "{log:?}");
        assert_eq!(log[0].as_object().unwrap().len(), 7, "{log:?}");
        let text = fs::read_to_string(log_file(&sandbox)).unwrap();
        assert!(!text.contains("private"), "{text}");
        session::assert_no_key("the log", text.as_bytes());
        assert_eq!(fs::metadata(log_file(&sandbox)).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::metadata(log_file(&sandbox).parent().unwrap()).unwrap().mode() & 0o7777, 0o700);
    }

    fn on_a_terminal_the_log_says_so(mode: Mode) {
        let sandbox = Sandbox::with_key();
        Pty::open().attach(sandbox.launch(mode, ["true"])).run().assert_exit(0);
        assert_eq!(entries(&log_file(&sandbox))[0]["terminal"], true);
    }
}

#[test]
fn what_starts_no_command_is_not_in_the_log() {
    let sandbox = Sandbox::with_key();
    sandbox.withkey(["-n", "true"]).run().assert_exit(0);
    sandbox.withkey(["no-such-program"]).run().assert_exit(127);
    sandbox.withkey(["-p", "nobody", "true"]).run().assert_exit(125);
    sandbox.withkey(["status"]).run().assert_exit(0);
    assert!(!log_file(&sandbox).exists());
}

#[test]
fn a_directory_of_any_bytes_is_one_line_too() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::with_key();
    for name in [&b"a\nb"[..], b"\xff\"", b"\x1b[31m", "Zo\u{eb}".as_bytes()] {
        let here = sandbox.project().join(std::ffi::OsStr::from_bytes(name));
        fs::create_dir(&here).unwrap();
        sandbox.withkey(["true"]).in_directory(&here).run().assert_exit(0);
    }
    assert_eq!(entries(&log_file(&sandbox)).len(), 4);
    let shown = sandbox.withkey(["log"]).run().stdout();
    assert_eq!(shown.lines().count(), 4, "{shown}");
    assert!(!shown.contains('\x1b'), "{shown}");
}

/// While the file grows full and is put aside.
#[test]
fn a_thousand_launches_at_once_lose_no_line_and_tear_none() {
    let sandbox = Sandbox::new();
    let old: String = (0..2200).map(|_| line(&"d".repeat(50))).collect();
    assert!((410_000..480_000).contains(&old.len()), "{}", old.len());
    sandbox.file("home/.local/state/withkey/log.jsonl", old, 0o600);
    fs::set_permissions(log_file(&sandbox).parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
    let root = sandbox.path("");
    thread::scope(|scope| {
        for thread in 0..16 {
            let (sandbox, root) = (&sandbox, &root);
            scope.spawn(move || {
                for number in (thread..1000).step_by(16) {
                    let here = root.join(format!("project/{number}"));
                    fs::create_dir(&here).unwrap();
                    let launch = sandbox.withkey(["-p", "inherit", "true"]).in_directory(here);
                    launch.set("OPENAI_API_KEY", KEY).run().assert_exit(0);
                }
            });
        }
    });
    let all: Vec<_> = [older_file(&sandbox), log_file(&sandbox)].iter().flat_map(|path| entries(path)).collect();
    let new =
        all.iter().filter(|entry| entry["profile"] == "inherit").map(|entry| entry["directory"].as_str().unwrap());
    let directories: Vec<_> = new.collect();
    assert_eq!(directories.len(), 1000);
    assert_eq!(directories.iter().collect::<HashSet<_>>().len(), 1000);
    assert!(older_file(&sandbox).exists(), "the file was never full");
    assert_eq!(launches(&sandbox, &["-p", "inherit"]).len(), 1000);
}

#[test]
fn at_most_a_mebibyte_is_kept_in_two_files() {
    let sandbox = Sandbox::with_key();
    let line = line(&"d".repeat(4000));
    for _ in 0..3 {
        let full: String = (0..480 * 1024 / line.len()).map(|_| line.as_str()).collect();
        sandbox.file("home/.local/state/withkey/log.jsonl", &full, 0o600);
        for _ in 0..30 {
            sandbox.withkey(["true"]).run().assert_exit(0);
        }
        assert_eq!(fs::read_to_string(older_file(&sandbox)).unwrap().matches("\"past\"").count(), full.lines().count());
        let names = fs::read_dir(log_file(&sandbox).parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.filter(|name| name.to_string_lossy().starts_with("log")).count(), 2);
        let sizes = [older_file(&sandbox), log_file(&sandbox)].map(|path| fs::metadata(path).unwrap().len());
        assert!(sizes[0] + sizes[1] <= MOST, "{sizes:?}");
    }
}

/// Where the log cannot be written, COMMAND runs as ever; only `-v` says so.
#[track_caller]
fn assert_the_launch_goes_on(what: &str, sandbox: &Sandbox, cause: &str) {
    for mode in Mode::BOTH {
        let outcome = sandbox.launch(mode, ["printenv", "OPENAI_API_KEY"]).run();
        outcome.assert_exit(0).assert_stderr("").assert_stdout(&format!("{KEY}\n"));
        let told = sandbox.withkey(mode.options()).args(["-v", "true"]).run();
        told.assert_exit(0);
        let warning = format!("withkey: warning: this launch is not in the log: {cause}");
        assert!(told.stderr().contains(&warning), "{what}: no {warning:?} in\n{}", told.stderr());
    }
}

#[test]
fn where_the_log_cannot_be_written_the_launch_goes_on() {
    let log = "home/.local/state/withkey/log.jsonl";
    let case = |what: &str, prepare: &dyn Fn(&Sandbox), cause: &str| {
        let sandbox = Sandbox::with_key();
        prepare(&sandbox);
        assert_the_launch_goes_on(what, &sandbox, cause);
        sandbox
    };
    case(
        "the folder is a file",
        &|sandbox| {
            fs::remove_dir_all(sandbox.path("home/.local/state")).unwrap();
            sandbox.file("home/.local/state", "", 0o600);
        },
        "cannot open ",
    );
    case("others may read it", &|sandbox| drop(sandbox.file(log, "", 0o640)), "other users may read ");
    case("a folder", &|sandbox| drop(sandbox.file(format!("{log}/x"), "", 0o600)), "cannot open ");
    let linked = case(
        "a link",
        &|sandbox| {
            let target = sandbox.file("target", "mine\n", 0o600);
            fs::create_dir_all(log_file(sandbox).parent().unwrap()).unwrap();
            symlink(target, log_file(sandbox)).unwrap();
        },
        "cannot use ",
    );
    assert_eq!(fs::read_to_string(linked.path("target")).unwrap(), "mine\n");
    case(
        "a FIFO",
        &|sandbox| {
            fs::create_dir_all(log_file(sandbox).parent().unwrap()).unwrap();
            nix::unistd::mkfifo(&log_file(sandbox), Permissions::from_bits_truncate(0o600)).unwrap();
        },
        "cannot use ",
    );
    let foreign = case(
        "another user's",
        &|sandbox| {
            let file = sandbox.file(log, "", 0o600);
            chown(&file, Some(65534), None)
                .unwrap_or_else(|error| panic!("{error}: run the tests as root, as tests/run does"));
        },
        "",
    );
    assert_eq!(fs::read_to_string(log_file(&foreign)).unwrap(), "");
}

/// The kernel would end withkey by a signal.
#[test]
fn a_log_larger_than_the_caller_may_write_is_left_alone() {
    let sandbox = Sandbox::with_key();
    let full: String = (0..500).map(|_| line("/")).collect();
    sandbox.file("home/.local/state/withkey/log.jsonl", &full, 0o600);
    let small = |words: &[&str]| sandbox.withkey(words).limited(libc::RLIMIT_FSIZE, 65536, 65536).run();
    small(&["printenv", "OPENAI_API_KEY"]).assert_exit(0).assert_stderr("").assert_stdout(&format!("{KEY}\n"));
    small(&["-v", "true"]).assert_exit(0).assert_stderr_has("this launch is not in the log: cannot write ");
    assert_eq!(fs::read_to_string(log_file(&sandbox)).unwrap(), full);
}

#[test]
fn log_is_turned_off_by_config_toml() {
    let sandbox = Sandbox::with_key();
    sandbox.file("home/.config/withkey/config.toml", "log = false\n", 0o600);
    sandbox.withkey(["-v", "true"]).run().assert_exit(0);
    assert!(!log_file(&sandbox).exists());
    let shown = sandbox.withkey(["log"]).run();
    shown
        .assert_exit(0)
        .assert_stdout("")
        .assert_stderr_has("nothing is added to the log: config.toml has log = false");
    sandbox.file("home/.config/withkey/config.toml", "log = 0\n", 0o600);
    assert_refused(&sandbox.withkey(["true"]).run(), 125, "`log` is neither true nor false");
}

#[test]
fn log_shows_who_used_what_when() {
    let sandbox = Sandbox::with_key();
    session(
        &sandbox,
        "
        $ withkey log
        withkey: no launch is in the log
    ",
    );
    sandbox.file("home/.local/state/withkey/log.jsonl", line("/home/ana/app"), 0o600);
    sandbox.withkey(["true"]).run().assert_exit(0);
    let text = sandbox.withkey(["log", "-p", "past"]).run();
    text.assert_stdout("2026-01-02T03:04:05Z  past  make  /home/ana/app  OPENAI_API_KEY  by bash, on a terminal\n");
    let profiles = |words: &[&str]| {
        launches(&sandbox, words).iter().map(|entry| entry["profile"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(profiles(&[]), ["past", "default"]);
    assert_eq!(profiles(&["--since", "1h"]), ["default"]);
    assert_eq!(profiles(&["--since", "7d"]), ["default"]);
    assert_eq!(profiles(&["--since", "2026-01-02"]), ["past", "default"]);
    assert_eq!(profiles(&["--since", "2026-01-03"]), ["default"]);
    assert_eq!(profiles(&["--since", "2026-01-01", "-p", "past"]), ["past"]);
    assert_eq!(profiles(&["-p", "nobody"]), [""; 0]);
    assert_refused(&sandbox.withkey(["log", "--since", "yesterday"]).run(), 2, "not a time: yesterday");
    assert_refused(&sandbox.withkey(["log", "-p", "No Body"]).run(), 2, "not a profile name");
}

#[test]
fn a_damaged_line_is_left_out_and_said() {
    let sandbox = Sandbox::with_key();
    let text = format!("{}{{\"time\":\"2026-\n\0\n{}", line("/a"), line("/b"));
    sandbox.file("home/.local/state/withkey/log.jsonl", text, 0o600);
    let shown = sandbox.withkey(["log"]).run();
    shown.assert_exit(0).assert_stderr_has("withkey: warning: lines of the log that cannot be read are left out: 2\n");
    assert_eq!(shown.stdout().lines().count(), 2);
    fs::set_permissions(log_file(&sandbox), fs::Permissions::from_mode(0o622)).unwrap();
    assert_refused(&sandbox.withkey(["log"]).run(), 1, "other users may change ");
}

#[test]
fn list_says_when_a_key_was_last_used() {
    let sandbox = Sandbox::with_key();
    sandbox.add_variables("work", &[("OPENAI_API_KEY", KEY), ("MY_SECRET", OTHER_KEY)]);
    let past = line("/").replace("\"past\"", "\"work\"").replace("[\"OPENAI_API_KEY\"]", "[\"MY_SECRET\"]");
    sandbox.file("home/.local/state/withkey/log.jsonl", past, 0o600);
    let description = sandbox.configuration("profiles/work.toml");
    let text = fs::read_to_string(&description).unwrap();
    let (first, second) = text.split_once("[variables.MY_SECRET]").unwrap();
    let date = second.split_once("added = ").unwrap().1.trim();
    fs::write(&description, format!("{first}[variables.MY_SECRET]{}", second.replace(date, "2026-01-01"))).unwrap();
    session(
        &sandbox,
        "
        $ withkey -p work -e OPENAI_API_KEY true; withkey list
        default (dotfile, the default)
          OPENAI_API_KEY  sk-…ghij  added TODAY
        work (dotfile)
          OPENAI_API_KEY  sk-…ghij  added TODAY  last used TODAY
          MY_SECRET       sk-…tsrq  added 2026-01-01  last used 2026-01-02
    ",
    );
    let report: Value = serde_json::from_slice(&sandbox.withkey(["list", "--json"]).run().stdout).unwrap();
    assert_eq!(report["profiles"][0]["keys"][0]["last_used"], Value::Null);
    assert_eq!(report["profiles"][1]["keys"][1]["last_used"], "2026-01-02T03:04:05Z");
    // The key that takes its place was not used yet.
    sandbox.withkey(["add", "work", "MY_SECRET", "--replace"]).input(KEY).run().assert_exit(0);
    let report: Value = serde_json::from_slice(&sandbox.withkey(["list", "--json"]).run().stdout).unwrap();
    assert_eq!(report["profiles"][1]["keys"][1]["last_used"], Value::Null);
    // What cannot be read is not known, and the list is there all the same.
    fs::set_permissions(log_file(&sandbox), fs::Permissions::from_mode(0o622)).unwrap();
    let list = sandbox.withkey(["list"]).run();
    list.assert_exit(0).assert_stderr_has("withkey: warning: when the keys were last used is not known: other users");
}

/// The number of system calls, which is the same on every run.
#[test]
fn the_log_costs_at_most_eight_system_calls() {
    let sandbox = Sandbox::with_key();
    let count = |log: bool| {
        sandbox.file("home/.config/withkey/config.toml", format!("log = {log}\n"), 0o600);
        let trace = ["/usr/bin/strace", "-o", "trace"].map(Into::into);
        sandbox.directly(trace.into_iter().chain([withkey_binary(), "true".into()])).run().assert_exit(0);
        let trace = fs::read_to_string(sandbox.project().join("trace")).unwrap();
        // Up to COMMAND's own; what Rust checks in a build for tests alone is not counted.
        let launch = trace.lines().skip(1).take_while(|line| !line.starts_with("execve("));
        launch.filter(|line| !line.contains("F_GETFD")).count()
    };
    // The first one makes the file.
    count(true);
    let (with, without) = (count(true), count(false));
    // And one for config.toml, which both have.
    assert!((without + 1..=without + 7).contains(&with), "{with} with the log, {without} without");
}
