//! One item of the keychain: read, written, deleted, through the crate `keyring`. Runs apart (see apart.rs).
//!
//! What is done and what came of it cross over to the parent in protected pages, as bytes: [`Answer`].

use keyring::{Entry, Error};

use super::look;
use crate::key::{Key, LONGEST};

/// The service of every item.
pub const SERVICE: &str = "withkey";

/// What to do with the item of one user name.
pub enum Step {
    /// Give its value; an item that is not there has none.
    Read,
    /// Make it hold this value, and read it back.
    Write(Key),
    /// Let it not be there.
    Delete,
}

/// What a probe makes of a locked keychain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Locked {
    /// Has it unlocked by its prompt.
    Unlock,
    /// Leaves it so: whoever writes will be asked.
    Leave,
    /// A failure: there is nobody to be asked.
    Fails,
}

/// A step and the item it is for.
pub struct Job {
    /// `PROFILE/VARIABLE`, or a name derived from it.
    pub user: String,
    /// What to do.
    pub step: Step,
}

impl Job {
    /// Gives the item's value.
    pub fn read(user: String) -> Self {
        Self { user, step: Step::Read }
    }

    /// Makes the item hold a value.
    pub fn write(user: String, key: Key) -> Self {
        Self { user, step: Step::Write(key) }
    }

    /// Makes the item go.
    pub fn delete(user: String) -> Self {
        Self { user, step: Step::Delete }
    }
}

/// Why a step was not done. Holds names only: keyring's own errors may carry the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Failure {
    NoBus = 1,
    NoService,
    NoCollection,
    Locked,
    NoPrompter,
    Dismissed,
    Duplicates,
    TooLong,
    Died,
    ReadBack,
    Refused,
}

impl Failure {
    const ALL: [Self; 11] = [
        Self::NoBus,
        Self::NoService,
        Self::NoCollection,
        Self::Locked,
        Self::NoPrompter,
        Self::Dismissed,
        Self::Duplicates,
        Self::TooLong,
        Self::Died,
        Self::ReadBack,
        Self::Refused,
    ];
}

/// A failure, and the name the service gave it (letters, digits, dots; empty when it gave none).
pub struct Failed {
    pub why: Failure,
    pub name: String,
}

impl From<Failure> for Failed {
    fn from(why: Failure) -> Self {
        Self { why, name: String::new() }
    }
}

/// Bytes for what may be answered to `jobs`.
pub fn room_for(jobs: &[Job]) -> usize {
    let reads = jobs.iter().filter(|job| matches!(job.step, Step::Read)).count();
    NAME + 8 + jobs.len() * 4 + reads * LONGEST
}

/// The longest name of a refusal that is passed on, in bytes: D-Bus's own bound.
const NAME: usize = 255;
const DONE: u8 = 1;
const FAILED: u8 = 2;
const ABSENT: u32 = u32::MAX;

/// Does the jobs in their order, and writes what came of it into `answer`; the first failure ends it.
pub fn perform(jobs: &[Job], answer: &mut [u8]) {
    let _greeted = look::greet();
    let mut writer = Writer { room: answer, at: 1 };
    for (index, job) in jobs.iter().enumerate() {
        if let Err(failed) = one(job, &mut writer) {
            return writer.fail(index, &failed);
        }
    }
    writer.tag(DONE);
}

/// Reads an item that does not exist, and looks whether one could be kept: answers as [`perform`] does to no jobs.
pub fn probe(locked: Locked, answer: &mut [u8]) {
    let _greeted = look::greet();
    let mut writer = Writer { room: answer, at: 1 };
    let ready = || match look::ready(locked == Locked::Unlock) {
        Err(Failed { why: Failure::Locked, .. }) if locked == Locked::Leave => Ok(()),
        ready => ready,
    };
    match one(&Job::read("probe".to_owned()), &mut writer).and_then(|()| ready()) {
        Ok(()) => writer.tag(DONE),
        Err(failed) => writer.fail(0, &failed),
    }
}

fn one(job: &Job, writer: &mut Writer) -> Result<(), Failed> {
    if let Err(error) = Entry::store_status() {
        return Err(look::at_start(error));
    }
    let entry = Entry::new(SERVICE, &job.user).map_err(|error| look::failed(&error))?;
    match &job.step {
        Step::Read => match entry.get_secret() {
            Ok(value) if value.len() > LONGEST => Err(Failure::TooLong.into()),
            Ok(value) => {
                writer.value(Some(&value));
                Ok(())
            }
            Err(Error::NoEntry) => {
                writer.value(None);
                Ok(())
            }
            Err(error) => Err(look::failed(&error)),
        },
        Step::Write(key) => {
            entry.set_secret(key.expose()).map_err(|error| look::failed(&error))?;
            let back = entry.get_secret().map_err(|error| look::failed(&error))?;
            writer.value(None);
            if back == key.expose() { Ok(()) } else { Err(Failure::ReadBack.into()) }
        }
        Step::Delete => match entry.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => {
                writer.value(None);
                Ok(())
            }
            Err(error) => Err(look::failed(&error)),
        },
    }
}

