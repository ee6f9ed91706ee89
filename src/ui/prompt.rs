//! Questions to a person, on /dev/tty, asked only when somebody is there to answer.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;

use crate::error::Error;
use crate::memory::Protected;
use crate::ui::sanitize::clean;
use crate::ui::terminal;

/// The terminal of somebody who can answer.
pub struct Prompt {
    terminal: File,
}

impl Prompt {
    /// Opens /dev/tty, when this process is in its foreground and no coding agent runs it (`agent` is its variable).
    ///
    /// # Errors
    /// [`Error::NobodyToAsk`], naming what was `wanted` and the line to type instead (`hint`).
    pub fn open(agent: Option<&str>, wanted: &'static str, hint: &str) -> Result<Self, Error> {
        let nobody = |why: String| Error::NobodyToAsk { wanted, why, hint: hint.to_owned() };
        if let Some(agent) = agent {
            return Err(nobody(format!("a coding agent runs this command ({agent} is set)")));
        }
        let terminal = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open("/dev/tty");
        let terminal = terminal.map_err(|_| nobody("there is no terminal".to_owned()))?;
        if nix::unistd::tcgetpgrp(&terminal) != Ok(nix::unistd::getpgrp()) {
            return Err(nobody("withkey runs in the background of its terminal".to_owned()));
        }
        Ok(Self { terminal })
    }

    /// The same, for what also wants standard input to be a terminal: a pipe there is meant for something else.
    ///
    /// # Errors
    /// As [`Prompt::open`].
    pub fn open_with_stdin(agent: Option<&str>, wanted: &'static str, hint: &str) -> Result<Self, Error> {
        if io::stdin().is_terminal() {
            Self::open(agent, wanted, hint)
        } else {
            let why = "standard input is not a terminal".to_owned();
            Err(Error::NobodyToAsk { wanted, why, hint: hint.to_owned() })
        }
    }

    /// Shows a line and goes on.
    pub fn tell(&self, text: &str) {
        let _ = writeln!(&self.terminal, "{}", clean(text));
    }

    /// Asks for a secret; what is typed is not shown.
    ///
    /// # Errors
    /// When the terminal closes or the line is too long for it.
    ///
    /// # Secrets
    /// The answer is the caller's, in protected pages.
    pub fn secret(&self, question: &str) -> Result<Protected, Error> {
        self.ask(question, true)
    }

    /// Asks for yes or no; an empty answer is `otherwise`.
    ///
    /// # Errors
    /// When the terminal closes.
    pub fn yes(&self, question: &str, otherwise: bool) -> Result<bool, Error> {
        let choices = if otherwise { "[Y/n]" } else { "[y/N]" };
        loop {
            let answer = self.ask(&format!("{question} {choices} "), false)?;
            match answer.bytes().trim_ascii().to_ascii_lowercase().as_slice() {
                b"" => return Ok(otherwise),
                b"y" | b"yes" => return Ok(true),
                b"n" | b"no" => return Ok(false),
                _ => self.tell("y or n"),
            }
        }
    }

    fn ask(&self, question: &str, hidden: bool) -> Result<Protected, Error> {
        let question = clean(question);
        let ask = || {
            let _ = (&self.terminal).write_all(question.as_bytes());
        };
        terminal::read_line(&self.terminal, hidden, ask).map_err(|error| Error::Prompt {
            why: match error.kind() {
                io::ErrorKind::UnexpectedEof => "the terminal's input ended",
                io::ErrorKind::InvalidData => "the line is longer than a terminal takes; use standard input",
                _ => "the terminal could not be read",
            },
        })
    }
}
