//! `[providers.openai] base_url = "https://gw.example/v1"`, `ca_file = "…"`: where `--online` asks about a key instead of
//! at its provider. Only the user's own config.toml says so, never a project and never the environment.

use std::path::PathBuf;

use toml_edit::Item;

use crate::host::Host;
use crate::provider::{PROVIDERS, Provider};

/// The way to a provider, or to what stands in front of it.
#[derive(Debug)]
pub struct Gateway {
    /// Whose keys it takes.
    pub provider: &'static Provider,
    /// In place of the provider's own address; begins with `https://`.
    pub base_url: Option<String>,
    /// Certificates (PEM) to trust in place of the bundled ones.
    pub ca_file: Option<PathBuf>,
}

/// Reads the table `providers`.
pub(super) fn read(item: &Item, host: &Host) -> Result<Vec<Gateway>, String> {
    let table = item.as_table_like().ok_or("`providers` is not a table")?;
    table.iter().map(|(id, item)| one(id, item, host)).collect()
}

fn one(id: &str, item: &Item, host: &Host) -> Result<Gateway, String> {
    let ids = || PROVIDERS.iter().map(|row| row.check.id).collect::<Vec<_>>().join(", ");
    let provider = PROVIDERS.iter().find(|row| row.check.id == id);
    let provider = provider.ok_or_else(|| format!("`providers.{id}` is none of {}", ids()))?;
    let mut gateway = Gateway { provider, base_url: None, ca_file: None };
    for (field, item) in item.as_table_like().ok_or_else(|| format!("`providers.{id}` is not a table"))?.iter() {
        let text = item.as_str().ok_or_else(|| format!("`{field}` of providers.{id} is not a string"))?;
        match field {
            "base_url" => gateway.base_url = Some(address(id, text)?),
            "ca_file" => gateway.ca_file = Some(super::at_home(text, host)),
            _ => return Err(format!("`providers.{id}` has an unknown field `{field}`")),
        }
    }
    Ok(gateway)
}

/// A key goes there: no clear text, nothing before the host, nothing behind the path.
fn address(id: &str, text: &str) -> Result<String, String> {
    let rest =
        text.strip_prefix("https://").ok_or(format!("`base_url` of providers.{id} does not begin with https://"))?;
    let plain = |c: char| c.is_ascii_graphic() && !"@?#\\\"<>".contains(c);
    if rest.is_empty() || rest.starts_with(['/', ':']) || !rest.chars().all(plain) {
        return Err(format!("`base_url` of providers.{id} is not https://HOST[:PORT][/PATH]"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_to_a_plain_https_address_only() {
        for good in ["https://gw.example/v1", "https://gw.example:8443", "https://[::1]:8443/v1/", "https://127.0.0.1"]
        {
            assert!(address("openai", good).is_ok(), "{good}");
        }
        for bad in [
            "http://gw.example/v1",
            "gw.example",
            "HTTPS",
            "https://",
            "https:///v1",
            "https://:443/",
            "https://api.openai.com@gw.example/",
            "https://gw.example/?a=b",
            "https://gw.example/#x",
            "https://gw.exa mple/",
            "https://gw.example\\@x/",
            "https://gw.éxample/",
        ] {
            assert!(address("openai", bad).is_err(), "{bad}");
        }
    }
}
