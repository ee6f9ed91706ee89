//! Which profile is used here: the first rule that answers, asked through `--dry-run --json`.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::{End, KEY, Sandbox, Start};
use refusal::assert_refused;
use serde_json::Value;
use session::session;

/// One launch a line, in the directory HERE below the project; bindings are separated by `;`, their paths below it too.
const TABLE: &str = "
bindings                    | here   | -p   | WITHKEY_PROFILE | gives
                            | a/b    |      |                 | default by default
                            | a/b    | work |                 | work by option
                            | a/b    |      | work            | work by environment
                            | a/b    | work | play            | work by option
                            | a/b    |      | ''              | default by default
work a                      | a/b    |      | ''              | work by binding of a
work a                      | a/b    |      | play            | play by environment
work a                      | a/b    | play |                 | play by option
work a                      | a/b    |      |                 | work by binding of a
work a/b                    | a/b    |      |                 | work by binding of a/b
work a/b                    | a      |      |                 | default by default
work a; play a/b            | a/b    |      |                 | play by binding of a/b
play a/b; work a            | a/b    |      |                 | play by binding of a/b
play a/b; work a            | a/b/c  |      |                 | play by binding of a/b
play a/b; work a            | a      |      |                 | work by binding of a
work a; work a              | a/b    |      |                 | work by binding of a
work a/                     | a/b    |      |                 | work by binding of a
work a                      | ab     |      |                 | default by default
work a                      | ab/a   |      |                 | default by default
work ab                     | a/b    |      |                 | default by default
work *                      | a/b    |      |                 | work by default
work *; play a              | a/b    |      |                 | play by binding of a
play a; work *              | ab     |      |                 | work by default
work *                      | a/b    |      | ''              | work by default
inherit a                   | a/b    |      |                 | inherit by binding of a
                            | a/b    |      | inherit         | inherit by environment
                            | a/b    |      | nobody          | 125 there is no profile nobody
                            | a/b    |      | Bad Name        | 125 not a profile name: Bad Name
                            | a/b    |      | ../work         | 125 not a profile name: ../work
work a                      | a/b    |      | nobody          | 125 there is no profile nobody
                            | a/b    | gone |                 | 125 there is no profile gone
gone a                      | a/b    |      |                 | 125 there is no profile gone
gone a; work a/b            | a/b    |      |                 | work by binding of a/b
gone a                      | ab     |      |                 | default by default
gone *                      | a/b    |      |                 | 125 there is no profile gone
work a; play a              | a/b    |      |                 | 125 two profiles are bound to PROJECT/a
work a; play a/             | a/b    |      |                 | 125 two profiles are bound to PROJECT/a/
work a; play a              | ab     |      |                 | default by default
work a; play a              | aa/b   |      |                 | default by default
work aa                     | a/b    |      |                 | default by default
work a; play a              | a/b    | work |                 | work by option
work *; play *              | a/b    |      |                 | 125 two profiles are bound to *
";

/// The profiles `default`, `work` and `play` by their descriptions alone: what is asked here opens no store.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["default", "work", "play"] {
        describe(&sandbox, name, "[variables.OPENAI_API_KEY]\nmasked = \"sk-…ghij\"\n");
    }
    for directory in ["a/b/c", "ab/a", "aa/b"] {
        fs::create_dir_all(sandbox.project().join(directory)).unwrap();
    }
    sandbox
}

fn describe(sandbox: &Sandbox, name: &str, rest: &str) {
    let text = format!("version = 1\nstore = \"dotfile\"\n{rest}");
    sandbox.file(format!("home/.config/withkey/profiles/{name}.toml"), text, 0o600);
}

fn bindings(sandbox: &Sandbox, text: impl AsRef<[u8]>) {
    sandbox.file("home/.config/withkey/bindings", text, 0o600);
}

fn dry_run(sandbox: &Sandbox, here: impl AsRef<Path>, words: &[&str]) -> Start {
    let here = sandbox.project().join(here);
    sandbox.withkey(["--dry-run", "--json"]).args(words).args(["true"]).in_directory(here).set("OPENAI_API_KEY", KEY)
}

