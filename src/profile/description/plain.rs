//! A short way to read a description as withkey itself writes it, for the launch: TOML's whole grammar costs as much as
//! the rest of choosing a profile. What does not look exactly so (comments, lists, escapes, anything unknown or repeated) is
//! left to the TOML library; a test holds both ways to the same answer.

use toml_edit::Datetime;

use super::{Described, Description, PREVIOUS, VARIABLES};
use crate::profile::Variable;

/// Reads a description of the plain form; nothing when it is of any other.
pub fn read(text: &str) -> Option<Description> {
    let mut version = None;
    let mut store = None;
    let mut data = None;
    let (mut variables, mut previous): (Vec<Described>, Vec<Described>) = (Vec::new(), Vec::new());
    let mut of_previous = false;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(heading) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let (place, name) = heading.split_once('.')?;
            of_previous = match place {
                VARIABLES => false,
                PREVIOUS => true,
                _ => return None,
            };
            let list = if of_previous { &mut previous } else { &mut variables };
            let variable = Variable::for_key(name).ok()?;
            if list.iter().any(|other| other.variable == variable) {
                return None;
            }
            list.push(Described::of(variable));
            continue;
        }
        let (field, value) = line.split_once(" = ")?;
        let table = if of_previous { previous.last_mut() } else { variables.last_mut() };
        match (field, table) {
            ("version", None) => once(&mut version, (value == "1").then_some(())?)?,
            ("store", None) => once(&mut store, string(value)?.parse().ok()?)?,
            ("data", None) => once(&mut data, string(value)?.to_owned())?,
            ("masked", Some(key)) if key.masked.is_empty() => key.masked = string(value)?.to_owned(),
            ("hash", Some(key)) => once(&mut key.hash, string(value)?.to_owned())?,
            ("added", Some(key)) => once(&mut key.added, date(value)?)?,
            ("created", Some(key)) => once(&mut key.created, date(value)?)?,
            ("expires", Some(key)) => once(&mut key.expires, date(value)?)?,
            _ => return None,
        }
    }
    version?;
    Some(Description {
        text: text.to_owned(),
        store: store?,
        data,
        leaving: None,
        allow_endpoint: vec![],
        set: vec![],
        variables,
        previous,
    })
}

fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// A basic string without escapes. An empty one is left to the library.
fn string(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    let plain = |c: char| !c.is_control() && c != '"' && c != '\\';
    (!inner.is_empty() && inner.chars().all(plain)).then_some(inner)
}

fn date(value: &str) -> Option<Datetime> {
    let plain = value.bytes().all(|byte| byte.is_ascii_digit() || b"-:TZ".contains(&byte));
    plain.then(|| value.parse().ok())?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    const WRITTEN: &str = "version = 1\nstore = \"dotfile\"\ndata = \"sha256:00\"\n\n[variables.OPENAI_API_KEY]\n\
        masked = \"sk-…MxYA\"\nhash = \"00ff\"\nadded = 2026-11-23T10:00:00Z\ncreated = 2026-11-01\n\
        expires = 2027-01-31\n\n[previous.OPENAI_API_KEY]\n\
        masked = \"sk-…MxYB\"\nadded = 2026-10-23T10:00:00Z\n";

    fn facts(description: &Description) -> String {
        let Description { store, data, allow_endpoint, set, variables, previous, .. } = description;
        format!("{store:?} {data:?} {allow_endpoint:?} {set:?} {variables:?} {previous:?}")
    }

    #[test]
    fn what_withkey_writes_is_read_the_short_way() {
        assert!(read(WRITTEN).is_some());
        assert!(read(&format!("# mine\n{WRITTEN}")).is_none());
    }

    #[test]
    fn only_a_string_that_stands_for_itself_is_read_the_short_way() {
        assert_eq!(string("\"sk-…MxYA\""), Some("sk-…MxYA"));
        for value in ["\"\"", "\"a\"b\"", "\"a\\b\"", "\"a\tb\"", "\"a", "a\"", "'a'"] {
            assert_eq!(string(value), None, "{value}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        #[test]
        fn both_ways_give_the_same_answer(
            lines in proptest::collection::vec((0..12_usize, any::<prop::sample::Index>(), "[ -~…\t]{0,3}"), 0..6)
        ) {
            let mut text: Vec<String> = WRITTEN.lines().map(str::to_owned).collect();
            for (what, at, junk) in lines {
                let at = at.index(text.len());
                match what {
                    0..4 => text[at].push_str(&junk),
                    4..7 => { let copy = text[at].clone(); text.insert(at, copy); }
                    7..9 => { text.remove(at); text.push(junk); }
                    9 => text.insert(at, "[set]".to_owned()),
                    10 => text.insert(at, "allow_endpoint = [\"x\"]".to_owned()),
                    _ => text[at].insert_str(0, &junk),
                }
            }
            let text = text.join("\n");
            if let Some(short) = read(&text) {
                let long = Description::parse_toml(&text, Path::new("x")).unwrap();
                prop_assert_eq!(facts(&short), facts(&long));
            }
        }
    }
}
