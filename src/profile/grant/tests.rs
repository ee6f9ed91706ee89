#![allow(clippy::unwrap_used)]
use std::ffi::OsStr;

use super::text::parse;
use super::*;

fn folders(place: &Path) -> Folders {
    Folders { config: place.join("config"), data: place.join("data"), state: place.join("state") }
}

fn keys(pairs: &[(&str, &str)]) -> Vec<(Variable, Key)> {
    pairs.iter().map(|(name, key)| (name.parse().unwrap(), Key::new(key.as_bytes()).unwrap())).collect()
}

#[test]
fn what_was_said_comes_back_whatever_the_path_is() {
    let place = tempfile::tempdir().unwrap();
    let folders = folders(place.path());
    for path in [&b"/a/.env.age"[..], b"/a b/\n\\n/.env.age", b"/\xff/.env.age", b"/ends "] {
        let path = Path::new(OsStr::from_bytes(path));
        let held = keys(&[("OPENAI_API_KEY", "sk-test-0123456789abcdefghij"), ("PIN", "1234")]);
        Grant::to(path, &held, Some(Written::new(b"x", vec!["age1x".to_owned()])), &folders)
            .unwrap()
            .write(&folders)
            .unwrap();
        let grant = Grant::read(&folders, path).unwrap().unwrap();
        assert!(grant.compare(&held, &folders).unwrap().is_none());
        assert!(grant.recipients_of(b"x").is_some_and(|recipients| recipients == ["age1x"]));
        assert!(grant.recipients_of(b"y").is_none());
        assert!(grant.given.parse::<toml_edit::Datetime>().is_ok(), "{}", grant.given);
        Grant::never(path).write(&folders).unwrap();
        assert!(matches!(Grant::read(&folders, path).unwrap().unwrap().said, Said::Never));
    }
    assert_eq!(Grant::all(&folders).unwrap().len(), 4);
}

#[test]
fn a_change_is_told_by_name_and_fields_never_run_into_each_other() {
    let place = tempfile::tempdir().unwrap();
    let folders = folders(place.path());
    let grant = Grant::to(Path::new("/a"), &keys(&[("AB", "CD"), ("X", "1"), ("Y", "2")]), None, &folders).unwrap();
    let words = |pairs: &[(&str, &str)]| grant.compare(&keys(pairs), &folders).unwrap().words();
    assert_eq!(words(&[("Y", "2"), ("AB", "CD"), ("X", "1")]), "");
    assert_eq!(words(&[("A", "BCD"), ("X", "1"), ("Y", "2")]), "A is new (…), AB is gone");
    assert_eq!(words(&[]), "AB is gone, X is gone, Y is gone");
    let other = Grant::to(Path::new("/a"), &keys(&[("AB", "CD"), ("X", "1"), ("Y", "3")]), None, &folders).unwrap();
    assert!(grant.names().len() == 3 && grant.names() != other.names());
    assert_eq!(
        words(&[("AB", "CD"), ("X", "2"), ("Y", "1")]),
        "X has another key (… -> …), Y has another key (… -> …)"
    );
}

#[test]
fn while_a_dotfile_is_replaced_both_states_are_allowed_and_no_mixture() {
    let place = tempfile::tempdir().unwrap();
    let folders = folders(place.path());
    let path = Path::new("/a/.env.age");
    let [old, new] = [[("A", "1"), ("B", "1")], [("A", "2"), ("B", "2")]];
    let before = Grant::to(path, &keys(&old), None, &folders).unwrap();
    Grant::to(path, &keys(&new), None, &folders).unwrap().with_before(Some(&before)).write(&folders).unwrap();
    let both = Grant::read(&folders, path).unwrap().unwrap();
    let differs = |pairs: &[(&str, &str)]| !both.compare(&keys(pairs), &folders).unwrap().is_none();
    assert!(!differs(&old) && !differs(&new));
    assert!(differs(&[("A", "1"), ("B", "2")]));
}

#[test]
fn two_machines_hash_the_same_value_differently() {
    let places = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let tags = places.each_ref().map(|place| {
        let grant = Grant::to(Path::new("/a"), &keys(&[("PIN", "1234")]), None, &folders(place.path())).unwrap();
        match grant.said {
            Said::Allowed { keys, .. } => keys.into_iter().map(|granted| granted.tag).collect::<String>(),
            Said::Never => String::new(),
        }
    });
    assert_ne!(tags.first(), tags.last());
}

#[test]
fn a_dotfile_of_very_many_variables_can_be_allowed() {
    let place = tempfile::tempdir().unwrap();
    let folders = folders(place.path());
    let granted =
        |at| Granted { variable: format!("A{at}").parse().unwrap(), masked: "…".to_owned(), tag: "0".repeat(64) };
    let keys: Vec<_> = (0..20_000).map(granted).collect();
    let said = Said::Allowed { keys, before: Vec::new(), written: Vec::new() };
    let grant = Grant { path: PathBuf::from("/a/.env.age"), given: String::new(), said };
    grant.write(&folders).unwrap();
    assert_eq!(Grant::read(&folders, &grant.path).unwrap().unwrap().names(), grant.names());
}

#[test]
fn what_cannot_be_listed_is_an_error_and_what_is_no_grant_is_not_one() {
    let place = tempfile::tempdir().unwrap();
    let folders = folders(place.path());
    assert_eq!(Grant::all(&folders).unwrap().len(), 0);
    Grant::never(Path::new("/a")).write(&folders).unwrap();
    std::fs::write(folders.grants().join("0a"), "not of withkey").unwrap();
    assert_eq!(Grant::all(&folders).unwrap().len(), 1);
    std::fs::remove_dir_all(folders.grants()).unwrap();
    std::fs::write(folders.grants(), "").unwrap();
    assert!(Grant::all(&folders).is_err());
}

#[test]
fn a_random_key_of_another_length_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let folders = folders(place.path());
    let grant = Grant::to(Path::new("/a"), &keys(&[("A", "1")]), None, &folders).unwrap();
    files::replace(&folders.grants().join(SECRET), &[1; SECRET_LENGTH - 1]).unwrap();
    assert!(grant.compare(&keys(&[("A", "1")]), &folders).is_err());
    assert!(Grant::to(Path::new("/a"), &keys(&[("A", "1")]), None, &folders).is_err());
}

#[test]
fn a_grant_that_cannot_be_understood_allows_nothing() {
    assert!(parse(b"withkey grant 1\npath /a\nallowed\nkey A 00 x\nend\n").is_ok());
    assert_eq!(parse(b"withkey grant 2\nend\n").err(), Some("it is of a newer withkey"));
    assert_eq!(parse(b"something else\nend\n").err(), Some("it does not begin as a grant does"));
    for text in [
        "",
        "withkey grant 2\npath /a\nallowed\nend\n",
        "withkey grant 1\npath /a\nend\n",
        "withkey grant 1\nallowed\nend\n",
        "withkey grant 1\npath /a\nallowed\nkey LD_PRELOAD 00 x\nend\n",
        "withkey grant 1\npath /a\nnever\nkey A 00 x\nend\n",
        "withkey grant 1\npath /a\nallowed\nkey A 00\nend\n",
        "withkey grant 1\npath /a\nallowed\nkey A 00 x",
        "withkey grant 1\npath /a\nallowed\nfuture x\nend\n",
    ] {
        assert!(parse(text.as_bytes()).is_err(), "{text:?}");
    }
}