/// What the launch would use, in the words of the table.
fn gives(sandbox: &Sandbox, start: Start) -> String {
    let outcome = start.run();
    let shown = |text: &str| text.replace(sandbox.project().to_str().unwrap(), "PROJECT");
    if outcome.end == End::Exit(125) {
        assert_refused(&outcome, 125, "withkey: error: ");
        let stderr = outcome.stderr();
        let error = stderr.lines().find_map(|line| line.strip_prefix("withkey: error: ")).unwrap();
        return format!("125 {}", shown(error));
    }
    outcome.assert_exit(0).assert_stderr("");
    let answer: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let source = &answer["source"];
    let of = source.get("directory").map_or(String::new(), |directory| format!(" of {}", shown(&text(directory))));
    format!("{} by {}{}", text(&answer["profile"]), text(&source["kind"]), of.replace("PROJECT/", ""))
}

#[test]
fn the_first_rule_that_answers_chooses_the_profile() {
    let sandbox = sandbox();
    let rows: Vec<Vec<&str>> =
        TABLE.trim().lines().skip(1).map(|row| row.split('|').map(str::trim).collect()).collect();
    assert!(rows.len() > 30);
    for row in rows {
        let [bound, here, option, environment, expected] = row[..] else { panic!("not a row: {row:?}") };
        let line = |bound: &str| match bound.trim().split_once(' ').unwrap() {
            (name, "*") => format!("{name} *\n"),
            (name, path) => format!("{name} {}/{path}\n", sandbox.project().display()),
        };
        bindings(&sandbox, bound.split(';').filter(|bound| !bound.is_empty()).map(line).collect::<String>());
        let words: &[&str] = if option.is_empty() { &[] } else { &["-p", option] };
        let start = dry_run(&sandbox, here, words);
        let start = match environment {
            "" => start,
            "''" => start.set("WITHKEY_PROFILE", ""),
            name => start.set("WITHKEY_PROFILE", name),
        };
        assert_eq!(gives(&sandbox, start), expected, "{row:?}");
    }
}

#[test]
fn command_inherits_withkey_profile_so_that_a_nested_withkey_chooses_the_same() {
    let sandbox = Sandbox::with_key();
    sandbox.add("work", common::OTHER_KEY);
    session(
        &sandbox,
        "
        $ WITHKEY_PROFILE=work withkey printenv WITHKEY_PROFILE OPENAI_API_KEY
        work
        $OTHER_KEY
        $ WITHKEY_PROFILE=work withkey withkey printenv OPENAI_API_KEY
        $OTHER_KEY
        $ WITHKEY_PROFILE=nobody withkey touch started; ls
        withkey: error: there is no profile nobody
        withkey: cause: it was chosen by environment (WITHKEY_PROFILE)
        withkey: hint: withkey add nobody, or see what there is: withkey list
    ",
    );
}

#[test]
fn adding_a_named_profile_never_makes_it_the_default() {
    session(
        &Sandbox::new(),
        "
        $ echo $KEY | withkey add work 2>/dev/null; withkey -n true
        withkey: error: no profile for /sandbox/project
        withkey: cause: no binding covers it and there is no default profile
        withkey: hint: store a key: withkey add, or tie a profile to this directory: withkey use PROFILE
        [125]
        $ withkey use --default work; withkey -n true
        program: /usr/bin/true
        profile: work
        source: default
        store: dotfile
        added: OPENAI_API_KEY
        withkey: the default is profile work now
        $ echo $OTHER_KEY | withkey add 2>/dev/null; withkey printenv OPENAI_API_KEY
        $KEY
    ",
    );
}

#[test]
fn the_directory_is_where_it_physically_lies() {
    let sandbox = sandbox();
    symlink("a/b", sandbox.project().join("link")).unwrap();
    let project = sandbox.project();
    bindings(&sandbox, format!("work {0}/a\nplay {0}/link\n", project.display()));
    let start = dry_run(&sandbox, "link", &[]).set("PWD", project.join("link"));
    assert_eq!(gives(&sandbox, start), "work by binding of a");
    // What `use` ties is the directory behind the link, too.
    bindings(&sandbox, "");
    sandbox.bind("work", project.join("link/../b/c"));
    assert_eq!(gives(&sandbox, dry_run(&sandbox, "a/b/c", &[])), "work by binding of a/b/c");
    sandbox.bind("play", project.join("link"));
    assert_eq!(gives(&sandbox, dry_run(&sandbox, "link", &[])), "play by binding of a/b");
}

