//! Who issues keys: one row each. Another provider costs a row, and the rows are why this page is a long one.

pub mod address;
pub mod answer;
pub mod check;
#[cfg(feature = "online")]
mod host_names;
#[cfg(feature = "online")]
mod lookup;
pub mod online;

use answer::Answer;
use check::{Check, Looks, OTHER_ADDRESS, OTHER_COUNTRY, Says, Sent};

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

/// The providers, OpenAI first.
pub static PROVIDERS: &[Provider] = &[
    Provider {
        name: "OpenAI",
        variables: &["OPENAI_API_KEY"],
        admin_variables: &["OPENAI_ADMIN_KEY"],
        prefixes: &["sk-proj-", SERVICE_PREFIX, ADMIN_PREFIX, "sk-"],
        endpoints: &["OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_PROXY"],
        host: "api.openai.com",
        check: Check {
            id: "openai",
            base: "https://api.openai.com/v1",
            path: "/models",
            sent: Sent::Bearer,
            headers: &[],
            says: &[
                Says {
                    words: &["unsupported_country_region_territory", "country, region, or territory not supported"],
                    means: Answer::Account(OTHER_COUNTRY),
                },
                Says { words: &["incorrect api key"], means: Answer::Invalid },
            ],
            catches: &[],
            tells: &[],
        },
        keys_page: "https://platform.openai.com/api-keys",
        money_pages: &[
            ("usage", "https://platform.openai.com/usage"),
            ("limits", "https://platform.openai.com/settings/organization/limits"),
            ("billing", "https://platform.openai.com/settings/organization/billing"),
        ],
    },
    Provider {
        name: "Anthropic",
        variables: &["ANTHROPIC_API_KEY"],
        admin_variables: &[],
        prefixes: &["sk-ant-"],
        endpoints: &["ANTHROPIC_BASE_URL"],
        host: "api.anthropic.com",
        check: Check {
            id: "anthropic",
            base: "https://api.anthropic.com",
            path: "/v1/models",
            sent: Sent::Named("x-api-key"),
            headers: &[("anthropic-version", "2023-06-01")],
            says: &[
                Says { words: &["billing_error", "credit balance is too low"], means: Answer::Money("billing") },
                Says { words: &["permission_error"], means: Answer::Permission(None) },
                Says { words: &["rate_limit_error"], means: Answer::Wait(None) },
                Says { words: &["authentication_error"], means: Answer::Invalid },
            ],
            catches: &[],
            tells: &[],
        },
        keys_page: "https://platform.claude.com/settings/keys",
        money_pages: &[
            ("usage", "https://platform.claude.com/usage"),
            ("limits", "https://platform.claude.com/settings/limits"),
            ("billing", "https://platform.claude.com/settings/billing"),
        ],
    },
    Provider {
        name: "Gemini",
        variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        admin_variables: &[],
        prefixes: &["AIza", "AQ."],
        endpoints: &[],
        host: "generativelanguage.googleapis.com",
        check: Check {
            id: "gemini",
            base: "https://generativelanguage.googleapis.com",
            path: "/v1beta/models",
            sent: Sent::Named("x-goog-api-key"),
            headers: &[],
            says: &[
                Says { words: &["api_key_ip_address_blocked"], means: Answer::Account(OTHER_ADDRESS) },
                Says {
                    words: &["failed_precondition", "location is not supported"],
                    means: Answer::Account(OTHER_COUNTRY),
                },
                Says { words: &["consumer_suspended"], means: Answer::Account("its account is suspended") },
                Says {
                    words: &["service_disabled", "api_key_service_blocked", "api_key_http_referrer_blocked"],
                    means: Answer::Permission(None),
                },
                Says { words: &["resource_exhausted"], means: Answer::Wait(None) },
                Says {
                    words: &["api_key_invalid", "api key not valid", "api key expired", "reported as leaked"],
                    means: Answer::Invalid,
                },
            ],
            catches: &[],
            tells: &[],
        },
        keys_page: "https://aistudio.google.com/apikey",
        money_pages: &[
            ("usage", "https://aistudio.google.com/usage"),
            ("billing", "https://console.cloud.google.com/billing"),
        ],
    },
    Provider {
        name: "Groq",
        variables: &["GROQ_API_KEY"],
        admin_variables: &[],
        prefixes: &["gsk_"],
        endpoints: &[],
        host: "api.groq.com",
        check: Check {
            id: "groq",
            base: "https://api.groq.com/openai/v1",
            path: "/models",
            sent: Sent::Bearer,
            headers: &[],
            says: &[],
            catches: &[],
            tells: &[],
        },
        keys_page: "https://console.groq.com/keys",
        money_pages: &[
            ("usage", "https://console.groq.com/dashboard/usage"),
            ("limits", "https://console.groq.com/settings/limits"),
            ("billing", "https://console.groq.com/settings/billing"),
        ],
    },
    Provider {
        name: "OpenRouter",
        variables: &["OPENROUTER_API_KEY"],
        admin_variables: &[],
        prefixes: &["sk-or-v1-"],
        endpoints: &[],
        host: "openrouter.ai",
        check: Check {
            id: "openrouter",
            base: "https://openrouter.ai/api/v1",
            path: "/key",
            sent: Sent::Bearer,
            headers: &[],
            says: &[
                Says { words: &["insufficient credits"], means: Answer::Money("billing") },
                Says {
                    words: &["no auth credentials found", "user not found", "invalid api key"],
                    means: Answer::Invalid,
                },
            ],
            catches: &[("/data/limit_remaining", Looks::UsedUp, Answer::Money("billing"))],
            tells: &[
                ("name", "/data/label"),
                ("used", "/data/usage"),
                ("limit", "/data/limit"),
                ("left", "/data/limit_remaining"),
            ],
        },
        keys_page: "https://openrouter.ai/settings/keys",
        money_pages: &[
            ("usage", "https://openrouter.ai/activity"),
            ("billing", "https://openrouter.ai/settings/credits"),
        ],
    },
    Provider {
        name: "Mistral",
        variables: &["MISTRAL_API_KEY"],
        admin_variables: &[],
        prefixes: &[],
        endpoints: &[],
        host: "api.mistral.ai",
        check: Check {
            id: "mistral",
            base: "https://api.mistral.ai/v1",
            path: "/models",
            sent: Sent::Bearer,
            headers: &[],
            says: &[Says { words: &["unauthorized"], means: Answer::Invalid }],
            catches: &[],
            tells: &[],
        },
        keys_page: "https://console.mistral.ai/api-keys",
        money_pages: &[
            ("usage", "https://admin.mistral.ai/organization/usage"),
            ("limits", "https://admin.mistral.ai/plateforme/limits"),
            ("billing", "https://admin.mistral.ai/organization/billing"),
        ],
    },
    Provider {
        name: "xAI",
        variables: &["XAI_API_KEY"],
        admin_variables: &[],
        prefixes: &["xai-"],
        endpoints: &[],
        host: "api.x.ai",
        check: Check {
            id: "xai",
            base: "https://api.x.ai/v1",
            path: "/api-key",
            sent: Sent::Bearer,
            headers: &[],
            says: &[
                Says { words: &["credits"], means: Answer::Money("billing") },
                Says { words: &["incorrect api key", "invalid api key"], means: Answer::Invalid },
            ],
            catches: &[
                ("/api_key_blocked", Looks::True, Answer::Account("it is blocked or switched off")),
                ("/api_key_disabled", Looks::True, Answer::Account("it is blocked or switched off")),
                ("/team_blocked", Looks::True, Answer::Account("its team is blocked")),
            ],
            tells: &[("name", "/name")],
        },
        keys_page: "https://console.x.ai",
        money_pages: &[("billing", "https://console.x.ai/team/default/billing")],
    },
    Provider {
        name: "DeepSeek",
        variables: &["DEEPSEEK_API_KEY"],
        admin_variables: &[],
        prefixes: &["sk-"],
        endpoints: &[],
        host: "api.deepseek.com",
        check: Check {
            id: "deepseek",
            base: "https://api.deepseek.com",
            path: "/user/balance",
            sent: Sent::Bearer,
            headers: &[],
            says: &[
                Says { words: &["insufficient balance"], means: Answer::Money("billing") },
                Says { words: &["authentication_error", "authentication fails"], means: Answer::Invalid },
            ],
            catches: &[("/is_available", Looks::False, Answer::Money("billing"))],
            tells: &[("balance", "/balance_infos/0/total_balance"), ("currency", "/balance_infos/0/currency")],
        },
        keys_page: "https://platform.deepseek.com/api_keys",
        money_pages: &[
            ("usage", "https://platform.deepseek.com/usage"),
            ("billing", "https://platform.deepseek.com/top_up"),
        ],
    },
    Provider {
        name: "Hugging Face",
        variables: &["HF_TOKEN"],
        admin_variables: &[],
        prefixes: &["hf_"],
        endpoints: &[],
        host: "huggingface.co",
        check: Check {
            id: "huggingface",
            base: "https://huggingface.co",
            path: "/api/whoami-v2",
            sent: Sent::Bearer,
            headers: &[],
            says: &[Says {
                words: &[
                    "invalid username or password",
                    "invalid credentials in authorization header",
                    "invalid user token",
                ],
                means: Answer::Invalid,
            }],
            catches: &[],
            tells: &[
                ("account", "/name"),
                ("name", "/auth/accessToken/displayName"),
                ("role", "/auth/accessToken/role"),
            ],
        },
        keys_page: "https://huggingface.co/settings/tokens",
        money_pages: &[("billing", "https://huggingface.co/settings/billing")],
    },
];

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
