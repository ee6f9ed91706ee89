//! The command line: any words are a request or wrong usage; a word behind COMMAND is COMMAND's, byte for byte.
#![no_main]

use std::ffi::{CStr, CString};

use libfuzzer_sys::fuzz_target;
use withkey::cli::{self, Request};

fuzz_target!(|bytes: &[u8]| {
    let words: Vec<CString> = bytes.split(|&byte| byte == 0).take(32).map(|word| CString::new(word).unwrap()).collect();
    let words: Vec<*mut std::ffi::c_char> = words.into_iter().map(CString::into_raw).collect();
    // SAFETY: leaked by into_raw, given back below, after the last use.
    let arguments: Vec<&'static CStr> = words.iter().map(|word| unsafe { CStr::from_ptr(*word) }).collect();
    if let Ok(Request::Launch(launch)) = cli::parse(&arguments) {
        let tail = &arguments[arguments.len() - launch.command.len()..];
        assert!(!launch.command.is_empty());
        assert!(launch.command.iter().map(CString::as_c_str).eq(tail.iter().copied()), "{:?}", launch.command);
    }
    // SAFETY: each came from into_raw, and the request is gone.
    words.into_iter().for_each(|word| drop(unsafe { CString::from_raw(word) }));
});
