//! A session bus of the sandbox's own, and who answers on it: GNOME Keyring, a Secret Service that misbehaves, a prompter.
//!
//! The bus lies where withkey looks for it by XDG_RUNTIME_DIR, starts no service by itself, and goes away with the test.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::print_stderr, reason = "a failing test shows what ran beside it")]

use std::cell::Cell;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use crate::common::{Running, Sandbox, Start, until};

/// What unlocks the keychain.
pub const PASSWORD: &str = "test-password";

const SECRETS: &str = "org.freedesktop.secrets";

/// What gnome-keyring-daemon 42 says before it aborts, when a caller's first OpenSession is handled before the caller is
/// made known: a race of its own threads, met without withkey too by whoever opens sessions one after the other.
pub const RACE: &str = "gkd_secret_service_get_pkcs11_session: assertion 'client' failed";

/// How often a test begins again when the daemon has ended by [`RACE`].
const ATTEMPTS: u32 = 6;

thread_local! {
    static ENDED_BY_ITS_RACE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a test; begins again when it failed and the daemon on its bus had ended by [`RACE`], and for no other reason.
pub fn outliving_the_race<T>(test: impl Fn() -> T) -> T {
    let mut attempt = 0;
    loop {
        attempt += 1;
        ENDED_BY_ITS_RACE.set(false);
        match catch_unwind(AssertUnwindSafe(&test)) {
            Ok(done) => return done,
            Err(_) if ENDED_BY_ITS_RACE.get() && attempt < ATTEMPTS => {
                eprintln!("gnome-keyring-daemon ended by its own race ({attempt}): once more");
            }
            Err(panic) => resume_unwind(panic),
        }
    }
}

/// The bus and all that was started on it; the last one started ends first.
pub struct Bus<'a> {
    sandbox: &'a Sandbox,
    running: Vec<Running>,
}

impl<'a> Bus<'a> {
    /// A bus on which nobody answers.
    #[track_caller]
    pub fn start(sandbox: &'a Sandbox) -> Self {
        let socket = sandbox.path("run/bus");
        let configuration = format!(
            "<busconfig><type>session</type><listen>unix:path={}</listen><policy context=\"default\">\
             <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy>\
             </busconfig>",
            socket.display()
        );
        let file = sandbox.file("bus.conf", configuration, 0o600);
        let option = format!("--config-file={}", file.display());
        let daemon = sandbox.directly(["/usr/bin/dbus-daemon", &option, "--nofork", "--nopidfile"]).start();
        until("the bus listens", || UnixStream::connect(&socket).is_ok());
        Self { sandbox, running: vec![daemon] }
    }

    /// A bus with GNOME Keyring, unlocked.
    #[track_caller]
    pub fn with_keyring(sandbox: &'a Sandbox) -> Self {
        let mut bus = Self::start(sandbox);
        bus.keyring();
        bus
    }

    #[track_caller]
    fn keyring(&mut self) {
        let words = ["/usr/bin/gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"];
        self.run(self.with_address(self.sandbox.directly(words)).input(PASSWORD), SECRETS);
        until("the keychain has its collection", || !self.collection().is_empty());
    }

    /// Whether somebody keeps secrets here.
    pub fn keyring_lives(&self) -> bool {
        self.has(SECRETS)
    }

    /// Starts GNOME Keyring anew in the place of one that has ended.
    #[track_caller]
    pub fn keyring_anew(&mut self) {
        self.end_last();
        self.keyring();
    }

    /// What the one that was started last has said on standard error.
    pub fn last_errors(&self) -> String {
        self.running.last().map(Running::errors).unwrap_or_default()
    }

    /// Puts another daemon in the place of the one that runs, as the hint for a locked keychain says.
    #[track_caller]
    pub fn keyring_again(&mut self, password: &str) {
        let words = ["/usr/bin/gnome-keyring-daemon", "--foreground", "--replace", "--unlock", "--components=secrets"];
        let start = self.with_address(self.sandbox.directly(words)).input(password).start();
        self.running.push(start);
        let locked =
            ["org.freedesktop.DBus.Properties.Get", "string:org.freedesktop.Secret.Collection", "string:Locked"];
        until("the keychain is unlocked", || {
            self.call(SECRETS, &self.path_or_root(), &locked).contains("boolean false")
        });
    }

    fn path_or_root(&self) -> String {
        let path = self.collection();
        if path.is_empty() { "/".to_owned() } else { path }
    }

