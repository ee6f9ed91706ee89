//! config.toml: the user's own options. Absent for most people; read only where an option matters.

use std::path::PathBuf;

use toml_edit::{DocumentMut, Item};

use crate::error::Error;
use crate::files::{self, Guard};
use crate::host::Host;

/// What config.toml says.
#[derive(Debug, Default)]
pub struct Config {
    /// SSH keys that open dotfiles beside the personal identity.
    pub identities: Vec<PathBuf>,
    /// Further recipients of the user's own profiles: a second machine, a recovery key.
    pub recipients: Vec<String>,
    /// How long a keychain may take to answer, prompts apart, in seconds; 1 to 3600.
    pub keychain_timeout: Option<u32>,
}

impl Config {
    /// Reads config.toml; a missing one says nothing. `~/` in a path is HOME.
    ///
    /// # Errors
    /// When it cannot be read, or has a field withkey does not know.
    pub fn read(host: &Host) -> Result<Self, Error> {
        let path = host.folders()?.config.join("config.toml");
        let Some(bytes) = files::read(&path, files::LARGEST, Guard::Own)? else { return Ok(Self::default()) };
        let wrong = |why: String| Error::Config { path: path.clone(), why };
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong("it is not UTF-8 text".to_owned()))?;
        let document: DocumentMut =
            text.parse().map_err(|error: toml_edit::TomlError| wrong(error.message().to_owned()))?;
        let mut config = Self::default();
        for (field, item) in document.iter() {
            match field {
                "identities" => {
                    config.identities = texts(field, item).map_err(wrong)?.map(|path| at_home(path, host)).collect()
                }
                "recipients" => config.recipients = texts(field, item).map_err(wrong)?.map(str::to_owned).collect(),
                "keychain_timeout" => config.keychain_timeout = Some(seconds(field, item).map_err(wrong)?),
                _ => return Err(wrong(format!("it has an unknown field `{field}`"))),
            }
        }
        Ok(config)
    }
}

fn texts<'a>(field: &str, item: &'a Item) -> Result<impl Iterator<Item = &'a str>, String> {
    let wrong = || format!("`{field}` is not a list of strings");
    let array = item.as_array().ok_or_else(wrong)?;
    if array.iter().any(|text| text.as_str().is_none()) {
        return Err(wrong());
    }
    Ok(array.iter().filter_map(|text| text.as_str()))
}

fn seconds(field: &str, item: &Item) -> Result<u32, String> {
    let seconds = item.as_integer().and_then(|seconds| u32::try_from(seconds).ok());
    let bounded = seconds.filter(|seconds| (1..=3600).contains(seconds));
    bounded.ok_or_else(|| format!("`{field}` is not a number of seconds from 1 to 3600"))
}

fn at_home(path: &str, host: &Host) -> PathBuf {
    match (path.strip_prefix("~/"), host.home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}
