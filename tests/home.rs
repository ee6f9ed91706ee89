//! Where withkey's files lie: HOME, the XDG folders, links into a repository of dotfiles.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use std::fs;
use std::os::unix::fs::symlink;

use common::{KEY, OTHER_KEY, Sandbox};
use refusal::{Tree, assert_refused};
use session::session;

#[test]
fn without_a_home_nothing_is_made_up() {
    let sandbox = Sandbox::with_key();
    let before = Tree::of(&sandbox);
    session(
        &sandbox,
        "
        $ unset HOME; withkey touch started
        withkey: error: withkey does not know where its files are
        withkey: cause: neither HOME nor XDG_CONFIG_HOME holds an absolute path
        withkey: hint: set HOME to your home directory
        [125]
        $ unset HOME; echo $KEY | withkey add
        withkey: error: withkey does not know where its files are
        withkey: cause: neither HOME nor XDG_CONFIG_HOME holds an absolute path
        withkey: hint: set HOME to your home directory
        [1]
    ",
    );
    for home in ["", "home", "./home", "../home"] {
        for (words, status) in
            [(&["true"][..], 125), (&["-p", "default", "true"], 125), (&["add"], 1), (&["list"], 1), (&["status"], 1)]
        {
            let outcome = sandbox.withkey(words).input(KEY).set("HOME", home).run();
            assert_refused(&outcome, status, "withkey: error: withkey does not know where its files are");
        }
    }
    before.assert_unchanged("no home", &sandbox);
}

#[test]
fn a_home_that_is_no_folder_is_named() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("file", "", 0o600);
    for home in [file.to_str().unwrap(), "/dev/null"] {
        assert_refused(&sandbox.withkey(["add"]).input(KEY).set("HOME", home).run(), 1, home);
        assert_refused(&sandbox.withkey(["true"]).set("HOME", home).run(), 125, home);
    }
    for part in ["home/.config", "home/.local"] {
        let sandbox = Sandbox::new();
        sandbox.file(part, "", 0o600);
        let before = Tree::of(&sandbox);
        assert_refused(&sandbox.withkey(["add"]).input(KEY).run(), 1, part);
        assert!(!sandbox.path("home/.config/withkey/profiles/default.toml").exists());
        if part == "home/.config" {
            before.assert_unchanged(part, &sandbox);
        }
    }
}

