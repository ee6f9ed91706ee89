//! `withkey add -f FILE`: keys into a project's dotfile, or the dotfile encrypted anew.

use std::io::IsTerminal;
use std::path::Path;

use crate::cli::verbs::Add;
use crate::error::{Error, line, project::Project};
use crate::exit::Exit;
use crate::host::Host;
use crate::key::Key;
use crate::profile::Variable;
use crate::store::project::write::{Audience, Draft};
use crate::store::{Change, intake};
use crate::ui::Ui;
use crate::ui::prompt::Prompt;
use crate::verb::allow;

/// Runs the verb on the dotfile `file`.
pub fn run(words: &Add, file: &Path, host: &Host, ui: Ui) -> Result<Exit, Error> {
    let path = allow::place(file)?;
    if !path.parent().is_some_and(Path::is_dir) {
        let source = std::io::Error::from_raw_os_error(libc::ENOENT);
        return Err(Error::File { doing: "write", path, source });
    }
    let variables = super::named(&words.words)?;
    let typed = [line("withkey add -f", file), words.words.join(" ")].join(" ");
    let draft = Draft::begin(&path, host, ui)?;
    if variables.is_empty() && !draft.is_there() {
        return Err(Project::Missing { path }.into());
    }
    if let Some(variable) = variables.iter().find(|variable| draft.has(variable)).filter(|_| !words.replace) {
        return Err(Project::Exists { path, variable: variable.to_string() }.into());
    }
    let audience = draft.audience();
    consent(&draft, &audience, &path, typed.trim_end(), host)?;
    let keys = keys(words, &variables, &typed, host, ui)?;
    let changes: Vec<_> = variables.iter().zip(&keys).map(|(variable, key)| Change::Put(variable, key)).collect();
    let people = draft.recipients.all.len();
    if draft.recipients_are_new {
        ui.notice(&format!("made {}: commit it with the dotfile", draft.recipients.file.display()));
    }
    draft.write(&changes, ui)?;
    let people = format!("{people} recipient{}", if people == 1 { "" } else { "s" });
    for (variable, key) in variables.iter().zip(&keys) {
        ui.notice(&format!("stored {variable} ({}) in {}, for {people}", key.masked(), path.display()));
    }
    if variables.is_empty() {
        ui.notice(&format!("encrypted {} anew, for {people}", path.display()));
    }
    if !audience.removed.is_empty() {
        ui.hint(
            "who was removed keeps what they have seen: make new keys at the provider, and store them with --replace",
        );
    }
    Ok(Exit::Done)
}

/// Shows who will be able to open the file, and asks. Without a terminal nothing may change for them.
fn consent(draft: &Draft, audience: &Audience, path: &Path, typed: &str, host: &Host) -> Result<(), Error> {
    let hint = format!("run it on a terminal: {typed}");
    let prompt = match Prompt::open(host.agent(), "leave to write for others", &hint) {
        Ok(prompt) => prompt,
        Err(_) if audience.is_same() && !draft.recipients_are_new => return Ok(()),
        Err(Error::NobodyToAsk { .. }) if draft.recipients_are_new => {
            let file = draft.recipients.file.clone();
            let recipient = draft.own().unwrap_or_default();
            return Err(Project::NoRecipients { file, dotfile: path.to_owned(), recipient }.into());
        }
        Err(error) => return Err(error),
    };
    prompt.tell(&format!("who will be able to open {}:", path.display()));
    let own = draft.own();
    for person in &draft.recipients.all {
        // Before the rest: behind it a comment could say the same of somebody else.
        let you = if own.as_ref() == Some(&person.recipient) { "you: " } else { "" };
        prompt.tell(&format!("  {you}{}", person.words()));
    }
    if draft.recipients_are_new {
        prompt.tell(&format!("{} is made for that; add your team to it", draft.recipients.file.display()));
    }
    if draft.is_there() {
        for (change, people) in [("new", &audience.added), ("no longer", &audience.removed)] {
            people.iter().for_each(|person| prompt.tell(&format!("  {change}: {person}")));
        }
        if let Some(unknown) = &audience.unknown {
            prompt.tell(unknown);
        }
        if audience.is_same() {
            prompt.tell("the same as now");
        }
    }
    if prompt.yes("write it?", audience.is_same())? { Ok(()) } else { Err(Error::Declined { what: "writing" }) }
}

fn keys(words: &Add, variables: &[Variable], typed: &str, host: &Host, ui: Ui) -> Result<Vec<Key>, Error> {
    match &words.from {
        _ if variables.is_empty() => Ok(Vec::new()),
        Some(file) => super::from_file(file, variables, ui),
        None if std::io::stdin().is_terminal() => {
            let hint = format!("printf '%s\\n' \"$KEY\" | {typed}");
            let prompt = Prompt::open_with_stdin(host.agent(), "a key", &hint)?;
            variables.iter().map(|variable| intake::ask(&prompt, variable, ui)).collect()
        }
        None => intake::from_standard_input(variables, ui),
    }
}