/// Writes an answer: a tag, then for each job the length of its value and the value.
struct Writer<'a> {
    room: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn value(&mut self, value: Option<&[u8]>) {
        let len = value.map_or(ABSENT, |value| u32::try_from(value.len()).unwrap_or(ABSENT));
        self.bytes(&len.to_le_bytes());
        self.bytes(value.unwrap_or_default());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(place) = self.room.get_mut(self.at..self.at + bytes.len()) {
            place.copy_from_slice(bytes);
            self.at += bytes.len();
        }
    }

    fn fail(&mut self, index: usize, failed: &Failed) {
        // What was read before goes: a key that is not handed over is not kept.
        zeroize::Zeroize::zeroize(self.room);
        self.at = 1;
        let name = failed.name.as_bytes();
        let name = name.get(..NAME).unwrap_or(name);
        self.bytes(&[failed.why as u8, u8::try_from(index).unwrap_or(u8::MAX), u8::try_from(name.len()).unwrap_or(0)]);
        self.bytes(name);
        self.tag(FAILED);
    }

    fn tag(&mut self, tag: u8) {
        if let Some(place) = self.room.first_mut() {
            *place = tag;
        }
    }
}

/// What came of some jobs.
pub enum Answer {
    /// Each job's value, where it has one.
    Done(Vec<Option<Key>>),
    /// The number of the job that failed, and why.
    Failed(usize, Failed),
    /// The process that did them ended without an answer.
    Nothing,
}

/// Reads an answer to `count` jobs.
///
/// # Secrets
/// The keys are the caller's; the answer's own bytes are wiped when it is dropped.
pub fn understand(answer: &[u8], count: usize) -> std::io::Result<Answer> {
    let Some((tag, mut rest)) = answer.split_first() else { return Ok(Answer::Nothing) };
    match *tag {
        DONE => {
            let mut values = Vec::with_capacity(count);
            for _ in 0..count {
                let Some((len, tail)) = rest.split_first_chunk::<4>() else { return Ok(Answer::Nothing) };
                let len = u32::from_le_bytes(*len);
                if len == ABSENT {
                    rest = tail;
                    values.push(None);
                    continue;
                }
                let value = usize::try_from(len).ok().and_then(|len| tail.split_at_checked(len));
                let Some((value, tail)) = value else { return Ok(Answer::Nothing) };
                values.push(Some(Key::new(value)?));
                rest = tail;
            }
            Ok(Answer::Done(values))
        }
        FAILED => {
            let Some(([why, index, len], tail)) = rest.split_first_chunk::<3>() else { return Ok(Answer::Nothing) };
            let why = Failure::ALL.into_iter().find(|failure| *failure as u8 == *why).unwrap_or(Failure::Refused);
            let name = String::from_utf8_lossy(tail.get(..usize::from(*len)).unwrap_or_default()).into_owned();
            Ok(Answer::Failed(usize::from(*index), Failed { why, name }))
        }
        _ => Ok(Answer::Nothing),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_was_answered_is_understood() {
        let mut room = [0; 64];
        let mut writer = Writer { room: &mut room, at: 1 };
        writer.value(Some(b"sk-test"));
        writer.value(None);
        writer.value(Some(b""));
        writer.tag(DONE);
        let Answer::Done(values) = understand(&room, 3).unwrap() else { panic!() };
        let values: Vec<_> = values.iter().map(|value| value.as_ref().map(Key::expose)).collect();
        assert_eq!(values, [Some(&b"sk-test"[..]), None, Some(&b""[..])]);
    }

    #[test]
    fn a_failure_takes_what_was_read_before_along() {
        let mut room = [0; 300];
        let mut writer = Writer { room: &mut room, at: 1 };
        writer.value(Some(b"sk-test"));
        writer.fail(1, &Failed { why: Failure::Refused, name: "org.example.No".to_owned() });
        assert!(!room.windows(7).any(|window| window == b"sk-test"));
        let Answer::Failed(1, Failed { why: Failure::Refused, name }) = understand(&room, 2).unwrap() else { panic!() };
        assert_eq!(name, "org.example.No");
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for room in [&[][..], &[0; 8], &[DONE], &[DONE, 9, 0, 0, 0, 1], &[FAILED, 1], &[7, 7]] {
            assert!(matches!(understand(room, 1).unwrap(), Answer::Nothing), "{room:?}");
        }
    }
}
