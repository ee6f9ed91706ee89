//! The helper store: a program prints the key. It is run in surroundings of its own, within bounds, and judged.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use std::fs;
use std::path::Path;

use common::{End, KEY, Mode, OTHER_KEY, Outcome, Pty, Sandbox, until};
use refusal::{Tree, assert_refused};
use session::{assert_no_key_in_files, session};

/// A helper at `PROJECT/helper` that does what the script says; `team` takes its key from it.
fn helper(script: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("project/key", format!("{KEY}\n"), 0o600);
    write(&sandbox, &format!("cat '{}'", sandbox.project().join("key").display()));
    sandbox.withkey(["add", "team", "--helper", "./helper"]).run().assert_exit(0);
    write(&sandbox, script);
    sandbox
}

fn write(sandbox: &Sandbox, script: &str) {
    sandbox.program("project/helper", format!("#!/bin/sh\n{script}\n"));
}

fn printed(sandbox: &Sandbox, mode: Mode) -> Outcome {
    sandbox.withkey(mode.options()).args(["-p", "team", "printenv", "OPENAI_API_KEY"]).run()
}

fn patience(sandbox: &Sandbox, seconds: u8) {
    sandbox.file("home/.config/withkey/config.toml", format!("helper_timeout = {seconds}\n"), 0o600);
}

/// Fails unless COMMAND is not started, in either mode, with this cause.
#[track_caller]
fn assert_no_launch(sandbox: &Sandbox, cause: &str) {
    let before = Tree::of(sandbox);
    for mode in Mode::BOTH {
        let outcome = sandbox.withkey(mode.options()).args(["-p", "team", "touch", "started"]).run();
        let program = sandbox.project().join("helper");
        let error = format!(
            "withkey: error: the helper {0} gave no key for OPENAI_API_KEY\nwithkey: cause: {cause}\n\
             withkey: hint: try it by hand: {0}\n",
            program.display()
        );
        assert_refused(&outcome, 125, &error);
    }
    before.assert_unchanged(cause, sandbox);
}

#[test]
fn a_helper_is_named_run_and_replaced() {
    let sandbox = Sandbox::new();
    sandbox.file("key", format!("{KEY}\n"), 0o600);
    sandbox.file("it's \"another\"", OTHER_KEY, 0o600);
    session(
        &sandbox,
        r#"
        $ withkey add work --store helper --helper 'cat /dev/null ../key' < /dev/null
        on standard error: /usr/bin/cat: ../key: No such file or directory
        withkey: error: the helper /usr/bin/cat gave no key for OPENAI_API_KEY
        withkey: cause: it ended with status 1
        withkey: hint: try it by hand: /usr/bin/cat /dev/null ../key
        [1]
        $ withkey add work --helper "cat '$PWD/../key'" --expires 2099-12-31 --use < /dev/null
        withkey: profile work takes OPENAI_API_KEY (sk-…ghij) from /usr/bin/cat now, store helper
        withkey: /sandbox/project uses profile work now
        $ withkey printenv OPENAI_API_KEY
        $KEY
        $ withkey add work LLM_KEY -- cat "$PWD/../it's \"another\""
        withkey: profile work takes LLM_KEY (sk-…tsrq) from /usr/bin/cat now, store helper
        $ withkey printenv LLM_KEY OPENAI_API_KEY
        $OTHER_KEY
        $KEY
        $ withkey list
        work (helper)
          OPENAI_API_KEY  sk-…ghij  added TODAY  last used TODAY  expires 2099-12-31
          LLM_KEY         sk-…tsrq  added TODAY  last used TODAY
          /sandbox/project
        $ withkey status | grep -v OpenAI
        directory: /sandbox/project
        profile: work
        source: binding (/sandbox/project)
        store: helper
        keys: OPENAI_API_KEY sk-…ghij, LLM_KEY sk-…tsrq
        helper: OPENAI_API_KEY /usr/bin/cat, LLM_KEY /usr/bin/cat
        added: OPENAI_API_KEY, LLM_KEY
        $ withkey add work LLM_KEY --helper 'printf %s short'
        withkey: error: profile work has a key for LLM_KEY already
        withkey: cause: a stored key is not overwritten unasked
        withkey: hint: withkey add work LLM_KEY --replace
        [1]
        $ withkey add work LLM_KEY --replace --helper 'head -c 20 /usr/bin/env'
        withkey: error: the helper /usr/bin/head gave no key for LLM_KEY
        withkey: cause: what it printed cannot be a key: it holds a NUL byte, which no environment can carry
        withkey: hint: try it by hand: /usr/bin/head -c 20 /usr/bin/env
        [1]
        $ withkey add work LLM_KEY --replace --helper 'uname -s'
        withkey: profile work takes LLM_KEY (…) from /usr/bin/uname now, store helper
        $ withkey printenv LLM_KEY
        Linux
        $ withkey remove work OPENAI_API_KEY --yes; withkey printenv OPENAI_API_KEY LLM_KEY; withkey remove work --yes; withkey list
        Linux
        withkey: removed OPENAI_API_KEY from profile work
        withkey: hint: a key that is no longer needed is deleted at its provider too: withkey status names the page
        withkey: removed profile work, its keys and its bindings
        withkey: hint: a key that is no longer needed is deleted at its provider too: withkey status names the page
        withkey: no profile yet; withkey add stores a key
    "#,
    );
}

