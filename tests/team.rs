//! A team's dotfile: made and changed by `add -f`, used by `-f`, and the same for plain age.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/project.rs"]
mod project;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;
#[path = "common/terminal.rs"]
mod terminal;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use common::{KEY, Mode, OTHER_KEY, Sandbox};
use project::{allow, assert_launches_with, dotfile, newcomer, recipient, seal, seal_to};
use refusal::{Tree, assert_refused};
use serde_json::Value;
use session::{assert_no_key, session};
use terminal::Terminal;

const SERVICE_KEY: &str = "sk-svcacct-0123456789abcdefghijklmnop";
const WRITE: &str = "write it? [y/N] ";
const WRITE_SAME: &str = "write it? [Y/n] ";

fn recipients(sandbox: &Sandbox) -> PathBuf {
    sandbox.project().join(".age-recipients")
}

/// Somebody else: their identity's file and their recipient.
#[track_caller]
fn teammate(sandbox: &Sandbox, name: &str) -> (PathBuf, String) {
    let identity = sandbox.path(name);
    let outcome = sandbox.directly(["/usr/bin/age-keygen", "-o"]).args([&identity]).run();
    outcome.assert_exit(0);
    (identity, outcome.stderr().trim().rsplit(' ').next().unwrap().to_owned())
}

/// Somebody else with an SSH key: its file and its public line.
#[track_caller]
fn ssh_teammate(sandbox: &Sandbox, name: &str, kind: &str) -> (PathBuf, String) {
    let file = sandbox.path(name);
    let words = ["/usr/bin/ssh-keygen", "-q", "-N", "", "-C", "bo@desk", "-t", kind, "-f"];
    sandbox.directly(words).args([&file]).run().assert_exit(0);
    let public = fs::read_to_string(file.with_extension("pub")).unwrap().trim().to_owned();
    (file, public)
}

/// What plain age finds in the dotfile.
#[track_caller]
fn opened_by_age(sandbox: &Sandbox, identity: &Path) -> String {
    let outcome = sandbox.directly(["/usr/bin/age", "-d", "-i"]).args([identity, &dotfile(sandbox)]).run();
    outcome.assert_exit(0).stdout()
}

/// `add -f .env.age` on a terminal: yes to the question, then the keys.
#[track_caller]
fn add(sandbox: &Sandbox, words: &str, question: &str, keys: &[(&str, &str)]) -> String {
    let terminal = Terminal::run(sandbox, &format!("withkey add -f .env.age {words}"));
    terminal.answer(question, "y\n");
    for (variable, key) in keys {
        terminal.answer(&format!("{variable} (not shown while you type): "), &format!("{key}\n"));
    }
    terminal.ends(0)
}

/// A project with a dotfile that withkey wrote for its user alone.
#[track_caller]
fn started() -> Sandbox {
    let sandbox = newcomer();
    add(&sandbox, "OPENAI_API_KEY", WRITE, &[("OPENAI_API_KEY", KEY)]);
    sandbox
}

/// A personal key that is shared is replaced in two places, and the second one is easily forgotten.
#[test]
fn rotate_names_a_dotfile_that_holds_the_same_key() {
    let sandbox = started();
    let holds = format!("{} holds this very key, for everybody who can open it\n", dotfile(&sandbox).display());
    for (profile, key, named) in [("same", KEY, true), ("other", OTHER_KEY, false)] {
        sandbox.add(profile, key);
        let outcome = sandbox.withkey(["rotate", profile]).input("sk-test-rotated-0123456789abcdefgh").run();
        outcome.assert_exit(0);
        assert_eq!(outcome.stderr().contains(&holds), named, "{profile}: {outcome:?}");
    }
}

// ---- -f ----

#[test]
fn the_log_names_a_named_dotfile_by_its_absolute_path() {
    let sandbox = newcomer();
    seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\n"));
    for typed in [".env.age", "../project/.env.age"] {
        sandbox.withkey(["-f", typed, "true"]).run().assert_exit(0);
        let answer: Value = serde_json::from_slice(&sandbox.withkey(["log", "--json"]).run().stdout).unwrap();
        let last = answer["launches"].as_array().unwrap().last().unwrap();
        assert_eq!(last["profile"], dotfile(&sandbox).to_str().unwrap(), "{typed}");
    }
}