#[test]
fn the_xdg_folders_are_used_when_they_are_absolute() {
    let sandbox = Sandbox::new();
    session(&sandbox, "
        $ export XDG_CONFIG_HOME=$PWD/c XDG_DATA_HOME=$PWD/d; unset HOME; echo $KEY | withkey add
        withkey: made your identity, /sandbox/project/d/withkey/identity.txt: back it up, nothing else opens your dotfiles
        withkey: stored OPENAI_API_KEY (sk-…ghij) in profile default, store dotfile
        $ export XDG_CONFIG_HOME=$PWD/c XDG_DATA_HOME=$PWD/d XDG_STATE_HOME=$PWD/s; withkey printenv OPENAI_API_KEY; find c d s | sort; ls -A ~
        $KEY
        c
        c/withkey
        c/withkey/.lock
        c/withkey/profiles
        c/withkey/profiles/default.age
        c/withkey/profiles/default.toml
        d
        d/withkey
        d/withkey/identity.txt
        d/withkey/recipient.txt
        d/withkey/state
        d/withkey/state/salt
        s
        s/withkey
        s/withkey/log.jsonl
        $ export XDG_CONFIG_HOME=$PWD/c XDG_DATA_HOME=$PWD/d; unset HOME; withkey true; ls -A d/withkey/state
        log.jsonl
        salt
        $ export XDG_CONFIG_HOME=c XDG_DATA_HOME=; echo $OTHER_KEY | withkey add 2>/dev/null; ls ~/.config ~/.local/share
        ~/.config:
        withkey

        ~/.local/share:
        withkey
    ");
}

#[test]
fn what_only_looks_makes_nothing() {
    let sandbox = Sandbox::new();
    let before = Tree::of(&sandbox);
    for words in [
        &["status"][..],
        &["list"],
        &["lock"],
        &["check"],
        &["-n", "true"],
        &["true"],
        &["-p", "x", "true"],
        &["use", "x"],
        &["add", "--help"],
    ] {
        sandbox.withkey(words).run();
        before.assert_unchanged(&format!("{words:?}"), &sandbox);
    }
    assert!(!sandbox.configuration("").exists());
}

#[test]
fn what_finds_nothing_to_change_makes_nothing() {
    let sandbox = Sandbox::new();
    let before = Tree::of(&sandbox);
    for words in [&["remove", "x", "--yes"][..], &["use", "--remove"]] {
        assert_refused(&sandbox.withkey(words).run(), 1, "withkey: error: ");
    }
    before.assert_unchanged("verbs", &sandbox);
}

/// A value that cannot be stored is no reason to make an identity either.
#[test]
fn a_first_key_that_is_refused_leaves_an_empty_home() {
    let sandbox = Sandbox::new();
    let before = Tree::of(&sandbox);
    for input in ["", "sk-short\n", "sk-...\n"] {
        assert_refused(&sandbox.withkey(["add"]).input(input).run(), 1, "withkey: error: ");
    }
    before.assert_unchanged("add", &sandbox);
}

/// The files of the configuration may be links: into a repository, as stow(8) lays them out.
#[test]
fn links_into_a_repository_of_dotfiles_stay_links() {
    let sandbox = Sandbox::with_key();
    sandbox.bind("default", ".");
    let repository = sandbox.path("home/dotfiles");
    fs::create_dir(&repository).unwrap();
    for file in ["profiles/default.toml", "profiles/default.age", "bindings"] {
        let (from, to) = (sandbox.configuration(file), repository.join(file.replace('/', "-")));
        fs::rename(&from, &to).unwrap();
        symlink(&to, &from).unwrap();
    }
    session(
        &sandbox,
        "
        $ withkey printenv OPENAI_API_KEY
        $KEY
        $ echo $OTHER_KEY | withkey add --replace; withkey printenv OPENAI_API_KEY
        $OTHER_KEY
        withkey: stored OPENAI_API_KEY (sk-…tsrq) in profile default, store dotfile
        $ mkdir a; withkey use default a; cat ~/dotfiles/bindings
        default /sandbox/project
        default /sandbox/project/a
        withkey: /sandbox/project/a uses profile default now
        $ cd ~/.config/withkey; ls -A . profiles ~/dotfiles; find . -type l | sort
        .:
        .lock
        bindings
        profiles

        ~/dotfiles:
        bindings
        profiles-default.age
        profiles-default.toml

        profiles:
        default.age
        default.toml
        ./bindings
        ./profiles/default.age
        ./profiles/default.toml
    ",
    );
}

#[test]
fn a_whole_folder_may_be_a_link() {
    for folder in [".config/withkey", ".config", ".config/withkey/profiles", ".local/share/withkey"] {
        let sandbox = Sandbox::with_key();
        fs::rename(sandbox.home().join(folder), sandbox.home().join("elsewhere")).unwrap();
        symlink(sandbox.home().join("elsewhere"), sandbox.home().join(folder)).unwrap();
        sandbox.add("default2", OTHER_KEY);
        sandbox.withkey(["printenv", "OPENAI_API_KEY"]).run().assert_exit(0).assert_stdout(&format!("{KEY}\n"));
        assert!(sandbox.home().join(folder).is_symlink(), "{folder}");
    }
}

#[test]
fn a_folder_that_others_may_write_takes_no_key() {
    let sandbox = Sandbox::with_key();
    for folder in ["home/.config/withkey", "home/.config/withkey/profiles", "home/.local/share/withkey"] {
        let path = sandbox.path(folder);
        let mode = |mode| fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        mode(0o770);
        let before = Tree::of(&sandbox);
        if !folder.contains("share") {
            let outcome = sandbox.withkey(["add", "--replace"]).input(OTHER_KEY).run();
            assert_refused(&outcome, 1, &format!("withkey: error: other users may change {}", path.display()));
        }
        before.assert_unchanged(folder, &sandbox);
        mode(0o700);
    }
}
