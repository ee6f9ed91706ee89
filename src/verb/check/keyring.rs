//! The kernel's keyring, which `withkey unlock` needs.

use super::Finding;
use crate::store::unlock::{self, NotHere};

pub fn probe() -> Option<Finding> {
    Some(match unlock::probe() {
        Ok(()) => Finding::ok("kernel keyring", "it keeps what it is given, so withkey unlock works"),
        Err(NotHere(why)) => Finding::warning(
            "kernel keyring",
            format!("not to be had: {why}; a passphrase is asked for at each launch"),
            "in a container, allow the system calls add_key and keyctl; from a script, WITHKEY_PASSPHRASE_FILE=FILE",
        ),
    })
}
