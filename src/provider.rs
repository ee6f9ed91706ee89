//! Who issues keys, and what withkey knows of each.

pub mod address;
pub mod answer;
pub mod check;
#[cfg(feature = "online")]
mod host_names;
#[cfg(feature = "online")]
mod lookup;
pub mod online;
mod table;

use check::Check;
pub use table::PROVIDERS;

/// A provider and what withkey knows about its keys.
#[derive(Debug)]
pub struct Provider {
    /// The name that people know.
    pub name: &'static str,
    /// Variables under which its clients read a key; a client that reads two prefers the last.
    pub variables: &'static [&'static str],
    /// Variables of keys that administrate an account. Never a run key.
    pub admin_variables: &'static [&'static str],
    /// How its keys begin, the most specific first; empty when they have no prefix.
    pub prefixes: &'static [&'static str],
    /// Variables that redirect its clients, and with them the key.
    pub endpoints: &'static [&'static str],
    /// The host its clients ask when nothing redirects them.
    pub host: &'static str,
    /// The question that tells whether a key works.
    pub check: Check,
    /// Where a person makes and deletes keys.
    pub keys_page: &'static str,
    /// Where a person limits what the keys may spend, and sees what was billed.
    pub money_pages: &'static [(&'static str, &'static str)],
}

impl Provider {
    /// Whether a key acts for a person rather than for a service account, as far as its beginning tells.
    #[must_use]
    pub fn is_personal(&self, key: &[u8]) -> bool {
        self.prefixes.contains(&SERVICE_PREFIX)
            && key.starts_with(b"sk-")
            && !key.starts_with(SERVICE_PREFIX.as_bytes())
    }
}

/// How OpenAI's keys of service accounts begin.
const SERVICE_PREFIX: &str = "sk-svcacct-";

/// What stands under [`Provider::prefixes`] of OpenAI for a key that administrates.
pub const ADMIN_PREFIX: &str = "sk-admin-";

/// The provider whose key `variable` is, run key or admin key.
#[must_use]
pub fn of_variable(variable: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|row| row.variables.contains(&variable) || row.admin_variables.contains(&variable))
}

/// Whether `variable` is one under which an admin key is kept.
#[must_use]
pub fn is_admin_variable(variable: &str) -> bool {
    PROVIDERS.iter().any(|row| row.admin_variables.contains(&variable))
}

/// Every key variable of the table, admin keys too.
pub fn key_variables() -> impl Iterator<Item = &'static str> {
    PROVIDERS.iter().flat_map(|row| row.variables.iter().chain(row.admin_variables)).copied()
}

/// The known prefix that `key` begins with, the longest over all providers, and the rows it stands in.
#[must_use]
pub fn prefix_of(key: &[u8]) -> Option<(&'static str, Vec<&'static Provider>)> {
    let fits = |prefix: &&&str| key.starts_with(prefix.as_bytes());
    let longest = PROVIDERS.iter().flat_map(|row| row.prefixes).filter(fits).max_by_key(|prefix| prefix.len())?;
    Some((longest, PROVIDERS.iter().filter(|row| row.prefixes.contains(longest)).collect()))
}

/// Whether a word looks like a key that was typed where a name belongs: a known prefix, and behind it at least sixteen
/// letters and digits in a row with three digits among them, as no name has.
#[must_use]
pub fn looks_like_key(word: &str) -> bool {
    // Before the table: a completion asks this of ten thousand names.
    const RUN: usize = 16;
    if word.len() <= RUN {
        return false;
    }
    let Some((prefix, _)) = prefix_of(word.as_bytes()) else { return false };
    let rest = word.get(prefix.len()..).unwrap_or_default();
    rest.split(|c: char| !c.is_ascii_alphanumeric())
        .any(|run| run.len() >= RUN && run.bytes().filter(u8::is_ascii_digit).count() >= 3)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_longest_prefix_names_the_provider() {
        let names = |key: &str| prefix_of(key.as_bytes()).map(|(_, rows)| rows.iter().map(|row| row.name).collect());
        assert_eq!(names("sk-ant-api03-x"), Some(vec!["Anthropic"]));
        assert_eq!(names("sk-proj-x"), Some(vec!["OpenAI"]));
        assert_eq!(names("sk-or-v1-x"), Some(vec!["OpenRouter"]));
        assert_eq!(names("sk-x"), Some(vec!["OpenAI", "DeepSeek"]));
        assert_eq!(names("zz"), None);
    }

    #[test]
    fn every_page_is_one_of_the_providers_own() {
        let sites = |url: &str| {
            let host = url.strip_prefix("https://").unwrap().split('/').next().unwrap();
            host.rsplit('.').take(2).collect::<Vec<_>>().join(".")
        };
        for row in PROVIDERS {
            assert!(!row.money_pages.is_empty(), "{}: who limits what its keys may spend?", row.name);
            for (page, url) in row.money_pages {
                assert!(["usage", "limits", "billing"].contains(page), "{}: {page}", row.name);
                assert_eq!(sites(url), sites(row.keys_page), "{}: {url}", row.name);
            }
        }
    }

    #[test]
    fn a_key_is_told_from_a_name() {
        for key in [
            "sk-test-0123456789abcdefghij",
            "sk-4f6e0c2b9a1d4f6e0c2b9a1d4f6e0c2b",
            "sk-proj-Ab3_Qw7AAAABBBB1ccccDDDD0001",
        ] {
            assert!(looks_like_key(key), "{key}");
        }
        for name in ["work", "client-a", "sk-learn-experiments-2026", "hf_", "sk-team-production-environment", "AIza"] {
            assert!(!looks_like_key(name), "{name}");
        }
    }

    #[test]
    fn a_variable_stands_in_one_row_only() {
        let mut all: Vec<_> = key_variables().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
