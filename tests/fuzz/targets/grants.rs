//! A grant's file: any bytes are a grant or an error; what is read is written as it is and read again; and only a record
//! that holds the keyed hash of every key lets a dotfile pass.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use hmac::{Hmac, Mac};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;
use withkey::host::Folders;
use withkey::key::Key;
use withkey::profile::{Grant, Variable};

/// The random key of the machine that gave the corpus its grants.
const SECRET: &[u8; 32] = b"no random key, but a known one..";

/// What dotfiles hold. The corpus allows the first two; the third differs from them in one key, the last in a name.
const HELD: [&[(&str, &str)]; 4] = [
    &[("OPENAI_API_KEY", "sk-test-grant-0123456789abcdef")],
    &[("OPENAI_API_KEY", "sk-test-grant-0123456789abcdef"), ("PIN", "1234")],
    &[("OPENAI_API_KEY", "sk-test-grant-0123456789abcdef"), ("PIN", "1235")],
    &[("OPENAI_API_KEY", "sk-test-grant-0123456789abcdef"), ("PIN", "1234"), ("HF_TOKEN", "hf_test0123456789abcdef")],
];

static FOLDERS: LazyLock<Folders> = LazyLock::new(|| {
    let folders = place::folders(&place::new());
    place::write(&folders.grants().join("secret"), SECRET);
    folders
});

/// HMAC-SHA256 over path, name and value, each behind its length.
fn tag(path: &Path, name: &str, value: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    for field in [path.as_os_str().as_encoded_bytes(), name.as_bytes(), value.as_bytes()] {
        mac.update(&(field.len() as u64).to_be_bytes());
        mac.update(field);
    }
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fuzz_target!(|bytes: &[u8]| {
    // Under the name of a path that has no such hash.
    let file = FOLDERS.grants().join("0".repeat(64));
    place::write(&file, bytes);
    let read = Grant::all(&FOLDERS);
    std::fs::remove_file(&file).unwrap();
    let Ok([grant]): Result<[Grant; 1], _> = read.map_or_else(|_| Vec::new(), |all| all).try_into() else { return };

    grant.write(&FOLDERS).unwrap();
    let again = Grant::read(&FOLDERS, &grant.path).expect("what is written is read");
    assert_eq!(format!("{again:?}"), format!("{:?}", Some(&grant)));
    assert!(Grant::forget(&FOLDERS, &grant.path).unwrap());

    let text = String::from_utf8_lossy(bytes);
    for held in HELD {
        let keys: Vec<(Variable, Key)> =
            held.iter().map(|(name, key)| (name.parse().unwrap(), Key::new(key.as_bytes()).unwrap())).collect();
        if grant.compare(&keys, &FOLDERS).unwrap().is_none() {
            let allowed = |word| {
                let line = |(name, key): &(&str, &str)| format!("\n{word} {name} {} ", tag(&grant.path, name, key));
                held.iter().all(|one| text.contains(&line(one)))
            };
            assert!(allowed("key") || allowed("before"), "{held:?} was never allowed");
        }
    }
});
