//! Completion, typed in the real shells on a terminal: withkey's own words, and COMMAND's own completion behind them.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/typist.rs"]
mod typist;

use std::path::PathBuf;
use std::{env, fs};

use common::{KEY, OTHER_KEY, Sandbox};
use typist::{Shell, Shown, Typist};

/// Three profiles, a directory with a name of several words, and `tool`, whose completion the shells are told.
fn sandbox(shell: Shell) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add("default", KEY);
    sandbox.add_variables("work", &[("OPENAI_API_KEY", OTHER_KEY), ("LLM_KEY", "short")]);
    sandbox.add("client-a", KEY);
    sandbox.file("home/src/client a/x", "", 0o644);
    sandbox.file("project/sub dir/file one", "", 0o644);
    sandbox.file("project/notes.env", "", 0o644);
    sandbox.program("project/script.sh", "#!/bin/sh\n");
    sandbox.bind("client-a", sandbox.path("home/src/client a"));
    typist::link(&sandbox);
    sandbox.program("bin/tool", "#!/bin/sh\n");
    sandbox.program("bin/tool-two", "#!/bin/sh\n");
    sandbox.withkey(["completions", shell.name(), "--install"]).run().assert_exit(0);
    sandbox
}

/// What is typed before TAB, and the line after it.
type Case = (&'static str, &'static str);

/// The same in each shell. One choice is completed with a blank behind it.
const EVERYWHERE: &[Case] = &[
    // withkey's own words.
    ("withkey statu", "withkey status "),
    ("withkey completi", "withkey completions "),
    ("withkey completions fi", "withkey completions fish "),
    ("withkey -p wo", "withkey -p work "),
    ("withkey -pwo", "withkey -pwork "),
    ("withkey -p cl", "withkey -p client-a "),
    ("withkey -p in", "withkey -p inherit "),
    ("withkey --profile wo", "withkey --profile work "),
    ("withkey --profile=wo", "withkey --profile=work "),
    ("withkey -nvp wo", "withkey -nvp work "),
    ("withkey --dro", "withkey --drop-other-keys "),
    ("withkey --color=al", "withkey --color=always "),
    ("withkey -p work -e LLM", "withkey -p work -e LLM_KEY "),
    ("withkey -p work -e X=LLM", "withkey -p work -e X=LLM_KEY "),
    ("withkey -e HF", "withkey -e HF_TOKEN "),
    ("withkey use cl", "withkey use client-a "),
    ("withkey use --default wo", "withkey use --default work "),
    ("withkey remove work LLM", "withkey remove work LLM_KEY "),
    ("withkey add work ANT", "withkey add work ANTHROPIC_API_KEY "),
    ("withkey status --pro", "withkey status --profile "),
    ("withkey status -p 'wo", "withkey status -p 'work' "),
    // COMMAND's first word.
    ("withkey tool-", "withkey tool-two "),
    ("withkey -v -- tool-", "withkey -v -- tool-two "),
    ("withkey ./scr", "withkey ./script.sh "),
    // COMMAND's own completion, as if withkey were not there.
    ("withkey tool che", "withkey tool checkout "),
    ("withkey -p work tool che", "withkey -p work tool checkout "),
    ("withkey -pwork tool che", "withkey -pwork tool checkout "),
    ("withkey --profile=work tool che", "withkey --profile=work tool checkout "),
    ("withkey --profile work tool che", "withkey --profile work tool checkout "),
    ("withkey -e A=B tool che", "withkey -e A=B tool checkout "),
    ("withkey -e A=B -nv -p work --spawn tool che", "withkey -e A=B -nv -p work --spawn tool checkout "),
    ("withkey --color never -eA=LLM_KEY tool che", "withkey --color never -eA=LLM_KEY tool checkout "),
    ("withkey -- tool che", "withkey -- tool checkout "),
    ("withkey -nv -- tool che", "withkey -nv -- tool checkout "),
    ("withkey -p 'work' tool che", "withkey -p 'work' tool checkout "),
    ("withkey -p \"work\" 'tool' che", "withkey -p \"work\" 'tool' checkout "),
    ("withkey tool --qui", "withkey tool --quick "),
    ("withkey tool 'a b' checkout --qui", "withkey tool 'a b' checkout --quick "),
    ("withkey tool 'a; b' --qui", "withkey tool 'a; b' --quick "),
    ("withkey tool a\\ \\;b --qui", "withkey tool a\\ \\;b --quick "),
    ("withkey tool -p wo", "withkey tool -p wo"),
    ("true; withkey -v tool che", "true; withkey -v tool checkout "),
    // A verb is one as the very first word only.
    ("withkey -v tool add", "withkey -v tool add"),
    // Directories and files.
    ("withkey use work su", "withkey use work sub\\ dir/"),
    ("withkey use --remove su", "withkey use --remove sub\\ dir/"),
    ("withkey add work --from no", "withkey add work --from notes.env "),
    ("withkey add work --from=no", "withkey add work --from=notes.env "),
    // Aliases.
    ("wk tool che", "wk tool checkout "),
    ("wk -p wo", "wk -p work "),
    ("wkw tool che", "wkw tool checkout "),
    ("wkw -e LLM", "wkw -e LLM_KEY "),
];

