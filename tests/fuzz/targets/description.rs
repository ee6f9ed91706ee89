//! A profile's description: the short way to read it and TOML's whole grammar give the same answer.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use withkey::profile::description::Description;

fuzz_target!(|text: &str| {
    let path = Path::new("/x/profile.toml");
    match (Description::parse(text, path), Description::parse_toml(text, path)) {
        (Ok(short), Ok(full)) => assert_eq!(format!("{short:?}"), format!("{full:?}")),
        (Err(_), Err(_)) => {}
        (short, full) => panic!("one reads it: {short:?} {full:?}"),
    }
});
