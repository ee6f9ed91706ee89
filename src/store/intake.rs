//! Taking keys in: asked for or piped in, judged, and spoken of.

use std::io::{self, Read};

use crate::error::Error;
use crate::error::intake::Intake;
use crate::key::{self, Key, LONGEST};
use crate::memory::Protected;
use crate::profile::description::StoreKind;
use crate::profile::{ProfileName, Variable};
use crate::store::change::Taken;
use crate::ui::Ui;
use crate::ui::prompt::Prompt;

mod guide;

/// What a line may hold beside a key: quotes, `export NAME=`, white space. In bytes.
const AROUND: usize = 1024;

/// Asks for the key of `variable` on the terminal, until something is typed that can be one.
///
/// # Errors
/// When the terminal closes.
pub fn ask(prompt: &Prompt, variable: &Variable, ui: Ui) -> Result<Key, Error> {
    for line in guide::steps(variable) {
        prompt.tell(&line);
    }
    loop {
        let typed = prompt.secret(&format!("{variable} (not shown while you type): "))?;
        match judged(variable, typed.bytes(), ui) {
            Ok(key) => return Ok(key),
            Err(Error::Intake(Intake::NotAKey { why, hint, .. })) => {
                prompt.tell(&format!("that cannot be a key: {why}"));
                prompt.tell(&format!("  {hint}"));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Reads one key a line from standard input, in the order of `variables`.
///
/// # Errors
/// When there are not as many lines as variables, or one of them cannot be a key: none is given then.
pub fn from_standard_input(variables: &[Variable], ui: Ui) -> Result<Vec<Key>, Error> {
    let cannot = |source| Error::System { doing: "read standard input", source };
    let limit = variables.len() * (LONGEST + AROUND);
    let mut text = Protected::zeroed(limit).map_err(cannot)?;
    let mut filled = 0;
    let mut stdin = io::stdin().lock();
    while let Some(rest) = text.bytes_mut().get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stdin.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(cannot(source)),
        }
    }
    if filled == limit {
        return Err(Error::TooLarge { path: "standard input".into(), limit });
    }
    text.truncate(filled);
    let mut lines: Vec<&[u8]> = text.bytes().split(|&byte| byte == b'\n').collect();
    // What stands behind the last line's end is no line, and empty lines at the end are no keys.
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    while lines.len() > variables.len() && lines.last().is_some_and(|line| line.trim_ascii().is_empty()) {
        lines.pop();
    }
    if lines.len() != variables.len() {
        let names = variables.iter().map(ToString::to_string).collect();
        return Err(Error::Intake(Intake::LineCount { variables: names, lines: lines.len() }));
    }
    variables.iter().zip(lines).map(|(variable, line)| judged(variable, line, ui)).collect()
}

/// Cleans and judges a value, and tells its owner what was done to it and what is odd about it.
///
/// # Errors
/// [`Intake::NotAKey`] when it cannot be a key.
pub fn judged(variable: &Variable, raw: &[u8], ui: Ui) -> Result<Key, Error> {
    let refused = |refusal: key::Refusal| {
        Error::Intake(Intake::NotAKey { variable: variable.to_string(), why: refusal.why, hint: refusal.hint })
    };
    let intake = key::take_in(variable.as_str(), raw).map_err(refused)?;
    if !intake.taken_off.is_empty() {
        ui.notice(&format!("took {} off the value for {variable}", intake.taken_off.join(", ")));
    }
    say_odd(variable, &intake.odd, "stored", ui);
    Ok(intake.key)
}

/// Tells a key's owner what is odd about it.
pub fn say_odd(variable: &Variable, odd: &[String], done: &str, ui: Ui) {
    for odd in odd {
        ui.warn(&format!("{variable}: {odd}; it is {done} all the same"));
    }
}

/// Says what is stored now, one line a key.
pub fn say_stored(name: &ProfileName, taken: &[Taken], kind: StoreKind, ui: Ui) {
    for Taken { variable, key, .. } in taken {
        ui.notice(&format!("stored {variable} ({}) in profile {name}, store {}", key.masked(), kind.as_str()));
    }
}
