//! Systems without a keyring of the kernel's: nothing is kept, and the passphrase is asked for each time.

use super::NotHere;
use crate::memory::Protected;

const NONE: NotHere = NotHere("this system has none");

pub fn probe() -> Result<(), NotHere> {
    Err(NONE)
}

pub fn read(_name: &str) -> Option<Protected> {
    None
}

pub fn write(_name: &str, _payload: &[u8], _seconds: u32) -> Result<(), NotHere> {
    Err(NONE)
}

pub fn remove(_name: &str) -> bool {
    false
}
