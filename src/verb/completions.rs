//! `withkey completions`: the script that makes a shell complete withkey's words and, behind them, COMMAND's own.

use std::path::{Path, PathBuf};

use crate::cli::verbs::{Completions, Shell};
use crate::error::Error;
use crate::error::completions::Completions as Failure;
use crate::exit::Exit;
use crate::files::{self, Guard};
use crate::host::Host;
use crate::ui::layout::tilde;
use crate::ui::{self, Ui};

pub mod answer;

/// Stands in each script. A file without it is not ours to replace.
const MARK: &str = "withkey completions";

/// Runs the verb.
pub fn run(words: &Completions, host: &Host, ui: Ui) -> Result<Exit, Error> {
    let script = script(words.shell);
    if !words.install {
        return ui::answer(script).map(|()| Exit::Done);
    }
    let path = place(words.shell, host)?;
    let shown = tilde(&path, host);
    match files::read(&path, files::LARGEST, Guard::None)? {
        Some(old) if old == script.as_bytes() => ui.notice(&format!("{shown} is up to date")),
        Some(old) if !holds(&old, MARK) => return Err(Failure::NotOurs { path }.into()),
        old => {
            files::replace(&path, script.as_bytes())?;
            let done = if old.is_some() { "replaced" } else { "wrote" };
            ui.notice(&format!("{done} {shown}"));
        }
    }
    ui.hint(&next(words.shell, &path, host));
    Ok(Exit::Done)
}

fn script(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("../../completions/withkey.bash"),
        Shell::Zsh => include_str!("../../completions/_withkey"),
        Shell::Fish => include_str!("../../completions/withkey.fish"),
    }
}

/// Where the shell looks for a user's own scripts.
fn place(shell: Shell, host: &Host) -> Result<PathBuf, Error> {
    Ok(match shell {
        Shell::Bash => host.base_folder("XDG_DATA_HOME", ".local/share")?.join("bash-completion/completions/withkey"),
        Shell::Zsh => match on_fpath(host) {
            Some(folder) => folder.join("_withkey"),
            None => host.base_folder("XDG_DATA_HOME", ".local/share")?.join("zsh/site-functions/_withkey"),
        },
        Shell::Fish => host.base_folder("XDG_CONFIG_HOME", ".config")?.join("fish/completions/withkey.fish"),
    })
}

/// The first folder below HOME on zsh's FPATH, if the user exports it.
fn on_fpath(host: &Host) -> Option<PathBuf> {
    let home = host.home()?;
    let folders = std::env::split_paths(host.variable("FPATH")?);
    folders.into_iter().find(|folder| folder.starts_with(home) && folder.is_dir())
}

/// What is left to do.
fn next(shell: Shell, path: &Path, host: &Host) -> String {
    match shell {
        Shell::Bash if loads_by_itself(host) => "it works in the next bash you start".to_owned(),
        Shell::Bash => format!("bash-completion is not installed: add this line to ~/.bashrc: . {}", tilde(path, host)),
        Shell::Zsh if on_fpath(host).is_some() || named_in_zshrc(path, host) => {
            "it works in the next zsh you start".to_owned()
        }
        Shell::Zsh => {
            let folder = path.parent().unwrap_or(path);
            format!("add this line to ~/.zshrc, above compinit: fpath=({} $fpath)", tilde(folder, host))
        }
        Shell::Fish => "it works at once".to_owned(),
    }
}

/// Whether the package is there that loads a command's script when it is first completed.
fn loads_by_itself(host: &Host) -> bool {
    let places = ["/usr/share", "/usr/local/share", "/opt/homebrew/share", "/etc"];
    host.variable("BASH_COMPLETION_VERSINFO").is_some()
        || places.iter().any(|place| {
            Path::new(place).join("bash-completion/bash_completion").exists()
                || Path::new(place).join("profile.d/bash_completion.sh").exists()
        })
}

/// Whether the user's .zshrc knows the script's folder already.
fn named_in_zshrc(path: &Path, host: &Host) -> bool {
    let folder = host.variable("ZDOTDIR").map(Path::new).or(host.home());
    let text =
        folder.and_then(|folder| files::read(&folder.join(".zshrc"), files::LARGEST, Guard::None).ok().flatten());
    // As the hint spelled it, or in full.
    let Some(named) = path.parent() else { return false };
    text.is_some_and(|text| holds(&text, &tilde(named, host)) || holds(&text, &named.display().to_string()))
}

fn holds(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}
