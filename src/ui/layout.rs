//! How answers are laid out: columns, wrapped text, paths as a person writes them.

use std::path::Path;

use crate::host::Host;

/// A path as a person writes it: HOME as `~`.
#[must_use]
pub fn tilde(path: &Path, host: &Host) -> String {
    match host.home().and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}
