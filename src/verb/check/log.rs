//! The log: whether a launch could write its line.

use super::{Finding, State};
use crate::config::Config;
use crate::host::Folders;
use crate::log;

const PROBE: &str = "log";

pub fn probe(config: &Config, folders: &Folders) -> Finding {
    if config.no_log {
        return Finding::ok(PROBE, "turned off by `log = false` in config.toml");
    }
    match log::probe(folders) {
        Ok(()) => Finding::ok(PROBE, "a launch can write its line"),
        Err(error) => Finding { state: State::Warning, ..Finding::problem_of(PROBE, &error) },
    }
}
