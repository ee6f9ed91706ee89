//! The look-up of a host's name. It may hang, and the system offers no way to end it: so it is done apart (see apart.rs; where
//! that is a thread, one that hangs is left behind).

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::{Agent, Error};

use super::host_names;
use crate::apart::Apart;
use crate::memory;

/// Room for sixteen addresses as text, one a line, as many as ureq takes.
const ROOM: usize = 16 * 64;

/// In place of addresses.
const UNKNOWN: &str = "the host's name is not known";
/// The same.
const NOBODY_ANSWERS: &str = "no name server answers";

/// What was found, in place of ureq's own look-up: that would leave a thread behind, and come when the key is at hand.
#[derive(Debug)]
pub struct Known(Vec<SocketAddr>);

impl Resolver for Known {
    fn resolve(&self, _uri: &Uri, _config: &Config, _timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        self.0.iter().for_each(|address| addresses.push(*address));
        Ok(addresses)
    }
}

/// The addresses of the host in `uri`, sixteen at most. Blocks for up to `longest`.
///
/// # Errors
/// Why there are none, in words.
pub fn look_up(uri: &Uri, longest: Duration) -> Result<Known, &'static str> {
    const FAILED: &str = "the host's name could not be looked up";
    let end = Instant::now() + longest;
    let uri = uri.clone();
    let task = move |mut answer: &mut [u8]| {
        host_names::load_no_module();
        let config = Agent::config_builder().build();
        // Without a limit it starts no thread.
        let _ = match DefaultResolver::default().resolve(&uri, &config, NextTimeout::default()) {
            Ok(found) => found.iter().try_for_each(|address| writeln!(answer, "{address}")),
            // The system's own trouble says nothing about the name.
            Err(Error::Io(error)) if error.raw_os_error().is_some() => Ok(()),
            // EAI_AGAIN, which has no number of the system's.
            Err(error) if error.to_string().contains("Temporary failure") => {
                answer.write_all(NOBODY_ANSWERS.as_bytes())
            }
            Err(_) => answer.write_all(UNKNOWN.as_bytes()),
        };
    };
    // What libraries that worked on the key left there, the process would have too.
    memory::scrub_stack::<{ 64 * 1024 }>();
    let mut apart = Apart::start(ROOM, task).map_err(|_| FAILED)?;
    while !apart.ends_within(end.saturating_duration_since(Instant::now())).map_err(|_| FAILED)? {
        if Instant::now() >= end {
            return Err("no answer within 10 seconds");
        }
    }
    let answer = apart.answer().ok_or(FAILED)?;
    let text = std::str::from_utf8(answer.bytes()).map_err(|_| FAILED)?.trim_end_matches('\0');
    if let Some(why) = [UNKNOWN, NOBODY_ANSWERS].into_iter().find(|why| text == *why) {
        return Err(why);
    }
    let found: Vec<_> = text.lines().filter_map(|line| line.parse().ok()).collect();
    if found.is_empty() { Err(FAILED) } else { Ok(Known(found)) }
}
