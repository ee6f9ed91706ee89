//! How long withkey waits for a keychain: up to its time limit, and as long as the system's own prompt is open where
//! somebody can see it. Nothing ever waits for an answer that cannot come.

use std::cell::OnceCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::item::{self, Answer, Failed, Failure, Job, Locked, Step};
use super::look;
use crate::apart::Apart;
use crate::config::Config;
use crate::error::Error;
use crate::error::keychain::Keychain;
use crate::host::Host;
use crate::memory::Protected;
use crate::ui::Ui;

/// The time limit unless config.toml says otherwise, in seconds.
const LIMIT: Duration = Duration::from_secs(5);

/// The steps in which time is counted. A process that was stopped meanwhile (Ctrl-Z) has used up one at most.
const SLICE: Duration = Duration::from_millis(100);

/// After so long a silence withkey looks whether a prompt is open.
const LOOK_AFTER: Duration = Duration::from_millis(500);

/// After so long it says that it waits for one.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// Who waits, and where.
pub struct Patience<'a> {
    host: &'a Host,
    ui: Ui,
    limit: OnceCell<Duration>,
}

impl<'a> Patience<'a> {
    /// Reads nothing yet.
    pub fn new(host: &'a Host, ui: Ui) -> Self {
        Self { host, ui, limit: OnceCell::new() }
    }

    /// Does the jobs; gives each one's value, and the number of the job that failed if one did.
    ///
    /// # Errors
    /// [`Failed`] with the number of the job, or what withkey itself could not do.
    ///
    /// # Secrets
    /// The keys are the caller's, in protected pages.
    pub fn perform(&self, jobs: Vec<Job>) -> Result<Vec<Option<crate::key::Key>>, Error> {
        let jobs = Arc::new(jobs);
        let users: Vec<_> = jobs.iter().map(|job| job.user.clone()).collect();
        let writes = jobs.iter().any(|job| matches!(job.step, Step::Write(_)));
        let task = Arc::clone(&jobs);
        let start = Apart::start(item::room_for(&jobs), move |answer| item::perform(&task, answer));
        let answer = self.wait_for(start.map_err(apart)?, users, writes)?;
        let read = item::understand(answer.as_ref().map_or(&[], |answer| answer.bytes()), jobs.len());
        match read.map_err(apart)? {
            Answer::Done(values) => Ok(values),
            Answer::Failed(at, failed) => {
                let item = jobs.get(at).map(|job| job.user.clone()).unwrap_or_default();
                Err(self.error(failed, item))
            }
            Answer::Nothing => Err(Error::Keychain(Keychain::Died)),
        }
    }

    /// Looks whether a new item could be kept, and does with a locked place for it as `locked` says. Where nobody would see
    /// a prompt, a locked one is a failure in any case.
    ///
    /// # Errors
    /// Why not.
    pub fn probe(&self, locked: Locked) -> Result<(), Error> {
        let locked = if self.unseen().is_some() { Locked::Fails } else { locked };
        let task = move |answer: &mut [u8]| item::probe(locked, answer);
        let start = Apart::start(item::room_for(&[]), task);
        let answer = self.wait_for(start.map_err(apart)?, Vec::new(), true)?;
        match item::understand(answer.as_ref().map_or(&[], |answer| answer.bytes()), 0).map_err(apart)? {
            Answer::Done(_) => Ok(()),
            Answer::Failed(_, failed) => Err(self.error(failed, String::new())),
            Answer::Nothing => Err(Error::Keychain(Keychain::Died)),
        }
    }

    /// Waits for the end of `asked`, which is about the items of `users`, or `any` new one.
    fn wait_for(&self, mut asked: Apart, users: Vec<String>, any: bool) -> Result<Option<Protected>, Error> {
        let users = Arc::new(users);
        let (mut silent, mut whole, mut told) = (Duration::ZERO, Duration::ZERO, false);
        let mut next_look = LOOK_AFTER;
        let mut looking: Option<Apart> = None;
        loop {
            if asked.ends_within(SLICE).map_err(apart)? {
                return Ok(asked.answer());
            }
            silent += SLICE;
            whole += SLICE;
            let looked = match &mut looking {
                Some(look) => look.ends_within(Duration::ZERO).map_err(apart)?,
                None => false,
            };
            if let Some(look) = looking.take_if(|_| looked) {
                next_look = silent + LOOK_AFTER;
                if look.answer().is_some_and(|answer| answer.bytes() == [1]) {
                    if let Some(locked) = self.unseen() {
                        return Err(Error::Keychain(locked));
                    }
                    if whole >= TELL_AFTER && !told {
                        self.ui.notice("waiting for the keychain's prompt to be answered");
                        told = true;
                    }
                    (silent, next_look) = (Duration::ZERO, LOOK_AFTER);
                }
            }
            if looking.is_none() && silent >= next_look {
                let users = Arc::clone(&users);
                let task = move |answer: &mut [u8]| answer.fill(u8::from(look::waits_for_prompt(&users, any)));
                looking = Some(Apart::start(1, task).map_err(apart)?);
            }
            if silent >= self.limit()? {
                return Err(Error::Keychain(Keychain::Silent { seconds: self.limit()?.as_secs() }));
            }
        }
    }

    /// The limit. config.toml is read when a first slice of time has passed without an answer.
    fn limit(&self) -> Result<Duration, Error> {
        if let Some(limit) = self.limit.get() {
            return Ok(*limit);
        }
        let limit = Config::read(self.host)?.keychain_timeout.unwrap_or(LIMIT);
        Ok(*self.limit.get_or_init(|| limit))
    }

    /// Why nobody here would see the keychain's prompt; nothing where somebody would.
    fn unseen(&self) -> Option<Keychain> {
        if cfg!(target_os = "macos") {
            return None;
        }
        if self.host.variable("SSH_CONNECTION").is_some() {
            return Some(Keychain::LockedElsewhere);
        }
        let screen = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| self.host.variable(name).is_some());
        if screen { None } else { Some(Keychain::LockedWithoutScreen) }
    }

    fn error(&self, failed: Failed, item: String) -> Error {
        Error::Keychain(match failed.why {
            Failure::NoBus => Keychain::NoBus,
            Failure::NoService => Keychain::NoService,
            Failure::NoCollection => Keychain::NoCollection,
            Failure::Locked | Failure::NoPrompter => self.unseen().unwrap_or(Keychain::LockedWithoutPrompter),
            Failure::Dismissed => self.unseen().unwrap_or(Keychain::Dismissed),
            Failure::Duplicates => Keychain::Duplicates { item },
            Failure::TooLong => Keychain::NoKey { item, why: "it is over 65536 bytes" },
            Failure::Died => Keychain::Died,
            Failure::ReadBack => Keychain::ReadBack { item },
            Failure::Refused => Keychain::Refused { answer: failed.name },
        })
    }
}

fn apart(source: io::Error) -> Error {
    Error::Keychain(Keychain::Apart { source })
}
