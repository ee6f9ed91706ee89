//! A project's dotfile that is found in a directory is used with its user's consent, and only as it was then.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
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

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use common::{KEY, Mode, OTHER_KEY, Outcome, Sandbox};
use project::{allow, allowed, assert_launches_with, dotfile, newcomer, recipient, seal, seal_to};
use refusal::{Tree, assert_not_started, assert_refused};
use serde_json::Value;
use session::{assert_no_key, session};
use terminal::Terminal;

fn chmod(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn launch(sandbox: &Sandbox) -> Outcome {
    sandbox.withkey(["touch", "started"]).run()
}

/// `withkey allow` on a terminal is refused before it asks.
#[track_caller]
fn assert_allow_refuses(sandbox: &Sandbox, file: &str, part: &str) {
    let before = Tree::of(sandbox);
    let text = Terminal::run(sandbox, &format!("withkey allow {file}")).ends(1);
    assert!(text.contains(part) && !text.contains("allow it?"), "no {part:?} in:\n{text}");
    before.assert_unchanged("allow", sandbox);
}

// ---- consent ----

#[test]
fn a_granted_dotfile_is_used_here_and_below() {
    let sandbox = allowed();
    fs::create_dir_all(sandbox.project().join("a/b")).unwrap();
    assert_launches_with(&sandbox, &sandbox.project(), KEY);
    assert_launches_with(&sandbox, &sandbox.project().join("a/b"), KEY);
    for mode in Mode::BOTH {
        let outcome = sandbox.launch(mode, ["printenv", "OPENAI_API_KEY"]).run();
        outcome.assert_exit(0).assert_stdout(&format!("{KEY}\n"));
    }
}

#[test]
fn allow_shows_the_path_the_names_and_masked_keys_and_asks() {
    let sandbox = newcomer();
    seal(&sandbox, &dotfile(&sandbox), &format!("# team\nOPENAI_API_KEY={KEY}\nLLM_KEY='1234'\n"));
    assert_not_started("before consent", &sandbox, "/.env.age, which is not allowed yet\n");
    let terminal = Terminal::run(&sandbox, "withkey allow");
    terminal.answer("allow it? [y/N] ", "\n");
    let text = terminal.ends(1);
    assert!(text.contains(&format!("{} sets:\n", dotfile(&sandbox).display())), "{text}");
    assert!(text.contains("  OPENAI_API_KEY sk-…ghij\n  LLM_KEY …, of no provider withkey knows\n"), "{text}");
    assert!(text.contains("withkey: error: allowing: not done\n"), "{text}");
    assert_not_started("after a no", &sandbox, "which is not allowed yet");
    allow(&sandbox, &dotfile(&sandbox));
    assert_launches_with(&sandbox, &sandbox.project(), KEY);
    sandbox.withkey(["printenv", "LLM_KEY"]).run().assert_exit(0).assert_stdout("1234\n");
    let again = Terminal::run(&sandbox, "withkey allow").ends(0);
    assert!(again.contains("is allowed already, as it is now\n"), "{again}");
}

#[test]
fn what_was_said_can_be_listed_taken_back_and_turned_into_never() {
    let sandbox = allowed();
    let path = dotfile(&sandbox);
    let list = sandbox.withkey(["allow", "--list", "--json"]).run();
    let answer: Value = serde_json::from_slice(&list.assert_exit(0).stdout).unwrap();
    assert_eq!(answer["version"], 1);
    assert_eq!(answer["grants"][0]["path"], path.to_str().unwrap());
    assert_eq!(answer["grants"][0]["state"], "allowed");
    assert_eq!(answer["grants"][0]["keys"][0]["masked"], "sk-…ghij");
    session(
        &sandbox,
        "
        $ withkey allow --list
        /sandbox/project/.env.age (allowed TODAY)
          OPENAI_API_KEY sk-…ghij
        $ withkey allow --revoke
        withkey: took back what was said of /sandbox/project/.env.age
        $ withkey allow --revoke
        withkey: error: nothing is recorded of /sandbox/project/.env.age
        withkey: hint: see what is: withkey allow --list
        [1]
        $ withkey true
        withkey: error: found /sandbox/project/.env.age, which is not allowed yet
        withkey: cause: anyone can put a dotfile into a directory, so one is used only with your consent
        withkey: hint: withkey allow /sandbox/project/.env.age
        [125]
        $ echo $OTHER_KEY | withkey add 2>/dev/null; withkey allow --never
        withkey: /sandbox/project/.env.age is passed over from now on, and withkey status says so
        $ withkey printenv OPENAI_API_KEY
        $OTHER_KEY
        $ withkey status | grep -E '^(profile|source|passed)'
        profile: default
        source: default
        passed over: /sandbox/project/.env.age
        $ withkey allow --list
        /sandbox/project/.env.age (never TODAY)
        $ rm .env.age; withkey allow --revoke .env.age; withkey allow --list
        withkey: took back what was said of /sandbox/project/.env.age
        withkey: nothing is allowed yet; withkey allow asks about the dotfile here
        $ withkey allow
        withkey: error: there is no .env.age in /sandbox/project or above
        withkey: hint: name one: withkey allow FILE
        [1]
    ",
    );
}

#[test]
fn status_and_dry_run_answer_from_the_grant_and_open_nothing() {
    let sandbox = allowed();
    fs::remove_file(sandbox.identity()).unwrap();
    session(
        &sandbox,
        "
        $ withkey -n true
        program: /usr/bin/true
        source: dotfile (/sandbox/project/.env.age)
        store: dotfile
        added: OPENAI_API_KEY
        $ withkey status | head -5
        directory: /sandbox/project
        source: dotfile (/sandbox/project/.env.age)
        store: dotfile
        keys: OPENAI_API_KEY sk-…ghij
        added: OPENAI_API_KEY
        $ withkey -n -e LLM_KEY=OPENAI_API_KEY true | grep added
        added: LLM_KEY
        $ withkey -e HF_TOKEN -n true
        withkey: error: /sandbox/project/.env.age has no key for HF_TOKEN
        withkey: hint: withkey add -f /sandbox/project/.env.age HF_TOKEN
        [125]
    ",
    );
    for words in [&["-n", "--json", "true"][..], &["status", "--json"]] {
        let answer: Value = serde_json::from_slice(&sandbox.withkey(words).run().assert_exit(0).stdout).unwrap();
        assert_eq!(answer["profile"], Value::Null);
        assert_eq!(answer["source"]["kind"], "dotfile");
        assert_eq!(answer["source"]["path"], dotfile(&sandbox).to_str().unwrap());
        assert_eq!(answer["store"], "dotfile");
        assert_eq!(answer["added"][0], "OPENAI_API_KEY");
    }
}

#[test]
fn the_binding_of_the_same_directory_wins_over_its_dotfile() {
    let sandbox = allowed();
    sandbox.add("work", OTHER_KEY);
    sandbox.bind("work", sandbox.project());
    assert_launches_with(&sandbox, &sandbox.project(), OTHER_KEY);
    sandbox.bind("work", sandbox.path(""));
    sandbox.withkey(["use", "--remove"]).run().assert_exit(0);
    assert_launches_with(&sandbox, &sandbox.project(), KEY);
}

#[test]
fn encrypting_to_a_new_teammate_asks_nobody_again() {
    let sandbox = allowed();
    let teammate = sandbox.path("teammate");
    let keygen = sandbox.directly(["/usr/bin/age-keygen", "-o"]).args([&teammate]).run();
    let theirs = keygen.stderr().trim().rsplit(' ').next().unwrap().to_owned();
    let text = format!("# a comment\n\nexport OPENAI_API_KEY=\"{KEY}\"\n");
    seal_to(&sandbox, &[&recipient(&sandbox), &theirs], &dotfile(&sandbox), &text);
    assert_launches_with(&sandbox, &sandbox.project(), KEY);
}

#[test]
fn a_grant_holds_no_value_and_no_hash_that_can_be_guessed_without_this_machines_secret() {
    let sandbox = newcomer();
    seal(&sandbox, &dotfile(&sandbox), "PIN=1234\n");
    allow(&sandbox, &dotfile(&sandbox));
    let folder = sandbox.home().join(".local/state/withkey/grants");
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let mut names = 0;
    for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read(entry.path()).unwrap();
        if entry.file_name() != "secret" {
            assert!(!text.windows(4).any(|window| window == b"1234") || !text.is_ascii(), "{}", text.escape_ascii());
            names += 1;
        }
    }
    assert_eq!(names, 1);
    // Without the secret nothing is allowed any more, and nothing is made in its place by a launch.
    fs::remove_file(folder.join("secret")).unwrap();
    assert_not_started("no secret", &sandbox, "PIN has another key");
    fs::write(folder.join("secret"), "short").unwrap();
    chmod(folder.join("secret"), 0o600);
    assert_not_started("short secret", &sandbox, "cannot read the grant");
}

