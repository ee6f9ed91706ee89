#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;

fn named(name: &str, text: &str) -> Result<Option<String>, String> {
    match read(text.as_bytes(), &[&name.parse().unwrap()], "x") {
        Ok(mut read) => Ok(read.remove(0).map(|key| String::from_utf8(key.expose().to_vec()).unwrap())),
        Err(Error::Dotenv { line, name, .. }) => Err(format!("{line} {name}")),
        Err(other) => panic!("{other:?}"),
    }
}

fn one(text: &str) -> Result<String, String> {
    named("K", text).map(Option::unwrap)
}

#[test]
fn what_people_write_arrives_byte_for_byte() {
    for (text, value) in [
        ("K=sk-test-1", "sk-test-1"),
        ("K=sk-test-1\r\n", "sk-test-1"),
        ("\u{feff}K=sk-test-1\n", "sk-test-1"),
        ("  export K = sk-test-1 # mine, and it's fine\n", "sk-test-1"),
        ("K=sk-test-1  # mine\n", "sk-test-1"),
        ("K='sk-$HOME-x'\n", "sk-$HOME-x"),
        ("K='a # b' # c\n", "a # b"),
        ("K=\"a b # c\"\n", "a b # c"),
        ("K='two\nlines'\n", "two\nlines"),
        ("K='a\\b'\n", "a\\b"),
        ("A=$X\nB=\"a\\n\"\nK='mine'\nC=it's\n", "mine"),
        ("K=\n", ""),
    ] {
        assert_eq!(one(text).as_deref(), Ok(value), "{text:?}");
    }
}

#[test]
fn what_would_be_changed_is_refused_by_line_and_name() {
    for text in [
        "K=sk-$HOME-x",
        "K=${X}",
        "K=ab$cd",
        "K=\"a$b\"",
        "K=#abc",
        "K=ab#c",
        "K=a\\nb",
        "K=\"a\\nb\"",
        "K=it's",
        "K='open",
        "K=\"open\n\"",
        "K=a b",
        "K='a'b",
        "K='a' b",
        "K='a\\'",
        "K=a\u{a0}",
        "K='a\0b'",
        "K=a\u{1}",
        "K=a  # it's",
    ] {
        assert_eq!(one(&format!("# c\n\nA=1\n{text}\n")), Err("4 K".to_owned()), "{text:?}");
    }
    assert_eq!(one("K=1\nno equals\n"), Err("2 no name".to_owned()));
    assert_eq!(one("K='1\n2'\nK=2\n"), Err("3 K".to_owned()));
    assert_eq!(one("K=1\nA='open\n"), Err("2 A".to_owned()));
    assert_eq!(named("B", "K=1\n"), Ok(None));
    assert!(read(b"K='\xff'\n", &[&"K".parse().unwrap()], "x").is_err());
}

#[test]
fn a_change_leaves_comments_order_and_other_lines_alone() {
    let (a, c) = (Key::new(b"new $'\\").unwrap(), Key::new(b"3").unwrap());
    let [first, second, third] = ["A", "B", "C"].map(|name| name.parse::<Variable>().unwrap());
    let text = b"# head\nA=1 # old\n\nB='x\ny'\n# tail";
    let changes = [Change::Put(&third, &c), Change::Put(&first, &a), Change::Remove(&second)];
    let changed = change(text, &changes, "x").unwrap();
    assert_eq!(String::from_utf8(changed.bytes().to_vec()).unwrap(), "# head\nA='new $'\\'''\\\\''\n\n# tail\nC='3'\n");
    let changed = std::str::from_utf8(changed.bytes()).unwrap();
    assert_eq!(named("A", changed), Ok(Some("new $'\\".to_owned())));
    assert_eq!(named("C", changed), Ok(Some("3".to_owned())));
}

/// The value of an accepted line as its writer meant it, without dotenvy.
fn literal(raw: &str) -> String {
    let raw = raw.trim_matches([' ', '\t']);
    if let Some(double) = raw.strip_prefix('"') {
        return double.split('"').next().unwrap().to_owned();
    }
    if !raw.starts_with('\'') {
        return raw.split([' ', '\t']).next().unwrap().to_owned();
    }
    let (mut value, mut quoted, mut chars) = (String::new(), false, raw.chars());
    while let Some(c) = chars.next() {
        match (c, quoted) {
            ('\'', _) => quoted = !quoted,
            ('\\', false) => value.extend(chars.next()),
            (' ' | '\t', false) => break,
            _ => value.push(c),
        }
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn any_value_withkey_writes_comes_back_byte_for_byte(value in "[^\0]{1,40}") {
        let key = Key::new(value.as_bytes()).unwrap();
        let name: Variable = "K".parse().unwrap();
        let text = change(b"A=1\n", &[Change::Put(&name, &key)], "x").unwrap();
        let read = read(text.bytes(), &[&name], "x").unwrap();
        prop_assert_eq!(read[0].as_ref().unwrap().expose(), value.as_bytes());
    }

    #[test]
    fn what_the_guard_lets_pass_dotenvy_leaves_alone(raw in "[ab $'\"\\\\#{}=\t\u{e9}\u{a0}-]{0,12}") {
        if let Ok(value) = one(&format!("K={raw}\n")) {
            prop_assert_eq!(value, literal(&raw));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a='\"\\\\$#{}\n\r\t \0A-]{0,60}") {
        let _ = read(text.as_bytes(), &[&"A".parse().unwrap()], "x");
    }
}

/// Found by tests/fuzz: dotenvy reads the second line as a piece of the first value.
#[test]
fn a_quote_that_stays_open_behind_a_refused_value_makes_the_next_lines_a_guess() {
    let key: Variable = "OPENAI_API_KEY".parse().unwrap();
    for first in ["K='it'\\''s'c'c", "K=a b'c", "K=\"$x\"'", "K=a b\"c"] {
        let text = format!("{first}\nOPENAI_API_KEY=1\nL='x'\n");
        assert!(super::read(text.as_bytes(), &[&key], "file").is_err(), "{first}");
    }
    for first in ["K=\"x $HOME\"", "K='a'b", "K=a b # it's", "K=a b\\'"] {
        let text = format!("{first}\nOPENAI_API_KEY=1\n");
        assert!(super::read(text.as_bytes(), &[&key], "file").is_ok(), "{first}");
    }
}
