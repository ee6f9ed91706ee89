//! `withkey check`: each probe in its good and its bad state.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/keyring.rs"]
mod keyring;
#[path = "common/protected.rs"]
mod protected;
#[path = "common/session.rs"]
mod session;
#[path = "common/terminal.rs"]
mod terminal;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use common::{KEY, OTHER_KEY, Outcome, Pty, Sandbox, Start, withkey_binary};
use protected::{PASSPHRASE, protected};
use session::{assert_no_key, assert_no_key_in_files};

/// What `check --json` answered.
struct Answer {
    outcome: Outcome,
    json: serde_json::Value,
}

impl Answer {
    #[track_caller]
    fn of(start: Start) -> Self {
        let outcome = start.run();
        assert_no_key("check", &outcome.stdout);
        outcome.assert_stderr("");
        let json: serde_json::Value = serde_json::from_slice(&outcome.stdout).unwrap();
        assert_eq!(json["version"], 1);
        let answer = Self { outcome, json };
        // The exit status and the counts follow from the findings, and whatever is wrong has a line that mends it.
        for (state, count) in [("problem", "problems"), ("warning", "warnings")] {
            assert_eq!(answer.in_state(state).count() as u64, answer.json[count].as_u64().unwrap(), "{}", answer.json);
        }
        answer.outcome.assert_exit(i32::from(answer.in_state("problem").next().is_some()));
        for finding in answer.findings() {
            assert_eq!(finding["mend"].is_null(), finding["state"] == "ok", "{finding}");
        }
        answer
    }

    fn findings(&self) -> impl Iterator<Item = &serde_json::Value> {
        self.json["findings"].as_array().unwrap().iter()
    }

    fn in_state(&self, state: &str) -> impl Iterator<Item = &serde_json::Value> {
        self.findings().filter(move |finding| finding["state"] == state)
    }

    /// Fails unless the probe found this state, in words and with a line to mend it that hold these parts.
    #[track_caller]
    fn assert(&self, probe: &str, state: &str, what: &str, mend: &str) -> &Self {
        let fits = |finding: &&serde_json::Value| {
            finding["probe"] == probe
                && finding["state"] == state
                && finding["what"].as_str().unwrap().contains(what)
                && finding["mend"].as_str().unwrap_or_default().contains(mend)
        };
        assert!(
            self.findings().any(|finding| fits(&finding)),
            "no {probe} {state} {what:?} {mend:?} in {:#}",
            self.json
        );
        self
    }

    #[track_caller]
    fn assert_ok(&self, probe: &str, what: &str) -> &Self {
        for finding in self.findings().filter(|finding| finding["probe"] == probe) {
            assert_eq!(finding["state"], "ok", "{finding:#}");
        }
        self.assert(probe, "ok", what, "")
    }
}

/// withkey as it is usually found: first on PATH.
fn withkey(sandbox: &Sandbox, words: &[&str]) -> Start {
    let binaries = sandbox.path("bin");
    if !binaries.exists() {
        fs::create_dir(&binaries).unwrap();
        symlink(withkey_binary(), binaries.join("withkey")).unwrap();
    }
    sandbox.withkey(words).set("PATH", format!("{}:/usr/bin:/bin", binaries.display()))
}

#[track_caller]
fn check(sandbox: &Sandbox) -> Answer {
    Answer::of(withkey(sandbox, &["check", "--json"]))
}

