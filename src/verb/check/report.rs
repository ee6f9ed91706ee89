//! The answer: a table for people, an object for programs.

use serde::Serialize;

use super::finding::{Finding, State};
use crate::error::Error;
use crate::host::{Host, IDENTITY, IDENTITY_FILE};
use crate::store::identity;
use crate::ui::style::Style;
use crate::ui::{self, Ui, sanitize};

/// Stands before the line that mends what is above it.
const TO_MEND: &str = "to mend";

#[derive(Serialize)]
struct Report<'a> {
    version: u8,
    problems: usize,
    warnings: usize,
    /// Where the identity lies; null when it is given as text.
    identity: Option<String>,
    findings: &'a [Finding],
}

/// The answer's text.
///
/// # Errors
/// When it cannot be put into words.
pub fn text(findings: &[Finding], json: bool, host: &Host, ui: Ui) -> Result<String, Error> {
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (problems, warnings) = (count(State::Problem), count(State::Warning));
    if json {
        let identity = identity_path(host)?.map(|path| sanitize::string(path.as_os_str()));
        return ui::json(&Report { version: 1, problems, warnings, identity, findings });
    }
    let layout = ui.layout(host);
    let width = findings.iter().map(|finding| finding.probe.len()).max().unwrap_or(0).max(TO_MEND.len());
    let mut text = layout.heading(&format!("state    {:width$}  found", "probed")) + "\n";
    let beside = |words: &str| layout.beside(&layout.sentence(words, host), width + 11);
    for finding in findings {
        let label = match finding.state {
            State::Ok => "ok     ".to_owned(),
            State::Warning => layout.paint(Style::Heading, "warning"),
            State::Problem => layout.paint(Style::Error, "problem"),
        };
        text += &format!("{label}  {:width$}  {}", finding.probe, beside(&finding.what));
        if let Some(mend) = &finding.mend {
            let label = layout.paint(Style::Hint, TO_MEND);
            let before = format!("{:9}{label}{:2$}  ", "", "", width - TO_MEND.len());
            text += &layout.line(&before, &layout.sentence(mend, host), width + 11);
        }
    }
    text.push('\n');
    let identity = match identity_path(host)? {
        Some(path) => path.display().to_string(),
        None => format!("the text in {IDENTITY}"),
    };
    let line = format!("your identity is {identity}: back it up, nothing else opens your dotfiles");
    text += &layout.beside(&layout.sentence(&line, host), 0);
    text += &match (problems, warnings) {
        (0, 0) => "all is well\n".to_owned(),
        _ => format!("{}, {}\n", number(problems, "problem"), number(warnings, "warning")),
    };
    Ok(text)
}

fn identity_path(host: &Host) -> Result<Option<std::path::PathBuf>, Error> {
    if identity::is_given_by(IDENTITY, host) {
        return Ok(None);
    }
    host.variable(IDENTITY_FILE).map_or_else(|| Ok(Some(host.folders()?.identity())), |file| Ok(Some(file.into())))
}

fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
