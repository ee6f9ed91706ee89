//! Each state of a keychain that is no key: it ends with a message of its own, within its limit, and COMMAND is not
//! started. The Secret Service here is a fake that misbehaves (tests/keychain/service.py).
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

#[path = "common/bus.rs"]
mod bus;
mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use std::os::unix::net::UnixListener;

use bus::{Bus, limit};
use common::{Mode, Sandbox};
use refusal::{Tree, assert_refused};

const DESCRIPTION: &str =
    "version = 1\nstore = \"keychain\"\ndata = \"change 1\"\n\n[variables.OPENAI_API_KEY]\nmasked = \"sk-…abcd\"\n";

/// A profile `default` in the keychain, and a limit that a loaded machine does not come near unless it is meant to.
fn sandbox(seconds: u32) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("home/.config/withkey/profiles/default.toml", DESCRIPTION, 0o600);
    limit(&sandbox, seconds);
    sandbox
}

/// Nothing is started in either mode, and withkey says `part`.
#[track_caller]
fn assert_not_started(sandbox: &Sandbox, variables: &[(&str, &str)], part: &str) {
    let before = Tree::of(sandbox);
    for mode in Mode::BOTH {
        let launch = sandbox.launch(mode, ["touch", "started"]);
        let launch = variables.iter().fold(launch, |launch, (name, value)| launch.set(name, value));
        assert_refused(&launch.run(), 125, part);
    }
    before.assert_unchanged(part, sandbox);
}

#[track_caller]
fn assert_state(mode: &str, seconds: u32, part: &str) {
    let sandbox = sandbox(seconds);
    let mut bus = Bus::start(&sandbox);
    bus.service(mode);
    assert_not_started(&sandbox, &[], part);
}

#[test]
fn without_a_bus_the_keychain_is_not_available() {
    assert_not_started(&sandbox(25), &[], "cause: no session bus answers here");
}

#[test]
fn a_socket_that_nobody_listens_to_is_no_bus() {
    let sandbox = sandbox(25);
    drop(UnixListener::bind(sandbox.path("run/bus")).unwrap());
    assert_not_started(&sandbox, &[], "cause: no session bus answers here");
}

#[test]
fn an_address_that_is_none_is_no_bus() {
    let sandbox = sandbox(25);
    assert_not_started(&sandbox, &[("DBUS_SESSION_BUS_ADDRESS", "nonsense")], "cause: no session bus answers here");
}

#[test]
fn a_bus_without_a_secret_service_is_told_from_no_bus() {
    let sandbox = sandbox(25);
    let _bus = Bus::start(&sandbox);
    assert_not_started(&sandbox, &[], "cause: no Secret Service answers on the session bus");
}

#[test]
fn a_bus_that_accepts_and_never_answers_ends_the_launch() {
    let sandbox = sandbox(1);
    let _listener = UnixListener::bind(sandbox.path("run/bus")).unwrap();
    assert_not_started(&sandbox, &[], "cause: nothing came within 1 second\n");
}

#[test]
fn a_service_that_never_answers_ends_the_launch() {
    assert_state("silent", 2, "cause: nothing came within 2 seconds\n");
}

#[test]
fn a_service_that_stops_answering_at_the_last_step_ends_the_launch() {
    assert_state("silent-reading", 2, "cause: nothing came within 2 seconds\n");
}

#[test]
fn a_locked_service_that_never_offers_its_prompt_ends_the_launch_on_a_desktop_too() {
    let sandbox = sandbox(2);
    let mut bus = Bus::start(&sandbox);
    bus.service("silent-unlock");
    assert_not_started(&sandbox, &[("DISPLAY", ":77")], "cause: nothing came within 2 seconds\n");
}

#[test]
fn a_prompt_that_has_no_screen_is_not_waited_for() {
    assert_state("silent-prompt", 25, "neither DISPLAY nor WAYLAND_DISPLAY is set");
}

#[test]
fn a_prompt_on_another_screen_is_not_waited_for_over_ssh() {
    let sandbox = sandbox(25);
    let mut bus = Bus::start(&sandbox);
    bus.service("silent-prompt");
    let over_ssh = [("DISPLAY", ":77"), ("SSH_CONNECTION", "192.0.2.1 5 192.0.2.2 22")];
    assert_not_started(&sandbox, &over_ssh, "not in this ssh session");
}

