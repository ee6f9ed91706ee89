//! A person who types in an interactive shell and presses TAB.
//!
//! Keys wait for each other in the terminal, so nothing here waits for time to pass: behind TAB comes a key that makes the
//! shell itself show its line between marks, and empty it.

use std::cell::Cell;
use std::fs;

use crate::common::{Pty, Running, Sandbox, Start, withkey_binary};

/// Shows the line and empties it.
const SHOW: &str = "\x14";

/// The shells, each with what it needs to start in the sandbox's home.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }
}

/// What a shell made of a line.
#[derive(Debug)]
pub struct Shown {
    /// The line after TAB.
    pub line: String,
    /// What was shown meanwhile: the choices, with escapes taken off.
    pub screen: String,
}

pub struct Typist {
    shell: Shell,
    pty: Pty,
    _running: Running,
    count: Cell<usize>,
}

const BASH: &str = r#"
PS1='ready> '
bind 'set completion-query-items 0' 'set page-completions off' 'set bell-style none' 'set enable-bracketed-paste off'
bind 'set completion-query-items 0'
bind 'set page-completions off'
bind 'set bell-style none'
bind 'set enable-bracketed-paste off'
show() { ((++shown)); printf '\n<<%d|%s|>>\n' "$shown" "$READLINE_LINE"; READLINE_LINE=; }
bind -x '"\C-t": show'
"#;

const ZSH: &str = r#"
PS1='ready> '
unsetopt beep zle_bracketed_paste prompt_sp 2>/dev/null
unset zle_bracketed_paste
LISTMAX=9999
shown=0
show() { (( ++shown )); zle -Rc; zle -I; print -r -- "<<$shown|$BUFFER|>>"; BUFFER=; }
zle -N show
bindkey '^T' show
"#;

const FISH: &str = r#"
set -g fish_greeting
set -g fish_autosuggestion_enabled 0
set -g shown 0
function fish_prompt; echo -n 'ready> '; end
function fish_title; end
function show
    set -g shown (math $shown + 1)
    printf '\n<<%d|%s|>>\n' $shown (commandline | string collect)
    commandline ''
    commandline -f repaint
end
bind \ct show
"#;

impl Typist {
    /// Starts the shell, and waits until it is ready. `setup` stands in its start-up file.
    pub fn new(shell: Shell, sandbox: &Sandbox, setup: &str) -> Self {
        link(sandbox);
        let (path, rc, words): (_, _, &[&str]) = match shell {
            Shell::Bash => ("home/.bashrc", BASH, &["--noprofile", "-i"]),
            Shell::Zsh => ("home/.zshrc", ZSH, &["-d", "-i"]),
            Shell::Fish => ("home/.config/fish/config.fish", FISH, &["-i"]),
        };
        sandbox.file(path, format!("{setup}\n{rc}"), 0o600);
        let program = format!("/usr/bin/{}", shell.name());
        assert!(fs::exists(&program).unwrap(), "{program} is needed: apt-get install {}", shell.name());
        let wide = ["/bin/sh", "-c", "stty rows 60 cols 120; exec \"$@\"", "sh", program.as_str()];
        let start = surroundings(sandbox, sandbox.directly(wide).args(words));
        let pty = Pty::open();
        let running = pty.attach(start).start();
        pty.wait_for("ready> ");
        Self { shell, pty, _running: running, count: Cell::new(0) }
    }

    /// Types a line and TAB, and gives what it has become.
    #[track_caller]
    pub fn tab(&self, line: &str) -> Shown {
        self.keys(&format!("{line}\t"))
    }

    /// Types a line and what lists the choices: TAB, in bash twice.
    #[track_caller]
    pub fn list(&self, line: &str) -> Shown {
        self.keys(&if self.shell == Shell::Bash { format!("{line}\t\t") } else { format!("{line}\t") })
    }

    /// Types any keys, then looks at the line.
    #[track_caller]
    pub fn keys(&self, keys: &str) -> Shown {
        self.count.set(self.count.get() + 1);
        self.pty.type_in(&format!("{keys}{SHOW}"));
        let screen = plain(&self.pty.wait_for(&format!("<<{}|", self.count.get())));
        let line = self.pty.wait_for("|>>").replace(['\r', '\n'], "");
        Shown { line, screen }
    }

    /// Runs a line, and waits until the shell is ready again.
    #[track_caller]
    pub fn run(&self, line: &str) {
        self.pty.type_in(&format!("{line}\n"));
        self.keys("");
    }
}

/// What a person's shell has: a terminal that shows colour, and withkey on PATH.
fn surroundings(sandbox: &Sandbox, start: Start) -> Start {
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", sandbox.path("bin").display());
    start.set("PATH", path).set("TERM", "xterm").set("LANG", "C.UTF-8").set("SHELL", "/bin/sh")
}

/// Puts withkey on the sandbox's PATH.
pub fn link(sandbox: &Sandbox) {
    let binaries = sandbox.path("bin");
    if !binaries.is_dir() {
        fs::create_dir(&binaries).unwrap();
        std::os::unix::fs::symlink(withkey_binary(), binaries.join("withkey")).unwrap();
    }
}

/// What a terminal shows, without the escapes that colour it and move its cursor.
pub fn plain(shown: &str) -> String {
    let mut text = String::new();
    let mut chars = shown.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\x1b' {
            text.push(c);
            continue;
        }
        match chars.next() {
            // CSI: up to its final letter; `m` colours, all else moves.
            Some('[') => {
                let last = chars.by_ref().find(|c| ('\x40'..='\x7e').contains(c));
                text += if last == Some('m') { "" } else { " " };
            }
            // OSC: up to BEL or ST.
            Some(']') => {
                while let Some(c) = chars.next() {
                    if c == '\x07' || (c == '\x1b' && chars.next_if_eq(&'\\').is_some()) {
                        break;
                    }
                }
            }
            Some('(' | ')') => {
                let _ = chars.next();
            }
            _ => {}
        }
    }
    text
}
