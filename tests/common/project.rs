//! A project with an encrypted dotfile, made by the real age.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{KEY, Sandbox};
use crate::terminal::Terminal;

/// A home with an identity and no profile.
#[track_caller]
pub fn newcomer() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add("gone", KEY);
    sandbox.withkey(["remove", "gone", "--yes"]).run().assert_exit(0);
    sandbox
}

/// The project's dotfile.
pub fn dotfile(sandbox: &Sandbox) -> PathBuf {
    sandbox.project().join(".env.age")
}

/// The recipient of the sandbox's identity.
#[track_caller]
pub fn recipient(sandbox: &Sandbox) -> String {
    let text = fs::read_to_string(sandbox.identity().with_file_name("recipient.txt")).unwrap();
    text.trim().to_owned()
}

/// Encrypts `text` to the sandbox's identity by `age -e -a`, as a teammate or a stranger does who knows the recipient.
#[track_caller]
pub fn seal_to(sandbox: &Sandbox, recipients: &[&str], path: &Path, text: &str) {
    let made = sandbox.path("sealed-by-age");
    let start = sandbox.directly(["/usr/bin/age", "-e", "-a", "-o"]).args([&made]);
    let start = recipients.iter().fold(start, |start, recipient| start.args(["-r", recipient]));
    start.input(text).run().assert_exit(0);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::rename(made, path).unwrap();
}

#[track_caller]
pub fn seal(sandbox: &Sandbox, path: &Path, text: &str) {
    seal_to(sandbox, &[&recipient(sandbox)], path, text);
}

/// Says yes to `withkey allow`, and gives what was shown.
#[track_caller]
pub fn allow(sandbox: &Sandbox, path: &Path) -> String {
    let terminal = Terminal::run(sandbox, &format!("withkey allow '{}'", path.display()));
    terminal.answer("allow it? [y/N] ", "y\n");
    terminal.ends(0)
}

/// A project whose dotfile holds [`KEY`] and is allowed.
#[track_caller]
pub fn allowed() -> Sandbox {
    let sandbox = newcomer();
    seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\n"));
    allow(&sandbox, &dotfile(&sandbox));
    sandbox
}

/// Fails unless a launch in `directory` gets exactly this key.
#[track_caller]
pub fn assert_launches_with(sandbox: &Sandbox, directory: &Path, key: &str) {
    let outcome = sandbox.withkey(["printenv", "OPENAI_API_KEY"]).in_directory(directory).run();
    outcome.assert_exit(0).assert_stdout(&format!("{key}\n")).assert_stderr("");
}
