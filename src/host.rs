//! The world as withkey found it: arguments, environment, folders, terminal. Read once, passed as a value.

use std::cell::OnceCell;
use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::memory::Protected;

/// The identity itself, as text. Captured by the door, which overwrites its bytes where they stood.
pub const IDENTITY: &str = "WITHKEY_IDENTITY";
/// A file that holds the identity.
pub const IDENTITY_FILE: &str = "WITHKEY_IDENTITY_FILE";
/// A file that holds the passphrase of the identity.
pub const PASSPHRASE_FILE: &str = "WITHKEY_PASSPHRASE_FILE";
/// The profile to use.
pub const PROFILE: &str = "WITHKEY_PROFILE";

/// Variables that unlock something for withkey. COMMAND does not get them.
pub const UNLOCKING: [&str; 3] = [IDENTITY, IDENTITY_FILE, PASSPHRASE_FILE];

/// Variables by which coding agents mark the commands they start. Where one is set there is nobody to answer a prompt.
pub const AGENTS: [&str; 10] = [
    "AI_AGENT",
    "AUGMENT_AGENT",
    "CLAUDECODE",
    "CLINE_ACTIVE",
    "CODEX_CI",
    "CODEX_SANDBOX",
    "CODEX_THREAD_ID",
    "CURSOR_AGENT",
    "GEMINI_CLI",
    "OPENCODE",
];

/// What the process was started with.
pub struct Host {
    /// The arguments after withkey's own name, byte for byte.
    pub arguments: Vec<&'static CStr>,
    /// Every entry of the environment, in order, malformed ones too.
    pub environment: Vec<&'static CStr>,
    /// The text of [`IDENTITY`], taken out of the environment.
    pub identity: Option<Protected>,
    folders: OnceCell<Folders>,
}

/// Where withkey's files lie; see DESIGN.md §6.
#[derive(Debug)]
pub struct Folders {
    /// Bindings, descriptions, age files, config.toml.
    pub config: PathBuf,
    /// The identity.
    pub data: PathBuf,
    /// What can be lost: the salt of the keys' hashes.
    pub state: PathBuf,
}

impl Folders {
    /// The lines `PROFILE PATH`.
    #[must_use]
    pub fn bindings(&self) -> PathBuf {
        self.config.join("bindings")
    }

    /// The folder of the descriptions and age files.
    #[must_use]
    pub fn profiles(&self) -> PathBuf {
        self.config.join("profiles")
    }

    /// The personal identity.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.data.join("identity.txt")
    }

    /// What makes the hashes of keys this user's own.
    #[must_use]
    pub fn salt(&self) -> PathBuf {
        self.state.join("salt")
    }

    /// The identity's public half, readable while the identity is closed.
    #[must_use]
    pub fn recipient(&self) -> PathBuf {
        self.data.join("recipient.txt")
    }
}

impl Host {
    /// What the door found.
    #[must_use]
    pub fn new(arguments: Vec<&'static CStr>, environment: Vec<&'static CStr>, identity: Option<Protected>) -> Self {
        Self { arguments, environment, identity, folders: OnceCell::new() }
    }

    /// The value of the first entry named `name`, as C's `getenv` sees it; an empty value counts as none.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&'static OsStr> {
        self.environment
            .iter()
            .find_map(|entry| value_of(entry, name))
            .filter(|value| !value.is_empty())
            .map(OsStr::from_bytes)
    }

    /// The user's home directory as HOME gives it.
    #[must_use]
    pub fn home(&self) -> Option<&'static Path> {
        self.variable("HOME").map(Path::new).filter(|path| path.is_absolute())
    }

    /// withkey's folders by the XDG base directory rules: a relative path counts as none.
    ///
    /// # Errors
    /// When neither HOME nor the XDG variable leads anywhere.
    pub fn folders(&self) -> Result<&Folders, Error> {
        if let Some(folders) = self.folders.get() {
            return Ok(folders);
        }
        let config = self.folder("XDG_CONFIG_HOME", ".config")?;
        let data = self.folder("XDG_DATA_HOME", ".local/share")?;
        // Without HOME nobody names this one, and nothing that lies in it is a reason to fail.
        let state = self.folder("XDG_STATE_HOME", ".local/state").unwrap_or_else(|_| data.clone());
        let folders = Folders { config, data, state };
        Ok(self.folders.get_or_init(|| folders))
    }

    fn folder(&self, variable: &'static str, below_home: &str) -> Result<PathBuf, Error> {
        let base = self.variable(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = base.or_else(|| self.home().map(|home| home.join(below_home)));
        base.map(|base| base.join("withkey")).ok_or(Error::NoHome { variable })
    }

    /// The coding agent's variable that is set here, if one is.
    #[must_use]
    pub fn agent(&self) -> Option<&'static str> {
        AGENTS.into_iter().find(|name| self.variable(name).is_some())
    }

    /// The arguments as clap takes them.
    pub fn arguments_os(&self) -> impl Iterator<Item = OsString> {
        self.arguments.iter().map(|argument| OsStr::from_bytes(argument.to_bytes()).to_owned())
    }
}

/// What stands behind `name=` in an entry of that name.
#[must_use]
pub fn value_of<'a>(entry: &'a CStr, name: &str) -> Option<&'a [u8]> {
    entry.to_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

/// The physical path of the current directory.
///
/// # Errors
/// When it was removed, or a directory above it may not be read.
pub fn current_directory() -> Result<PathBuf, Error> {
    let here = nix::unistd::getcwd().map_err(|errno| Error::NoCurrentDirectory { source: errno.into() })?;
    // Linux answers "(unreachable)/…" for a directory outside the process's root: getcwd(2).
    if here.is_absolute() {
        Ok(here)
    } else {
        Err(Error::NoCurrentDirectory { source: std::io::Error::from_raw_os_error(libc::ENOENT) })
    }
}