    /// Starts what then owns `name` on the bus.
    #[track_caller]
    fn run(&mut self, start: Start, name: &str) -> &mut Running {
        self.running.push(start.start());
        until(&format!("{name} is on the bus"), || self.has(name));
        self.running.last_mut().unwrap()
    }

    /// A Secret Service of tests/keychain/service.py, which does as `mode` says.
    #[track_caller]
    pub fn service(&mut self, mode: &str) -> &mut Running {
        self.run(self.python("service.py", &[mode]), SECRETS)
    }

    /// A prompter of tests/keychain/prompter.py: `dismiss`, `wait`, or `accept` and the password.
    #[track_caller]
    pub fn prompter(&mut self, words: &[&str]) -> &mut Running {
        self.run(self.python("prompter.py", words), "org.gnome.keyring.SystemPrompter")
    }

    /// What the one that was started last has printed.
    pub fn last_output(&self) -> String {
        self.running.last().map(Running::output).unwrap_or_default()
    }

    /// Ends the one that was started last.
    pub fn end_last(&mut self) {
        self.running.pop();
    }

    fn python(&self, file: &str, words: &[&str]) -> Start {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keychain").join(file);
        self.with_address(self.sandbox.directly(["/usr/bin/python3".as_ref(), file.as_os_str()]).args(words))
    }

    /// For programs that look for the bus by its variable.
    pub fn with_address(&self, start: Start) -> Start {
        start.set("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", self.sandbox.path("run/bus").display()))
    }

    fn has(&self, name: &str) -> bool {
        let name = format!("string:{name}");
        let answer = self.call("org.freedesktop.DBus", "/", &["org.freedesktop.DBus.NameHasOwner", &name]);
        answer.contains("boolean true")
    }

    fn call(&self, name: &str, path: &str, words: &[&str]) -> String {
        let name = format!("--dest={name}");
        let start = ["/usr/bin/dbus-send", "--session", "--print-reply", &name, path];
        self.with_address(self.sandbox.directly(start).args(words)).run().stdout()
    }

    /// The path of the default collection, or nothing.
    pub fn collection(&self) -> String {
        let words = ["org.freedesktop.Secret.Service.ReadAlias", "string:default"];
        let answer = self.call(SECRETS, "/org/freedesktop/secrets", &words);
        let path = answer.split('"').nth(1).unwrap_or_default();
        if path == "/" { String::new() } else { path.to_owned() }
    }

    /// Locks the keychain.
    #[track_caller]
    pub fn lock(&self) {
        let path = format!("array:objpath:{}", self.collection());
        let answer = self.call(SECRETS, "/org/freedesktop/secrets", &["org.freedesktop.Secret.Service.Lock", &path]);
        assert!(answer.contains("collection"), "not locked: {answer:?}");
    }

    /// `secret-tool` with these words; what it prints.
    pub fn secret_tool(&self, words: &[&str], input: &str) -> String {
        self.with_address(self.sandbox.directly(["/usr/bin/secret-tool"]).args(words)).input(input).run().stdout()
    }

    /// The value of an item, by `secret-tool`.
    pub fn item(&self, user: &str) -> String {
        self.secret_tool(&["lookup", "service", "withkey", "username", user], "")
    }

    /// Stores an item by `secret-tool`.
    #[track_caller]
    pub fn store(&self, user: &str, value: &str) {
        self.secret_tool(&["store", "--label=by hand", "service", "withkey", "username", user], value);
        assert_eq!(self.item(user), value);
    }

    /// The user names of all of withkey's items, sorted.
    pub fn items(&self) -> Vec<String> {
        let start = self.sandbox.directly(["/usr/bin/secret-tool", "search", "--all", "service", "withkey"]);
        let text = self.with_address(start).run().stderr();
        let users = text.lines().filter_map(|line| line.strip_prefix("attribute.username = "));
        let mut users: Vec<_> = users.map(str::to_owned).collect();
        users.sort();
        users
    }
}

impl Drop for Bus<'_> {
    fn drop(&mut self) {
        // Before the bus it is on.
        while let Some(last) = self.running.pop() {
            if std::thread::panicking() {
                ENDED_BY_ITS_RACE.set(ENDED_BY_ITS_RACE.get() || last.errors().contains(RACE));
                eprintln!("what ran on the bus said:\n{}", last.errors());
            }
        }
    }
}

/// How long withkey waits for a keychain, in config.toml.
pub fn limit(sandbox: &Sandbox, seconds: u32) {
    sandbox.file("home/.config/withkey/config.toml", format!("keychain_timeout = {seconds}\n"), 0o600);
}
