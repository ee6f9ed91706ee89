//! `withkey rotate`: a new key in, switched in one step, the previous one kept sealed until `--finish`.

use std::io::IsTerminal;

use crate::cli::verbs::Rotate;
use crate::error::{Error, helper::Helper, online::Online, rotation::Rotation};
use crate::exit::Exit;
use crate::host::Host;
use crate::key::Key;
use crate::profile::description::StoreKind;
use crate::profile::{Description, ProfileName, Variable};
use crate::provider;
use crate::provider::answer::Answer;
use crate::store::current::{self, Current};
use crate::store::{self, intake, rotation};
use crate::ui::Ui;
use crate::ui::prompt::Prompt;
use crate::verb::online::Asker;

mod uses;

use uses::Uses;

/// Runs the verb.
pub fn run(words: &Rotate, host: &Host, ui: Ui) -> Result<Exit, Error> {
    let name: ProfileName = words.profile.parse()?;
    let named = words.variable.as_deref().map(Variable::for_key).transpose()?;
    let unknown = || Error::UnknownProfile { name: name.to_string(), chosen_by: None };
    let description = Description::read(host.folders()?, &name)?.ok_or_else(unknown)?;
    let variable = meant(words, &name, named, &description)?;
    if words.undo {
        return undo(&name, &variable, &description, host, ui);
    }
    if words.finish {
        return finish(&name, &variable, &description, host, ui);
    }
    replace(words, &name, &variable, host, ui)
}

/// The variable that is named, or the only one it can be.
fn meant(
    words: &Rotate,
    name: &ProfileName,
    named: Option<Variable>,
    description: &Description,
) -> Result<Variable, Error> {
    if let Some(named) = named {
        return Ok(named);
    }
    let back = words.undo || words.finish;
    let open = if back && !description.previous.is_empty() { &description.previous } else { &description.variables };
    match &open[..] {
        [only] => Ok(only.variable.clone()),
        several => {
            let variables = several.iter().map(|described| described.variable.to_string()).collect();
            let options = match (words.undo, words.finish) {
                (true, _) => " --undo",
                (_, true) => " --finish",
                _ => "",
            };
            Err(Error::Rotation(Rotation::WhichVariable { profile: name.to_string(), variables, options }))
        }
    }
}

fn replace(words: &Rotate, name: &ProfileName, variable: &Variable, host: &Host, ui: Ui) -> Result<Exit, Error> {
    let asker = words.online.then(|| Asker::new(words.proxy.as_deref(), host)).transpose()?;
    // Whatever can go wrong goes wrong before the key is taken in: its owner may see it once only.
    let Current { description, keys, store } = current::read(name, host, ui, None, |description| {
        if description.store == StoreKind::Helper {
            return Err(Error::Helper(Helper::KeptElsewhere { profile: name.to_string() }));
        }
        rotation::may_begin(description, name, variable)?;
        variable.previous()?;
        Ok(vec![variable.clone()])
    })?;
    let (_, old) = keys.into_iter().next().ok_or(Error::Internal)?;
    ui.notice(&format!("replacing {variable} ({}) of profile {name}", old.masked()));
    say_uses(&uses::of(name, variable, &old, host)?, ui);
    let new = take_in(words, name, variable, ui, host)?;
    rotation::differs(name, variable, &old, &new)?;
    if let Some(asker) = asker {
        let answer = asker.ask_about_new(variable, &new, Some(&description), ui)?;
        if let Some(answer) = answer.filter(|answer| !answer.is_real()) {
            confirm(name, variable, &answer, host)?;
        }
    }
    let previous = rotation::switch(&*store, name, variable, &new, host, ui)?;
    let kind = store.kind().as_str();
    ui.notice(&format!("stored {variable} ({}) in profile {name}, store {kind}", new.masked()));
    ui.notice(&format!("the previous key ({}) is kept in the same store until you finish", previous.masked));
    ui.hint(&format!("when all works with the new key: withkey rotate {name} {variable} --finish; to go back: withkey rotate {name} {variable} --undo"));
    Ok(Exit::Done)
}

