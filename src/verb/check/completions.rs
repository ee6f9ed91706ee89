//! The completions of the user's own shell.

use std::path::{Path, PathBuf};

use super::Finding;
use crate::host::Host;

const PROBE: &str = "completions";

pub fn probe(host: &Host) -> Option<Finding> {
    let shell = host.variable("SHELL").and_then(|shell| Path::new(shell).file_name()?.to_str())?;
    let home = host.home()?;
    let data = host.variable("XDG_DATA_HOME").map_or_else(|| home.join(".local/share"), PathBuf::from);
    let config = host.variable("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let places = match shell {
        "bash" => vec![
            data.join("bash-completion/completions/withkey"),
            PathBuf::from("/usr/local/share/bash-completion/completions/withkey"),
            PathBuf::from("/usr/share/bash-completion/completions/withkey"),
        ],
        "zsh" => vec![
            home.join(".zfunc/_withkey"),
            data.join("zsh/site-functions/_withkey"),
            PathBuf::from("/usr/local/share/zsh/site-functions/_withkey"),
            PathBuf::from("/usr/share/zsh/site-functions/_withkey"),
            PathBuf::from("/usr/share/zsh/vendor-completions/_withkey"),
        ],
        "fish" => vec![
            config.join("fish/completions/withkey.fish"),
            PathBuf::from("/usr/local/share/fish/vendor_completions.d/withkey.fish"),
            PathBuf::from("/usr/share/fish/vendor_completions.d/withkey.fish"),
        ],
        _ => return None,
    };
    Some(match places.iter().find(|place| place.is_file()) {
        Some(place) => Finding::ok(PROBE, format!("{shell}: {}", place.display())),
        None => {
            let what = format!("none for {shell}");
            Finding::warning(PROBE, what, format!("withkey completions {shell} --install"))
        }
    })
}