#[test]
fn a_damaged_grant_allows_nothing_and_never_falls_back_to_another_key() {
    let sandbox = allowed();
    sandbox.add("default", OTHER_KEY);
    let folder = sandbox.home().join(".local/state/withkey/grants");
    let name = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).find(|name| name.len() == 64);
    let file = folder.join(name.unwrap());
    let whole = fs::read(&file).unwrap();
    for length in 0..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        assert_refused(&launch(&sandbox), 125, "withkey: error: cannot read the grant ");
    }
    fs::write(&file, &whole).unwrap();
    chmod(&file, 0o622);
    assert_refused(&launch(&sandbox), 125, "withkey: error: other users may change ");
    assert!(!sandbox.project().join("started").exists());
}

// ---- attacks ----

#[test]
fn another_key_in_an_allowed_dotfile_stops_the_launch_and_is_told_by_name() {
    let sandbox = allowed();
    sandbox.add("default", OTHER_KEY);
    seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={OTHER_KEY}\n"));
    assert_not_started(
        "substitution",
        &sandbox,
        "withkey: cause: OPENAI_API_KEY has another key (sk-…ghij -> sk-…tsrq)\n",
    );
    let terminal = Terminal::run(&sandbox, "withkey allow");
    terminal.answer("OPENAI_API_KEY sk-…tsrq, changed: it was sk-…ghij", "").answer("allow it? [y/N] ", "y\n");
    terminal.ends(0);
    assert_launches_with(&sandbox, &sandbox.project(), OTHER_KEY);
}