#[track_caller]
fn check(typist: &Typist, cases: &[Case]) {
    let mut wrong = String::new();
    for (typed, expected) in cases {
        let Shown { line, screen } = typist.tab(typed);
        if line != *expected {
            wrong += &format!("{typed}\n  is     {line}|\n  not    {expected}|\n  screen {screen:?}\n");
        }
    }
    assert!(wrong.is_empty(), "after TAB\n{wrong}");
}

/// What a listing shows and does not show.
#[track_caller]
fn check_list(typist: &Typist, line: &str, shows: &[&str], hides: &[&str]) {
    let Shown { screen, .. } = typist.list(line);
    for text in shows {
        assert!(screen.contains(text), "{line}: no {text:?} in {screen}");
    }
    for text in hides {
        assert!(!screen.contains(text), "{line}: {text:?} in {screen}");
    }
}

const BASH: &str = "
. /usr/share/bash-completion/bash_completion
complete -W 'checkout clean --quick' tool
tool_shell_only() { :; }
take_me_not() { :; }
alias wk=withkey wkw='withkey -p work'
. ~/.local/share/bash-completion/completions/withkey
";

const ZSH: &str = "
fpath=(~/.local/share/zsh/site-functions $fpath)
autoload -Uz compinit
compinit -D
_tool() { if [[ $PREFIX == -* ]]; then compadd -- --quick; else compadd checkout clean; fi }
compdef _tool tool
tool_shell_only() { :; }
take_me_not() { :; }
alias wk=withkey wkw='withkey -p work'
";

const FISH: &str = "
complete -c tool -f -a 'checkout clean'
complete -c tool -l quick
function tool_shell_only; end
function take_me_not; end
alias wk=withkey
alias wkw='withkey -p work'
";

/// Completed behind withkey as they are without it.
const AS_WITHOUT: &[&str] = &[
    "tool che",
    "tool --qui",
    "tool zzz",
    "git checko",
    "git --exec-p",
    "git log --onel",
    "env A=1 tool che",
    "ls --almost",
    "cat no",
    "cat su",
    "cat 'sub dir/fi",
    "cat sub\\ dir/fi",
    "./scr",
    "no-such-program no",
];

#[track_caller]
fn check_as_without(typist: &Typist) {
    for line in AS_WITHOUT {
        let without = typist.tab(line).line;
        for before in ["withkey ", "withkey -p work -- "] {
            assert_eq!(typist.tab(&format!("{before}{line}")).line, format!("{before}{without}"));
        }
    }
    assert_eq!(typist.tab("withkey git checko").line.trim_end(), "withkey git checkout");
    check_list(typist, "withkey git che", &["checkout", "cherry-pick"], &["LLM_KEY"]);
}

/// What is offered has its meaning beside it; a profile its masked key and its directories.
#[track_caller]
fn check_listings(typist: &Typist) {
    let profiles = ["work", "sk-…tsrq, LLM_KEY …", "client-a", "sk-…ghij, ~/src/client a", "default", "inherit"];
    check_list(typist, "withkey -p ", &profiles, &["status"]);
    check_list(typist, "withkey -", &["--profile", "-p", "--dry-run", "--version", "Use this profile"], &["tool-two"]);
    check_list(typist, "withkey ", &["status", "completions", "Take keys in"], &["tool-two", "--profile"]);
    check_list(typist, "withkey to", &["tool", "tool-two"], &["shell_only", "status"]);
    check_list(typist, "withkey -v -- t", &["tool", "tool-two", "true"], &["take_me_not", "status"]);
    check_list(typist, "withkey -p work -e ", &["LLM_KEY", "sk-…tsrq", "ANTHROPIC_API_KEY", "Anthropic"], &["status"]);
    check_list(typist, "withkey remove work ", &["LLM_KEY", "OPENAI_API_KEY"], &["ANTHROPIC_API_KEY"]);
    check_list(typist, "withkey completions ", &["bash", "zsh", "fish"], &["status"]);
    check_list(typist, "withkey tool c", &["checkout", "clean"], &["status"]);
    check_list(typist, "withkey add work --expires ", &["30d", "365d", "from today"], &["notes.env"]);
    check_list(typist, "withkey list zz", &[], &["notes.env"]);
}