/// Says where the key is used, and where it lies in clear.
fn say_uses(uses: &Uses, ui: Ui) {
    for directory in &uses.directories {
        ui.notice(&format!("used in {}", directory.display()));
    }
    for (program, directory, time) in &uses.launches {
        ui.notice(&format!("used by {program} in {directory}, last at {time}"));
    }
    for path in &uses.dotfiles {
        ui.warn(&format!("{} holds this very key, for everybody who can open it", path.display()));
    }
    if uses.default {
        ui.notice("used wherever nothing else is chosen: it is the default");
    }
    for (file, line) in &uses.clear {
        ui.warn(&format!("{} holds this very key in clear, in line {line}", file.display()));
    }
    for unread in &uses.unread {
        ui.warn(&format!("{} could not be looked into", unread.display()));
    }
}

fn take_in(words: &Rotate, name: &ProfileName, variable: &Variable, ui: Ui, host: &Host) -> Result<Key, Error> {
    if std::io::stdin().is_terminal() {
        let online = if words.online { " --online" } else { "" };
        let line = format!("printf '%s\\n' \"$KEY\" | withkey rotate {name} {variable}{online}");
        return intake::ask(&Prompt::open_with_stdin(host.agent(), "the new key", &line)?, variable, ui);
    }
    if let Some(provider) = provider::of_variable(variable.as_str()) {
        ui.notice(&format!("a new key is made at {}", provider.keys_page));
    }
    let keys = intake::from_standard_input(std::slice::from_ref(variable), ui)?;
    keys.into_iter().next().ok_or(Error::Internal)
}

/// The provider's answer says nothing: whether to go on is the owner's to say.
fn confirm(name: &ProfileName, variable: &Variable, answer: &Answer, host: &Host) -> Result<(), Error> {
    let hint = format!("to replace the key unasked: withkey rotate {name} {variable}");
    let unclear = || {
        let (variable, sentence, exit) = (variable.to_string(), answer.sentence(), answer.exit());
        Error::Online(Online::Unclear { variable, sentence, hint: hint.clone(), exit })
    };
    // Standard input may be the key's: the question goes to the terminal itself, if there is one.
    let prompt = Prompt::open(host.agent(), "leave to go on", &hint).map_err(|_| unclear())?;
    if prompt.yes("whether the new key works is not known. Replace the old one all the same?", false)? {
        Ok(())
    } else {
        Err(Error::Declined { what: "replacing" })
    }
}

fn undo(
    name: &ProfileName,
    variable: &Variable,
    description: &Description,
    host: &Host,
    ui: Ui,
) -> Result<Exit, Error> {
    let (back, kept) = rotation::undo(&*store::of(description.store, host, ui)?, name, variable, host, ui)?;
    ui.notice(&format!("went back to the previous key of {variable} ({}) in profile {name}", back.masked));
    ui.notice(&format!(
        "the key that was in use until now ({}) is the previous one now, kept in the same store",
        kept.masked
    ));
    ui.hint(&format!("to go back to it: withkey rotate {name} {variable} --undo; to delete it: withkey rotate {name} {variable} --finish"));
    Ok(Exit::Done)
}

fn finish(
    name: &ProfileName,
    variable: &Variable,
    description: &Description,
    host: &Host,
    ui: Ui,
) -> Result<Exit, Error> {
    let gone = rotation::finish(&*store::of(description.store, host, ui)?, name, variable, host, ui)?;
    ui.notice(&format!("deleted the previous key of {variable} ({}) from profile {name}", gone.masked));
    if let Some(row) = provider::of_variable(variable.as_str()) {
        ui.hint(&format!("it works until it is deleted at {} too: {}", row.name, row.keys_page));
    }
    ui.hint("withkey cannot see where else it was put: CI secrets, other machines, deployed services, shared notes");
    Ok(Exit::Done)
}
