//! The question to a provider, and what its answers look like, as data: what differs between providers is said in their rows.

use super::answer::Answer;

/// A question to the provider that spends nothing: one GET with the key.
#[derive(Debug)]
pub struct Check {
    /// The provider's name in config.toml: `[providers.openai]`.
    pub id: &'static str,
    /// What `base_url` of config.toml replaces, as the provider's own clients do.
    pub base: &'static str,
    /// What stands behind it.
    pub path: &'static str,
    /// How the key is sent.
    pub sent: Sent,
    /// What else the provider wants to be sent.
    pub headers: &'static [(&'static str, &'static str)],
    /// How it refuses, beside [`SHARED`].
    pub says: &'static [Says],
    /// What stands in a yes when the key is of no use all the same: where (JSON pointer, RFC 6901), how it looks, and what
    /// it means.
    pub catches: &'static [(&'static str, Looks, Answer)],
    /// What it tells of a key that works: our word for it, and where it stands in the answer (JSON pointer).
    pub tells: &'static [(&'static str, &'static str)],
}

/// How a refusal is known, and what it means.
#[derive(Debug)]
pub struct Says {
    /// Codes, or pieces of the text, in small letters.
    pub words: &'static [&'static str],
    /// What it means. For [`Answer::Permission`] and [`Answer::Wait`] what the answer itself names is filled in.
    pub means: Answer,
}

/// The header in which a provider wants the key.
#[derive(Clone, Copy, Debug)]
pub enum Sent {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// A header of this name, which holds the key alone.
    Named(&'static str),
}

/// How something in an answer looks.
#[derive(Clone, Copy, Debug)]
pub enum Looks {
    /// `true`.
    True,
    /// `false`.
    False,
    /// A number of which nothing is left.
    UsedUp,
}

/// An account is refused for where it is asked from.
pub const OTHER_COUNTRY: &str = "it does not work from this country";
/// The same, by the machine's address.
pub const OTHER_ADDRESS: &str = "this machine's address is not authorised for it";

const MISMATCH: &str = "organization or project do not match it";
const NO_MEMBER: &str = "its owner is no member of the organization";

/// How OpenAI refuses, and with it everybody who wants to be understood by OpenAI's clients: other providers, and gateways
/// in front of any.
pub static SHARED: &[Says] = &[
    Says {
        words: &[
            "organization_usage_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_spend_limit_exceeded",
        ],
        means: Answer::Money("limits"),
    },
    Says {
        words: &["credit_balance_exhausted", "insufficient_quota", "insufficient quota", "billing_not_active"],
        means: Answer::Money("billing"),
    },
    Says { words: &["missing_scope", "missing scope", "missing permission"], means: Answer::Permission(None) },
    Says {
        words: &["member of an organization", "no member of", "not a member of"],
        means: Answer::Account(NO_MEMBER),
    },
    Says {
        words: &[
            "ip_not_authorized",
            "ip not authorized",
            "ip is not authorized",
            "ip address is not",
            "ip address not",
            "your ip",
        ],
        means: Answer::Account(OTHER_ADDRESS),
    },
    Says {
        words: &[
            "mismatched_organization",
            "mismatched_project",
            "mismatch",
            "should match organization",
            "should match project",
        ],
        means: Answer::Account(MISMATCH),
    },
    Says { words: &["rate_limit_exceeded", "slow_down"], means: Answer::Wait(None) },
    Says { words: &["invalid_api_key"], means: Answer::Invalid },
];
