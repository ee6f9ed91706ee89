//! config.toml: the user's own options. Absent for most people; read only where an option matters.

use std::path::PathBuf;
use std::time::Duration;

use toml_edit::{DocumentMut, Item};

use crate::error::Error;
use crate::files::{self, Guard};
use crate::host::Host;

mod gateway;

pub use gateway::Gateway;

/// What config.toml says.
#[derive(Debug, Default)]
pub struct Config {
    /// SSH keys that open dotfiles beside the personal identity.
    pub identities: Vec<PathBuf>,
    /// Further recipients of the user's own profiles: a second machine, a recovery key.
    pub recipients: Vec<String>,
    /// How long a keychain may take to answer, prompts apart.
    pub keychain_timeout: Option<Duration>,
    /// `log = false`: launches are not written down.
    pub no_log: bool,
    /// A key that its owner says has expired is not used.
    pub refuse_expired: bool,
    /// After how many days a key counts as old.
    pub old_after: Option<u16>,
    /// How long a helper may take.
    pub helper_timeout: Option<Duration>,
    /// Where to ask about keys in place of the providers themselves.
    pub gateways: Vec<Gateway>,
}

impl Config {
    /// Reads config.toml; a missing one says nothing. `~/` in a path is HOME.
    ///
    /// # Errors
    /// When it cannot be read, or has a field withkey does not know.
    pub fn read(host: &Host) -> Result<Self, Error> {
        // Where the folder is not known there is none, and whoever needs the folder itself will say so.
        let Ok(folders) = host.folders() else { return Ok(Self::default()) };
        let path = folders.config.join("config.toml");
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
                "log" => config.no_log = !yes_or_no(field, item).map_err(wrong)?,
                "refuse_expired" => config.refuse_expired = yes_or_no(field, item).map_err(wrong)?,
                "old_after" => config.old_after = Some(days(field, item).map_err(wrong)?),
                "helper_timeout" => config.helper_timeout = Some(seconds(field, item).map_err(wrong)?),
                "recipients" => config.recipients = texts(field, item).map_err(wrong)?.map(str::to_owned).collect(),
                "keychain_timeout" => config.keychain_timeout = Some(seconds(field, item).map_err(wrong)?),
                "providers" => config.gateways = gateway::read(item, host).map_err(wrong)?,
                _ => return Err(wrong(format!("it has an unknown field `{field}`"))),
            }
        }
        Ok(config)
    }
}

fn yes_or_no(field: &str, item: &Item) -> Result<bool, String> {
    item.as_bool().ok_or_else(|| format!("`{field}` is neither true nor false"))
}

/// `"180d"`.
fn days(field: &str, item: &Item) -> Result<u16, String> {
    let days = item.as_str().and_then(|text| text.strip_suffix('d')).and_then(|days| days.parse().ok());
    days.filter(|days| *days > 0).ok_or_else(|| format!("`{field}` is not a number of days such as \"180d\""))
}

fn seconds(field: &str, item: &Item) -> Result<Duration, String> {
    let seconds = item.as_integer().and_then(|seconds| u64::try_from(seconds).ok());
    let seconds = seconds.filter(|seconds| (1..=3600).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| format!("`{field}` is not a number of seconds from 1 to 3600"))
}

fn texts<'a>(field: &str, item: &'a Item) -> Result<impl Iterator<Item = &'a str>, String> {
    let wrong = || format!("`{field}` is not a list of strings");
    let array = item.as_array().ok_or_else(wrong)?;
    if array.iter().any(|text| text.as_str().is_none()) {
        return Err(wrong());
    }
    Ok(array.iter().filter_map(|text| text.as_str()))
}

fn at_home(path: &str, host: &Host) -> PathBuf {
    match (path.strip_prefix("~/"), host.home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}