#[test]
fn a_dotfile_that_grew_after_a_pull_asks_anew() {
    let sandbox = allowed();
    seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\nHF_TOKEN={OTHER_KEY}\n"));
    assert_not_started("growth", &sandbox, "withkey: cause: HF_TOKEN is new (sk-…tsrq)\n");
    seal(&sandbox, &dotfile(&sandbox), &format!("HF_TOKEN={OTHER_KEY}\n"));
    assert_not_started("swap", &sandbox, "HF_TOKEN is new (sk-…tsrq), OPENAI_API_KEY is gone\n");
    let terminal = Terminal::run(&sandbox, "withkey allow");
    terminal.answer("HF_TOKEN sk-…tsrq, new", "").answer("OPENAI_API_KEY is gone", "");
    terminal.answer("allow it? [y/N] ", "n\n");
    terminal.ends(1);
}

#[test]
fn an_older_content_that_was_allowed_once_is_not_allowed_again() {
    let sandbox = allowed();
    let old = fs::read(dotfile(&sandbox)).unwrap();
    seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={OTHER_KEY}\n"));
    allow(&sandbox, &dotfile(&sandbox));
    fs::write(dotfile(&sandbox), old).unwrap();
    assert_not_started("rollback", &sandbox, "OPENAI_API_KEY has another key (sk-…tsrq -> sk-…ghij)");
}

#[test]
fn names_that_redirect_or_run_code_stop_the_launch_from_any_dotfile() {
    let sandbox = newcomer();
    for name in [
        "OPENAI_BASE_URL",
        "ANTHROPIC_BASE_URL",
        "OPENAI_API_BASE",
        "OPENAI_PROXY",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "DYLD_INSERT_LIBRARIES",
        "PATH",
        "NODE_OPTIONS",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "BASH_ENV",
        "ENV",
        "GIT_SSH_COMMAND",
        "PERL5OPT",
        "WITHKEY_PROFILE",
        "HOME",
    ] {
        seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\n{name}=x\n"));
        let part = format!("withkey: error: {} sets {name}\n", dotfile(&sandbox).display());
        assert_allow_refuses(&sandbox, "", &part);
        let named = sandbox.withkey(["-f", ".env.age", "touch", "started"]).run();
        assert_refused(&named, 125, &format!("withkey: error: .env.age sets {name}\n"));
        // Not even when only the harmless name is asked for.
        let one = sandbox.withkey(["-f", ".env.age", "-e", "OPENAI_API_KEY", "touch", "started"]).run();
        assert_refused(&one, 125, &format!("sets {name}\n"));
    }
    assert!(!sandbox.project().join("started").exists());
    // One that was allowed and then got such a name.
    seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\n"));
    allow(&sandbox, &dotfile(&sandbox));
    seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\nOPENAI_BASE_URL=https://evil.example\n"));
    assert_not_started("redirection", &sandbox, "sets OPENAI_BASE_URL\n");
}

