//! The log's lines: any bytes are entries or unreadable lines, and whatever stands before it, a whole line is found.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use withkey::host::Folders;
use withkey::log::{self, Entry};

static FOLDERS: LazyLock<Folders> = LazyLock::new(|| place::folders(&place::new()));

fuzz_target!(|bytes: &[u8]| {
    let file = FOLDERS.state.join("log.jsonl");
    place::write(&file, bytes);
    let before = log::read(&FOLDERS).unwrap();
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count();
    assert_eq!(before.entries.len() + before.unreadable, lines);
    let _ = before.last_used();

    let entry = Entry {
        time: "2026-11-23T10:00:00Z".to_owned(),
        profile: "work".to_owned(),
        variables: vec!["OPENAI_API_KEY".to_owned()],
        program: "odd \"{\"time\":".to_owned(),
        directory: "/".to_owned(),
        parent: None,
        terminal: false,
    };
    place::write(&file, &[bytes, &serde_json::to_vec(&entry).unwrap(), b"\n"].concat());
    let after = log::read(&FOLDERS).unwrap();
    assert_eq!(after.entries.last(), Some(&entry), "a whole line is lost");
});