#[test]
fn where_all_is_well_check_says_so() {
    let sandbox = Sandbox::with_key();
    let answer = check(&sandbox);
    answer.assert_ok("profile", "default, by default");
    answer.assert_ok("memory", "memfd_secret works");
    answer.assert_ok("kernel keyring", "withkey unlock works");
    answer.assert_ok("files", "folders are yours alone");
    answer.assert_ok("identity", "it has no passphrase");
    answer.assert_ok("bindings", "none");
    answer.assert_ok("description", "1 profile, which can be read");
    answer.assert_ok("dotfile", "default opens: OPENAI_API_KEY");
    answer.assert_ok("environment", "no key is set in this shell");
    answer.assert_ok("clear keys", "none in this directory's .env files");
    answer.assert_ok("PATH", "is this withkey");
    assert_eq!(answer.json["identity"], sandbox.identity().to_str().unwrap());
    let text = withkey(&sandbox, &["check"]).run();
    text.assert_exit(0).assert_stderr("");
    let end = format!(
        "\nyour identity is {}: back it up, nothing else opens your dotfiles\nall is well\n",
        sandbox.identity().display()
    );
    assert!(text.stdout().ends_with(&end), "{}", text.stdout());
}

#[test]
fn before_anything_is_stored_nothing_is_wrong() {
    let sandbox = Sandbox::new();
    let answer = check(&sandbox);
    answer.assert_ok("profile", "none is chosen for this directory").assert_ok("identity", "none yet");
    assert_eq!(fs::read_dir(sandbox.home()).unwrap().count(), 0, "check makes nothing");
}

#[test]
fn the_answer_for_people_is_a_table_that_shows_the_mending_line_below() {
    let sandbox = Sandbox::with_key();
    fs::write(sandbox.project().join(".env"), format!("OPENAI_API_KEY={KEY}\n")).unwrap();
    let outcome = withkey(&sandbox, &["check"]).run();
    outcome.assert_exit(1).assert_stderr("");
    assert_no_key("check", &outcome.stdout);
    let file = sandbox.project().join(".env");
    let lines = format!(
        "problem  clear keys      line 1 of {0} holds OPENAI_API_KEY of profile default (sk-…ghij) in clear\n\
         \x20        to mend         delete line 1 of {0}; the key is stored\n",
        file.display()
    );
    assert!(outcome.stdout().contains(&lines), "{}", outcome.stdout());
    assert!(outcome.stdout().ends_with("\n1 problem, 0 warnings\n"), "{}", outcome.stdout());
    let pty = Pty::open();
    pty.attach(withkey(&sandbox, &["check", "--color", "always"])).start().outcome().assert_exit(1);
    assert!(pty.text().contains("\x1b[1;31mproblem\x1b[0m"), "{}", pty.text());
}

#[test]
fn a_profile_may_be_named_and_all_may_be_asked_for() {
    let sandbox = Sandbox::with_key();
    sandbox.add("second", OTHER_KEY);
    let named = Answer::of(withkey(&sandbox, &["check", "second", "--json"]));
    named.assert_ok("dotfile", "second opens");
    assert!(!named.outcome.stdout().contains("default opens"));
    let all = Answer::of(withkey(&sandbox, &["check", "--all", "--json"]));
    all.assert_ok("dotfile", "default opens").assert_ok("dotfile", "second opens");
    withkey(&sandbox, &["check", "nobody"])
        .run()
        .assert_exit(1)
        .assert_stdout("")
        .assert_stderr_has("there is no profile nobody");
    withkey(&sandbox, &["check", "second", "--all"]).run().assert_exit(2).assert_stdout("");
    Answer::of(withkey(&sandbox, &["check", "--json"]).set("WITHKEY_PROFILE", "nobody")).assert(
        "profile",
        "problem",
        "there is no profile nobody",
        "withkey add nobody",
    );
    Answer::of(withkey(&sandbox, &["check", "--json"]).set("WITHKEY_PROFILE", "inherit"))
        .assert_ok("profile", "nothing is injected");
}

