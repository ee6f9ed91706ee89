//! The dotfile's plaintext: what is read is what dotenvy reads, and what is written comes back, beside what was there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use withkey::key::Key;
use withkey::profile::Variable;
use withkey::store::{Change, dotenv};

// Up to the first NUL the text, behind it the value that is put into it.
fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let (text, new) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let [key, other]: [Variable; 2] = ["OPENAI_API_KEY", "K"].map(|name| name.parse().unwrap());
    let read = |text: &[u8], variable| dotenv::read(text, &[variable], "file").ok().and_then(|mut keys| keys.remove(0));
    for variable in [&key, &other] {
        let Some(value) = read(text, variable) else { continue };
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        let all: Result<Vec<_>, _> = dotenvy::Iter::new(&[text, b"\n"].concat()[..]).collect();
        // A line that dotenvy cannot read concerns withkey only when it is the wanted one.
        let Ok(all) = all else { continue };
        let found: Vec<_> = all.iter().filter(|(name, _)| name == variable.as_str()).collect();
        assert!(found.len() == 1 && found[0].1.as_bytes() == value.expose(), "dotenvy reads {found:?}");
    }
    if new.is_empty() || new.contains(&0) || std::str::from_utf8(new).is_err() {
        return;
    }
    let new_key = Key::new(new).unwrap();
    let Ok(changed) = dotenv::change(text, &[Change::Put(&key, &new_key)], "file") else { return };
    let came_back = read(changed.bytes(), &key);
    let twice = dotenv::read(text, &[&key], "file").is_err();
    assert!(twice || came_back.is_some_and(|value| value.expose() == new), "the new key does not come back");
    let (before, after) = (read(text, &other), read(changed.bytes(), &other));
    assert!(before.as_ref().map(Key::expose) == after.as_ref().map(Key::expose), "another key has changed");
});