#[test]
fn a_copy_of_an_allowed_dotfile_at_another_path_is_not_allowed() {
    let sandbox = allowed();
    let other = sandbox.project().join("vendor/evil");
    fs::create_dir_all(&other).unwrap();
    fs::copy(dotfile(&sandbox), other.join(".env.age")).unwrap();
    let outcome = sandbox.withkey(["touch", "started"]).in_directory(&other).run();
    assert_refused(&outcome, 125, "vendor/evil/.env.age, which is not allowed yet");
    // The copied grant's file says nothing of that path either.
    let folder = sandbox.home().join(".local/state/withkey/grants");
    let name = |path: &Path| {
        let sum = sandbox.directly(["/usr/bin/sha256sum"]).input(path.as_os_str().as_bytes()).run().stdout();
        folder.join(sum.split(' ').next().unwrap())
    };
    fs::copy(name(&dotfile(&sandbox)), name(&other.join(".env.age"))).unwrap();
    let outcome = sandbox.withkey(["touch", "started"]).in_directory(&other).run();
    assert_refused(&outcome, 125, "vendor/evil/.env.age, which is not allowed yet");
}

#[test]
fn a_vendored_directorys_dotfile_is_not_passed_over_for_the_roots() {
    let sandbox = allowed();
    let vendored = sandbox.project().join("vendor/lib");
    seal(&sandbox, &vendored.join(".env.age"), &format!("OPENAI_API_KEY={OTHER_KEY}\n"));
    for here in [&vendored, &vendored.join("src")] {
        fs::create_dir_all(here).unwrap();
        let outcome = sandbox.withkey(["touch", "started"]).in_directory(here).run();
        assert_refused(&outcome, 125, "vendor/lib/.env.age, which is not allowed yet");
    }
    assert_launches_with(&sandbox, &sandbox.project().join("vendor"), KEY);
    let never = sandbox.withkey(["allow", "--never"]).in_directory(&vendored).run();
    never.assert_exit(0);
    assert_launches_with(&sandbox, &vendored, KEY);
}

#[test]
fn a_symbolic_link_is_neither_allowed_nor_followed() {
    let sandbox = allowed();
    let (path, elsewhere) = (dotfile(&sandbox), sandbox.path("elsewhere.age"));
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert_not_started("link", &sandbox, "withkey: cause: it is a symbolic link\n");
    sandbox.withkey(["allow", "--revoke"]).run().assert_exit(0);
    assert_not_started("link without a grant", &sandbox, "withkey: cause: it is a symbolic link\n");
    assert_allow_refuses(&sandbox, "", "withkey: cause: it is a symbolic link\n");
    // A folder on the way is no lie: the grant is the physical path's.
    fs::remove_file(&path).unwrap();
    fs::rename(&elsewhere, &path).unwrap();
    symlink(sandbox.project(), sandbox.path("by-link")).unwrap();
    allow(&sandbox, &sandbox.path("by-link/.env.age"));
    assert_launches_with(&sandbox, &sandbox.path("by-link"), KEY);
}

#[test]
fn a_hard_link_to_an_allowed_dotfile_is_another_path_without_a_grant() {
    let sandbox = allowed();
    let other = sandbox.path("planted");
    fs::create_dir(&other).unwrap();
    fs::hard_link(dotfile(&sandbox), other.join(".env.age")).unwrap();
    let outcome = sandbox.withkey(["touch", "started"]).in_directory(&other).run();
    assert_refused(&outcome, 125, "planted/.env.age, which is not allowed yet");
}

