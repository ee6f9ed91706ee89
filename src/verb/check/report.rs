//! The answer: a table for people, an object for programs.

use serde::Serialize;

use super::finding::{Finding, State};
use crate::error::Error;
use crate::host::{Host, IDENTITY, IDENTITY_FILE};
use crate::store::identity;
use crate::ui::style::Style;
use crate::ui::{self, Ui, sanitize};

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
    let width = findings.iter().map(|finding| finding.probe.len()).max().unwrap_or(0);
    let heading = format!("state    {:width$}  found", "probed");
    let mut text = ui.paint_answer(Style::Heading, &heading) + "\n";
    for finding in findings {
        let (label, style) = match finding.state {
            State::Ok => ("ok     ", None),
            State::Warning => ("warning", Some(Style::Hint)),
            State::Problem => ("problem", Some(Style::Error)),
        };
        let label = style.map_or_else(|| label.to_owned(), |style| ui.paint_answer(style, label));
        text += &format!("{label}  {:width$}  {}\n", finding.probe, sanitize::clean(&finding.what));
        if let Some(mend) = &finding.mend {
            text += &format!("{:9}{:width$}  to mend: {}\n", "", "", sanitize::clean(mend));
        }
    }
    text.push('\n');
    if let Some(path) = identity_path(host)? {
        let path = sanitize::clean(&path.display().to_string());
        text += &format!("your identity is {path}: back it up, nothing else opens your dotfiles\n");
    } else {
        text += &format!("your identity is the text in {IDENTITY}: back it up, nothing else opens your dotfiles\n");
    }
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
