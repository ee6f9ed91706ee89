//! Keys that stop working soon or have, and old ones: said on a terminal once a day, shown by `status`, refused on demand.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;
#[path = "common/terminal.rs"]
mod terminal;

use std::fs;

use common::{KEY, Mode, OTHER_KEY, Sandbox};
use refusal::assert_refused;
use serde_json::Value;
use terminal::Terminal;

/// The date so many days from today, in UTC.
fn day(sandbox: &Sandbox, days: i32) -> String {
    let date = sandbox.directly(["/bin/date", "-u", "+%F", "-d", &format!("{days} days")]).run();
    date.assert_exit(0);
    date.stdout().trim().to_owned()
}

/// `work` holds a key that expires so many days from today.
fn expiring(days: i32) -> Sandbox {
    let sandbox = Sandbox::new();
    let day = day(&sandbox, days);
    sandbox.withkey(["add", "work", "--expires", &day]).input(KEY).run().assert_exit(0);
    sandbox
}

fn config(sandbox: &Sandbox, text: &str) {
    sandbox.file("home/.config/withkey/config.toml", text, 0o600);
}

/// What a launch says on a terminal, beside COMMAND's own words.
#[track_caller]
fn said(sandbox: &Sandbox, line: &str) -> String {
    let text = Terminal::run(sandbox, line).ends(0);
    text.split("status 0\n").next().unwrap().to_owned()
}

#[test]
fn a_launch_on_a_terminal_warns_from_seven_days_before() {
    for (days, words) in [
        (8, None),
        (7, Some("expires in 7 days, on DAY")),
        (2, Some("expires in 2 days, on DAY")),
        (1, Some("expires tomorrow")),
        (0, Some("expires today")),
        (-1, Some("expired on DAY")),
        (-400, Some("expired on DAY")),
    ] {
        let sandbox = expiring(days);
        let text = said(&sandbox, "withkey -p work sh -c 'echo \"${OPENAI_API_KEY}!\"'");
        let warning = words.map_or(String::new(), |words| {
            let words = words.replace("DAY", &day(&sandbox, days));
            format!("withkey: warning: the key for OPENAI_API_KEY of profile work {words}; a new one in its place: withkey rotate work OPENAI_API_KEY\n")
        });
        assert_eq!(text, format!("{warning}{KEY}!\n"), "{days} days");
    }
}

#[test]
fn it_warns_once_a_day_and_profile() {
    let sandbox = expiring(3);
    let soon = day(&sandbox, 2);
    sandbox.withkey(["add", "other", "--expires", &soon]).input(OTHER_KEY).run().assert_exit(0);
    let twice = |text: &str| text.matches("withkey: warning: ").count();
    assert_eq!(twice(&said(&sandbox, "withkey -p work true; withkey -p work true; withkey --spawn -p work true")), 1);
    assert_eq!(twice(&said(&sandbox, "withkey -p other true; withkey -p work true; withkey -p other true")), 1);
    // Yesterday's warning was yesterday's.
    fs::write(sandbox.home().join(".local/state/withkey/warned/work"), day(&sandbox, -1)).unwrap();
    assert_eq!(twice(&said(&sandbox, "withkey -p work true; withkey -p work true")), 1);
    // Without the log as well.
    config(&sandbox, "log = false\n");
    assert_eq!(twice(&said(&sandbox, "withkey -p work true")), 0);
    // What cannot be noted is said again.
    fs::remove_dir_all(sandbox.home().join(".local/state/withkey/warned")).unwrap();
    fs::write(sandbox.home().join(".local/state/withkey/warned"), "").unwrap();
    assert_eq!(twice(&said(&sandbox, "withkey -p work true; withkey -p work true")), 2);
}

#[test]
fn where_nobody_looks_nothing_is_said_and_nothing_noted() {
    let sandbox = expiring(-3);
    for mode in Mode::BOTH {
        let outcome = sandbox.withkey(mode.options()).args(["-p", "work", "printenv", "OPENAI_API_KEY"]).run();
        outcome.assert_exit(0).assert_stderr("").assert_stdout(&format!("{KEY}\n"));
    }
    assert!(!sandbox.home().join(".local/state/withkey/warned").exists());
    assert!(said(&sandbox, "withkey -p work true").contains("expired on"));
}