#[test]
fn an_open_prompt_is_waited_for_past_the_limit_and_said_in_one_line() {
    let sandbox = sandbox(2);
    let mut bus = Bus::start(&sandbox);
    bus.service("silent-prompt");
    let mut launch = sandbox.withkey(["touch", "started"]).set("DISPLAY", ":77").start();
    // It is looked at every half second: the limit is past by then.
    common::until("the keychain was looked at often", || bus.last_output().matches("searched").count() >= 8);
    launch.signal(libc::SIGTERM);
    let outcome = launch.wait();
    outcome.assert_end(common::End::Signal(libc::SIGTERM));
    outcome.assert_stderr("withkey: waiting for the keychain's prompt to be answered\n");
    assert!(!sandbox.project().join("started").exists());
}

#[test]
fn a_service_that_ends_in_the_midst_is_told_from_one_that_is_not_there() {
    for mode in ["dies", "dies-at-once", "dies-reading"] {
        let sandbox = sandbox(25);
        for launch in Mode::BOTH {
            let mut bus = Bus::start(&sandbox);
            bus.service(mode);
            let outcome = sandbox.launch(launch, ["touch", "started"]).run();
            assert_refused(&outcome, 125, "cause: the Secret Service ended before it had answered");
            drop(bus);
            std::fs::remove_file(sandbox.path("run/bus")).unwrap();
        }
    }
}

#[test]
fn a_missing_item_is_said_with_the_line_that_stores_it_again() {
    assert_state("missing", 25, "hint: store it again: withkey add default OPENAI_API_KEY --replace");
}

#[test]
fn of_two_items_none_is_guessed() {
    assert_state("duplicates", 25, "the keychain has several items default/OPENAI_API_KEY");
}

#[test]
fn a_value_that_no_key_can_be_is_not_handed_over() {
    assert_state("not-text", 25, "cause: it is not UTF-8 text");
    assert_state("nul", 25, "cause: it holds a NUL byte");
    assert_state("empty", 25, "cause: it is empty");
    assert_state("large", 25, "cause: it is over 65536 bytes");
}

#[test]
fn a_refusal_is_told_by_its_name_and_not_by_its_text() {
    assert_state("refuses", 25, "cause: it answered org.example.Error.NotToday");
}

#[test]
fn a_key_of_the_fake_service_arrives_when_nothing_is_wrong() {
    let sandbox = sandbox(25);
    let mut bus = Bus::start(&sandbox);
    bus.service("well");
    let outcome = sandbox.withkey(["printenv", "OPENAI_API_KEY"]).run();
    outcome.assert_exit(0).assert_stdout("sk-test-of-the-fake-0123456789abcdef\n");
}

#[test]
fn a_keychain_that_cannot_keep_a_key_is_said_before_the_key_is_taken() {
    let sandbox = Sandbox::new();
    limit(&sandbox, 25);
    let mut bus = Bus::start(&sandbox);
    bus.service("no-collection");
    let outcome = sandbox.withkey(["add", "--store", "keychain"]).input(common::KEY).run();
    assert_refused(&outcome, 1, "cause: it has no default collection");
    let outcome = sandbox.withkey(["add"]).input(common::KEY).run();
    outcome.assert_exit(0).assert_stderr_has("it has no default collection; the store is the dotfile");
    outcome.assert_stderr_has("in profile default, store dotfile");
}

#[test]
fn add_takes_the_dotfile_where_no_keychain_answers() {
    for service in [None, Some("silent")] {
        let sandbox = Sandbox::new();
        limit(&sandbox, 1);
        let mut bus = Bus::start(&sandbox);
        if let Some(mode) = service {
            bus.service(mode);
        }
        let outcome = sandbox.withkey(["add"]).input(common::KEY).run();
        outcome.assert_exit(0).assert_stderr_has("in profile default, store dotfile");
        assert_eq!(outcome.stderr().contains("nothing came within"), service.is_some(), "{}", outcome.stderr());
    }
}

#[test]
fn a_time_limit_that_is_none_is_refused_where_it_is_used() {
    let sandbox = sandbox(25);
    sandbox.file("home/.config/withkey/config.toml", "keychain_timeout = 0\n", 0o600);
    let _listener = UnixListener::bind(sandbox.path("run/bus")).unwrap();
    assert_not_started(&sandbox, &[], "`keychain_timeout` is not a number of seconds from 1 to 3600");
}
