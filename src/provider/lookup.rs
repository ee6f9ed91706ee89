//! The look-up of a host's name. It may hang, and the system offers no way to end it: so it is done apart (see apart.rs), and
//! no thread of it is left in withkey. It begins before the question is put together, because a process that is forked gets a
//! copy of everything that lies on the heap.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::{Error, Timeout};

use super::host_names;
use crate::apart::Apart;
use crate::memory;

/// Room for sixteen addresses as text, one a line, as many as ureq takes.
const ROOM: usize = 16 * 64;

/// In place of addresses.
const NOBODY_ANSWERS: &str = "no name server\n";

/// In place of ureq's own, which leaves a thread behind: the look-up of one name, whose outcome is asked for once.
pub struct LookUp(Mutex<Option<Apart>>);

impl LookUp {
    /// Begins to look up the host of `uri`.
    ///
    /// # Errors
    /// When there is no memory, or no process more.
    ///
    /// # Secrets
    /// What the process that looks it up would find in the stack is overwritten. On the heap there must be no copy of a key.
    pub fn begin(uri: Uri, config: Config) -> io::Result<Self> {
        memory::scrub_stack::<{ 64 * 1024 }>();
        let apart = Apart::start(ROOM, move |mut answer: &mut [u8]| {
            host_names::load_no_module();
            // Without a limit it starts no thread.
            let _ = match DefaultResolver::default().resolve(&uri, &config, NextTimeout::default()) {
                Ok(found) => found.iter().try_for_each(|address| writeln!(answer, "{address}")),
                // EAI_AGAIN, which has no number of the system's.
                Err(error) if error.to_string().contains("Temporary failure") => {
                    answer.write_all(NOBODY_ANSWERS.as_bytes())
                }
                Err(_) => Ok(()),
            };
        })?;
        Ok(Self(Mutex::new(Some(apart))))
    }
}

impl fmt::Debug for LookUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LookUp")
    }
}

impl Resolver for LookUp {
    fn resolve(&self, _uri: &Uri, _config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let begun = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut apart) = begun else { return Err(Error::HostNotFound) };
        let end = Instant::now() + *timeout.after;
        while !apart.ends_within(end.saturating_duration_since(Instant::now()))? {
            if Instant::now() >= end {
                return Err(Error::Timeout(Timeout::Resolve));
            }
        }
        let mut found = self.empty();
        let answer = apart.answer();
        let text = answer.as_ref().map_or(Ok(""), |answer| std::str::from_utf8(answer.bytes())).unwrap_or_default();
        if text.starts_with(NOBODY_ANSWERS) {
            return Err(Error::Io(ErrorKind::HostUnreachable.into()));
        }
        text.lines().filter_map(|line| line.parse().ok()).for_each(|address| found.push(address));
        if found.is_empty() { Err(Error::HostNotFound) } else { Ok(found) }
    }
}