#[test]
fn a_fifo_a_device_a_folder_or_a_socket_is_refused_at_once() {
    let sandbox = allowed();
    let path = dotfile(&sandbox);
    for kind in ["fifo", "device", "folder", "socket"] {
        let _ = fs::remove_file(&path);
        let name = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
        let mut socket = None;
        match kind {
            // SAFETY: a plain system call on a string that ends with a NUL.
            "fifo" => assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0),
            // /dev/zero would never end.
            "device" => {
                // SAFETY: as above.
                let made = unsafe { libc::mknod(name.as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(1, 5)) };
                assert_eq!(made, 0, "a device can be made by root only: sudo -E $(which cargo) test --test grants");
            }
            "folder" => fs::create_dir(&path).unwrap(),
            _ => socket = Some(std::os::unix::net::UnixListener::bind(&path).unwrap()),
        }
        let cause = match kind {
            "folder" => "withkey: cause: it is a directory\n",
            "socket" => "withkey: error: cannot open ",
            _ => "withkey: cause: it is not a regular file\n",
        };
        let refused = launch(&sandbox);
        assert_refused(&refused, 125, cause);
        if kind != "socket" {
            refused.assert_stderr_has(
                "withkey: hint: choose a profile: withkey -p PROFILE COMMAND, or pass the file over: ",
            );
        }
        assert_refused(&sandbox.withkey(["-n", "true"]).run(), 125, cause);
        // It is judged before an identity is looked for, or its passphrase asked for.
        let closed = sandbox.withkey(["true"]).set("WITHKEY_IDENTITY_FILE", "/nonexistent").run();
        assert_refused(&closed, 125, cause);
        assert_refused(&sandbox.withkey(["-f", ".env.age", "touch", "started"]).run(), 125, cause);
        let file = path.display().to_string();
        if kind != "folder" {
            assert_allow_refuses(&sandbox, &file, cause);
        }
        drop(socket);
        let _ = fs::remove_dir(&path);
    }
    assert!(!sandbox.project().join("started").exists());
}

#[test]
fn a_gibibyte_is_refused_by_its_size() {
    let sandbox = allowed();
    let file = fs::OpenOptions::new().write(true).open(dotfile(&sandbox)).unwrap();
    file.set_len(1 << 30).unwrap();
    let limited = |words: &[&str]| sandbox.withkey(words).limited(libc::RLIMIT_AS, 256 << 20, 256 << 20).run();
    assert_refused(&limited(&["touch", "started"]), 125, "withkey: cause: it is over 1048576 bytes\n");
    assert_refused(&limited(&["-f", ".env.age", "touch", "started"]), 125, "it is over 1048576 bytes\n");
    assert_allow_refuses(&sandbox, "", "withkey: cause: it is over 1048576 bytes\n");
    file.set_len((1 << 20) + 1).unwrap();
    assert_refused(&limited(&["touch", "started"]), 125, "it is over 1048576 bytes\n");
}

#[test]
fn a_dotfile_that_asks_for_years_of_scrypt_is_refused_without_working_for_it() {
    let sandbox = allowed();
    // Work factor 2^30: a terabyte.
    let head = "age-encryption.org/v1\n-> scrypt bBjlhJVYZeE4aqUdmtRHfw 30\n\
                SQ1ekUDPgqnFYSgrN4lSQb4UuYkc81wXpBFi5wLPZ2I\n--- mMTTDOpGzN7UdV1K3AAjQ3yRTgxzYLVmVwYzDFEvKAQ\n";
    fs::write(dotfile(&sandbox), [head.as_bytes(), &[7; 60]].concat()).unwrap();
    let limited = |words: &[&str]| sandbox.withkey(words).limited(libc::RLIMIT_AS, 256 << 20, 256 << 20).run();
    for words in [&["touch", "started"][..], &["-f", ".env.age", "touch", "started"]] {
        assert_refused(&limited(words), 125, "withkey: cause: it is encrypted with a passphrase, ");
    }
    assert_allow_refuses(&sandbox, "", "withkey: cause: it is encrypted with a passphrase, ");
}