#[test]
fn bash_completes_as_if_withkey_were_not_there() {
    let sandbox = sandbox(Shell::Bash);
    let typist = Typist::new(Shell::Bash, &sandbox, BASH);
    check(&typist, EVERYWHERE);
    check_as_without(&typist);
    check_listings(&typist);
}

/// The package is an extra: macOS has none, and many a server neither.
#[test]
fn bash_completes_without_the_package_bash_completion() {
    let sandbox = sandbox(Shell::Bash);
    let setup = BASH.replace(". /usr/share/bash-completion/bash_completion\n", "");
    assert_ne!(setup, BASH);
    let typist = Typist::new(Shell::Bash, &sandbox, &setup);
    check(&typist, EVERYWHERE);
    check_listings(&typist);
    check(
        &typist,
        &[
            ("withkey cat no", "withkey cat notes.env "),
            ("withkey -- cat sub\\ dir/fi", "withkey -- cat sub\\ dir/file\\ one "),
        ],
    );
    typist.run("complete -o nospace -F _by_function tool-two");
    typist.run("_by_function() { COMPREPLY=(\"${1/-/_}$3$COMP_CWORD${#COMP_LINE}$COMP_POINT\"); }");
    assert_eq!(typist.tab("withkey -p work  tool-two  x ").line, "withkey -p work  tool-two  x tool_twox21212");
}

/// The package from 2.12 on, where `_command_offset` is `_comp_command_offset`: the machine's own, or the one that tests/run
/// has put beside the tests' target folder.
fn later_package() -> PathBuf {
    let tools = env::current_exe().unwrap().ancestors().nth(3).unwrap().join("tools/bash-completion");
    let files = ["/".into(), tools].map(|root| root.join("usr/share/bash-completion/bash_completion"));
    let is_later =
        |file: &&PathBuf| fs::read_to_string(file).is_ok_and(|text| text.contains("\n_comp_command_offset()"));
    let found = files.iter().find(is_later);
    found.expect("bash-completion 2.12 or later is missing; unpack it and run all tests: tests/run").clone()
}

#[test]
fn bash_completes_with_a_later_bash_completion_too() {
    let sandbox = sandbox(Shell::Bash);
    let setup = BASH.replace("/usr/share/bash-completion/bash_completion", later_package().to_str().unwrap());
    let typist = Typist::new(Shell::Bash, &sandbox, &(setup + "unset -f _command_offset\n"));
    check(&typist, EVERYWHERE);
    check_as_without(&typist);
    check_listings(&typist);
}

/// The package's loader finds the script that `--install` wrote when withkey is first completed.
#[test]
fn bash_loads_the_installed_script_by_itself() {
    let sandbox = sandbox(Shell::Bash);
    let typist = Typist::new(Shell::Bash, &sandbox, ". /usr/share/bash-completion/bash_completion");
    check(&typist, &[("withkey statu", "withkey status "), ("withkey git checko", "withkey git checkout ")]);
}

#[test]
fn zsh_completes_as_if_withkey_were_not_there() {
    let sandbox = sandbox(Shell::Zsh);
    let typist = Typist::new(Shell::Zsh, &sandbox, ZSH);
    check(&typist, EVERYWHERE);
    check_as_without(&typist);
    check_listings(&typist);
    typist.run("compdef -d withkey; unfunction _withkey; source <(withkey completions zsh)");
    check(&typist, &[("withkey statu", "withkey status "), ("withkey tool che", "withkey tool checkout ")]);
}

#[test]
fn fish_completes_as_if_withkey_were_not_there() {
    let sandbox = sandbox(Shell::Fish);
    let typist = Typist::new(Shell::Fish, &sandbox, FISH);
    check(&typist, EVERYWHERE);
    check_as_without(&typist);
    check_listings(&typist);
}