#[test]
fn add_refuses_what_makes_no_helper() {
    let sandbox = Sandbox::with_key();
    sandbox.file("key", format!("{KEY}\n"), 0o600);
    sandbox
        .withkey(["add", "team", "--helper", &format!("cat '{}'", sandbox.path("key").display())])
        .run()
        .assert_exit(0);
    let before = Tree::of(&sandbox);
    for (words, status, part) in [
        (&["add", "x", "--helper", ""][..], 1, "withkey: error: cannot split into words: \n"),
        (&["add", "x", "--helper", "echo 'open"], 1, "withkey: error: cannot split into words: echo 'open\n"),
        (&["add", "x", "--helper", "no-such-program"], 1, "withkey: error: program not found: no-such-program"),
        (&["add", "x", "--store", "helper"], 1, "withkey: error: no helper is named for profile x"),
        (&["add", "x", "A_KEY", "B_KEY", "--helper", "uname"], 2, "a helper prints one key: name one variable"),
        (&["add", "x", "--store", "dotfile", "--helper", "uname"], 2, "a helper's key is not stored"),
        (&["add", "x", "--from", ".env", "--helper", "uname"], 2, "does not go with"),
        (&["add", "x", "--helper", "uname", "--", "uname"], 2, "does not go with"),
        (&["add", "default", "LLM_KEY", "--helper", "uname"], 1, "profile default is kept in the store dotfile"),
        (&["add", "team", "LLM_KEY", "--store", "dotfile"], 1, "profile team is kept in the store helper"),
        (&["add", "team", "LLM_KEY"], 1, "withkey: error: no helper is named for profile team"),
        (&["add", "x", "--helper", "uname"], 1, "what it printed cannot be a key: it is under 20 bytes"),
        (&["add", "x", "--helper", "false"], 1, "withkey: cause: it ended with status 1"),
        (&["add", "x", "--helper", &format!("echo {OTHER_KEY}")], 1, "stands in the helper's own words"),
    ] {
        assert_refused(&sandbox.withkey(words).input(OTHER_KEY).run(), status, part);
    }
    before.assert_unchanged("add", &sandbox);
    // Odd, and taken.
    sandbox.file("odd", "zz-0123456789abcdefghijklmnop", 0o600);
    let odd = sandbox.withkey(["add", "x", "--helper", &format!("cat '{}'", sandbox.path("odd").display())]).run();
    odd.assert_exit(0).assert_stderr_has("OpenAI keys usually begin with").assert_stderr_has("it is used all the same");
}

