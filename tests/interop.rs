//! The real `age` and `rage` open what withkey writes, and withkey opens what they write.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{env, fs};

use common::{KEY, Mode, OTHER_KEY, Outcome, Pty, Sandbox, Start, assert_same};

/// For identities that are protected.
const PASSPHRASE: &str = "correct horse battery staple";

/// What the dotfile of a profile that holds [`KEY`] says.
fn plaintext() -> String {
    format!("OPENAI_API_KEY='{KEY}'\n")
}

/// A program that is not withkey's: one that tests/run has put beside the tests' target folder, else one of PATH.
#[track_caller]
fn tool(name: &str) -> PathBuf {
    let beside = || Some(env::current_exe().ok()?.ancestors().nth(3)?.join("tools/bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let found =
        beside().into_iter().chain(env::split_paths(&path)).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| {
        let install = match name {
            "rage" | "rage-keygen" => "cargo install rage --locked",
            "ssh-keygen" => "apt-get install openssh-client",
            _ => "apt-get install age",
        };
        panic!("{name} is missing; install it: {install}; or install all that is missing and run all tests: tests/run")
    })
}

/// A tool with these words, in the sandbox.
#[track_caller]
fn run<T: AsRef<OsStr>>(sandbox: &Sandbox, name: &str, words: impl IntoIterator<Item = T>) -> Start {
    sandbox.directly([tool(name)]).args(words)
}

/// The two programs that open age files.
const OPENERS: [&str; 2] = ["age", "rage"];

/// The README's line: `age -d -i IDENTITY FILE`.
#[track_caller]
fn open_by(opener: &str, sandbox: &Sandbox, identity: &Path, file: &Path) -> Start {
    run(sandbox, opener, ["-d".as_ref(), "-i".as_ref(), identity.as_os_str(), file.as_os_str()])
}

/// Both programs open the file with the identity and find this in it.
#[track_caller]
fn assert_both_open(sandbox: &Sandbox, identity: &Path, file: &Path, expected: &str) {
    for opener in OPENERS {
        open_by(opener, sandbox, identity, file).run().assert_exit(0).assert_stdout(expected);
    }
}

/// Where a profile's age file lies.
fn dotfile(sandbox: &Sandbox, profile: &str) -> PathBuf {
    sandbox.configuration(format!("profiles/{profile}.age"))
}

/// The recipient of an age identity, as age-keygen tells it.
#[track_caller]
fn recipient(sandbox: &Sandbox, identity: &Path) -> String {
    let outcome = run(sandbox, "age-keygen", ["-y".as_ref(), identity.as_os_str()]).run();
    outcome.assert_exit(0).stdout().trim().to_owned()
}

/// A new identity of a second machine, by age-keygen.
#[track_caller]
fn keygen(sandbox: &Sandbox, name: &str) -> PathBuf {
    let file = sandbox.path(name);
    run(sandbox, "age-keygen", ["-o".as_ref(), file.as_os_str()]).run().assert_exit(0);
    file
}

/// A new SSH key pair of this type, and the text of its public half.
#[track_caller]
fn ssh_keygen(sandbox: &Sandbox, name: &str, kind: &[&str], passphrase: &str) -> (PathBuf, String) {
    let file = sandbox.path(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let start = run(sandbox, "ssh-keygen", ["-q", "-N", passphrase, "-C", "ana@laptop", "-f"]);
    start.args([&file]).args(kind).run().assert_exit(0);
    let public = fs::read_to_string(file.with_extension("pub")).unwrap();
    (file, public.trim().to_owned())
}

/// Encrypts [`plaintext`] by `tool` with `options`, and puts what comes out in the place of the profile's age file.
#[track_caller]
fn put_in_place(sandbox: &Sandbox, profile: &str, name: &str, options: &[&str], key: &str) {
    let made = sandbox.path("made.age");
    let start = run(sandbox, name, ["-e"]).args(options).args(["-o".as_ref(), made.as_os_str()]);
    start.input(format!("OPENAI_API_KEY={key}\n")).run().assert_exit(0);
    fs::rename(made, dotfile(sandbox, profile)).unwrap();
}

#[track_caller]
fn assert_launched_with(start: Start, key: &str) {
    let outcome = start.args(["printenv", "OPENAI_API_KEY"]).run();
    outcome.assert_exit(0).assert_stdout(&format!("{key}\n")).assert_stderr("");
}

fn config(sandbox: &Sandbox, text: &str) {
    sandbox.file("home/.config/withkey/config.toml", text, 0o600);
}

// ---- what withkey writes ----

#[test]
fn age_and_rage_open_a_profile_with_the_personal_identity() {
    let sandbox = Sandbox::with_key();
    let sealed = fs::read(dotfile(&sandbox, "default")).unwrap();
    assert!(sealed.starts_with(b"age-encryption.org/v1\n"), "it is not a binary age file");
    assert_both_open(&sandbox, &sandbox.identity(), &dotfile(&sandbox, "default"), &plaintext());
}

#[test]
fn age_and_rage_open_several_variables_as_dotenv_text() {
    let sandbox = Sandbox::new();
    sandbox.add_variables("work", &[("OPENAI_API_KEY", KEY), ("ANTHROPIC_API_KEY", OTHER_KEY)]);
    let expected = format!("OPENAI_API_KEY='{KEY}'\nANTHROPIC_API_KEY='{OTHER_KEY}'\n");
    assert_both_open(&sandbox, &sandbox.identity(), &dotfile(&sandbox, "work"), &expected);
}

/// The text between single quotes must mean the same to a shell, for who sources it.
#[test]
fn a_shell_reads_the_same_key_from_what_age_prints() {
    let sandbox = Sandbox::new();
    let key = "sk-test-it's-$HOME-`x`-\"#\\";
    sandbox.add("work", key);
    let text = open_by("age", &sandbox, &sandbox.identity(), &dotfile(&sandbox, "work")).run().assert_exit(0).stdout();
    let script = format!("{text}printf '%s\\n' \"$OPENAI_API_KEY\"");
    sandbox.directly(["/bin/sh", "-c", &script]).run().assert_exit(0).assert_stdout(&format!("{key}\n"));
    assert_launched_with(sandbox.withkey(["-p", "work"]), key);
}

#[test]
fn the_recipient_beside_the_identity_is_the_one_age_keygen_tells() {
    let sandbox = Sandbox::with_key();
    let told = recipient(&sandbox, &sandbox.identity());
    assert_same(
        "recipient.txt",
        &format!("{told}\n"),
        &fs::read_to_string(sandbox.identity().with_file_name("recipient.txt")).unwrap(),
    );
    let status = sandbox.withkey(["status"]).run();
    assert!(status.assert_exit(0).stdout().contains(&told), "status does not show {told}:\n{}", status.stdout());
}

// ---- what age and rage write ----

#[test]
fn a_file_that_age_or_rage_made_is_read_in_the_place_of_the_profiles_own() {
    let sandbox = Sandbox::with_key();
    let own = recipient(&sandbox, &sandbox.identity());
    let other = recipient(&sandbox, &keygen(&sandbox, "other.txt"));
    let recipients: [&[&str]; 2] = [&["-r", &own], &["-r", &other, "-r", &own]];
    for (number, (name, armor)) in OPENERS.iter().flat_map(|name| [(name, false), (name, true)]).enumerate() {
        for (second, recipients) in recipients.iter().enumerate() {
            let options = if armor { [&["-a"], *recipients].concat() } else { recipients.to_vec() };
            let key = format!("sk-test-made-by-hand-{number}{second}-0123456789abcdef");
            put_in_place(&sandbox, "default", name, &options, &key);
            let begins_as_text =
                fs::read(dotfile(&sandbox, "default")).unwrap().starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----\n");
            assert_eq!(begins_as_text, armor);
            assert_launched_with(sandbox.withkey::<&str>([]), &key);
        }
    }
}

#[test]
fn a_file_made_by_hand_may_be_added_to() {
    let sandbox = Sandbox::with_key();
    let own = recipient(&sandbox, &sandbox.identity());
    put_in_place(&sandbox, "default", "age", &["-a", "-r", &own], OTHER_KEY);
    sandbox.add_variables("default", &[("ANTHROPIC_API_KEY", KEY)]);
    let expected = format!("OPENAI_API_KEY={OTHER_KEY}\nANTHROPIC_API_KEY='{KEY}'\n");
    assert_both_open(&sandbox, &sandbox.identity(), &dotfile(&sandbox, "default"), &expected);
    assert_launched_with(sandbox.withkey::<&str>([]), OTHER_KEY);
}

#[test]
fn a_file_for_somebody_else_stops_the_launch() {
    let sandbox = Sandbox::with_key();
    let other = recipient(&sandbox, &keygen(&sandbox, "other.txt"));
    put_in_place(&sandbox, "default", "age", &["-r", &other], OTHER_KEY);
    let outcome = sandbox.launch(Mode::Exec, ["touch", "started"]).run();
    outcome.assert_exit(125).assert_stdout("").assert_stderr_has("withkey: error: cannot open the dotfile ");
    assert!(!sandbox.project().join("started").exists(), "COMMAND was started");
}

// ---- identities from elsewhere ----

#[test]
fn an_identity_by_age_keygen_or_rage_keygen_is_taken_from_a_file() {
    for name in ["age-keygen", "rage-keygen"] {
        let sandbox = Sandbox::new();
        let file = sandbox.path("key.txt");
        run(&sandbox, name, ["-o".as_ref(), file.as_os_str()]).run().assert_exit(0);
        let with_it = |start: Start| start.set("WITHKEY_IDENTITY_FILE", &file);
        with_it(sandbox.withkey(["add", "default"])).input(format!("{KEY}\n")).run().assert_exit(0);
        assert!(!sandbox.identity().exists(), "a personal identity was made beside the named one");
        assert_both_open(&sandbox, &file, &dotfile(&sandbox, "default"), &plaintext());
        assert_launched_with(with_it(sandbox.withkey::<&str>([])), KEY);
    }
}

in_both_modes! {
    fn an_identity_by_age_keygen_is_taken_as_text_and_not_handed_on(mode: Mode) {
        let sandbox = Sandbox::new();
        let file = keygen(&sandbox, "key.txt");
        let whole = fs::read_to_string(&file).unwrap();
        let line = whole.lines().last().unwrap().to_owned();
        for (number, text) in [whole.clone(), line.clone(), format!("{line}\n")].iter().enumerate() {
            let profile = format!("work{number}");
            let add = sandbox.withkey(["add", &profile]).set("WITHKEY_IDENTITY", text).input(format!("{KEY}\n"));
            add.run().assert_exit(0);
            assert_both_open(&sandbox, &file, &dotfile(&sandbox, &profile), &plaintext());
            let found = sandbox.launched(mode, |start| {
                let set = start.set("WITHKEY_IDENTITY", text).set("WITHKEY_IDENTITY_FILE", &file);
                set.set("WITHKEY_PROFILE", &profile)
            });
            let environment = found.environment();
            assert!(environment.contains(&format!("OPENAI_API_KEY={KEY}")), "{environment}");
            assert!(!environment.contains("WITHKEY_IDENTITY"), "{environment}");
            assert!(!environment.contains("AGE-SECRET-KEY"), "{environment}");
        }
        assert!(!sandbox.identity().exists(), "a personal identity was made beside the named one");
    }
}

/// Each key pair works as identity for withkey's own files, and for those that age and rage make for its public half.
#[test]
fn ssh_keys_are_identities() {
    let kinds: [(&str, &[&str]); 4] = [
        ("ed25519", &["-t", "ed25519"]),
        ("rsa", &["-t", "rsa", "-b", "2048"]),
        ("rsa4096", &["-t", "rsa", "-b", "4096"]),
        ("rsa_pem", &["-t", "rsa", "-b", "2048", "-m", "PEM"]),
    ];
    for (name, kind) in kinds {
        let sandbox = Sandbox::new();
        let (file, public) = ssh_keygen(&sandbox, &format!("home/.ssh/id_{name}"), kind, "");
        let with_it = |start: Start| start.set("WITHKEY_IDENTITY_FILE", &file);
        with_it(sandbox.withkey(["add", "default"])).input(format!("{KEY}\n")).run().assert_exit(0);
        assert_both_open(&sandbox, &file, &dotfile(&sandbox, "default"), &plaintext());
        assert_launched_with(with_it(sandbox.withkey::<&str>([])), KEY);
        for maker in OPENERS {
            put_in_place(&sandbox, "default", maker, &["-r", &public], OTHER_KEY);
            assert_launched_with(with_it(sandbox.withkey::<&str>([])), OTHER_KEY);
        }
    }
}

#[test]
fn an_ssh_key_of_config_toml_opens_beside_the_personal_identity() {
    let sandbox = Sandbox::with_key();
    let (_, public) = ssh_keygen(&sandbox, "home/.ssh/id_ed25519", &["-t", "ed25519"], "");
    put_in_place(&sandbox, "default", "age", &["-r", &public], OTHER_KEY);
    sandbox.launch(Mode::Exec, ["true"]).run().assert_exit(125);
    config(&sandbox, "identities = [\"~/.ssh/id_ed25519\"]\n");
    assert_launched_with(sandbox.withkey::<&str>([]), OTHER_KEY);
    // The personal one still opens what is its own.
    let own = recipient(&sandbox, &sandbox.identity());
    put_in_place(&sandbox, "default", "age", &["-r", &own], KEY);
    assert_launched_with(sandbox.withkey::<&str>([]), KEY);
}

#[test]
fn an_ssh_key_of_config_toml_may_be_the_only_identity() {
    let sandbox = Sandbox::new();
    let (file, _) = ssh_keygen(&sandbox, "home/.ssh/id_ed25519", &["-t", "ed25519"], "");
    config(&sandbox, &format!("identities = [\"{}\"]\n", file.display()));
    sandbox.add("default", KEY);
    assert!(!sandbox.identity().exists(), "a personal identity was made beside the SSH key");
    assert_both_open(&sandbox, &file, &dotfile(&sandbox, "default"), &plaintext());
    assert_launched_with(sandbox.withkey::<&str>([]), KEY);
}

#[test]
fn a_recipient_of_config_toml_opens_what_is_written_from_then_on() {
    let sandbox = Sandbox::with_key();
    let second = keygen(&sandbox, "second.txt");
    let (ssh, public) = ssh_keygen(&sandbox, "recovery", &["-t", "ed25519"], "");
    open_by("age", &sandbox, &second, &dotfile(&sandbox, "default")).run().assert_exit(1);
    config(&sandbox, &format!("recipients = [\"{}\", \"{public}\"]\n", recipient(&sandbox, &second)));
    sandbox.add("work", KEY);
    for identity in [&sandbox.identity(), &second, &ssh] {
        assert_both_open(&sandbox, identity, &dotfile(&sandbox, "work"), &plaintext());
    }
    assert_launched_with(sandbox.withkey(["-p", "work"]), KEY);
}

/// As above, where the identity is made in the same breath.
#[test]
fn a_recipient_of_config_toml_opens_the_very_first_file_too() {
    let sandbox = Sandbox::new();
    let second = keygen(&sandbox, "second.txt");
    config(&sandbox, &format!("recipients = [\"{}\"]\n", recipient(&sandbox, &second)));
    sandbox.add("default", KEY);
    for identity in [&sandbox.identity(), &second] {
        assert_both_open(&sandbox, identity, &dotfile(&sandbox, "default"), &plaintext());
    }
}

// ---- passphrases ----

/// Runs `start` on a terminal and answers what it asks, each question recognised by a part of it.
#[track_caller]
fn answer(start: Start, dialogue: &[(&str, &str)]) -> Outcome {
    let terminal = Pty::open();
    let running = terminal.attach(start).start();
    for (question, answer) in dialogue {
        terminal.wait_for(question);
        terminal.type_in(&format!("{answer}\n"));
    }
    let outcome = running.outcome();
    assert!(outcome.end == common::End::Exit(0), "{:?}; the terminal shows:\n{}", outcome.end, terminal.text());
    assert!(!terminal.text().contains(PASSPHRASE), "the passphrase is shown:\n{}", terminal.text());
    outcome
}

/// A profile `default` with [`KEY`], whose new identity has got [`PASSPHRASE`].
#[track_caller]
fn with_protected_identity() -> Sandbox {
    let sandbox = Sandbox::new();
    let questions = [
        ("passphrase for it ", PASSPHRASE),
        ("the same passphrase again: ", PASSPHRASE),
        ("OPENAI_API_KEY (not shown", KEY),
        ("ask OpenAI whether it works?", "n"),
    ];
    answer(sandbox.withkey(["add"]), &questions);
    assert!(
        !fs::read_to_string(sandbox.identity()).unwrap().contains("AGE-SECRET-KEY-"),
        "the identity is not protected"
    );
    sandbox
}

#[test]
fn age_and_rage_open_a_profile_with_a_protected_identity_by_withkey() {
    let sandbox = with_protected_identity();
    for opener in OPENERS {
        let out = sandbox.path(opener);
        let start = run(&sandbox, opener, ["-o"]).args([&out]).args(["-d", "-i"]);
        let start = start.args([sandbox.identity(), dotfile(&sandbox, "default")]);
        // rage asks by a program with windows if it finds one.
        answer(start.set("PINENTRY_PROGRAM", "/nonexistent"), &[("assphrase", PASSPHRASE)]);
        assert_same(opener, &plaintext(), &fs::read_to_string(out).unwrap());
    }
}

#[test]
fn withkey_asks_for_the_passphrase_of_an_identity_by_itself_or_age_or_rage() {
    let sandbox = Sandbox::with_key();
    let plain = sandbox.path("plain.txt");
    fs::rename(sandbox.identity(), &plain).unwrap();
    let age = [("Enter passphrase", PASSPHRASE), ("Confirm passphrase", PASSPHRASE)];
    let rage = [("assphrase", PASSPHRASE), ("assphrase", PASSPHRASE)];
    for (name, armor, dialogue) in [("age", false, age), ("age", true, age), ("rage", true, rage)] {
        let protected = sandbox.path("protected.age");
        let words = ["-p".as_ref(), "-o".as_ref(), protected.as_os_str()];
        let options: &[&str] = if armor { &["-a"] } else { &[] };
        let start = run(&sandbox, name, words).set("PINENTRY_PROGRAM", "/nonexistent").args(options);
        answer(start.args([&plain]), &dialogue);
        fs::set_permissions(&protected, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        // Named, and in the place of the personal one.
        let launch = || sandbox.launch(Mode::Exec, ["sh", "-c", "printenv OPENAI_API_KEY >key"]);
        answer(launch().set("WITHKEY_IDENTITY_FILE", &protected), &[("passphrase of ", PASSPHRASE)]);
        assert_same(name, &format!("{KEY}\n"), &fs::read_to_string(sandbox.project().join("key")).unwrap());
        fs::rename(&protected, sandbox.identity()).unwrap();
        fs::remove_file(sandbox.project().join("key")).unwrap();
        answer(launch(), &[("passphrase of ", PASSPHRASE)]);
        assert_same(name, &format!("{KEY}\n"), &fs::read_to_string(sandbox.project().join("key")).unwrap());
    }
}

#[test]
fn withkey_asks_for_the_passphrase_of_an_ssh_key() {
    let sandbox = Sandbox::with_key();
    let (file, public) = ssh_keygen(&sandbox, "home/.ssh/id_ed25519", &["-t", "ed25519"], PASSPHRASE);
    put_in_place(&sandbox, "default", "age", &["-r", &public], OTHER_KEY);
    let launch = sandbox.launch(Mode::Exec, ["sh", "-c", "printenv OPENAI_API_KEY >key"]);
    answer(launch.set("WITHKEY_IDENTITY_FILE", &file), &[("passphrase of the SSH key: ", PASSPHRASE)]);
    assert_same("the key", &format!("{OTHER_KEY}\n"), &fs::read_to_string(sandbox.project().join("key")).unwrap());
}
