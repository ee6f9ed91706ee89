//! The name under which COMMAND gets a key, and the names no dotfile may set.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::provider;

/// The longest name, in bytes. No system sets a bound; no client reads a longer one.
const LONGEST: usize = 128;

/// What stands before the name of a previous key. withkey keeps all such names for itself: see [`REFUSED`].
const PREVIOUS: &str = "WITHKEY_PREVIOUS_";

/// Names that redirect a program, or make it load or run something else. `*` stands for any ending or beginning.
const REFUSED: &[&str] = &[
    "*_API_BASE",
    "*_BASE_URL",
    "*_ENDPOINT",
    "*_PROXY",
    "ALL_PROXY",
    "BASHOPTS",
    "BASH_ENV",
    "BASH_FUNC_*",
    "CDPATH",
    "CLASSPATH",
    "CURL_HOME",
    "DYLD_*",
    "EDITOR",
    "ENV",
    "GCONV_PATH",
    "GIT_*",
    "HOME",
    "HOSTALIASES",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "LD_*",
    "LOCPATH",
    "MALLOC_*",
    "NLSPATH",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NO_PROXY",
    "OPENSSL_*",
    "PAGER",
    "PATH",
    "PERL5*",
    "PERLLIB",
    "PROMPT_COMMAND",
    "PS4",
    "PYTHON*",
    "REQUESTS_CA_BUNDLE",
    "RES_OPTIONS",
    "RUBYLIB",
    "RUBYOPT",
    "SHELL",
    "SHELLOPTS",
    "SSLKEYLOGFILE",
    "SSL_CERT_*",
    "TMPDIR",
    "USER",
    "VISUAL",
    "WITHKEY_*",
    "XDG_*",
    "ZDOTDIR",
    "_JAVA_OPTIONS",
];

/// Names of [`REFUSED`] by which a program loads or runs something else, or writes its secrets down. What only redirects
/// it (a proxy, a certificate) is not among them, nor what it needs to find its files.
const RUNNING_CODE: &[&str] = &[
    "BASHOPTS",
    "BASH_ENV",
    "BASH_FUNC_*",
    "CDPATH",
    "CLASSPATH",
    "DYLD_*",
    "ENV",
    "GCONV_PATH",
    "GIT_*",
    "GLIBC_TUNABLES",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "LD_*",
    "LOCPATH",
    "MALLOC_*",
    "NLSPATH",
    "NODE_OPTIONS",
    "NODE_PATH",
    "OPENSSL_*",
    "PERL5*",
    "PERLLIB",
    "PROMPT_COMMAND",
    "PS4",
    "PYTHON*",
    "RUBYLIB",
    "RUBYOPT",
    "SHELLOPTS",
    "SSLKEYLOGFILE",
    "_JAVA_OPTIONS",
];

/// Whether a variable of that name makes programs load or run something else.
#[must_use]
pub fn runs_code(name: &str) -> bool {
    RUNNING_CODE.iter().any(|pattern| fits(name, pattern))
}

/// A variable's name: `[A-Za-z_][A-Za-z0-9_]*`, at most 128 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Variable(String);

impl Variable {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` has the form of a name, refused or not.
    #[must_use]
    pub fn has_form(text: &str) -> bool {
        text.len() <= LONGEST
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
    }

    /// The name under which a store keeps the previous key of this variable, until a rotation is finished. No description
    /// and no `-e` can name it, so no launch injects it.
    ///
    /// # Errors
    /// [`Error::VariableName`] when the variable's own name is nearly as long as names may be.
    pub fn previous(&self) -> Result<Self, Error> {
        let name = format!("{PREVIOUS}{self}");
        let why = "its name is too long for a second key to be kept beside it";
        name.parse().map_err(|_| Error::VariableName { name: self.to_string(), why })
    }

    /// A name that a key may have: of the right form, and none that redirects a program or makes it run other code.
    ///
    /// # Errors
    /// [`Error::VariableName`] with the reason.
    pub fn for_key(text: &str) -> Result<Self, Error> {
        let name: Self = text.parse()?;
        if provider::of_variable(text).is_none()
            && REFUSED.iter().any(|pattern| fits(&text.to_ascii_uppercase(), pattern))
        {
            let why = "it would redirect programs or change what they run; no dotfile may set it";
            return Err(Error::VariableName { name: text.to_owned(), why });
        }
        Ok(name)
    }
}

fn fits(name: &str, pattern: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(ending), _) => name.ends_with(ending),
        (None, Some(beginning)) => name.starts_with(beginning),
        (None, None) => name == pattern,
    }
}

impl FromStr for Variable {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if Self::has_form(text) {
            Ok(Self(text.to_owned()))
        } else {
            let why = "a variable's name is letters, digits and _, and does not begin with a digit";
            Err(Error::VariableName { name: text.to_owned(), why })
        }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_redirect_or_run_code_are_refused() {
        for name in [
            "PATH",
            "LD_PRELOAD",
            "DYLD_INSERT_LIBRARIES",
            "OPENAI_BASE_URL",
            "HTTPS_PROXY",
            "https_proxy",
            "NODE_OPTIONS",
            "PYTHONPATH",
            "BASH_ENV",
            "GIT_SSH_COMMAND",
            "OPENAI_API_BASE",
            "WITHKEY_PROFILE",
            "PERL5OPT",
            "ENV",
        ] {
            assert!(Variable::for_key(name).is_err(), "{name}");
        }
        for name in ["OPENAI_API_KEY", "HF_TOKEN", "LLM_KEY", "DATABASE_PASSWORD", "_X1"] {
            assert!(Variable::for_key(name).is_ok(), "{name}");
        }
        for name in ["", "1X", "A-B", "A=B", "Ä"] {
            assert!(name.parse::<Variable>().is_err(), "{name}");
        }
    }
}