#[test]
fn a_directory_may_have_any_name() {
    let sandbox = sandbox();
    let names: [&[u8]; 11] = [
        b"not utf-8 \xff\xfe",
        b"line\nend",
        b"back\\slash",
        b"\\n",
        b"ends\\",
        b"ends\n",
        b"\n",
        b" two  spaces ",
        b"#",
        b"*",
        b"caf\xc3\xa9 \x1b[31m",
    ];
    for name in names {
        let directory = sandbox.project().join(OsStr::from_bytes(name));
        fs::create_dir_all(directory.join("below")).unwrap();
        // Bound from inside, as a person does.
        let bound = sandbox.withkey(["use", "work"]).in_directory(&directory).run();
        bound.assert_exit(0).assert_stdout("");
        assert!(!bound.stderr().trim_end().contains(['\x1b', '\n']), "{:?}", bound.stderr());
        let found = gives(&sandbox, dry_run(&sandbox, directory.join("below"), &[]));
        assert!(found.starts_with("work by binding of "), "{}: {found}", name.escape_ascii());
        let beside = gives(&sandbox, dry_run(&sandbox, "a", &[]));
        assert_eq!(beside, "default by default", "{}", name.escape_ascii());
        sandbox.withkey([OsStr::new("use"), OsStr::new("--remove"), directory.as_os_str()]).run().assert_exit(0);
        let untied = gives(&sandbox, dry_run(&sandbox, directory, &[]));
        assert_eq!(untied, "default by default", "{}", name.escape_ascii());
    }
    assert_eq!(fs::read(sandbox.configuration("bindings")).unwrap(), b"");
}

#[test]
fn json_marks_a_path_that_is_not_utf8() {
    let sandbox = sandbox();
    let directory = sandbox.project().join(OsStr::from_bytes(b"\xff"));
    fs::create_dir(&directory).unwrap();
    sandbox.bind("work", &directory);
    let answer: Value = serde_json::from_slice(&dry_run(&sandbox, &directory, &[]).run().stdout).unwrap();
    assert_eq!(answer["source"]["directory"], format!("b\"{}/\\xff\"", sandbox.project().display()));
}

#[test]
fn a_removed_directory_has_no_profile_but_the_named_one() {
    let sandbox = sandbox();
    session(
        &sandbox,
        "
        $ mkdir gone; cd gone; rmdir ../gone; withkey -n true
        withkey: error: the current directory has no path
        withkey: cause: no such file or directory
        withkey: hint: change to a directory that exists, or choose a profile: withkey -p PROFILE COMMAND
        [125]
        $ mkdir gone; cd gone; rmdir ../gone; withkey -p work -n true | grep profile
        profile: work
        $ mkdir gone; cd gone; rmdir ../gone; WITHKEY_PROFILE=play withkey -n true | grep profile
        profile: play
        $ mkdir gone; cd gone; rmdir ../gone; withkey use work
        withkey: error: the current directory has no path
        withkey: cause: no such file or directory
        withkey: hint: change to a directory that exists, or choose a profile: withkey -p PROFILE COMMAND
        [1]
    ",
    );
}