#[test]
fn only_a_key_that_is_used_is_spoken_of() {
    let sandbox = expiring(-3);
    sandbox.withkey(["add", "work", "LLM_KEY"]).input(OTHER_KEY).run().assert_exit(0);
    assert_eq!(said(&sandbox, "withkey -p work -e LLM_KEY true"), "");
    config(&sandbox, "refuse_expired = true\n");
    sandbox.withkey(["-p", "work", "-e", "LLM_KEY", "true"]).run().assert_exit(0);
}

#[test]
fn refuse_expired_stops_the_launch_after_the_last_day() {
    for (days, refused) in [(1, false), (0, false), (-1, true)] {
        let sandbox = expiring(days);
        config(&sandbox, "refuse_expired = true\n");
        for words in [&["-p", "work", "true"][..], &["--spawn", "-p", "work", "true"], &["-n", "-p", "work", "true"]] {
            let outcome = sandbox.withkey(words).run();
            if refused {
                let error = format!("the key for OPENAI_API_KEY of profile work expired on {}\n", day(&sandbox, days));
                assert_refused(&outcome, 125, &error);
                outcome.assert_stderr_has("withkey: cause: refuse_expired in config.toml");
            } else {
                outcome.assert_exit(0);
            }
        }
        config(&sandbox, "refuse_expired = false\n");
        sandbox.withkey(["-p", "work", "true"]).run().assert_exit(0);
    }
}

#[test]
fn status_and_list_show_dates_and_age() {
    let sandbox = expiring(3);
    let (made, last) = (day(&sandbox, -200), day(&sandbox, -1));
    let add = ["add", "work", "LLM_KEY", "--created", &made, "--expires", &last];
    sandbox.withkey(add).input(OTHER_KEY).run().assert_exit(0);
    let status = || sandbox.withkey(["status", "-p", "work"]).run().stdout();
    let soon = day(&sandbox, 3);
    let ending = format!("ending: OPENAI_API_KEY expires in 3 days, on {soon}, LLM_KEY expired on {last}\n");
    assert!(status().contains(&ending) && !status().contains("old: "), "{}", status());
    config(&sandbox, "old_after = \"180d\"\n");
    assert!(status().contains("old: LLM_KEY is 200 days old\n"), "{}", status());
    let json = sandbox.withkey(["status", "-p", "work", "--json"]).run().stdout();
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        report["ending"][0],
        serde_json::json!({"variable": "OPENAI_API_KEY", "expires": soon, "expired": false})
    );
    assert_eq!(report["ending"][1]["expired"], true);
    assert_eq!(report["old"], serde_json::json!([{"variable": "LLM_KEY", "days": 200}]));
    config(&sandbox, "old_after = \"200d\"\n");
    assert!(!status().contains("old: "), "{}", status());
    let list = sandbox.withkey(["list"]).run().stdout();
    assert!(list.contains(&format!("  created {made}  expired {last}\n")), "{list}");
}

#[test]
fn what_config_toml_cannot_mean_is_named() {
    let sandbox = Sandbox::with_key();
    for (text, part) in [
        ("old_after = 180", "`old_after` is not a number of days such as \"180d\""),
        ("old_after = \"0d\"", "`old_after` is not"),
        ("old_after = \"half a year\"", "`old_after` is not"),
        ("refuse_expired = \"yes\"", "`refuse_expired` is neither true nor false"),
        ("helper_timeout = 0", "`helper_timeout` is not a number of seconds from 1 to 3600"),
        ("helper_timeout = \"1m\"", "`helper_timeout` is not"),
    ] {
        config(&sandbox, text);
        assert_refused(&sandbox.withkey(["true"]).run(), 125, part);
        assert_refused(&sandbox.withkey(["status"]).run(), 1, part);
    }
}