#[test]
fn a_dotfile_or_folder_of_another_user_is_refused() {
    const STRANGER: u32 = 12_346;
    for planted in [".env.age", ""] {
        let sandbox = allowed();
        let path = sandbox.project().join(planted);
        chown(&path, Some(STRANGER), Some(STRANGER))
            .expect("a stranger's file can be made by root only: sudo -E $(which cargo) test --test grants");
        // The tests are root's.
        let part = format!(
            "withkey: error: {} belongs to another user\n\
             withkey: cause: withkey uses and makes files of the user who runs it only\nwithkey: hint: under sudo, ",
            path.display().to_string().trim_end_matches('/')
        );
        assert_not_started("foreign", &sandbox, &part);
        assert_allow_refuses(&sandbox, "", &part);
    }
}

#[test]
fn a_dotfile_or_folder_that_others_may_write_is_refused() {
    for (planted, mode) in [(".env.age", 0o664), (".env.age", 0o646), ("", 0o775), ("", 0o757), ("", 0o1777)] {
        let sandbox = allowed();
        let path = sandbox.project().join(planted);
        chmod(&path, mode);
        let shown = path.display().to_string();
        let shown = shown.trim_end_matches('/');
        let part = format!("withkey: error: other users may change {shown}\nwithkey: cause: its mode is {mode:04o}");
        // chmod would spoil a folder that is everybody's on purpose.
        let part = match mode & 0o1000 {
            0 => format!("{part}\nwithkey: hint: chmod go-w {shown}\n"),
            _ => format!("{part}: anybody may put a dotfile there\n"),
        };
        assert_not_started("writable", &sandbox, &part);
        assert_allow_refuses(&sandbox, "", &part);
        chmod(&path, mode & 0o755);
        assert_launches_with(&sandbox, &sandbox.project(), KEY);
    }
}

/// Everybody may put a file into /tmp, above what is built or unpacked there.
#[test]
fn a_dotfile_planted_in_a_folder_like_tmp_is_never_used() {
    let sandbox = newcomer();
    let tmp = sandbox.path("tmp");
    let below = tmp.join("build/project");
    fs::create_dir_all(&below).unwrap();
    chmod(&tmp, 0o1777);
    seal(&sandbox, &tmp.join(".env.age"), &format!("OPENAI_API_KEY={OTHER_KEY}\n"));
    chown(tmp.join(".env.age"), Some(12_346), Some(12_346)).expect("a stranger's file can be made by root only");
    let outcome = sandbox.withkey(["touch", "started"]).in_directory(&below).run();
    assert_refused(&outcome, 125, &format!("withkey: error: other users may change {}\n", tmp.display()));
    let hint = |text: &str| {
        let pass_over = format!("or pass the file over: withkey allow --never {}/.env.age\n", tmp.display());
        assert!(text.contains(&pass_over) && !text.contains("chmod"), "{text}");
    };
    hint(&outcome.stderr());
    let text = Terminal::run(&sandbox, &format!("withkey allow {}/.env.age", tmp.display())).ends(1);
    assert!(text.contains("other users may change ") && !text.contains("allow it?"), "{text}");
    hint(&text);
    sandbox.withkey(["allow", "--never"]).in_directory(&below).run().assert_exit(0);
    sandbox.add("default", KEY);
    assert_launches_with(&sandbox, &below, KEY);
}

/// `chmod go-w /dev/null` would break the machine.
#[test]
fn what_is_no_folder_is_called_so_whatever_its_mode() {
    let sandbox = newcomer();
    let text = Terminal::run(&sandbox, "withkey allow /dev/null/x").ends(1);
    let words = "withkey: error: cannot use /dev/null\nwithkey: cause: it is not a directory\nwithkey: hint: ";
    assert!(text.contains(words) && !text.contains("chmod"), "{text}");
}

