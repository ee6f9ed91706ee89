//! The passphrase of an SSH key, which is asked for only when age finds that the key would open the file.

use std::ffi::OsStr;
use std::sync::{Arc, Mutex, PoisonError};

use age::Callbacks;
use age::secrecy::SecretString;

use super::NO_TERMINAL;
use crate::error::Error;
use crate::host::{Host, PASSPHRASE_FILE};
use crate::store::passphrase;
use crate::ui::prompt::Prompt;

/// Asks for the passphrase of an SSH key, when age finds that it would open the file.
#[derive(Clone)]
pub(super) struct Ask {
    agent: Option<&'static str>,
    /// WITHKEY_PASSPHRASE_FILE, which is read instead.
    file: Option<&'static OsStr>,
    failure: Arc<Mutex<Option<Error>>>,
}

impl Ask {
    pub(super) fn new(host: &Host) -> Self {
        Self { agent: host.agent(), file: host.variable(PASSPHRASE_FILE), failure: Arc::default() }
    }

    /// Why the passphrase was not had, told once.
    pub(super) fn failed(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Callbacks for Ask {
    fn display_message(&self, _message: &str) {}

    fn confirm(&self, _message: &str, _yes: &str, _no: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _description: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, _description: &str) -> Option<SecretString> {
        let given = match self.file {
            Some(file) => passphrase::from_file(file),
            None => Prompt::open(self.agent, "the SSH key's passphrase", NO_TERMINAL)
                .and_then(|prompt| prompt.secret("passphrase of the SSH key: ")),
        };
        let asked = given.and_then(|given| passphrase::as_secret(&given));
        asked.map_err(|error| *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error)).ok()
    }
}
