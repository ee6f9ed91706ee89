//! An age file: any bytes open, stay closed or are damaged; what opens holds what was sealed in the corpus.
#![no_main]

use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use withkey::store::envelope;

/// Made for this target alone.
const IDENTITY: &str = include_str!("../identity.txt");

fuzz_target!(|bytes: &[u8]| {
    let _ = envelope::is_age(bytes);
    let _ = envelope::is_protected(bytes);
    let identity = age::x25519::Identity::from_str(IDENTITY.trim()).unwrap();
    if let Ok(plaintext) = envelope::open(bytes, &[Box::new(identity)]) {
        assert_eq!(plaintext.bytes(), b"OPENAI_API_KEY='sk-test-in-an-envelope-0123456789'\n");
    }
});