/// `withkey allow` would refuse them, so no launch recommends it.
#[test]
fn what_could_never_be_allowed_is_refused_for_its_true_reason() {
    let unfit = |spoil: &dyn Fn(&Path), part: &str| {
        let sandbox = newcomer();
        seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\n"));
        assert_not_started("fit", &sandbox, "which is not allowed yet");
        spoil(&dotfile(&sandbox));
        assert_not_started(part, &sandbox, part);
        let outcome = sandbox.withkey(["-n", "true"]).run();
        assert_refused(&outcome, 125, part);
        assert!(!outcome.stderr().contains("withkey allow /"), "{}", outcome.stderr());
        assert_allow_refuses(&sandbox, "", part);
    };
    let fifo = |path: &Path| {
        fs::remove_file(path).unwrap();
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRUSR).unwrap();
    };
    unfit(&fifo, "withkey: cause: it is not a regular file\n");
    unfit(&|path| chmod(path, 0o666), "withkey: error: other users may change ");
    unfit(&|path| chmod(path.parent().unwrap(), 0o777), "withkey: error: other users may change ");
    unfit(&|path| chown(path, Some(12_346), None).unwrap(), " belongs to another user\n");
    let large = |path: &Path| fs::File::options().write(true).open(path).unwrap().set_len((1 << 20) + 1).unwrap();
    unfit(&large, "withkey: cause: it is over 1048576 bytes\n");
}

#[test]
fn what_is_put_in_place_while_the_question_is_asked_is_not_what_was_allowed() {
    let sandbox = newcomer();
    seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\n"));
    let terminal = Terminal::run(&sandbox, "withkey allow");
    terminal.pty.wait_for("allow it? [y/N] ");
    seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={OTHER_KEY}\n"));
    terminal.pty.type_in("y\n");
    terminal.ends(0);
    assert_not_started("swap", &sandbox, "OPENAI_API_KEY has another key (sk-…ghij -> sk-…tsrq)");
    seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\n"));
    assert_launches_with(&sandbox, &sandbox.project(), KEY);
}

