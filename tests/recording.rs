//! The pictures of the README, made from the real program: sessions in a terminal, drawn as SVG.
//!
//! A change of what withkey says shows as a picture that no longer fits. After one that is meant:
//!
//!     WITHKEY_REWRITE_SCREENS=1 cargo test --test recording
#![allow(unsafe_code, reason = "a terminal is made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "recording/picture.rs"]
mod picture;
#[path = "common/session.rs"]
mod session;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::{env, fs};

use common::{OTHER_KEY, Pty, Sandbox, assert_same};
use picture::{Line, Picture};

/// Looks like one of OpenAI's, so that its mask does.
const KEY: &str = "sk-proj-0123456789abcdefghijklMxYA";

/// The same of Anthropic's.
const ANTHROPIC_KEY: &str = "sk-ant-0123456789abcdefghijklQw7Z";

/// As long as any, and the example of age's own documentation.
const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

/// The largest picture, in bytes.
const LARGEST: usize = 60 * 1024;

/// The terminal's width.
const COLUMNS: u16 = 80;

/// Where Ana works, below her home.
const PROJECT: &str = "src/client-a";

/// Where her own programs lie.
const PROGRAMS: &str = "home/.local/bin";

const PROGRAM: &str = r#"import os
print("app.py has", "a key" if os.environ.get("OPENAI_API_KEY") else "no key")
"#;

/// Ana's machine: one profile already, and a project without one.
fn machine() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.withkey(["add", "personal", "--created", "2026-03-02"]).input(OTHER_KEY).run().assert_exit(0);
    sandbox.withkey(["use", "--default", "personal"]).run().assert_exit(0);
    sandbox.file(format!("home/{PROJECT}/app.py"), PROGRAM, 0o644);
    fs::create_dir_all(sandbox.path(PROGRAMS)).unwrap();
    symlink(common::withkey_binary(), sandbox.path(PROGRAMS).join("withkey")).unwrap();
    sandbox
}

/// Types a line on a terminal, and each answer where its question is shown.
#[track_caller]
fn typed(sandbox: &Sandbox, command: &str, answers: &[(&str, &str)], status: i32) -> Line {
    let pty = Pty::open();
    let script = format!("stty cols {COLUMNS} echo; cd ~/{PROJECT}; {command}");
    let path = format!("{}:/usr/bin:/bin", sandbox.path(PROGRAMS).display());
    let start = session::shell(sandbox, &script).set("PATH", path).set("TERM", "xterm");
    let running = pty.attach(start).start();
    for (question, answer) in answers {
        pty.wait_for(question);
        pty.type_in(answer);
    }
    running.outcome().assert_exit(status);
    let shown = pty.text().replace("\r\n", "\n");
    session::assert_no_key(command, shown.as_bytes());
    // Its known prefix is part of the mask.
    session::assert_no_piece(command, KEY.trim_start_matches("sk-proj-").as_bytes(), shown.as_bytes());
    let shown = at_a_fixed_place_and_time(sandbox, &shown);
    // The answer itself is shown after the question, when it is typed.
    let mut moments = Vec::new();
    let mut rest = shown.as_str();
    for (question, _) in answers {
        let end = rest.find(question).unwrap() + question.len();
        moments.push(rest[..end].to_owned());
        rest = &rest[end..];
    }
    moments.push(rest.to_owned());
    Line { command: command.to_owned(), moments }
}

/// The home of somebody called Ana, on the day of the first recording.
fn at_a_fixed_place_and_time(sandbox: &Sandbox, text: &str) -> String {
    let day = |when: &str| sandbox.directly(["/bin/date", "-u", "-d", when, "+%F"]).run().stdout().trim().to_owned();
    let text = text.replace(sandbox.home().to_str().unwrap(), "/home/ana");
    let text = text.replace(&day("today"), "2026-11-28").replace(&day("90 days"), "2027-02-26");
    session::squeezed(&text, "age1", |c| c.is_ascii_alphanumeric(), RECIPIENT)
}

#[track_caller]
fn assert_drawn(name: &str, picture: &Picture) {
    let found = picture.draw();
    assert!(found.len() <= LARGEST, "{name} has {} bytes", found.len());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(name);
    if env::var_os("WITHKEY_REWRITE_SCREENS").is_some() {
        fs::write(&file, found).unwrap();
    } else {
        assert_same(&format!("tests/screens/{name}"), &fs::read_to_string(&file).unwrap(), &found);
    }
}

#[test]
fn the_readmes_recording_shows_what_withkey_does_today() {
    let sandbox = machine();
    let pasted = format!("{KEY}\n");
    let add = typed(
        &sandbox,
        "withkey add work --use --expires 90d",
        &[("not shown while you type): ", &pasted), ("That spends nothing [y/N] ", "n\n")],
        0,
    );
    let without = typed(&sandbox, "python3 app.py", &[], 0);
    let with = typed(&sandbox, "withkey python3 app.py", &[], 0);
    let dry = typed(&sandbox, "withkey --dry-run python3 app.py", &[], 0);
    let list = typed(&sandbox, "withkey list", &[], 0);
    let picture = Picture {
        title: "withkey takes a key in, and hands it to one command",
        description: "A terminal in ~/src/client-a. \"withkey add work --use\" asks for a key, which is not shown, and stores \
                      it for this directory. \"python3 app.py\" has no key, \"withkey python3 app.py\" has one. \"--dry-run\" \
                      names what would happen, \"withkey list\" shows the profiles with masked keys.",
        columns: COLUMNS.into(),
        scenes: vec![vec![add], vec![without, with, dry], vec![list]],
        still: 1,
    };
    assert_drawn("recording.svg", &picture);
}

#[test]
fn the_readmes_picture_of_check_shows_what_withkey_does_today() {
    let sandbox = machine();
    sandbox.withkey(["add", "work"]).input(KEY).run().assert_exit(0);
    sandbox.bind("work", sandbox.path("home").join(PROJECT));
    sandbox.file(format!("home/{PROJECT}/.env"), format!("OPENAI_API_KEY={KEY}\n"), 0o600);
    let check = typed(&sandbox, "GROQ_API_KEY=x withkey check", &[], 1);
    let picture = Picture {
        title: "withkey check finds a key in clear, and says how to mend it",
        description: "The answer of \"withkey check\": a table of what was probed and found. A warning names a key that is set \
                      in the shell, a problem a line of .env that holds a stored key, each with the line that mends it.",
        columns: COLUMNS.into(),
        scenes: vec![vec![check]],
        still: 0,
    };
    assert_drawn("check.svg", &picture);
}

#[test]
fn the_readmes_picture_of_status_and_list_shows_what_withkey_does_today() {
    let sandbox = machine();
    sandbox.withkey(["add", "work", "--expires", "90d"]).input(KEY).run().assert_exit(0);
    sandbox.add_variables("work", &[("ANTHROPIC_API_KEY", ANTHROPIC_KEY)]);
    sandbox.bind("work", sandbox.path("home").join(PROJECT));
    let status = typed(&sandbox, "withkey status", &[], 0);
    let list = typed(&sandbox, "withkey list", &[], 0);
    let picture = Picture {
        title: "withkey status and withkey list",
        description: "\"withkey status\" says which profile is used in ~/src/client-a and why, its keys masked, and the \
                      providers' pages. \"withkey list\" shows each profile with its masked keys, dates and directories.",
        columns: COLUMNS.into(),
        scenes: vec![vec![status, list]],
        still: 0,
    };
    assert_drawn("status.svg", &picture);
}
