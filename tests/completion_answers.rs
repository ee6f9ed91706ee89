//! What the completion scripts are told: every option and verb, quickly, from descriptions alone; and where the scripts go.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use common::{KEY, OTHER_KEY, Sandbox, withkey_binary};
use refusal::{Tree, assert_refused};
use session::session;

const SHELLS: [(&str, &str, &str); 3] = [
    ("bash", "withkey.bash", "home/.local/share/bash-completion/completions/withkey"),
    ("zsh", "_withkey", "home/.local/share/zsh/site-functions/_withkey"),
    ("fish", "withkey.fish", "home/.config/fish/completions/withkey.fish"),
];

fn committed(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(name)).unwrap()
}

/// The words withkey offers for the last of `words`.
#[track_caller]
fn offered(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let outcome = sandbox.withkey([&["__complete"], words].concat()).run();
    outcome.assert_exit(0).assert_stderr("");
    let text = outcome.stdout();
    text.lines().skip(1).map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn what_is_printed_is_what_lies_in_completions() {
    let sandbox = Sandbox::new();
    for (shell, name, _) in SHELLS {
        sandbox.withkey(["completions", shell]).run().assert_exit(0).assert_stdout(&committed(name)).assert_stderr("");
    }
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("completions")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "withkey.1" || SHELLS.iter().any(|shell| shell.1 == name),
            "completions/{name} is read by no test"
        );
    }
}

/// A shell reads a script in full before it finds a mistake in its last line.
#[test]
fn the_shells_read_the_scripts_without_a_complaint() {
    let sandbox = Sandbox::new();
    for (shell, name, _) in SHELLS {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(name);
        let words = [format!("/usr/bin/{shell}").into(), "-n".into(), script.into_os_string()];
        sandbox.directly(words).run().assert_exit(0).assert_stderr("");
    }
}

#[test]
fn every_option_and_verb_of_the_help_is_offered() {
    let sandbox = Sandbox::new();
    let verbs = offered(&sandbox, &[""]);
    assert_eq!(verbs.len(), 13, "{verbs:?}");
    let mut checked = 0;
    for before in std::iter::once(vec![]).chain(verbs.iter().map(|verb| vec![verb.as_str()])) {
        let help = sandbox.withkey([&before[..], &["-h"]].concat()).run().stdout();
        let known = offered(&sandbox, &[&before[..], &["-"]].concat());
        for line in help.lines().map(str::trim_start).filter(|line| line.starts_with('-')) {
            for option in line.split([' ', ',']).take_while(|word| word.is_empty() || word.starts_with('-')) {
                assert!(
                    option.is_empty() || known.iter().any(|word| word == option),
                    "{before:?}: {option}: {known:?}"
                );
                checked += usize::from(!option.is_empty());
            }
        }
    }
    assert!(checked > 60, "{checked} options were found in the help");
    // A verb stands in the help of withkey itself.
    let help = sandbox.withkey(["--help"]).run().stdout();
    for verb in &verbs {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} is not in the help");
    }
}

#[test]
fn the_answer_says_where_command_begins_and_what_the_last_word_could_be() {
    let sandbox = Sandbox::new();
    sandbox.add_variables("work", &[("OPENAI_API_KEY", OTHER_KEY), ("LLM_KEY", "short")]);
    sandbox.add("home", KEY);
    sandbox.bind("work", ".");
    session(
        &sandbox,
        "
        $ withkey __complete -p work -nv git che
        command 4
        $ withkey __complete statu
        command 1
        status\tSay which profile is used here, and why
        $ withkey __complete -- statu
        command 2
        $ withkey __complete --profile=w
        words --profile=
        work\tsk-…tsrq, LLM_KEY …, /sandbox/project
        $ withkey __complete -p ''
        words 
        home\tsk-…ghij
        work\tsk-…tsrq, LLM_KEY …, /sandbox/project
        inherit\tthe key that the environment has already
        $ withkey __complete -eX=
        words -eX=
        OPENAI_API_KEY\tsk-…tsrq
        LLM_KEY\t…
        $ withkey __complete -p home -eX=; withkey __complete -p nobody -eX=
        words -eX=
        OPENAI_API_KEY\tsk-…ghij
        words -eX=
        $ withkey __complete add --from=./x
        files --from=
        $ withkey __complete use work ''
        directories 
        $ withkey __complete move work ''
        words 
        keychain\t
        dotfile\t
        $ withkey __complete
        words 
        $ withkey __complete list ''; withkey __complete --bogus -p ''
        words 
        words 
        home\tsk-…ghij
        work\tsk-…tsrq, LLM_KEY …, /sandbox/project
        inherit\tthe key that the environment has already
    ",
    );
}

/// Only the very first word is the hidden call.
#[test]
fn a_program_of_the_hidden_calls_name_is_run_behind_two_dashes() {
    let sandbox = Sandbox::with_key();
    let program = sandbox.program("__complete", "#!/bin/sh\necho run\n");
    let path = program.parent().unwrap();
    sandbox.withkey(["--", "__complete"]).set("PATH", path).run().assert_exit(0).assert_stdout("run\n");
}

