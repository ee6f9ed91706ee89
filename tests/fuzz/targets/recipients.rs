//! `.age-recipients`: any bytes are recipients or an error with a line's number; who is read stands in the file as one
//! piece, is written as read, and can be encrypted to or is refused in words.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use withkey::store::envelope;
use withkey::store::recipients::{Recipients, beside, heads};

static DOTFILE: LazyLock<PathBuf> = LazyLock::new(|| place::new().join(".env.age"));

fuzz_target!(|bytes: &[u8]| {
    let file = beside(&DOTFILE);
    place::write(&file, bytes);
    let Ok(Some(found)) = Recipients::read(&DOTFILE) else { return };
    let lines: Vec<&str> = std::str::from_utf8(bytes).unwrap().lines().map(str::trim).collect();
    for person in &found.all {
        let words = || person.recipient.split_ascii_whitespace();
        let is = |line: &&str| !line.starts_with('#') && line.split_ascii_whitespace().take(2).eq(words());
        assert!(lines.iter().any(|line| is(&line)), "{person:?} stands nowhere");
        assert!(!person.words().contains(['\n', '\r']), "{person:?}");
        let _ = person.tag();
    }
    let recipients = found.parsed().unwrap();
    if let Ok(sealed) = envelope::seal(b"x", &recipients) {
        let heads = heads(&sealed).unwrap();
        let tags: Vec<_> = found.all.iter().filter_map(|person| person.tag()).collect();
        assert_eq!((heads.anonymous, heads.tags), (found.all.len() - tags.len(), tags));
    }
    place::write(&file, found.text().as_bytes());
    let again = Recipients::read(&DOTFILE).unwrap().unwrap();
    let alone = |found: &Recipients| found.all.iter().map(|person| person.recipient.clone()).collect::<Vec<_>>();
    assert_eq!(alone(&again), alone(&found));
});
