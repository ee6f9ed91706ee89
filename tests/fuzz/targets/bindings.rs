//! The file `bindings`: any bytes give bindings or an error with a line's number; both ways to read it agree.
#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use withkey::profile::binding::Bindings;

// The first line is the directory that asks.
fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (here, text) = (bytes[..end].to_vec(), bytes.get(end + 1..).unwrap_or_default().to_vec().leak());
    let (here, text): (_, &'static [u8]) = (Path::new(OsStr::from_bytes(&here)), text);
    let bindings = Bindings::from_text(PathBuf::from("/x/bindings"), text);
    let (above, all) = (bindings.above(here), bindings.all());
    // withkey asks for physical paths only.
    let physical = here.is_absolute() && here.as_os_str() == here.components().collect::<PathBuf>().as_os_str();
    if let (true, Ok(above), Ok(all)) = (physical, &above, &all) {
        let parts = |directory: Option<&PathBuf>| directory.map(|path| path.components().collect::<PathBuf>());
        for bound in above {
            let directory = bound.directory.as_deref();
            assert!(directory.is_none_or(|directory| here.starts_with(directory)), "{bound:?} does not lie above");
            assert!(all.iter().any(|other| other.directory.as_deref() == directory && other.profile == bound.profile));
        }
        // Nothing that lies above is left out.
        for bound in all.iter().filter(|bound| bound.directory.as_ref().is_none_or(|above| here.starts_with(above))) {
            let wanted = parts(bound.directory.as_ref());
            assert!(above.iter().any(|other| parts(other.directory.as_ref()) == wanted), "{bound:?} is passed over");
        }
    }
    drop(bindings);
    // SAFETY: leaked above, and nothing holds it any more.
    drop(unsafe { Box::from_raw(std::ptr::from_ref(text).cast_mut()) });
});
