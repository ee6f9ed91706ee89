//! An identity behind a passphrase, with little work to open it: any factor is accepted.

use std::fs;

use crate::common::Sandbox;

pub const PASSPHRASE: &str = "open sesame";

/// The profile `default`, and an identity that opens with [`PASSPHRASE`].
pub fn protected() -> Sandbox {
    let sandbox = Sandbox::with_key();
    protect(&sandbox);
    sandbox
}

/// Seals the identity's file.
pub fn protect(sandbox: &Sandbox) {
    protect_with(sandbox, PASSPHRASE);
}

pub fn protect_with(sandbox: &Sandbox, passphrase: &str) {
    let mut recipient = age::scrypt::Recipient::new(passphrase.to_owned().into());
    recipient.set_work_factor(10);
    let sealed = age::encrypt_and_armor(&recipient, &fs::read(sandbox.identity()).unwrap()).unwrap();
    fs::write(sandbox.identity(), sealed).unwrap();
}

/// What a launch asks.
pub fn question(sandbox: &Sandbox) -> String {
    format!("passphrase of {}: ", sandbox.identity().display())
}
