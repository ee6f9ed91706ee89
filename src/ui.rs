//! Everything a person sees. stdout is the answer, stderr the conversation.

use std::io::{self, IsTerminal, Write};

use crate::error::Error;
use crate::host::Host;

pub mod layout;
pub mod prompt;
pub mod sanitize;
pub mod style;
mod terminal;

use layout::Layout;
use sanitize::clean;
use style::{Color, Style};

/// Whether colour is used on standard error, decided once; on standard output, when there is an answer to lay out.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    colored: bool,
    color: Color,
}

impl Ui {
    /// Decides by `--color`, NO_COLOR (no-color.org), TERM and what is a terminal.
    #[must_use]
    pub fn new(color: Color, host: &Host) -> Self {
        Self { colored: color.decide(host, stderr_is_terminal), color }
    }

    /// How the answer is laid out.
    #[must_use]
    pub fn layout(self, host: &Host) -> Layout {
        Layout::of_answer(stdout_is_colored(self.color, host))
    }

    /// An error's lines, on standard error.
    pub fn error(self, error: &Error) {
        self.error_with(error, None);
    }

    /// The same; `advice` takes the place of the error's own hint.
    pub fn error_with(self, error: &Error, advice: Option<String>) {
        let words = error.words();
        self.line("error", Style::Error, &words.error);
        if let Some(cause) = words.cause {
            self.line("cause", Style::Heading, &cause);
        }
        if let Some(hint) = advice.or(words.hint) {
            self.line("hint", Style::Hint, &hint);
        }
    }

    /// Something the user should know though the work goes on.
    pub fn warn(self, text: &str) {
        self.line("warning", Style::Error, text);
    }

    /// The next line to type.
    pub fn hint(self, text: &str) {
        self.line("hint", Style::Hint, text);
    }

    /// What was changed, in one line.
    #[allow(clippy::unused_self, reason = "one voice: every line to a person goes through the same value")]
    pub fn notice(self, text: &str) {
        say(&format!("withkey: {}\n", clean(text)));
    }

    fn line(self, label: &str, style: Style, text: &str) {
        say(&format!("withkey: {}: {}\n", style.paint(label, self.colored), clean(text)));
    }
}

/// Text for standard error as it is; a closed standard error changes nothing.
pub fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// The answer, on standard output.
///
/// # Errors
/// When it cannot be written, on a full disk for instance. A reader that went away is no failure.
pub fn answer(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(source) => Err(Error::System { doing: "write the answer", source }),
        Ok(()) => Ok(()),
    }
}

/// Whether a person may see what goes to standard error.
#[must_use]
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Whether the answer is coloured; see [`Color::decide`].
#[must_use]
pub fn stdout_is_colored(color: Color, host: &Host) -> bool {
    color.decide(host, || io::stdout().is_terminal())
}

/// A `--json` answer: one object.
///
/// # Errors
/// When it cannot be put into words, which no answer of withkey's does.
pub fn json(answer: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string_pretty(answer).map(|text| text + "\n").map_err(|_| Error::Internal)
}