in_both_modes! {
    fn what_it_prints_arrives_byte_for_byte_with_one_line_end_off(mode: Mode) {
        for (script, key) in [
            (format!("printf '%s' {KEY}"), KEY.to_owned()),
            (format!("printf '%s\\n' {KEY}"), KEY.to_owned()),
            (format!("printf '%s\\r\\n' {KEY}"), KEY.to_owned()),
            // Piece by piece, and with something on standard error.
            (format!("for c in {}; do printf %s $c; echo . >&2; done", KEY.split_inclusive(|_| true).collect::<Vec<_>>().join(" ")), KEY.to_owned()),
        ] {
            let sandbox = helper(&script);
            printed(&sandbox, mode).assert_exit(0).assert_stdout(&format!("{key}\n"));
        }
        // Under any other name.
        let sandbox = Sandbox::new();
        for (script, value) in [
            ("printf ' a\\nb \\n\\n'", " a\nb \n".to_owned()),
            ("printf '\\n\\r\\n'", "\n".to_owned()),
            ("printf '%065536d' 0", "0".repeat(65536)),
            ("printf '%065536d\\r\\n' 0", "0".repeat(65536)),
        ] {
            write(&sandbox, script);
            sandbox.withkey(["add", "team", "MY_SECRET", "--replace", "--", "./helper"]).run().assert_exit(0);
            let words = ["-p", "team", "sh", "-c", "printf '%s' \"$MY_SECRET\""];
            sandbox.withkey(mode.options()).args(words).run().assert_exit(0).assert_stdout(&value);
        }
    }

    /// Ignored, SIGCHLD makes the kernel throw a child's status away.
    fn its_status_arrives_however_withkey_was_started(mode: Mode) {
        let sandbox = helper("exit 3");
        let launch = |sandbox: &Sandbox| sandbox.withkey(mode.options()).args(["-p", "team", "printenv", "OPENAI_API_KEY"]);
        let odd = |sandbox: &Sandbox| {
            [launch(sandbox).ignoring(&[libc::SIGCHLD]), launch(sandbox).blocking(&[libc::SIGCHLD]), launch(sandbox).ignoring(&[libc::SIGPIPE])]
        };
        for start in odd(&sandbox) {
            assert_refused(&start.run(), 125, "withkey: cause: it ended with status 3\n");
        }
        for start in odd(&helper(&format!("echo {KEY}"))) {
            start.run().assert_exit(0).assert_stdout(&format!("{KEY}\n"));
        }
        // And COMMAND finds the signals as they were.
        let sandbox = helper(&format!("echo {KEY}"));
        let ignored = |start: common::Start| {
            let outcome = start.args(["grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"]).run();
            outcome.assert_exit(0);
            outcome.stdout()
        };
        let odd = |start: common::Start| start.ignoring(&[libc::SIGCHLD, libc::SIGPIPE]).blocking(&[libc::SIGUSR1]);
        let with = ignored(odd(sandbox.withkey(mode.options()).args(["-p", "team"])));
        let without = ignored(odd(sandbox.directly(["/usr/bin/env"])));
        assert_eq!(with, without);
    }

    /// As long as that holds its output open withkey would wait for it.
    fn what_it_leaves_behind_is_not_waited_for(mode: Mode) {
        let sandbox = helper(&format!("sleep 1000 & echo {KEY}"));
        printed(&sandbox, mode).assert_exit(0).assert_stdout(&format!("{KEY}\n"));
        let sandbox = helper("(while :; do sleep 0.1; done) & exit 4");
        let outcome = printed(&sandbox, mode);
        assert_refused(&outcome, 125, "withkey: cause: it ended with status 4\n");
    }

    fn it_finds_nothing_open_but_its_own(mode: Mode) {
        let sandbox = helper(&format!("ls /proc/self/fd > '{}'; echo {KEY}", "OPEN"));
        write(&sandbox, &format!("ls /proc/self/fd > '{}'; echo {KEY}", sandbox.path("open").display()));
        let launch = sandbox.withkey(mode.options()).args(["-p", "team", "sh", "-c", "echo for COMMAND >&7"]);
        let (file, _) = common::pipe().unwrap();
        let held = fs::File::create(sandbox.path("seven")).unwrap();
        launch.descriptor(5, file).descriptor(7, held).closed(2).run().assert_exit(0);
        // The last one is the folder that ls itself looks into.
        assert_eq!(fs::read_to_string(sandbox.path("open")).unwrap(), "0\n1\n2\n3\n");
        assert_eq!(fs::read_to_string(sandbox.path("seven")).unwrap(), "for COMMAND\n");
    }
}

