//! The same as apart.rs where a forked process may not use the system's keychain (macOS: CoreFoundation refuses to work after a
//! fork): a thread, which is left behind when time is up: a launch has failed then, and the process ends soon.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::memory::{self, Protected};

/// A task under way.
pub struct Apart {
    ended: Receiver<Protected>,
    answer: Option<Protected>,
}

impl Apart {
    /// Starts `task`, which leaves its answer in the `size` bytes it is given.
    ///
    /// # Errors
    /// When there is no memory, or no thread more.
    ///
    /// # Secrets
    /// What the task holds on its heap and stack is wiped before its thread ends.
    pub fn start(size: usize, task: impl FnOnce(&mut [u8]) + Send + 'static) -> io::Result<Self> {
        let mut answer = Protected::shared(size)?;
        let (sender, ended) = mpsc::channel();
        thread::Builder::new().spawn(move || {
            task(answer.bytes_mut());
            memory::scrub_stack::<{ 64 * 1024 }>();
            let _ = sender.send(answer);
        })?;
        Ok(Self { ended, answer: None })
    }

    /// Waits for its end, up to `time`; gives whether it has come.
    ///
    /// # Errors
    /// None here.
    pub fn ends_within(&mut self, time: Duration) -> io::Result<bool> {
        match self.ended.recv_timeout(time) {
            Ok(answer) => {
                self.answer = Some(answer);
                Ok(true)
            }
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => Ok(true),
        }
    }

    /// What it left, when it has ended.
    pub fn answer(self) -> Option<Protected> {
        self.answer
    }
}