/// Nobody has asked for an error on the line being typed.
#[test]
fn damage_is_passed_over_in_silence() {
    let sandbox = Sandbox::with_key();
    sandbox.add("work", OTHER_KEY);
    fs::write(sandbox.configuration("profiles/work.toml"), "damaged").unwrap();
    fs::write(sandbox.configuration("bindings"), "damaged\n").unwrap();
    assert_eq!(offered(&sandbox, &["-p", ""]), ["default", "work", "inherit"]);
    assert_eq!(offered(&sandbox, &["-e", "X="]), [""; 0]);
    fs::remove_dir_all(sandbox.configuration("profiles")).unwrap();
    fs::write(sandbox.configuration("profiles"), "").unwrap();
    assert_eq!(offered(&sandbox, &["-p", ""]), ["inherit"]);
    let homeless = sandbox.withkey(["__complete", "-p", ""]).unset("HOME").run();
    homeless.assert_exit(0).assert_stderr("").assert_stdout(&homeless.stdout());
    for words in [&b"\xff"[..], b"-p\xff", b"-e\xff=", b"--profile=\xff"] {
        let start =
            sandbox.withkey(["__complete"]).args([std::os::unix::ffi::OsStrExt::from_bytes(words) as &std::ffi::OsStr]);
        start.run().assert_exit(0).assert_stderr("");
    }
}

/// A directory's name must not colour the terminal, end the line, or pass for another value.
#[test]
fn a_hostile_name_stays_one_line_of_plain_text() {
    let sandbox = Sandbox::with_key();
    let hostile = sandbox.path("home/a\x1b[31m\tb\nevil\tmeaning\u{202e}");
    fs::create_dir(&hostile).unwrap();
    sandbox.bind("default", &hostile);
    let text = sandbox.withkey(["__complete", "-p", "d"]).run().stdout();
    let expected = "default\tsk-…ghij, ~/a\\u{1b}[31m\\u{9}b\\u{a}evil\\u{9}meaning\\u{202e}\n";
    assert_eq!(text, format!("words \n{expected}"));
    let outcome = sandbox.withkey(["__complete", "-e", "X\x1b[31m=OPEN"]).run();
    assert!(!outcome.stdout().contains('\x1b'), "{outcome:?}");
}

/// The words of a completion, each of a kind of its own.
const WORDS: &[&[&str]] = &[
    &[""],
    &["gi"],
    &["-p", ""],
    &["-"],
    &["-e", ""],
    &["-e", "X="],
    &["-p", "work", "-e", "X="],
    &["remove", "work", ""],
    &["use", "work", ""],
    &["add", ""],
    &["add", "work", ""],
    &["completions", ""],
    &["git", "che"],
];

#[test]
fn a_completion_opens_no_store_and_no_socket_and_writes_nothing() {
    let sandbox = Sandbox::with_key();
    sandbox.add_variables("work", &[("OPENAI_API_KEY", OTHER_KEY), ("LLM_KEY", "short")]);
    sandbox.bind("work", ".");
    let before = Tree::of(&sandbox);
    let log = sandbox.path("calls");
    for words in WORDS {
        let strace = ["/usr/bin/strace", "-f", "-o", log.to_str().unwrap()];
        let start = sandbox.directly(strace).args([withkey_binary()]).args(["__complete"]).args(*words);
        let outcome = start.run();
        assert_eq!(outcome.end, common::End::Exit(0), "strace is needed: apt-get install strace\n{outcome:?}");
        let calls = fs::read_to_string(&log).unwrap();
        fs::remove_file(&log).unwrap();
        assert!(calls.contains("execve("), "{calls}");
        for call in calls.lines() {
            let opens_store = [".age", "identity", "/dev/tty", "/run/"].iter().any(|name| call.contains(name));
            let names = ["socket(", "connect(", "unlink", "rename", "mkdir", "chmod", "fork(", "clone", "memfd_secret"];
            let does =
                names.iter().any(|name| call.contains(name)) || call.contains("O_WRONLY") || call.contains("O_CREAT");
            let runs_another = call.contains("execve(") && !call.contains("__complete");
            assert!(!opens_store && !does && !runs_another, "{words:?}: {call}");
        }
    }
    before.assert_unchanged("a completion", &sandbox);
}