#[test]
fn a_path_can_neither_move_the_cursor_nor_reorder_what_is_read() {
    let sandbox = newcomer();
    let name = "a\u{1b}[2K\u{202e}\u{200b}b\nyes";
    let directory = sandbox.project().join(name);
    let path = directory.join(".env.age");
    seal(&sandbox, &path, &format!("OPENAI_API_KEY={KEY}\n"));
    let shown = "a\\u{1b}[2K\\u{202e}\\u{200b}b\\u{a}yes/.env.age";
    let refused = sandbox.withkey(["true"]).in_directory(&directory).run();
    assert_refused(&refused, 125, shown);
    assert!(!refused.stderr().contains(['\u{1b}', '\u{202e}', '\u{200b}']));
    let terminal = Terminal::run(&sandbox, "cd a*; withkey allow");
    terminal.answer("allow it? [y/N] ", "y\n");
    let text = terminal.ends(0);
    assert!(text.contains(&format!("{shown} sets:\n")), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{200b}']), "{text:?}");
    assert_launches_with(&sandbox, &directory, KEY);
    let list = sandbox.withkey(["allow", "--list"]).run();
    assert!(list.stdout().contains(shown) && !list.stdout().contains('\u{1b}'), "{}", list.stdout());
    // Bytes that are no text.
    let directory = sandbox.project().join(OsStr::from_bytes(b"\xff\xfe"));
    seal(&sandbox, &directory.join(".env.age"), &format!("OPENAI_API_KEY={KEY}\n"));
    let terminal = Terminal::run(&sandbox, "cd \"$(printf '\\377\\376')\"; withkey allow");
    terminal.answer("allow it? [y/N] ", "y\n");
    terminal.ends(0);
    assert_launches_with(&sandbox, &directory, KEY);
}

#[test]
fn a_name_that_is_no_variables_name_is_refused_and_not_shown() {
    let sandbox = newcomer();
    for name in ["A\u{1b}[2KB", "OPENAI_API_KEY\u{200b}", "\u{202e}YEK", "A-B", "1X"] {
        seal(&sandbox, &dotfile(&sandbox), &format!("{name}={KEY}\n"));
        let outcome = sandbox.withkey(["-f", ".env.age", "touch", "started"]).run();
        assert_refused(&outcome, 125, "withkey: error: line 1 of .env.age (no name)\n");
        assert!(!outcome.stderr().contains(['\u{1b}', '\u{202e}', '\u{200b}']));
        assert_allow_refuses(&sandbox, "", "withkey: error: line 1 of ");
    }
}

#[test]
fn neither_ci_nor_a_pipe_nor_an_agent_can_consent() {
    let sandbox = newcomer();
    seal(&sandbox, &dotfile(&sandbox), &format!("OPENAI_API_KEY={KEY}\n"));
    let before = Tree::of(&sandbox);
    let refused = |start: common::Start, part: &str| assert_refused(&start.run(), 1, part);
    refused(sandbox.withkey(["allow"]), "withkey: cause: there is no terminal\n");
    refused(sandbox.withkey(["allow"]).input("y\ny\n"), "withkey: error: cannot ask for consent\n");
    refused(sandbox.withkey(["allow"]).set("CI", "true").input("y\n"), "withkey: cause: there is no terminal\n");
    assert_refused(&sandbox.withkey(["allow", "--yes"]).run(), 2, "withkey: error: there is no option --yes\n");
    for agent in ["CLAUDECODE", "CODEX_SANDBOX"] {
        let text = Terminal::run_with(&sandbox, &[(agent, "1")], "withkey allow").ends(1);
        assert!(text.contains("a coding agent runs this command") && !text.contains("allow it?"), "{text}");
    }
    before.assert_unchanged("no consent", &sandbox);
    for (name, value) in [("CI", "true"), ("GITHUB_ACTIONS", "true"), ("CLAUDECODE", "1")] {
        let outcome = sandbox.withkey(["touch", "started"]).set(name, value).run();
        assert_refused(&outcome, 125, "which is not allowed yet");
    }
    let text = Terminal::run(&sandbox, "withkey touch started").ends(125);
    assert!(text.contains("which is not allowed yet") && !text.contains("[y/N]"), "a launch asked: {text}");
    assert!(!sandbox.project().join("started").exists());
}

#[test]
fn another_homes_grants_are_not_ours() {
    let (ours, theirs) = (allowed(), newcomer());
    let outcome = ours.withkey(["touch", "started"]).set("XDG_STATE_HOME", theirs.home().join(".local/state")).run();
    assert_refused(&outcome, 125, "which is not allowed yet");
    let relative = ours.withkey(["printenv", "OPENAI_API_KEY"]).set("XDG_STATE_HOME", "relative").run();
    relative.assert_exit(0).assert_stdout(&format!("{KEY}\n"));
}

#[test]
fn a_damaged_dotfile_never_falls_back_to_another_key() {
    let sandbox = allowed();
    sandbox.add("default", OTHER_KEY);
    sandbox.add("above", OTHER_KEY);
    sandbox.bind("above", sandbox.path(""));
    let whole = fs::read(dotfile(&sandbox)).unwrap();
    for (what, bytes) in refusal::damaged(&whole) {
        fs::write(dotfile(&sandbox), &bytes).unwrap();
        let outcome = sandbox.withkey(["printenv", "OPENAI_API_KEY"]).run();
        match outcome.end {
            // White space at the end of a line is not part of the armour.
            common::End::Exit(0) => drop(outcome.assert_stdout(&format!("{KEY}\n"))),
            _ => assert_refused(&outcome, 125, "withkey: error: "),
        }
        assert_no_key(&what, &outcome.stderr);
    }
    fs::remove_file(dotfile(&sandbox)).unwrap();
    fs::create_dir(dotfile(&sandbox)).unwrap();
    assert_refused(&launch(&sandbox), 125, "it is a directory");
}

#[test]
fn a_dotfile_of_values_that_would_not_arrive_is_refused_by_line_and_name() {
    let sandbox = newcomer();
    for (text, part) in [
        ("A=1\nOPENAI_API_KEY=sk-$HOME-x\n", "line 2 of .env.age (OPENAI_API_KEY)"),
        ("A=1\nA=2\n", "line 2 of .env.age (A)"),
        ("A=\n", ".env.age has no value for A"),
        ("A=''\n", ".env.age has no value for A"),
        ("", ".env.age holds no variable"),
        ("# only a comment\n", ".env.age holds no variable"),
        ("A='never closed\n", "line 1 of .env.age (A)"),
    ] {
        seal(&sandbox, &dotfile(&sandbox), text);
        assert_refused(&sandbox.withkey(["-f", ".env.age", "touch", "started"]).run(), 125, part);
        let found = part.replace(".env.age", &dotfile(&sandbox).display().to_string());
        assert_allow_refuses(&sandbox, "", &found);
    }
}
