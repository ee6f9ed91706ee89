//! A home, a project and nothing else: what withkey may see of the machine in a test.

use std::ffi::{OsStr, OsString, c_int};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::start::FORK;
use super::{Mode, Start, pipe, probe_binary, until, withkey_binary};

/// The key of [`Sandbox::with_key`].
pub const KEY: &str = "sk-test-sandbox-0123456789abcdefghij";
/// Another one.
pub const OTHER_KEY: &str = "sk-test-another-9876543210zyxwvutsrq";

/// A folder that goes away with the test; HOME, the current directory and everything withkey writes lie in it.
pub struct Sandbox {
    root: PathBuf,
    _folder: TempDir,
}

impl Sandbox {
    /// No profile yet.
    pub fn new() -> Self {
        // Without the word that keys begin with: a folder's random name must not look like a piece of one.
        let folder = TempDir::with_prefix("withkey-box-").unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        for (name, mode) in [("home", 0o700), ("project", 0o755), ("run", 0o700)] {
            fs::create_dir(root.join(name)).unwrap();
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        Self { root, _folder: folder }
    }

    /// The profile `default` holds [`KEY`] as OPENAI_API_KEY.
    #[track_caller]
    pub fn with_key() -> Self {
        let sandbox = Self::new();
        sandbox.add("default", KEY);
        sandbox
    }

    /// A path in the sandbox.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// The current directory of what is run here, unless said otherwise.
    pub fn project(&self) -> PathBuf {
        self.path("project")
    }

    /// A file of withkey's own configuration.
    pub fn configuration(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.path("home/.config/withkey").join(relative)
    }

    pub fn identity(&self) -> PathBuf {
        self.path("home/.local/share/withkey/identity.txt")
    }

    /// withkey with these words.
    pub fn withkey<T: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = T>) -> Start {
        self.surround(Start::new(withkey_binary())).argv0(b"withkey").args(words)
    }

    /// withkey launching a command.
    pub fn launch<T: AsRef<OsStr>>(&self, mode: Mode, command: impl IntoIterator<Item = T>) -> Start {
        self.withkey(mode.options()).args(command)
    }

    /// A command without withkey, in the same surroundings; its first word is a path.
    pub fn directly<T: AsRef<OsStr>>(&self, command: impl IntoIterator<Item = T>) -> Start {
        let mut words = command.into_iter();
        let program = words.next().unwrap();
        self.surround(Start::new(program.as_ref())).args(words)
    }

    /// withkey launching the probe, which does `actions`.
    pub fn probe(&self, mode: Mode, actions: &[&str]) -> Start {
        self.launch(mode, [probe_binary()]).args(actions)
    }

    /// The command that leaves a report at [`Sandbox::report_path`].
    pub fn report_words(&self) -> [OsString; 3] {
        [probe_binary().into(), "report".into(), self.report_path().into()]
    }

    pub fn report_path(&self) -> PathBuf {
        self.path("report")
    }

    /// Stores a key as OPENAI_API_KEY of a profile.
    #[track_caller]
    pub fn add(&self, profile: &str, key: &str) {
        self.withkey(["add", profile]).input(format!("{key}\n")).run().assert_exit(0);
    }

    /// Stores several variables of a profile.
    #[track_caller]
    pub fn add_variables(&self, profile: &str, variables: &[(&str, &str)]) {
        let keys: Vec<_> = variables.iter().map(|(_, key)| format!("{key}\n")).collect();
        let names = variables.iter().map(|(name, _)| *name);
        self.withkey(["add", profile]).args(names).input(keys.concat()).run().assert_exit(0);
    }

    /// Ties a directory to a profile.
    #[track_caller]
    pub fn bind(&self, profile: &str, directory: impl AsRef<OsStr>) {
        self.withkey(["use".as_ref(), profile.as_ref(), directory.as_ref()]).run().assert_exit(0);
    }

    /// Writes a file that can be run, and the folders above it.
    pub fn program(&self, relative: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> PathBuf {
        self.file(relative, contents, 0o755)
    }

    /// Writes a file, and the folders above it.
    pub fn file(&self, relative: impl AsRef<Path>, contents: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _no_fork_meanwhile = FORK.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Gives the launch its identity through a pipe that holds the first half of it: withkey waits in the midst of
    /// reading, where a prompt would wait, until [`Rest::write`].
    pub fn with_half_an_identity(&self, start: Start) -> (Start, Rest) {
        let (read_end, mut pipe) = pipe().unwrap();
        let mut first = fs::read(self.identity()).unwrap();
        let rest = first.split_off(first.len() / 2);
        pipe.write_all(&first).unwrap();
        let start = start.descriptor(9, read_end).set("WITHKEY_IDENTITY_FILE", "/dev/fd/9");
        (start, Rest { pipe: Some(pipe), bytes: rest })
    }

    /// Only what withkey needs to find its files, in a fixed order.
    fn surround(&self, start: Start) -> Start {
        let entry = |name: &str, value: &OsStr| [name.as_bytes(), b"=", value.as_bytes()].concat();
        start
            .in_directory(self.project())
            .entry(b"PATH=/usr/local/bin:/usr/bin:/bin")
            .entry(&entry("HOME", self.home().as_os_str()))
            .entry(&entry("XDG_RUNTIME_DIR", self.path("run").as_os_str()))
    }
}

/// What withkey waits for.
pub struct Rest {
    pipe: Option<File>,
    bytes: Vec<u8>,
}

impl Rest {
    /// Waits until withkey has read all there is so far.
    #[track_caller]
    pub fn until_read(&self) {
        let pipe = self.pipe.as_ref().unwrap();
        until("withkey reads the identity", || {
            let mut unread: c_int = 0;
            // SAFETY: FIONREAD fills an int.
            assert_eq!(unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut unread) }, 0);
            unread == 0
        });
    }

    /// Lets it go on.
    pub fn write(&mut self) {
        self.pipe.take().unwrap().write_all(&self.bytes).unwrap();
    }
}