#[test]
fn a_helper_that_fails_stops_the_launch() {
    for (script, cause) in [
        ("exit 3", "it ended with status 3"),
        ("echo sk-test-not-this-one-0123456789; exit 255", "it ended with status 255"),
        ("kill -9 $$", "it was ended by signal 9"),
        ("kill -64 $$", "it was ended by signal 64"),
        ("true", "it printed nothing"),
        ("echo", "it printed nothing"),
        ("printf '\\r\\n'", "it printed nothing"),
        ("exec >&-; exit 0", "it printed nothing"),
        (
            "printf 'sk-test-\\0000123456789abcdefghijk'",
            "what it printed cannot be a key: it holds a NUL byte, which no environment can carry",
        ),
        ("printf 'sk-test-\\3770123456789abcdefghijk'", "what it printed cannot be a key: it is not UTF-8 text"),
        (
            "printf 'sk-test-0123456789abcdefghij\\nuser: ana\\n'",
            "what it printed cannot be a key: it holds white space or control characters",
        ),
        ("printf ' sk-test-0123456789abcdefghij\\n\\n'", "it printed more than the key: white space"),
        ("echo OPENAI_API_KEY=sk-test-0123456789abcdefghij", "it printed more than the key: the variable's name"),
        ("echo error: no such entry", "what it printed cannot be a key: it holds white space or control characters"),
        ("exec yes", "it printed more than 65536 bytes"),
        ("printf '%065539d' 0", "it printed more than 65536 bytes"),
    ] {
        assert_no_launch(&helper(script), cause);
    }
}

#[test]
fn a_helper_that_takes_too_long_is_ended() {
    for script in [
        "exec sleep 1000",
        "exec >&-; exec sleep 1000",
        "trap '' TERM INT HUP; while :; do sleep 0.1; done",
        // Never silent for long, and never done.
        "while :; do printf x; sleep 0.05; done",
        "sleep 1000 & exec sleep 1000",
        "sleep 1000; true",
    ] {
        let sandbox = helper("exit 0");
        write(&sandbox, &format!("echo $$ > '{}'\n{script}", sandbox.path("pid").display()));
        patience(&sandbox, 1);
        assert_no_launch(&sandbox, "it took longer than 1 s; helper_timeout in config.toml may give it more");
        // On a busy machine it may have been ended before its first line.
        let process = fs::read_to_string(sandbox.path("pid")).unwrap_or_default();
        let runs = !process.is_empty() && Path::new("/proc").join(process.trim()).exists();
        assert!(!runs, "{script}: it still runs");
        // Nor does what it had started: nothing is left that knows this folder.
        let named = |entry: &fs::DirEntry| {
            fs::read_link(entry.path().join("cwd")).is_ok()
                && fs::read(entry.path().join("environ")).is_ok_and(|block| {
                    let home = format!("HOME={}\0", sandbox.home().display());
                    block.windows(home.len()).any(|window| window == home.as_bytes())
                })
        };
        let left = || fs::read_dir("/proc").unwrap().flatten().filter(named).count();
        until("what the helper started is gone", || left() == 0);
    }
}