#[cfg(target_os = "linux")]
#[test]
fn a_kernel_without_a_keyring_is_told() {
    let sandbox = Sandbox::with_key();
    let start = keyring::without_keyring(withkey(&sandbox, &["check", "--json"]), libc::EPERM);
    Answer::of(start).assert(
        "kernel keyring",
        "warning",
        "the system does not let this process use it",
        "WITHKEY_PASSPHRASE_FILE",
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_kernel_without_secret_pages_is_told() {
    let sandbox = Sandbox::with_key();
    // Over this limit the kernel gives none.
    let start = withkey(&sandbox, &["check", "--json"]).limited(libc::RLIMIT_MEMLOCK, 0, 0);
    // Root may lock what it likes.
    let start = start.step(|| {
        const CAP_IPC_LOCK: libc::c_int = 14;
        // SAFETY: plain system calls; the ids stay those of root, which keeps no capability but those it needs to read.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0) }
    });
    Answer::of(start).assert("memory", "warning", "memfd_secret is not to be had", "secretmem.enable=1");
}

#[test]
fn an_identity_that_others_may_read_or_that_is_gone_is_a_problem() {
    let sandbox = Sandbox::with_key();
    fs::set_permissions(sandbox.identity(), Permissions::from_mode(0o644)).unwrap();
    let mend = format!("chmod 600 {}", sandbox.identity().display());
    check(&sandbox).assert("identity", "problem", "its mode is 0644", &mend).assert(
        "dotfile",
        "problem",
        "the identity cannot be used",
        "",
    );
    fs::remove_file(sandbox.identity()).unwrap();
    check(&sandbox).assert("identity", "problem", "there is no identity", "put it back from its backup");
    fs::write(sandbox.identity(), "hello").unwrap();
    fs::set_permissions(sandbox.identity(), Permissions::from_mode(0o600)).unwrap();
    check(&sandbox).assert("identity", "problem", "cannot use the identity", "");
}

#[test]
fn an_identity_that_is_no_recipient_is_a_problem() {
    let sandbox = Sandbox::with_key();
    let other = Sandbox::with_key();
    fs::copy(other.identity(), sandbox.identity()).unwrap();
    check(&sandbox).assert(
        "dotfile",
        "problem",
        "it is not encrypted to the identity of",
        "use the identity it was made for",
    );
    let start = withkey(&other, &["check", "--json"]).set("WITHKEY_IDENTITY_FILE", sandbox.identity());
    Answer::of(start).assert_ok("identity", "given by WITHKEY_IDENTITY_FILE").assert_ok("dotfile", "default opens");
}

#[test]
fn a_locked_identity_is_not_asked_for() {
    let sandbox = protected();
    let pty = Pty::open();
    let running = pty.attach(withkey(&sandbox, &["check"])).start();
    running.outcome().assert_exit(0);
    assert!(pty.text().contains("it has a passphrase, and is locked"), "{}", pty.text());
    assert!(!pty.text().contains("passphrase of"), "{}", pty.text());
    check(&sandbox).assert("dotfile", "warning", "the identity is locked", "withkey unlock");
    let file = sandbox.file("passphrase", PASSPHRASE, 0o600);
    withkey(&sandbox, &["unlock"]).set("WITHKEY_PASSPHRASE_FILE", file).run().assert_exit(0);
    check(&sandbox).assert_ok("identity", "is unlocked now").assert_ok("dotfile", "default opens");
    withkey(&sandbox, &["lock"]).run().assert_exit(0);
}

#[test]
fn an_ssh_key_with_a_passphrase_is_not_asked_for() {
    let sandbox = Sandbox::new();
    let ssh = sandbox.path("id_ed25519");
    let words = ["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", PASSPHRASE, "-f", ssh.to_str().unwrap()];
    sandbox.directly(words).run().assert_exit(0);
    let file = sandbox.file("passphrase", PASSPHRASE, 0o600);
    let with = |words: &[&str]| withkey(&sandbox, words).set("WITHKEY_IDENTITY_FILE", &ssh);
    with(&["add"]).set("WITHKEY_PASSPHRASE_FILE", &file).input(KEY).run().assert_exit(0);
    let pty = Pty::open();
    pty.attach(with(&["check"])).start().outcome().assert_exit(0);
    assert!(!pty.text().contains("passphrase of"), "{}", pty.text());
    Answer::of(with(&["check", "--json"])).assert(
        "dotfile",
        "warning",
        "the identity is locked",
        "WITHKEY_PASSPHRASE_FILE",
    );
    let given = with(&["check", "--json"]).set("WITHKEY_PASSPHRASE_FILE", &file);
    Answer::of(given).assert_ok("dotfile", "default opens");
}

#[test]
fn folders_that_others_may_change_are_a_problem_and_that_they_may_look_into_a_warning() {
    let sandbox = Sandbox::with_key();
    let folder = sandbox.configuration("profiles");
    let mend = format!("chmod 700 {}", folder.display());
    fs::set_permissions(&folder, Permissions::from_mode(0o770)).unwrap();
    check(&sandbox).assert("files", "problem", "other users may change", &mend);
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    check(&sandbox).assert("files", "warning", "other users may look into", &mend);
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    sandbox.bind("default", ".");
    fs::set_permissions(sandbox.configuration("bindings"), Permissions::from_mode(0o666)).unwrap();
    check(&sandbox).assert("files", "problem", "its mode is 0666", "chmod go-w");
}

#[test]
fn a_folder_of_another_user_is_a_problem() {
    let sandbox = Sandbox::with_key();
    let folder = sandbox.configuration("profiles");
    std::os::unix::fs::chown(&folder, Some(12_345), None).unwrap();
    check(&sandbox).assert("files", "problem", "belongs to another user", "chown 0 ");
}

#[test]
fn bindings_that_lead_nowhere_are_told() {
    let sandbox = Sandbox::with_key();
    let gone = sandbox.path("gone");
    fs::create_dir(&gone).unwrap();
    sandbox.bind("default", &gone);
    check(&sandbox).assert_ok("bindings", "1 binding, to a profile that is there");
    fs::remove_dir(&gone).unwrap();
    let mend = format!("withkey use --remove {}", gone.display());
    check(&sandbox).assert("bindings", "warning", "there is no such directory", &mend);
    fs::write(sandbox.configuration("bindings"), format!("nobody {}\n", sandbox.path("home").display())).unwrap();
    check(&sandbox).assert(
        "bindings",
        "problem",
        "is tied to nobody, and there is no such profile",
        "withkey add nobody",
    );
    fs::write(sandbox.configuration("bindings"), "nobody *\n").unwrap();
    check(&sandbox).assert("bindings", "problem", "the default is nobody", "withkey use --default PROFILE");
    fs::write(sandbox.configuration("bindings"), "default\n").unwrap();
    check(&sandbox).assert("bindings", "problem", "line 1 of", "mend or delete it");
}

#[test]
fn a_description_that_cannot_be_read_and_a_dotfile_that_does_not_open_are_problems() {
    let sandbox = Sandbox::with_key();
    sandbox.add("second", OTHER_KEY);
    let dotfile = sandbox.configuration("profiles/default.age");
    let whole = fs::read(&dotfile).unwrap();
    fs::write(&dotfile, &whole[..whole.len() - 1]).unwrap();
    check(&sandbox).assert("dotfile", "problem", "cannot open the dotfile", "put it back from its backup");
    fs::remove_file(&dotfile).unwrap();
    check(&sandbox).assert("dotfile", "problem", "the dotfile of profile default is missing", "backup");
    fs::write(&dotfile, &whole).unwrap();
    check(&sandbox).assert_ok("dotfile", "default opens");
    fs::write(sandbox.configuration("profiles/second.toml"), "version = 1\nstore = \"cloud\"\n").unwrap();
    check(&sandbox)
        .assert("description", "problem", "second.toml", "mend it by hand")
        .assert_ok("dotfile", "default opens");
    fs::write(sandbox.configuration("profiles/second.toml"), "version = 2\n").unwrap();
    check(&sandbox).assert("description", "problem", "is of a newer withkey", "install the newer withkey");
}

#[test]
fn keys_in_this_shell_are_told() {
    let sandbox = Sandbox::with_key();
    let with = |name: &str, value: &str| Answer::of(withkey(&sandbox, &["check", "--json"]).set(name, value));
    with("OPENAI_API_KEY", KEY).assert(
        "environment",
        "warning",
        "withkey replaces it for COMMAND",
        "unset OPENAI_API_KEY",
    );
    with("GROQ_API_KEY", "x").assert("environment", "warning", "everything started here gets it", "unset GROQ_API_KEY");
    with("OPENAI_BASE_URL", "https://gateway.example").assert(
        "environment",
        "warning",
        "to gateway.example",
        "allow_endpoint",
    );
}

/// The clear copy of a stored key, under whatever name and in whatever file.
#[test]
fn a_stored_key_is_recognised_in_clear() {
    let sandbox = Sandbox::new();
    sandbox.add_variables("work", &[("OPENAI_API_KEY", KEY), ("MISTRAL_API_KEY", "Zk2mQ9wLx7Rt4Vb8Nc3Hy6Jp")]);
    sandbox.bind("work", ".");
    for (file, line, variable) in [
        ("project/.env", format!("LLM={KEY}"), "OPENAI_API_KEY"),
        ("project/.env.local", format!("# old: '{KEY}'"), "OPENAI_API_KEY"),
        ("project/.envrc", format!("export LLM=\"{KEY}\"\r"), "OPENAI_API_KEY"),
        ("home/.bashrc", "alias x='TOKEN=Zk2mQ9wLx7Rt4Vb8Nc3Hy6Jp y'".to_owned(), "MISTRAL_API_KEY"),
        ("home/.profile", format!("OPENAI_API_KEY={KEY}"), "OPENAI_API_KEY"),
        ("home/.bash_profile", format!("OPENAI_API_KEY={KEY}"), "OPENAI_API_KEY"),
        ("home/.zshrc", format!("OPENAI_API_KEY={KEY}"), "OPENAI_API_KEY"),
        ("home/.zshenv", format!("OPENAI_API_KEY={KEY}"), "OPENAI_API_KEY"),
        ("home/.config/fish/config.fish", format!("set -gx OPENAI_API_KEY {KEY}"), "OPENAI_API_KEY"),
    ] {
        let path = sandbox.file(file, format!("# first\n{line}\n"), 0o644);
        let place = format!("line 2 of {}", path.display());
        check(&sandbox).assert("clear keys", "problem", &format!("{place} holds {variable} of profile work ("), &place);
        fs::remove_file(path).unwrap();
    }
    check(&sandbox).assert_ok("clear keys", "none");
}

#[test]
fn a_key_that_is_not_stored_is_known_by_its_form_or_its_variable() {
    let sandbox = Sandbox::with_key();
    let env = sandbox.project().join(".env");
    for (line, whose, mend) in [
        (
            "A=sk-ant-api03-Zk2mQ9wLx7Rt4Vb8",
            "a key of Anthropic (sk-ant-…4Vb8)",
            "withkey add PROFILE ANTHROPIC_API_KEY",
        ),
        ("A=gsk_Zk2mQ9wLx7Rt4Vb8Zk2m", "a key of Groq", "withkey add PROFILE GROQ_API_KEY"),
        ("A=sk-proj-Zk2mQ9wLx7Rt4Vb8", "a key of OpenAI", "withkey add PROFILE OPENAI_API_KEY"),
        (
            "MISTRAL_API_KEY=Zk2mQ9wLx7Rt4Vb8Zk2m",
            "a value for MISTRAL_API_KEY (…)",
            "withkey add PROFILE MISTRAL_API_KEY",
        ),
    ] {
        fs::write(&env, line).unwrap();
        let answer = check(&sandbox);
        answer.assert("clear keys", "warning", whose, mend);
        assert!(!answer.outcome.stdout().contains("Zk2mQ9wL"), "{}", answer.outcome.stdout());
    }
    for line in [
        "OPENAI_API_KEY=sk-...",
        "OPENAI_API_KEY=your-api-key-goes-in-here-1",
        "OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "OPENAI_API_KEY=$(pass show openai/project-key-2)",
        "MISTRAL_API_KEY=",
        "DATABASE_PASSWORD=Zk2mQ9wLx7Rt4Vb8Zk2m",
        "sk-learn-tutorials-and-more-of-them",
    ] {
        fs::write(&env, line).unwrap();
        check(&sandbox).assert_ok("clear keys", "none");
    }
    // An encrypted file is not in clear, and a pipe is not waited for.
    fs::remove_file(&env).unwrap();
    fs::write(sandbox.project().join(".env.age"), format!("A=sk-proj-{KEY}")).unwrap();
    nix::unistd::mkfifo(&env, nix::sys::stat::Mode::S_IRWXU).unwrap();
    Answer::of(withkey(&sandbox, &["check", "default", "--json"])).assert_ok("clear keys", "none");
}

/// A short or guessable value must not be guessed by its hash.
#[test]
fn only_keys_of_the_provider_table_have_a_hash() {
    let sandbox = Sandbox::new();
    sandbox.add_variables("work", &[("OPENAI_API_KEY", KEY), ("DATABASE_PASSWORD", OTHER_KEY)]);
    let description = fs::read_to_string(sandbox.configuration("profiles/work.toml")).unwrap();
    assert_eq!(description.matches("hash = \"hmac-sha256:").count(), 1, "{description}");
    let (_, password) = description.split_once("[variables.DATABASE_PASSWORD]").unwrap();
    assert!(!password.contains("hash"), "{description}");
    let salt = sandbox.path("home/.local/state/withkey/salt");
    assert_eq!(fs::metadata(&salt).unwrap().permissions().mode() & 0o777, 0o600);
    // The same key under another salt has another hash.
    let other = Sandbox::new();
    other.add_variables("work", &[("OPENAI_API_KEY", KEY)]);
    let theirs = fs::read_to_string(other.configuration("profiles/work.toml")).unwrap();
    let hash = |text: &str| text.lines().find(|line| line.starts_with("hash")).unwrap().to_owned();
    assert_ne!(hash(&description), hash(&theirs));
    assert_no_key_in_files(&sandbox.home());
    // Without a salt the form is left, and nothing else changes.
    fs::remove_file(salt).unwrap();
    fs::write(sandbox.project().join(".env"), format!("A={KEY}")).unwrap();
    check(&sandbox).assert("clear keys", "warning", "a key of OpenAI", "");
}

#[test]
fn where_no_salt_can_be_made_a_key_is_stored_all_the_same() {
    let sandbox = Sandbox::new();
    sandbox.file("home/.local/state", "", 0o644);
    sandbox.add("default", KEY);
    let description = fs::read_to_string(sandbox.configuration("profiles/default.toml")).unwrap();
    assert!(!description.contains("hash"), "{description}");
    check(&sandbox).assert_ok("dotfile", "default opens");
}

#[test]
fn completions_are_looked_for_in_the_users_shell() {
    let sandbox = Sandbox::with_key();
    let with = |shell: &str| Answer::of(withkey(&sandbox, &["check", "--json"]).set("SHELL", shell));
    for (shell, file) in [
        ("/bin/bash", "home/.local/share/bash-completion/completions/withkey"),
        ("/usr/bin/zsh", "home/.zfunc/_withkey"),
        ("/usr/bin/fish", "home/.config/fish/completions/withkey.fish"),
    ] {
        let name = shell.rsplit('/').next().unwrap();
        let mend = format!("withkey completions {name} --install");
        with(shell).assert("completions", "warning", &format!("none for {name}"), &mend);
        sandbox.file(file, "", 0o644);
        with(shell).assert_ok("completions", name);
    }
    assert!(!with("/bin/tcsh").outcome.stdout().contains("completions"));
}

#[test]
fn another_withkey_that_comes_first_is_a_problem() {
    let sandbox = Sandbox::with_key();
    let other = sandbox.program("first/withkey", "#!/bin/sh\n");
    let start = withkey(&sandbox, &["check", "--json"]);
    let path = format!("{}:{}:/bin", sandbox.path("first").display(), sandbox.path("bin").display());
    let mend = format!("delete {}", other.display());
    Answer::of(start.set("PATH", &path)).assert("PATH", "problem", "is another withkey than this one", &mend);
    // One that cannot be run is passed over.
    fs::set_permissions(&other, Permissions::from_mode(0o644)).unwrap();
    Answer::of(withkey(&sandbox, &["check", "--json"]).set("PATH", &path))
        .assert_ok("PATH", "bin/withkey is this withkey");
    Answer::of(withkey(&sandbox, &["check", "--json"]).set("PATH", "/nowhere")).assert(
        "PATH",
        "warning",
        "no directory on it has withkey",
        "copy withkey",
    );
}

/// A profile `work` whose helper is a script of the user's own; gives the script.
#[track_caller]
fn with_helper(sandbox: &Sandbox) -> std::path::PathBuf {
    let ran = sandbox.path("ran");
    let script = format!("#!/bin/sh\necho x >> '{}'\necho {OTHER_KEY}\n", ran.display());
    let program = sandbox.program("tools/key", script);
    let folder = fs::metadata(sandbox.path("tools")).unwrap().permissions().mode();
    fs::set_permissions(sandbox.path("tools"), Permissions::from_mode(folder & !0o022)).unwrap();
    let outcome = sandbox.withkey(["add", "work", "--helper", program.to_str().unwrap()]).run();
    outcome.assert_exit(0);
    assert!(!outcome.stderr().contains("warning"), "{}", outcome.stderr());
    program
}

#[test]
fn a_helper_that_is_gone_or_not_to_be_run_is_a_problem_and_none_is_run() {
    let sandbox = Sandbox::with_key();
    let program = with_helper(&sandbox);
    fs::remove_file(sandbox.path("ran")).unwrap();
    check(&sandbox).assert_ok("helper", &format!("work OPENAI_API_KEY comes from {}", program.display()));
    let mend = "name another: withkey add work OPENAI_API_KEY --replace --helper 'PROGRAM ARG'";
    fs::set_permissions(&program, Permissions::from_mode(0o600)).unwrap();
    check(&sandbox).assert("helper", "problem", "permission denied", mend);
    fs::remove_file(&program).unwrap();
    check(&sandbox).assert("helper", "problem", "work OPENAI_API_KEY: program not found: ", mend);
    assert!(!sandbox.path("ran").exists(), "check ran the helper");
}

#[test]
fn a_helper_that_others_may_replace_is_a_warning_and_add_says_so_too() {
    let sandbox = Sandbox::with_key();
    let program = with_helper(&sandbox);
    let folder = sandbox.path("tools");
    let again = || {
        let words = ["add", "work", "--replace", "--helper", program.to_str().unwrap()];
        sandbox.withkey(words).run().assert_exit(0).stderr()
    };
    let assert_warned = |what: &str, mend: &str| {
        check(&sandbox).assert("helper", "warning", what, mend);
        let text = again();
        assert!(text.contains(&format!("withkey: warning: {what}")), "no {what:?} in:\n{text}");
        assert_eq!(text.contains("chmod"), mend.contains("chmod"), "{text}");
    };
    for path in [&program, &folder] {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        fs::set_permissions(path, Permissions::from_mode(mode | 0o022)).unwrap();
        let what = format!("other users may change {}", path.display());
        assert_warned(&what, &format!("chmod go-w {}", path.display()));
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    // Nobody is told to change the mode of a folder like /tmp.
    fs::set_permissions(&folder, Permissions::from_mode(0o1777)).unwrap();
    assert_warned(&format!("other users may change {}", folder.display()), "name a program that is yours");
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::chown(&program, Some(12_346), None).unwrap();
    assert_warned(&format!("{} belongs to another user", program.display()), "name a program that is yours");
}