#[test]
fn a_named_dotfile_is_used_without_a_grant_and_leaves_no_trace() {
    let sandbox = newcomer();
    seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\nLLM_KEY=x1\n"));
    let before = Tree::of(&sandbox);
    for mode in Mode::BOTH {
        let start = sandbox.withkey(mode.options()).args(["-f", ".env.age", "printenv", "OPENAI_API_KEY", "LLM_KEY"]);
        start.run().assert_exit(0).assert_stdout(&format!("{KEY}\nx1\n")).assert_stderr("");
    }
    let only = sandbox.withkey(["-f", ".env.age", "-e", "NAME=LLM_KEY", "sh", "-c", "echo $NAME$OPENAI_API_KEY"]).run();
    only.assert_exit(0).assert_stdout("x1\n");
    session(
        &sandbox,
        "
        $ withkey -f .env.age -e HF_TOKEN true
        withkey: error: .env.age has no key for HF_TOKEN
        withkey: hint: withkey add -f .env.age HF_TOKEN
        [125]
        $ withkey -f nothing.age true
        withkey: error: there is no dotfile nothing.age
        withkey: cause: no such file or directory
        withkey: hint: name another, or make it: withkey add -f nothing.age OPENAI_API_KEY
        [125]
        $ withkey -f .env.age -p work true
        withkey: error: --file <FILE> does not go with what stands before it
        withkey: hint: withkey --help
        [125]
        $ withkey -f .env.age -n -e A=LLM_KEY true
        program: /usr/bin/true
        source: file (.env.age)
        store: dotfile
        added: A
        names: known when the dotfile is opened
    ",
    );
    let dry = sandbox.withkey(["-f", ".env.age", "-n", "--json", "true"]).run();
    let answer: Value = serde_json::from_slice(&dry.assert_exit(0).stdout).unwrap();
    assert_eq!((&answer["source"]["kind"], &answer["source"]["path"]), (&"file".into(), &".env.age".into()));
    assert_eq!((&answer["names_known"], &answer["profile"]), (&Value::Bool(false), &Value::Null));
    let missing = sandbox.withkey(["-n", "-f", "nothing.age", "true"]).run();
    assert_refused(&missing, 125, "withkey: error: there is no dotfile nothing.age\n");
    let verbose = sandbox.withkey(["-v", "-f", ".env.age", "true"]).run();
    verbose.assert_exit(0).assert_stderr_has("withkey: added: OPENAI_API_KEY, LLM_KEY\n");
    before.assert_unchanged("-f", &sandbox);
}

#[test]
fn ci_opens_the_dotfile_with_the_text_of_an_identity_and_no_home() {
    let sandbox = newcomer();
    seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\n"));
    let identity = fs::read_to_string(sandbox.identity()).unwrap();
    let start = || sandbox.withkey(["-f", ".env.age", "printenv"]).unset("HOME").set("CI", "true");
    let outcome = start().set("WITHKEY_IDENTITY", identity.trim()).run();
    outcome.assert_exit(0).assert_stderr("");
    assert!(outcome.stdout().contains(&format!("OPENAI_API_KEY={KEY}\n")), "{}", outcome.stdout());
    assert!(!outcome.stdout().contains("AGE-SECRET-KEY"), "COMMAND got the identity");
    let file = start().set("WITHKEY_IDENTITY_FILE", sandbox.identity()).run();
    file.assert_exit(0);
    // A stranger's identity opens nothing, and nothing else is taken in its place.
    sandbox.add("default", OTHER_KEY);
    let (stranger, _) = teammate(&sandbox, "stranger");
    let text = fs::read_to_string(stranger).unwrap();
    let text = text.lines().find(|line| line.starts_with("AGE-SECRET")).unwrap();
    let outcome = sandbox.withkey(["-f", ".env.age", "touch", "started"]).set("WITHKEY_IDENTITY", text).run();
    assert_refused(&outcome, 125, "withkey: cause: it is not encrypted to the identity of WITHKEY_IDENTITY\n");
}

/// A checkout that belongs to somebody else, or is reached by a link, may be named; one that others can change may not.
#[test]
fn a_named_dotfile_may_be_reached_by_a_link_and_must_not_be_writable_by_others() {
    let sandbox = newcomer();
    seal(&sandbox, &sandbox.path("real.age"), &format!("OPENAI_API_KEY={KEY}\n"));
    symlink(sandbox.path("real.age"), dotfile(&sandbox)).unwrap();
    let launch = || sandbox.withkey(["-f", ".env.age", "printenv", "OPENAI_API_KEY"]).run();
    launch().assert_exit(0).assert_stdout(&format!("{KEY}\n"));
    fs::set_permissions(sandbox.path("real.age"), Permissions::from_mode(0o666)).unwrap();
    assert_refused(&launch(), 125, "withkey: hint: chmod go-w .env.age\n");
}