#[test]
fn a_program_that_is_gone_is_named() {
    let sandbox = helper("exit 0");
    let program = sandbox.project().join("helper");
    fs::remove_file(&program).unwrap();
    let error = format!(
        "withkey: error: cannot run the helper {}\nwithkey: cause: no such file or directory\n",
        program.display()
    );
    assert_refused(&sandbox.withkey(["-p", "team", "true"]).run(), 125, &error);
    sandbox.file("project/helper", "#!/bin/sh\n", 0o644);
    assert_refused(&sandbox.withkey(["-p", "team", "true"]).run(), 125, "withkey: cause: permission denied\n");
    let description = sandbox.configuration("profiles/team.toml");
    let text = fs::read_to_string(&description).unwrap();
    let without: String =
        text.lines().filter(|line| !line.starts_with("helper")).map(|line| format!("{line}\n")).collect();
    fs::write(&description, without).unwrap();
    assert_refused(
        &sandbox.withkey(["-p", "team", "true"]).run(),
        125,
        "profile team has no helper for OPENAI_API_KEY",
    );
}

#[test]
fn it_runs_in_surroundings_of_its_own() {
    let sandbox = helper("");
    let seen = sandbox.path("seen");
    let script = format!(
        "{{ pwd; wc -c; grep -E 'Sig(Blk|Ign)' /proc/self/status; env | sort; }} > '{}'; echo to the person >&2; echo {KEY}",
        seen.display()
    );
    write(&sandbox, &script);
    let kept = [
        ("AWS_PROFILE", "ana"),
        ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere"),
        ("DISPLAY", ":9"),
        ("GPG_TTY", "/dev/pts/9"),
        ("HTTPS_PROXY", "http://proxy.example"),
        ("SSH_AUTH_SOCK", "/nowhere"),
        ("VAULT_ADDR", "https://vault.example"),
    ];
    let dropped = [
        "ANTHROPIC_API_KEY",
        "BASH_ENV",
        "ENV",
        "GIT_DIR",
        "HF_TOKEN",
        "LD_BIND_NOT",
        "NODE_OPTIONS",
        "OLDPWD",
        "OPENAI_ADMIN_KEY",
        "OPENAI_API_KEY",
        "PYTHONPATH",
        "WITHKEY_IDENTITY",
        "WITHKEY_IDENTITY_FILE",
        "WITHKEY_PROFILE",
    ];
    let mut start =
        sandbox.withkey(["-p", "team", "true"]).ignoring(&[libc::SIGCHLD, libc::SIGPIPE]).blocking(&[libc::SIGUSR1]);
    for (name, value) in kept {
        start = start.set(name, value);
    }
    for name in dropped {
        start = start.set(name, "dropped");
    }
    let outcome = start.entry(b"no equals sign").entry(b"=odd").input("for COMMAND").run();
    outcome.assert_exit(0).assert_stderr_has("to the person\n");
    let seen = fs::read_to_string(seen).unwrap();
    let expected = format!("/\n0\nSigBlk:\t{0}\nSigIgn:\t{0}\n", "0".repeat(16));
    assert!(seen.starts_with(&expected), "{seen}");
    for (name, value) in kept {
        assert!(seen.contains(&format!("\n{name}={value}\n")), "no {name}:\n{seen}");
    }
    assert!(seen.contains(&format!("\nHOME={}\n", sandbox.home().display())), "{seen}");
    assert!(!seen.contains("dropped"), "{seen}");
}

