//! Colour: three styles, and never the only bearer of meaning.

use crate::host::Host;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal that shows colour.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

impl Color {
    /// Whether to colour a stream; NO_COLOR and TERM=dumb speak when the user did not.
    #[must_use]
    pub fn decide(self, host: &Host, is_terminal: fn() -> bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                host.variable("NO_COLOR").is_none()
                    && host.variable("TERM").is_some_and(|term| term != "dumb")
                    && is_terminal()
            }
        }
    }
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug)]
pub enum Style {
    /// Something is wrong.
    Error,
    /// Something to do.
    Hint,
    /// A name for what follows.
    Heading,
}

impl Style {
    /// `text` in this style, when `colored`.
    #[must_use]
    pub fn paint(self, text: &str, colored: bool) -> String {
        let code = match self {
            Self::Error => "1;31",
            Self::Hint => "36",
            Self::Heading => "1",
        };
        if colored { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
