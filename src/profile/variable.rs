//! The name under which COMMAND gets a key, and the names no dotfile may set.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::provider;

/// The longest name, in bytes. No system sets a bound; no client reads a longer one.
const LONGEST: usize = 128;

/// What stands before the name of a previous key. withkey keeps all such names for itself: see [`REDIRECTING`].
const PREVIOUS: &str = "WITHKEY_PREVIOUS_";

/// Names by which a program loads or runs something else, or writes its secrets down. `*` stands for any ending or
/// beginning. No list of this kind is whole: `withkey allow` shows every name that is no provider's, for a person to judge.
const RUNNING_CODE: &[&str] = &[
    "*FLAGS",
    "*_ASKPASS",
    "*_OPTIONS",
    "*_OPTS",
    "*_PRELOAD",
    "*_WRAPPER",
    "ANSIBLE_*",
    "BASHOPTS",
    "BASH_ENV",
    "BASH_FUNC_*",
    "BUNDLE_*",
    "CARGO_*",
    "CDPATH",
    "CLASSPATH",
    "DOTNET_*",
    "DYLD_*",
    "ELECTRON_*",
    "ENV",
    "FPATH",
    "GCONV_PATH",
    "GEM_*",
    "GIT_*",
    "GLIBC_TUNABLES",
    "IFS",
    "LD_*",
    "LESSCLOSE",
    "LESSOPEN",
    "LIBRARY_PATH",
    "LOCPATH",
    "LUA_*",
    "MAKEFILES",
    "MALLOC_*",
    "NLSPATH",
    "NODE_PATH",
    "NPM_*",
    "OPENSSL_*",
    "PERL5*",
    "PERLLIB",
    "PHPRC",
    "PHP_INI_*",
    "PIP_*",
    "PROMPT_COMMAND",
    "PS4",
    "PYTHON*",
    "RUBYLIB",
    "RUBYOPT",
    "RUSTC*",
    "RUSTDOC*",
    "RUSTUP_*",
    "SHELLOPTS",
    "SSLKEYLOGFILE",
    "UV_*",
];

/// Names that lead a program elsewhere: to another server, by other certificates, to other files or programs that it asks
/// for by name.
const REDIRECTING: &[&str] = &[
    "*_API_BASE",
    "*_API_TYPE",
    "*_BASE_URL",
    "*_CA_BUNDLE",
    "*_CA_CERTS",
    "*_ENDPOINT",
    "*_HOST",
    "*_INDEX_URL",
    "*_PROXY",
    "*_REGISTRY",
    "*_TLS_REJECT_UNAUTHORIZED",
    "BROWSER",
    "CURL_HOME",
    "DBUS_*",
    "DISPLAY",
    "DOCKER_*",
    "EDITOR",
    "GNUPGHOME",
    "HOME",
    "HOSTALIASES",
    "KUBECONFIG",
    "LC_*",
    "MANPAGER",
    "PAGER",
    "PATH",
    "PWD",
    "SHELL",
    "SSH_AUTH_SOCK",
    "SSL_CERT_*",
    "TERMINFO*",
    "TMPDIR",
    "USER",
    "VISUAL",
    "WAYLAND_DISPLAY",
    "WITHKEY_*",
    "XDG_*",
    "ZDOTDIR",
];

/// Whether a variable of that name makes programs load or run something else.
#[must_use]
pub fn runs_code(name: &str) -> bool {
    one_of(RUNNING_CODE, name)
}

/// In whatever case: some programs read `https_proxy`, others `npm_config_registry`.
fn one_of(patterns: &[&str], name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    patterns.iter().any(|pattern| fits(&name, pattern))
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
        if provider::of_variable(text).is_none() && (one_of(RUNNING_CODE, text) || one_of(REDIRECTING, text)) {
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
        if provider::looks_like_key(text) {
            Err(Error::KeyAsWord)
        } else if Self::has_form(text) {
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
            "GLIBC_TUNABLES",
            "MAKEFLAGS",
            "LESSOPEN",
            "JDK_JAVA_OPTIONS",
            "RUSTC_WRAPPER",
            "CARGO_BUILD_RUSTC_WRAPPER",
            "DOTNET_STARTUP_HOOKS",
            "LUA_INIT",
            "GOFLAGS",
            "SSH_ASKPASS",
            "BROWSER",
            "NODE_EXTRA_CA_CERTS",
            "NODE_TLS_REJECT_UNAUTHORIZED",
            "CURL_CA_BUNDLE",
            "npm_config_registry",
            "PIP_INDEX_URL",
            "DOCKER_HOST",
            "OPENAI_API_HOST",
            "AZURE_OPENAI_HOST",
            "OLLAMA_HOST",
            "OPENAI_API_TYPE",
        ] {
            assert!(Variable::for_key(name).is_err(), "{name}");
        }
        for name in ["OPENAI_API_KEY", "HF_TOKEN", "LLM_KEY", "DATABASE_PASSWORD", "DATABASE_URL", "SENTRY_DSN", "_X1"]
        {
            assert!(Variable::for_key(name).is_ok(), "{name}");
        }
        for name in ["", "1X", "A-B", "A=B", "Ä"] {
            assert!(name.parse::<Variable>().is_err(), "{name}");
        }
    }
}