#[test]
fn only_the_helpers_of_what_is_injected_are_run() {
    let sandbox = helper("");
    write(&sandbox, &format!("touch '{}'; echo {KEY}", sandbox.path("asked").display()));
    sandbox.withkey(["add", "team", "LLM_KEY", "--helper", "uname"]).run().assert_exit(0);
    for words in [
        &["-p", "team", "-n", "true"][..],
        &["-p", "team", "-e", "LLM_KEY", "true"],
        &["status", "-p", "team"],
        &["list"],
    ] {
        sandbox.withkey(words).run().assert_exit(0);
    }
    sandbox.withkey(["-p", "team", "no-such-program"]).run().assert_exit(127);
    assert!(!sandbox.path("asked").exists());
    sandbox.withkey(["-p", "team", "true"]).run().assert_exit(0);
    assert!(sandbox.path("asked").exists());
    assert_no_key_in_files(&sandbox.home());
}

#[test]
fn ctrl_c_ends_the_helper_and_withkey() {
    for mode in Mode::BOTH {
        let sandbox = helper("");
        let pid = sandbox.path("pid");
        write(&sandbox, &format!("echo $$ > '{0}.new'; mv '{0}.new' '{0}'; exec sleep 1000", pid.display()));
        let pty = Pty::open();
        let running = pty.attach(sandbox.withkey(mode.options()).args(["-p", "team", "touch", "started"])).start();
        until("the helper runs", || pid.exists());
        pty.type_in("\x03");
        running.outcome().assert_end(End::Signal(libc::SIGINT));
        let process = fs::read_to_string(pid).unwrap();
        until("the helper has ended", || {
            let status = fs::read_to_string(format!("/proc/{}/stat", process.trim())).unwrap_or_default();
            status.is_empty() || status.contains(") Z ")
        });
        assert!(!sandbox.project().join("started").exists());
    }
}

/// The agent of a key made for the test is ended with it.
struct Gpg<'a>(&'a Sandbox);

impl<'a> Gpg<'a> {
    fn new(sandbox: &'a Sandbox) -> Self {
        let gpg = Self(sandbox);
        gpg.run("gpg --batch --quiet --passphrase '' --quick-gen-key withkey-test default default never");
        gpg
    }

    #[track_caller]
    fn run(&self, line: &str) -> Outcome {
        let outcome = self.0.directly(["/bin/sh", "-c", line]).run();
        assert_eq!(outcome.end, End::Exit(0), "apt-get install gnupg pass gopass\n{outcome:?}");
        outcome
    }
}

impl Drop for Gpg<'_> {
    fn drop(&mut self) {
        self.0.directly(["/usr/bin/gpgconf", "--kill", "all"]).run();
    }
}

#[test]
fn the_real_pass_and_gopass_give_their_keys() {
    let sandbox = Sandbox::new();
    let gpg = Gpg::new(&sandbox);
    gpg.run(&format!(
        "pass init withkey-test && echo {KEY} | pass insert -m ai/openai && echo {OTHER_KEY} | pass insert -m ai/other"
    ));
    session(
        &sandbox,
        "
        $ withkey add team --helper 'pass show ai/openai'
        withkey: profile team takes OPENAI_API_KEY (sk-…ghij) from /usr/bin/pass now, store helper
        $ withkey add team LLM_KEY -- gopass show ai/other
        withkey: profile team takes LLM_KEY (sk-…tsrq) from /usr/bin/gopass now, store helper
        $ withkey -p team printenv OPENAI_API_KEY LLM_KEY
        $KEY
        $OTHER_KEY
        $ withkey --spawn -p team printenv LLM_KEY
        $OTHER_KEY
        $ withkey add team GROQ_API_KEY --helper 'pass show ai/missing'
        on standard error: Error: ai/missing is not in the password store.
        withkey: error: the helper /usr/bin/pass gave no key for GROQ_API_KEY
        withkey: cause: it ended with status 1
        withkey: hint: try it by hand: /usr/bin/pass show ai/missing
        [1]
    ",
    );
    // A new key at its place is the next launch's.
    gpg.run(&format!("echo {OTHER_KEY} | pass insert -m -f ai/openai"));
    sandbox.withkey(["-p", "team", "printenv", "OPENAI_API_KEY"]).run().assert_stdout(&format!("{OTHER_KEY}\n"));
}