#[test]
fn ssh_keys_and_a_protected_identity_open_a_projects_dotfile() {
    let sandbox = newcomer();
    for kind in ["ed25519", "rsa"] {
        let (file, public) = ssh_teammate(&sandbox, &format!("id_{kind}"), kind);
        seal_to(&sandbox, &[&public], &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\n"));
        let start = sandbox.withkey(["-f", ".env.age", "printenv", "OPENAI_API_KEY"]);
        start.set("WITHKEY_IDENTITY_FILE", &file).run().assert_exit(0).assert_stdout(&format!("{KEY}\n"));
        let words = ["/usr/bin/ssh-keygen", "-q", "-p", "-P", "", "-N", "two words", "-f"];
        sandbox.directly(words).args([&file]).run().assert_exit(0);
        let set = [("WITHKEY_IDENTITY_FILE", file.to_str().unwrap())];
        let terminal = Terminal::run_with(&sandbox, &set, "withkey -f .env.age sh -c 'echo got ${#OPENAI_API_KEY}'");
        terminal.answer("passphrase of the SSH key: ", "two words\n");
        let text = terminal.ends(0);
        assert!(text.contains(&format!("got {}\n", KEY.len())), "{text}");
    }
}

/// A newcomer may join with the SSH key they have.
#[test]
fn an_ssh_key_of_config_toml_opens_and_writes_a_projects_dotfile() {
    let sandbox = Sandbox::new();
    let (file, public) = ssh_teammate(&sandbox, "id_ed25519", "ed25519");
    let line = format!("identities = [\"{}\"]\n", file.display());
    sandbox.file("home/.config/withkey/config.toml", line, 0o600);
    seal_to(&sandbox, &[&public], &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\n"));
    fs::write(recipients(&sandbox), format!("{public}\n")).unwrap();
    allow(&sandbox, &dotfile(&sandbox));
    assert_launches_with(&sandbox, &sandbox.project(), KEY);
    // SSH keys are told by their tags: nothing changes, so nobody must be asked.
    let outcome = sandbox.withkey(["add", "-f", ".env.age", "GROQ_API_KEY"]).input(OTHER_KEY).run();
    outcome.assert_exit(0);
    sandbox.withkey(["printenv", "GROQ_API_KEY"]).run().assert_stdout(&format!("{OTHER_KEY}\n"));
    assert!(!sandbox.identity().exists(), "an identity was made that nobody asked for");
}

#[test]
fn binary_files_of_age_are_opened_too() {
    let sandbox = newcomer();
    let start = sandbox.directly(["/usr/bin/age", "-e", "-r", &recipient(&sandbox), "-o"]).args([dotfile(&sandbox)]);
    start.input(format!("OPENAI_API_KEY={KEY}\n")).run().assert_exit(0);
    allow(&sandbox, &dotfile(&sandbox));
    assert_launches_with(&sandbox, &sandbox.project(), KEY);
}

// ---- the README's section, as it is typed ----

/// A line in a directory, of a sandbox's user, with git's own configuration left out.
#[track_caller]
fn typed(sandbox: &Sandbox, directory: &Path, line: &str) -> common::Outcome {
    let start = session::shell(sandbox, line).in_directory(directory);
    let names = [("GIT_AUTHOR_NAME", "x"), ("GIT_AUTHOR_EMAIL", "x@x"), ("GIT_COMMITTER_NAME", "x")];
    let start = names.iter().fold(start, |start, (name, value)| start.set(name, value));
    start.set("GIT_COMMITTER_EMAIL", "x@x").run()
}

#[test]
fn a_team_starts_a_newcomer_joins_and_ci_runs() {
    let (ana, bo, ci) = (newcomer(), Sandbox::new(), Sandbox::new());
    let repository = ana.path("repository.git");
    let (anas, bos, cis) = (ana.path("app"), bo.path("app"), ci.path("app"));
    typed(
        &ana,
        &ana.path(""),
        "git -c init.defaultBranch=main init -q --bare repository.git && git clone -q repository.git app",
    )
    .assert_exit(0);
    fs::write(anas.join("Makefile"), "test:\n\t@echo tested with $${#OPENAI_API_KEY} characters\n").unwrap();
    // ana starts.
    let terminal = Terminal::run(&ana, "cd ../app && withkey add -f .env.age OPENAI_API_KEY");
    terminal.answer(WRITE, "y\n").answer("OPENAI_API_KEY (not shown while you type): ", &format!("{SERVICE_KEY}\n"));
    terminal.ends(0);
    let commit = "git add .env.age .age-recipients Makefile && git commit -qm team && git push -q origin HEAD";
    typed(&ana, &anas, commit).assert_exit(0);
    let tested = format!("tested with {} characters\n", SERVICE_KEY.len());
    typed(&ana, &anas, "withkey make test").assert_exit(0).assert_stdout(&tested);
    // bo joins: first without being a recipient.
    typed(&bo, &bo.path(""), &format!("git clone -q {} app", repository.display())).assert_exit(0);
    assert_refused(&typed(&bo, &bos, "withkey make test"), 125, "which is not allowed yet");
    let terminal = Terminal::run(&bo, "cd ../app && withkey allow");
    terminal.answer("passphrase for it (empty for none, then it opens without asking): ", "\n");
    assert!(terminal.ends(1).contains(&recipient(&bo)));
    // Their recipient can be read again, in this very checkout.
    let status = typed(&bo, &bos, "withkey status");
    status.assert_exit(0).assert_stderr("");
    let path = bos.join(".env.age").display().to_string();
    let source = format!("\nsource: dotfile {path}, not allowed yet: withkey allow {path}\n");
    let own = format!("\nrecipient: {}\n", recipient(&bo));
    assert!(status.stdout().contains(&source) && status.stdout().contains(&own), "{}", status.stdout());
    assert!(!status.stdout().contains("profile: "), "{}", status.stdout());
    let json: Value = serde_json::from_slice(&typed(&bo, &bos, "withkey status --json").assert_exit(0).stdout).unwrap();
    assert_eq!((&json["not_allowed"], &json["recipient"]), (&path.into(), &recipient(&bo).into()));
    assert_eq!((&json["source"], &json["profile"]), (&Value::Null, &Value::Null));
    // ana takes bo and the CI in.
    let keygen = typed(&ci, &ci.path(""), "age-keygen -o ci.txt && age-keygen -y ci.txt");
    keygen.assert_exit(0);
    let added = format!("# bo\n{}\n# CI\n{}", recipient(&bo), keygen.stdout());
    let file = anas.join(".age-recipients");
    fs::write(&file, fs::read_to_string(&file).unwrap() + &added).unwrap();
    let terminal = Terminal::run(&ana, "cd ../app && withkey add -f .env.age");
    terminal.answer(&format!("new: {} (bo)", recipient(&bo)), "").answer(WRITE, "y\n");
    terminal.ends(0);
    typed(&ana, &anas, "git commit -qam bo && git push -q origin HEAD").assert_exit(0);
    typed(&ana, &anas, "withkey make test").assert_exit(0).assert_stdout(&tested);
    // bo goes on.
    typed(&bo, &bos, "git pull -q").assert_exit(0);
    let terminal = Terminal::run(&bo, "cd ../app && withkey allow");
    terminal.answer("OPENAI_API_KEY sk-svcacct-…mnop", "").answer("allow it? [y/N] ", "y\n");
    terminal.ends(0);
    typed(&bo, &bos, "withkey make test").assert_exit(0).assert_stdout(&tested);
    // CI, with the identity as a secret variable; and where CI brings its own key.
    typed(&ci, &ci.path(""), &format!("git clone -q {} app", repository.display())).assert_exit(0);
    let line = "export WITHKEY_IDENTITY=\"$(cat ../ci.txt)\"; withkey -f .env.age make test";
    typed(&ci, &cis, line).assert_exit(0).assert_stdout(&tested).assert_stderr("");
    let own = typed(&ci, &cis, "WITHKEY_PROFILE=inherit OPENAI_API_KEY=12345 withkey make test");
    own.assert_exit(0).assert_stdout("tested with 5 characters\n");
}

// ---- joining ----

#[test]
fn a_newcomer_without_an_identity_gets_one_and_is_told_what_to_give_the_team() {
    let sandbox = Sandbox::new();
    let (_, theirs) = teammate(&sandbox, "somebody");
    seal_to(&sandbox, &[&theirs], &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\n"));
    let outcome = sandbox.withkey(["-f", ".env.age", "true"]).run();
    assert_refused(&outcome, 125, "withkey: error: there is no identity to open .env.age with\n");
    outcome.assert_stderr_has(
        "withkey: hint: on a terminal this makes one and tells what to give your team: withkey allow ",
    );
    let terminal = Terminal::run(&sandbox, "withkey allow");
    terminal.answer("passphrase for it (empty for none, then it opens without asking): ", "\n");
    let text = terminal.ends(1);
    let mine = recipient(&sandbox);
    assert!(text.contains(&format!("hint: ask somebody who can open it to add your recipient {mine} to ")), "{text}");
    let status = sandbox.withkey(["status", "-p", "inherit"]).set("OPENAI_API_KEY", "x").run();
    assert!(status.stdout().contains(&format!("recipient: {mine}\n")), "{}", status.stdout());
    // The team takes them in.
    seal_to(&sandbox, &[&theirs, &mine], &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\n"));
    allow(&sandbox, &dotfile(&sandbox));
    assert_launches_with(&sandbox, &sandbox.project(), KEY);
}

// ---- add -f ----

#[test]
fn add_f_starts_a_teams_dotfile_and_its_list_of_recipients() {
    let sandbox = newcomer();
    let text = add(&sandbox, "OPENAI_API_KEY", WRITE, &[("OPENAI_API_KEY", KEY)]);
    let mine = recipient(&sandbox);
    assert!(
        text.contains(&format!("who will be able to open {}:\n  you: {mine}\n", dotfile(&sandbox).display())),
        "{text}"
    );
    assert!(text.contains("withkey: stored OPENAI_API_KEY (sk-…ghij) in "), "{text}");
    assert_eq!(fs::read_to_string(recipients(&sandbox)).unwrap(), format!("{mine}\n"));
    let sealed = fs::read_to_string(dotfile(&sandbox)).unwrap();
    assert!(sealed.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"), "{sealed}");
    for file in [dotfile(&sandbox), recipients(&sandbox)] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o644);
    }
    // Its writer has a grant, and plain age opens it.
    assert_launches_with(&sandbox, &sandbox.project(), KEY);
    assert_eq!(opened_by_age(&sandbox, &sandbox.identity()), format!("OPENAI_API_KEY='{KEY}'\n"));
    let names: Vec<_> = fs::read_dir(sandbox.project()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn a_change_keeps_comments_order_and_mode_and_stays_granted() {
    let sandbox = newcomer();
    fs::write(recipients(&sandbox), format!("# ana\n{}\n", recipient(&sandbox))).unwrap();
    seal(
        &sandbox,
        &dotfile(&sandbox),
        &format!("# the team's\n\nLLM_KEY=one # first\nOPENAI_API_KEY={OTHER_KEY}\n# end\n"),
    );
    fs::set_permissions(dotfile(&sandbox), Permissions::from_mode(0o640)).unwrap();
    allow(&sandbox, &dotfile(&sandbox));
    let exists = sandbox.withkey(["add", "-f", ".env.age", "OPENAI_API_KEY"]).input(KEY).run();
    assert_refused(&exists, 1, " has a key for OPENAI_API_KEY already\n");
    add(&sandbox, "OPENAI_API_KEY HF_TOKEN --replace", WRITE, &[("OPENAI_API_KEY", KEY), ("HF_TOKEN", OTHER_KEY)]);
    let text = opened_by_age(&sandbox, &sandbox.identity());
    assert_eq!(
        text,
        format!("# the team's\n\nLLM_KEY=one # first\nOPENAI_API_KEY='{KEY}'\n# end\nHF_TOKEN='{OTHER_KEY}'\n")
    );
    assert_eq!(fs::metadata(dotfile(&sandbox)).unwrap().permissions().mode() & 0o777, 0o640);
    assert_launches_with(&sandbox, &sandbox.project(), KEY);
    // Now that withkey wrote it, it is known who can open it: nothing changes, so nobody must be asked.
    let piped = sandbox.withkey(["add", "-f", ".env.age", "GROQ_API_KEY"]).input(format!("{OTHER_KEY}\n")).run();
    piped.assert_exit(0).assert_stderr_has("withkey: stored GROQ_API_KEY (sk-…tsrq) in ");
    sandbox.withkey(["printenv", "GROQ_API_KEY"]).run().assert_stdout(&format!("{OTHER_KEY}\n"));
    let again = add(&sandbox, "", WRITE_SAME, &[]);
    assert!(again.contains("the same as now\n") && again.contains(" anew, for 1 recipient\n"), "{again}");
}

#[test]
fn from_takes_the_variables_of_a_clear_file() {
    let sandbox = started();
    fs::write(sandbox.project().join(".env"), format!("HF_TOKEN={OTHER_KEY}\n")).unwrap();
    let outcome = sandbox.withkey(["add", "-f", ".env.age", "HF_TOKEN", "--from", ".env"]).run();
    outcome.assert_exit(0);
    sandbox.withkey(["printenv", "HF_TOKEN"]).run().assert_exit(0).assert_stdout(&format!("{OTHER_KEY}\n"));
}

#[test]
fn who_is_added_and_who_is_removed_is_shown_and_asked_about() {
    let sandbox = started();
    let (bo_identity, bo) = teammate(&sandbox, "bo");
    let (ssh_identity, ssh) = ssh_teammate(&sandbox, "id_cy", "ed25519");
    let mine = recipient(&sandbox);
    fs::write(recipients(&sandbox), format!("# ana\n{mine}\n# bo\n{bo}\n{ssh}\n")).unwrap();
    // Without a terminal nothing may change for anybody.
    let before = Tree::of(&sandbox);
    assert_refused(
        &sandbox.withkey(["add", "-f", ".env.age"]).run(),
        1,
        "withkey: hint: run it on a terminal: withkey add -f .env.age\n",
    );
    before.assert_unchanged("no terminal", &sandbox);
    let text = add(&sandbox, "", WRITE, &[]);
    assert!(text.contains(&format!("  you: {mine} (ana)\n  {bo} (bo)\n  ssh-ed25519 …")), "{text}");
    assert!(text.contains(&format!("  new: {bo} (bo)\n  new: ssh-ed25519 …")), "{text}");
    assert!(
        text.contains("warning: OPENAI_API_KEY (sk-…ghij) may be a person's own key, and 3 people share it"),
        "{text}"
    );
    for identity in [&sandbox.identity(), &bo_identity, &ssh_identity] {
        assert_eq!(opened_by_age(&sandbox, identity), format!("OPENAI_API_KEY='{KEY}'\n"));
    }
    fs::write(recipients(&sandbox), format!("{mine}\n{ssh}\n")).unwrap();
    let text = add(&sandbox, "", WRITE, &[]);
    assert!(text.contains(&format!("  no longer: {bo}\n")) && !text.contains("  new: "), "{text}");
    assert!(text.contains("withkey: hint: who was removed keeps what they have seen: "), "{text}");
    let closed = sandbox.directly(["/usr/bin/age", "-d", "-i"]).args([&bo_identity, &dotfile(&sandbox)]).run();
    assert_ne!(closed.end, common::End::Exit(0));
}

#[test]
fn of_a_file_that_a_teammate_wrote_ssh_tags_are_told_and_the_rest_is_called_unknown() {
    let sandbox = newcomer();
    let mine = recipient(&sandbox);
    let (_, cy) = ssh_teammate(&sandbox, "id_cy", "ed25519");
    let (_, dee) = ssh_teammate(&sandbox, "id_dee", "rsa");
    seal_to(&sandbox, &[&mine, &cy], &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\n"));
    allow(&sandbox, &dotfile(&sandbox));
    fs::write(recipients(&sandbox), format!("{mine}\n{dee}\n")).unwrap();
    let text = add(&sandbox, "", WRITE, &[]);
    assert!(text.contains("  new: ssh-rsa …") && text.contains("  no longer: an SSH key with the tag "), "{text}");
    let unknown = "somebody else wrote the file, and age keeps 1 of its recipients anonymous: whether it is this 1 cannot be known\n";
    assert!(text.contains(unknown), "{text}");
}

#[test]
fn a_service_accounts_key_is_shared_without_a_warning() {
    let sandbox = newcomer();
    let (_, bo) = teammate(&sandbox, "bo");
    fs::write(recipients(&sandbox), format!("{}\n{bo}\n", recipient(&sandbox))).unwrap();
    let text = add(&sandbox, "OPENAI_API_KEY", WRITE, &[("OPENAI_API_KEY", SERVICE_KEY)]);
    assert!(!text.contains("warning"), "{text}");
}

#[test]
fn a_no_changes_nothing() {
    let sandbox = newcomer();
    let before = Tree::of(&sandbox);
    let terminal = Terminal::run(&sandbox, "withkey add -f .env.age OPENAI_API_KEY");
    terminal.answer(WRITE, "\n");
    assert!(terminal.ends(1).contains("withkey: error: writing: not done\n"));
    before.assert_unchanged("a no", &sandbox);
    let outcome = sandbox.withkey(["add", "-f", ".env.age", "OPENAI_API_KEY"]).input(KEY).run();
    assert_refused(&outcome, 1, "/.age-recipients does not exist\n");
    outcome.assert_stderr_has(&format!("echo {} > ", recipient(&sandbox)));
    before.assert_unchanged("no terminal", &sandbox);
}

#[test]
fn what_cannot_be_written_for_is_refused_before_a_key_is_asked_for() {
    let sandbox = started();
    let mine = recipient(&sandbox);
    let (_, bo) = teammate(&sandbox, "bo");
    let whole = fs::read(dotfile(&sandbox)).unwrap();
    for (text, part) in [
        (format!("{mine}\nage1pq1qqqqqq\n"), "post-quantum recipients are not supported by this build"),
        (format!("{mine}\n\nnobody\n"), "line 3 of "),
        (format!("{mine}\nssh-dss AAAAB3NzaC1kc3MAAACB\n"), "line 2 of "),
        (format!("{mine}\n-----BEGIN\n"), "line 2 of "),
        ("# nobody\n".to_owned(), "names nobody"),
    ] {
        fs::write(recipients(&sandbox), text).unwrap();
        let text = Terminal::run(&sandbox, "withkey add -f .env.age HF_TOKEN").ends(1);
        assert!(text.contains(part) && !text.contains("not shown while you type"), "{part}: {text}");
    }
    // Its writer must be able to open it.
    fs::write(recipients(&sandbox), format!("{bo}\n")).unwrap();
    let terminal = Terminal::run(&sandbox, "withkey add -f .env.age");
    terminal.answer(WRITE, "y\n");
    let text = terminal.ends(1);
    assert!(text.contains("withkey: error: not written: you could not open it yourself\n"), "{text}");
    assert!(text.contains(&format!("withkey: hint: add the line {mine}\n")), "{text}");
    assert_eq!(fs::read(dotfile(&sandbox)).unwrap(), whole);
    // Others could add themselves.
    fs::write(recipients(&sandbox), format!("{mine}\n")).unwrap();
    fs::set_permissions(recipients(&sandbox), Permissions::from_mode(0o666)).unwrap();
    assert_refused(&sandbox.withkey(["add", "-f", ".env.age"]).run(), 1, "withkey: error: other users may change ");
    fs::remove_file(recipients(&sandbox)).unwrap();
    symlink(sandbox.path("bo"), recipients(&sandbox)).unwrap();
    assert_refused(&sandbox.withkey(["add", "-f", ".env.age"]).run(), 1, "withkey: cause: it is a symbolic link\n");
}

#[test]
fn a_file_without_a_grant_is_not_written_into() {
    let sandbox = newcomer();
    fs::write(recipients(&sandbox), format!("{}\n", recipient(&sandbox))).unwrap();
    seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\n"));
    let add = || sandbox.withkey(["add", "-f", ".env.age", "HF_TOKEN"]).input(OTHER_KEY).run();
    let refused = |part: &str| {
        let before = Tree::of(&sandbox);
        assert_refused(&add(), 1, part);
        before.assert_unchanged(part, &sandbox);
    };
    refused("which is not allowed yet");
    sandbox.withkey(["allow", "--never"]).run().assert_exit(0);
    refused("which is not allowed yet");
    allow(&sandbox, &dotfile(&sandbox));
    seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={OTHER_KEY}\n"));
    refused("is not what you allowed");
    fs::write(dotfile(&sandbox), "damaged").unwrap();
    refused("withkey: error: cannot open the dotfile ");
    fs::remove_file(dotfile(&sandbox)).unwrap();
    symlink("/dev/null", dotfile(&sandbox)).unwrap();
    refused("it is a symbolic link");
}

#[test]
fn what_changes_while_the_question_is_asked_is_not_overwritten() {
    for changed in [".env.age", ".age-recipients"] {
        let sandbox = started();
        let terminal = Terminal::run(&sandbox, "withkey add -f .env.age HF_TOKEN");
        terminal.answer(WRITE_SAME, "y\n");
        terminal.pty.wait_for("HF_TOKEN (not shown while you type): ");
        let (_, evil) = teammate(&sandbox, "evil");
        match changed {
            ".env.age" => seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={OTHER_KEY}\n")),
            _ => fs::write(recipients(&sandbox), format!("{}\n{evil}\n", recipient(&sandbox))).unwrap(),
        }
        let before = fs::read(dotfile(&sandbox)).unwrap();
        terminal.pty.type_in(&format!("{OTHER_KEY}\n"));
        let text = terminal.ends(1);
        assert!(text.contains(&format!("{changed} changed meanwhile\n")), "{text}");
        assert_eq!(fs::read(dotfile(&sandbox)).unwrap(), before);
    }
}

#[test]
fn words_that_do_not_fit_a_projects_dotfile_are_refused() {
    let sandbox = started();
    for (words, status, part) in [
        (&["add", "-f", ".env.age", "A-B"][..], 2, "withkey does not inject A-B"),
        (&["add", "-f", ".env.age", "LD_PRELOAD"], 2, "withkey does not inject LD_PRELOAD"),
        (&["add", "-f", ".env.age", "A", "A"], 2, "A is named twice"),
        (&["add", "-f", ".env.age", "A", "--use"], 2, "does not go with"),
        (&["add", "-f", ".env.age", "A", "--store", "dotfile"], 2, "does not go with"),
        (&["add", "-f", ".env.age", "A", "--expires", "90d"], 2, "does not go with"),
        (&["add", "-f", "new.age"], 1, "there is no dotfile "),
        (&["add", "-f", "no/such/folder/.env.age", "A"], 1, "withkey: error: cannot write "),
    ] {
        let before = Tree::of(&sandbox);
        assert_refused(&sandbox.withkey(words).input(OTHER_KEY).run(), status, part);
        before.assert_unchanged(part, &sandbox);
    }
}

/// A launch in the midst of a change finds the old state or the new one, both with a grant.
#[test]
fn launches_go_on_while_the_dotfile_is_changed() {
    let sandbox = started();
    let stop = sandbox.path("stop");
    let script = format!("while [ ! -e {} ]; do withkey true || exit 1; done", stop.display());
    let launches: Vec<_> = (0..2).map(|_| session::shell(&sandbox, &script).start()).collect();
    for (number, key) in [OTHER_KEY, KEY].into_iter().cycle().take(20).enumerate() {
        let words = ["add", "-f", ".env.age", "OPENAI_API_KEY", "--replace"];
        let changed = sandbox.withkey(words).input(format!("{key}\n")).run();
        assert_eq!(changed.end, common::End::Exit(0), "change {number}: {}", changed.stderr());
    }
    fs::write(&stop, "").unwrap();
    for launch in launches {
        launch.outcome().assert_exit(0).assert_stderr("");
    }
}

// ---- plain age ----

#[test]
fn plain_age_makes_and_opens_what_the_team_uses() {
    let sandbox = newcomer();
    let (bo_identity, bo) = teammate(&sandbox, "bo");
    let (_, cy) = ssh_teammate(&sandbox, "id_cy", "ed25519");
    fs::write(recipients(&sandbox), format!("# ana\n{}\n\n# bo\n{bo}\n{cy}\n", recipient(&sandbox))).unwrap();
    let make = sandbox.directly(["/usr/bin/age", "-e", "-a", "-R", ".age-recipients", "-o", ".env.age"]);
    make.input(format!("# by hand\nOPENAI_API_KEY={KEY}\n")).run().assert_exit(0);
    allow(&sandbox, &dotfile(&sandbox));
    assert_launches_with(&sandbox, &sandbox.project(), KEY);
    add(&sandbox, "HF_TOKEN", WRITE, &[("HF_TOKEN", OTHER_KEY)]);
    let text = opened_by_age(&sandbox, &bo_identity);
    assert_eq!(text, format!("# by hand\nOPENAI_API_KEY={KEY}\nHF_TOKEN='{OTHER_KEY}'\n"));
    // What it says goes back through plain age, and needs no new consent.
    let edit = "age -d -i ../bo .env.age > ../text && age -e -a -R .age-recipients -o .env.age ../text";
    sandbox.directly(["/bin/sh", "-c", edit]).run().assert_exit(0);
    assert_launches_with(&sandbox, &sandbox.project(), KEY);
}

#[test]
fn no_output_of_a_teams_day_shows_a_key() {
    let sandbox = started();
    for words in [&["status"][..], &["allow", "--list"], &["-n", "true"], &["-v", "true"], &["list"]] {
        let outcome = sandbox.withkey(words).run();
        assert_no_key(&format!("{words:?}"), &outcome.stdout);
        assert_no_key(&format!("{words:?}"), &outcome.stderr);
    }
    session::assert_no_key_in_files(&sandbox.home());
    session::assert_no_key_in_files(&sandbox.project());
}