#[test]
fn a_projects_dotfile_on_the_way_without_a_grant_stops_the_launch() {
    let sandbox = sandbox();
    let project = sandbox.project();
    for plant in ["file", "folder", "dangling link"] {
        let dotfile = project.join("a/.env.age");
        // What could not be allowed either is refused for that reason.
        let refused = match plant {
            "file" => "125 found PROJECT/a/.env.age, which is not allowed yet",
            _ => "125 cannot use PROJECT/a/.env.age",
        };
        match plant {
            "file" => fs::write(&dotfile, "").unwrap(),
            "folder" => fs::create_dir(&dotfile).unwrap(),
            _ => symlink("nowhere", &dotfile).unwrap(),
        }
        let found = |here: &str, words: &[&str]| gives(&sandbox, dry_run(&sandbox, here, words));
        bindings(&sandbox, "");
        assert_eq!(found("a", &[]), refused, "{plant}");
        assert_eq!(found("a/b/c", &[]), refused, "{plant}");
        assert_eq!(found("ab", &[]), "default by default", "{plant}");
        assert_eq!(found("a/b/c", &["-p", "work"]), "work by option", "{plant}");
        bindings(&sandbox, format!("work {}\n", project.display()));
        assert_eq!(found("a/b/c", &[]), refused, "{plant}: a binding above it was used");
        bindings(&sandbox, format!("work {}/a\n", project.display()));
        assert_eq!(found("a/b/c", &[]), "work by binding of a", "{plant}: beside it the binding wins");
        bindings(&sandbox, format!("work {}/a/b\n", project.display()));
        assert_eq!(found("a/b/c", &[]), "work by binding of a/b", "{plant}");
        assert_eq!(found("a", &[]), refused, "{plant}");
        let named = dry_run(&sandbox, "a", &[]).set("WITHKEY_PROFILE", "play");
        assert_eq!(gives(&sandbox, named), "play by environment", "{plant}");
        let _ = fs::remove_file(&dotfile).or_else(|_| fs::remove_dir(&dotfile));
    }
}

#[test]
fn a_line_that_is_no_binding_stops_the_launch_and_is_named() {
    let sandbox = sandbox();
    let good = format!("# mine\n\nwork {}\n", sandbox.project().display());
    // The quoted ones and those with something behind the star are what a person writes by mistake: passed over, they
    // would leave the directory to another key.
    for line in [
        " work /x",
        "work\t/x",
        "work  /x",
        "work **",
        "work * ",
        "work *\r",
        "work \"PROJECT\"",
        "work 'PROJECT'",
        "work ~/x",
        "work relative",
        "work ",
        "work",
    ] {
        let line = line.replace("PROJECT", sandbox.project().to_str().unwrap());
        bindings(&sandbox, format!("{good}{line}\nplay *\n"));
        let outcome = dry_run(&sandbox, "a", &[]).run();
        assert_refused(&outcome, 125, "withkey: error: line 4 of ");
        outcome.assert_stderr_has(
            "withkey: hint: a line is PROFILE, one space, and an absolute path or *: mend or delete it",
        );
        assert_eq!(gives(&sandbox, dry_run(&sandbox, "a", &["-p", "play"])), "play by option", "{line:?}");
        // No verb repairs it in silence either.
        let before = fs::read(sandbox.configuration("bindings")).unwrap();
        assert_refused(&sandbox.withkey(["use", "play"]).run(), 1, "withkey: error: line 4 of ");
        assert_refused(&sandbox.withkey(["use", "--default", "play"]).run(), 1, "withkey: error: line 4 of ");
        assert_refused(&sandbox.withkey(["list"]).run(), 1, "withkey: error: line 4 of ");
        assert_eq!(fs::read(sandbox.configuration("bindings")).unwrap(), before, "{line:?}");
    }
    for name in ["Bad!", "../work", "wórk", "-p", "\u{feff}work"] {
        bindings(&sandbox, format!("{good}{name} *\n"));
        assert_refused(&dry_run(&sandbox, "a", &[]).run(), 125, "withkey: error: line 4 of ");
    }
}

#[test]
fn use_keeps_the_other_lines_and_the_comments() {
    let sandbox = sandbox();
    let project = sandbox.project().display().to_string();
    bindings(&sandbox, format!("# mine\nplay {project}\n\n# theirs\nplay {project}/ab\nwork *"));
    session(
        &sandbox,
        "
        $ withkey use work; withkey use play a/b; withkey use --default play; cat ~/.config/withkey/bindings
        # mine
        work /sandbox/project

        # theirs
        play /sandbox/project/ab
        play *
        play /sandbox/project/a/b
        withkey: /sandbox/project uses profile work now
        withkey: /sandbox/project/a/b uses profile play now
        withkey: the default is profile play now
    ",
    );
}