/// Ten thousand profiles: a name costs no file; a few are told in full again.
#[test]
fn with_many_profiles_only_their_names_are_told() {
    let sandbox = Sandbox::with_key();
    let folder = sandbox.configuration("profiles");
    for number in 0..10_000 {
        let text = "version = 1\nstore = \"dotfile\"\n\n[variables.OPENAI_API_KEY]\nmasked = \"sk-…abcd\"\n";
        fs::write(folder.join(format!("p{number:05}.toml")), text).unwrap();
    }
    let count = |words: &[&str]| {
        let log = sandbox.path("calls");
        let strace = ["/usr/bin/strace", "-f", "-e", "trace=open,openat", "-o", log.to_str().unwrap()];
        let outcome = sandbox.directly(strace).args([withkey_binary()]).args(["__complete"]).args(words).run();
        outcome.assert_exit(0);
        let calls = fs::read_to_string(&log).unwrap();
        (outcome.stdout(), calls.lines().filter(|call| call.contains(".toml")).count())
    };
    let (all, read) = count(&["-p", ""]);
    assert_eq!((all.lines().count(), read), (10_003, 0));
    assert!(!all.contains("sk-…"));
    let (few, read) = count(&["-p", "p0123"]);
    assert_eq!(read, 10);
    assert!(few.contains("p01234\tsk-…abcd\n"), "{few}");
}

#[test]
fn install_writes_into_the_users_own_folders_and_says_so() {
    let sandbox = Sandbox::new();
    for (shell, name, place) in SHELLS {
        let place = sandbox.path(place);
        let shown = place.display().to_string().replace(sandbox.home().to_str().unwrap(), "~");
        let install = || sandbox.withkey(["completions", shell, "--install"]).run();
        let told = |done: &str| {
            let outcome = install();
            outcome.assert_exit(0).assert_stdout("");
            assert!(outcome.stderr().starts_with(&format!("withkey: {done}\nwithkey: hint: ")), "{outcome:?}");
            assert_eq!(fs::read_to_string(&place).unwrap(), committed(name));
            assert_eq!(outcome.stderr().lines().count(), 2, "{outcome:?}");
            outcome.stderr()
        };
        told(&format!("wrote {shown}"));
        told(&format!("{shown} is up to date"));
        fs::write(&place, committed(name) + "# of an older withkey\n").unwrap();
        told(&format!("replaced {shown}"));

        fs::write(&place, "# my own\n").unwrap();
        let before = Tree::of(&sandbox);
        assert_refused(&install(), 1, "is there already");
        before.assert_unchanged("install", &sandbox);
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
        assert_refused(&install(), 1, "it is a directory");
    }
}

#[test]
fn zsh_is_told_its_line_until_the_folder_is_known() {
    let sandbox = Sandbox::new();
    let install = || sandbox.withkey(["completions", "zsh", "--install"]);
    let line = "add this line to ~/.zshrc, above compinit: fpath=(~/.local/share/zsh/site-functions $fpath)";
    let outcome = install().run();
    assert!(outcome.stderr().contains(line), "{outcome:?}");
    sandbox.file("home/.zshrc", "fpath=(~/.local/share/zsh/site-functions $fpath)\n", 0o600);
    let known = "it works in the next zsh you start";
    assert!(install().run().stderr().contains(known));
    // A folder that is on an exported FPATH is used.
    fs::create_dir_all(sandbox.path("home/.zfunc")).unwrap();
    let path = format!("/usr/share/zsh:{}", sandbox.path("home/.zfunc").display());
    let outcome = install().set("FPATH", path).run();
    assert_eq!(outcome.stderr(), format!("withkey: wrote ~/.zfunc/_withkey\nwithkey: hint: {known}\n"));
}

#[test]
fn install_respects_the_xdg_folders_and_follows_a_link_into_a_repository_of_dotfiles() {
    let sandbox = Sandbox::new();
    let data = sandbox.path("data");
    let bash = || sandbox.withkey(["completions", "bash", "--install"]).set("XDG_DATA_HOME", &data);
    bash().run().assert_exit(0);
    let place = data.join("bash-completion/completions/withkey");
    let kept = sandbox.file("dotfiles/withkey.bash", "# withkey completions, an old one\n", 0o644);
    fs::remove_file(&place).unwrap();
    symlink(&kept, &place).unwrap();
    bash().run().assert_exit(0);
    assert!(place.is_symlink());
    assert_eq!(fs::read_to_string(&kept).unwrap(), committed("withkey.bash"));
    let fish = sandbox.withkey(["completions", "fish", "--install"]).set("XDG_CONFIG_HOME", sandbox.path("config"));
    fish.run().assert_exit(0);
    assert!(sandbox.path("config/fish/completions/withkey.fish").exists());
    let homeless = sandbox.withkey(["completions", "bash", "--install"]).unset("HOME");
    assert_refused(&homeless.run(), 1, "withkey does not know where its files are");
}

/// Others could put code there that the user's shell runs.
#[test]
fn install_refuses_a_folder_that_others_may_change() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path("home/.config/fish/completions");
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    assert_refused(&sandbox.withkey(["completions", "fish", "--install"]).run(), 1, "other users may change");
}

#[test]
fn wrong_words_are_refused() {
    let sandbox = Sandbox::new();
    for words in [&["completions"][..], &["completions", "csh"], &["completions", "bash", "zsh"]] {
        sandbox.withkey(words).run().assert_exit(2).assert_stdout("");
    }
}
