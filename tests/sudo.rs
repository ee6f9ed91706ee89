//! The real sudo, on both sides of withkey. Its users and its rules are the sandbox's own, laid over the system's in a mount
//! namespace that ends with the test.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use std::fs;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;

use common::{KEY, OTHER_KEY, Outcome, Sandbox, withkey_binary};
use refusal::{Tree, assert_refused};

/// A user of the sandbox's own `passwd`, called ana.
const ANA: u32 = 12_345;

/// A home of ana's with a profile, and what sudo is to find in /etc.
fn sandbox() -> Sandbox {
    // SAFETY: a plain system call.
    let user = unsafe { libc::geteuid() };
    assert_eq!(user, 0, "only root can lay files over the system's: run the tests as tests/run does");
    let sandbox = Sandbox::with_key();
    sandbox.program("bin/withkey", fs::read(withkey_binary()).unwrap());
    fs::create_dir(sandbox.path("of-root")).unwrap();
    give(&sandbox.path(""));
    let root = sandbox.path("of-root");
    lchown(&root, Some(0), Some(0)).unwrap();
    let home = sandbox.home();
    let passwd = format!("root:x:0:0::{}:/bin/sh\nana:x:{ANA}:{ANA}::{}:/bin/sh\n", root.display(), home.display());
    let rules = format!(
        "Defaults secure_path=\"{}:/usr/bin:/bin\"\nroot ALL=(ALL:ALL) ALL\nana ALL=(ALL:ALL) NOPASSWD: SETENV: ALL\n",
        sandbox.path("bin").display()
    );
    let anybody = "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n";
    for (name, text, mode) in [
        ("passwd", &*passwd, 0o644),
        ("group", &format!("root:x:0:\nana:x:{ANA}:\n"), 0o644),
        ("sudoers", &rules, 0o440),
        ("pam.d/sudo", anybody, 0o644),
    ] {
        sandbox.file(format!("etc/{name}"), text, mode);
    }
    sandbox
}

/// Everything there is ana's.
fn give(path: &Path) {
    lchown(path, Some(ANA), Some(ANA)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path()));
    }
}

/// What ana types.
fn typed(sandbox: &Sandbox, line: &str, input: &str) -> Outcome {
    as_user(
        sandbox,
        &format!("exec setpriv --reuid={ANA} --regid={ANA} --clear-groups /bin/sh -c \"$LINE\""),
        line,
        input,
    )
}

fn as_user(sandbox: &Sandbox, become_user: &str, line: &str, input: &str) -> Outcome {
    let script = format!(
        "for file in passwd group sudoers pam.d/sudo; do
             mount --bind \"$ETC/$file\" \"/etc/$file\" || {{ echo apt-get install sudo; exit 99; }}
         done
         {become_user}"
    );
    let start = sandbox.directly(["/usr/bin/unshare", "--mount", "/bin/sh", "-c", &script]).input(input);
    let path = format!("{}:/usr/bin:/bin", sandbox.path("bin").display());
    start.set("ETC", sandbox.path("etc")).set("LINE", line).set("PATH", path).run()
}

fn assert_no_file_of_root(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        assert_ne!(fs::symlink_metadata(&entry).unwrap().uid(), 0, "{} is root's", entry.display());
        if entry.is_dir() {
            assert_no_file_of_root(&entry);
        }
    }
}

#[test]
fn under_sudo_with_a_users_home_nothing_of_roots_is_made_there_and_the_refusal_says_so() {
    let sandbox = sandbox();
    typed(&sandbox, "sudo id -u; sudo sh -c 'echo $HOME'", "")
        .assert_exit(0)
        .assert_stdout(&format!("0\n{}\n", sandbox.path("of-root").display()));
    let before = Tree::of(&sandbox);
    for keeping in ["sudo HOME=$HOME", "sudo --preserve-env=HOME"] {
        for words in [
            "add new",
            "add --replace",
            "use default",
            "rotate default",
            "remove default --yes",
            "move default dotfile",
        ] {
            let outcome = typed(&sandbox, &format!("{keeping} withkey {words}"), OTHER_KEY);
            if words.starts_with("move") {
                // It is there already: nothing is to be done.
                assert!(
                    outcome.stderr().contains("already") || outcome.stderr().contains("another user"),
                    "{outcome:?}"
                );
            } else {
                assert_refused(&outcome, 1, "belongs to another user");
                outcome.assert_stderr_has("withkey: hint: under sudo, put withkey first: ");
            }
            before.assert_unchanged(words, &sandbox);
        }
        for words in ["status", "list", "check", "-n true", "true", "--spawn true", "log"] {
            typed(&sandbox, &format!("{keeping} withkey {words}"), "");
            before.assert_unchanged(words, &sandbox);
        }
        assert_no_file_of_root(&sandbox.home());
    }
}

/// The line of the hint, and of the README.
#[test]
fn withkey_first_brings_the_key_through_sudo() {
    let sandbox = sandbox();
    for spawn in ["", "--spawn "] {
        let line = format!("withkey {spawn}sudo --preserve-env=OPENAI_API_KEY sh -c 'id -u; echo $OPENAI_API_KEY'");
        typed(&sandbox, &line, "").assert_exit(0).assert_stdout(&format!("0\n{KEY}\n")).assert_stderr("");
    }
    assert_no_file_of_root(&sandbox.home());
    // Without being told so, sudo keeps it from root's command.
    typed(&sandbox, "withkey sudo printenv OPENAI_API_KEY", "").assert_exit(1).assert_stdout("");
    let status = typed(&sandbox, "exec withkey sudo sh -c 'kill -TERM $$'", "");
    assert_eq!(status.end, common::End::Signal(libc::SIGTERM));
}

#[test]
fn root_that_becomes_a_user_by_sudo_uses_that_users_key() {
    let sandbox = sandbox();
    let as_root = |line: &str, input| as_user(&sandbox, "exec /bin/sh -c \"$LINE\"", line, input);
    let outcome = as_root("sudo -H -u ana withkey printenv OPENAI_API_KEY", "");
    outcome.assert_exit(0).assert_stdout(&format!("{KEY}\n"));
    as_root("sudo -H -u ana withkey add more", OTHER_KEY).assert_exit(0);
    assert_no_file_of_root(&sandbox.home());
    // A key of root's own lies in root's home.
    as_root("sudo -H withkey add", OTHER_KEY).assert_exit(0);
    as_root("sudo -H withkey printenv OPENAI_API_KEY", "").assert_exit(0).assert_stdout(&format!("{OTHER_KEY}\n"));
    assert!(sandbox.path("of-root/.config/withkey/profiles/default.age").exists());
    assert_no_file_of_root(&sandbox.home());
}
