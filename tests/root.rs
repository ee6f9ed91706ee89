//! Other users' files, full disks, read-only disks, other file systems: what only root can set up.
//!
//! Without root the mounts are made in a user namespace, where the system allows that; the rest fails and says so.
#![allow(unsafe_code, reason = "users and file systems are changed by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the README's figures, with --nocapture")]
#![allow(dead_code, reason = "what the tests share is used in part")]

#[path = "common/bus.rs"]
mod bus;
mod common;
#[path = "common/protected.rs"]
mod protected;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;
#[path = "common/terminal.rs"]
mod terminal;
#[path = "common/user.rs"]
mod user;

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::ptr;

use bus::{Bus, outliving_the_race};
use common::{KEY, OTHER_KEY, Sandbox, Start};
use protected::{PASSPHRASE, protected};
use refusal::{Tree, assert_refused};
use session::shell;
use terminal::Terminal;
use user::{as_user, give, users};

/// Another user than the one whose everything is.
const STRANGER: u32 = 12_346;

fn chmod(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_of_another_user_is_refused() {
    for (file, mode, part) in [
        ("profiles/default.toml", 0o644, "withkey: error: PATH belongs to another user"),
        ("profiles/default.age", 0o644, "withkey: error: PATH belongs to another user"),
        ("bindings", 0o644, "withkey: error: PATH belongs to another user"),
        ("config.toml", 0o644, "withkey: error: PATH belongs to another user"),
        ("../../.local/share/withkey/identity.txt", 0o644, "withkey: error: "),
        ("../../.local/share/withkey/identity.txt", 0o600, "withkey: cause: permission denied"),
        ("profiles/default.toml", 0o600, "withkey: cause: permission denied"),
    ] {
        let sandbox = Sandbox::with_key();
        sandbox.bind("default", ".");
        sandbox.file("home/.config/withkey/config.toml", "", 0o600);
        let (sandbox, path) = (users(sandbox), file);
        let path = sandbox.configuration(path);
        as_user(&sandbox, ["true"]).run().assert_exit(0).assert_stderr("");
        give(&path, STRANGER);
        chmod(&path, mode);
        let before = Tree::of(&sandbox);
        let part = part.replace("PATH", &path.display().to_string());
        assert_refused(&as_user(&sandbox, ["touch", "started"]).run(), 125, &part);
        before.assert_unchanged(file, &sandbox);
    }
}

#[test]
fn a_dotfile_that_is_found_must_be_the_users_own() {
    let sandbox = Sandbox::with_key();
    fs::write(sandbox.project().join(".env.age"), "").unwrap();
    let sandbox = users(sandbox);
    give(&sandbox.project().join(".env.age"), STRANGER);
    let part =
        " belongs to another user\nwithkey: cause: a dotfile that is found must be yours, and so must its folder\n";
    assert_refused(&as_user(&sandbox, ["true"]).run(), 125, part);
}

/// A description or an identity may be root's: mounted into a container, or laid out by an administrator.
#[test]
fn a_file_of_root_is_read_when_only_root_can_change_it() {
    let sandbox = users(Sandbox::with_key());
    for file in ["profiles/default.toml", "profiles/default.age"] {
        give(&sandbox.configuration(file), 0);
        chmod(sandbox.configuration(file), 0o644);
    }
    as_user(&sandbox, ["true"]).run().assert_exit(0).assert_stderr("");
    let mounted = sandbox.file("mounted", fs::read(sandbox.identity()).unwrap(), 0o444);
    fs::remove_file(sandbox.identity()).unwrap();
    let launch = || as_user(&sandbox, ["printenv", "OPENAI_API_KEY"]).set("WITHKEY_IDENTITY_FILE", &mounted);
    launch().run().assert_exit(0).assert_stdout(&format!("{KEY}\n"));
    chmod(&mounted, 0o464);
    assert_refused(&launch().run(), 125, "withkey: error: other users may ");
    give(&mounted, STRANGER);
    chmod(&mounted, 0o444);
    assert_refused(&launch().run(), 125, "belongs to another user");
}

/// `sudo withkey …` keeps HOME on some systems.
#[test]
fn under_sudo_nothing_of_roots_is_left_in_a_users_home() {
    type Prepare = fn(&Sandbox);
    let homes: [(&str, Prepare); 4] = [
        ("empty", |_| ()),
        ("with .config", |sandbox| fs::create_dir_all(sandbox.home().join(".config")).unwrap()),
        ("with .local/share", |sandbox| fs::create_dir_all(sandbox.home().join(".local/share")).unwrap()),
        ("with a profile", |sandbox| sandbox.add("default", KEY)),
    ];
    for (what, prepare) in homes {
        let sandbox = Sandbox::new();
        prepare(&sandbox);
        let sandbox = users(sandbox);
        let before = Tree::of(&sandbox);
        for words in [&["add", "new"][..], &["add", "new", "--use"], &["add", "--replace"]] {
            let outcome = sandbox.withkey(words).input(OTHER_KEY).run();
            assert_refused(&outcome, 1, "belongs to another user");
            outcome.assert_stderr_has("withkey: hint: under sudo, put withkey first: ");
            before.assert_unchanged(&format!("{what}: {words:?}"), &sandbox);
        }
        assert_no_file_of_root(&sandbox.home());
        if what == "with a profile" {
            for words in [&["use", "default"][..], &["use", "--default", "default"], &["remove", "default", "--yes"]] {
                assert_refused(&sandbox.withkey(words).run(), 1, "belongs to another user");
            }
            // Reading leaves nothing behind.
            for words in [&["status"][..], &["list"], &["-n", "true"], &["true"]] {
                sandbox.withkey(words).run();
            }
            before.assert_unchanged(what, &sandbox);
            assert_no_file_of_root(&sandbox.home());
        }
    }
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
fn a_home_that_may_not_be_written_says_so() {
    let sandbox = users(Sandbox::new());
    chmod(sandbox.home(), 0o500);
    let before = Tree::of(&sandbox);
    let outcome = as_user(&sandbox, ["add"]).input(KEY).run();
    assert_refused(&outcome, 1, "withkey: cause: permission denied");
    assert_refused(&as_user(&sandbox, ["true"]).run(), 125, "no profile for ");
    before.assert_unchanged("home", &sandbox);
    // With a profile in it, launches go on.
    let sandbox = users(Sandbox::with_key());
    for folder in ["home/.config/withkey/profiles", "home/.config/withkey", "home"] {
        chmod(sandbox.path(folder), 0o500);
        let before = Tree::of(&sandbox);
        as_user(&sandbox, ["printenv", "OPENAI_API_KEY"]).run().assert_exit(0).assert_stdout(&format!("{KEY}\n"));
        assert_refused(&as_user(&sandbox, ["add", "--replace"]).input(OTHER_KEY).run(), 1, "permission denied");
        before.assert_unchanged(folder, &sandbox);
    }
    chmod(sandbox.configuration(""), 0o000);
    assert_refused(&as_user(&sandbox, ["touch", "started"]).run(), 125, "withkey: cause: permission denied");
}

/// Starts the process with a new tmpfs on `place`, in a mount namespace that ends with it.
fn with_tmpfs(start: Start, place: &Path, options: &str) -> Start {
    let probe = mounting(Start::new("/bin/true"), Path::new("/mnt"), "size=64k");
    if let Err(error) = probe.try_start() {
        panic!("cannot mount a tmpfs ({error}); run this as root, or where `unshare -Urm true` works");
    }
    mounting(start, place, options)
}

fn mounting(start: Start, place: &Path, options: &str) -> Start {
    // SAFETY: plain system calls, which cannot fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    let place = CString::new(place.as_os_str().as_bytes()).unwrap();
    let options = CString::new(options).unwrap();
    let maps = [
        (c"/proc/self/setgroups", "deny".to_owned()),
        (c"/proc/self/uid_map", format!("0 {user} 1")),
        (c"/proc/self/gid_map", format!("0 {group} 1")),
    ];
    // SAFETY: plain system calls.
    let start = start.step(move || unsafe {
        libc::unshare(if user == 0 { libc::CLONE_NEWNS } else { libc::CLONE_NEWUSER | libc::CLONE_NEWNS })
    });
    let start = maps.into_iter().filter(|_| user != 0).fold(start, |start, (path, text)| {
        // SAFETY: plain system calls on a constant path and memory made before the fork.
        start.step(move || unsafe {
            let file = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            if libc::write(file, text.as_ptr().cast(), text.len()) == -1 { -1 } else { libc::close(file) }
        })
    });
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: plain system calls; all strings were made before the fork and end with a NUL.
    start.step(move || unsafe { libc::mount(ptr::null(), c"/".as_ptr(), ptr::null(), private, ptr::null()) }).step(
        move || unsafe { libc::mount(c"none".as_ptr(), place.as_ptr(), c"tmpfs".as_ptr(), 0, options.as_ptr().cast()) },
    )
}

#[test]
fn the_walk_upwards_stops_where_another_file_system_begins() {
    let sandbox = Sandbox::with_key();
    sandbox.add("work", OTHER_KEY);
    let mount = sandbox.project().join("a");
    fs::create_dir(&mount).unwrap();
    let found = |bound: &str| {
        let line = format!("work {}\n", sandbox.project().join(bound).display());
        sandbox.file("home/.config/withkey/bindings", line, 0o600);
        let start =
            shell(&sandbox, "mkdir -p a/b && cd a/b && withkey -n true | sed -n 's/^profile: //p; s/^source: //p'");
        let outcome = with_tmpfs(start, &mount, "size=64k,mode=755").run();
        outcome.assert_exit(0).assert_stderr("").stdout().replace(sandbox.project().to_str().unwrap(), "PROJECT")
    };
    assert_eq!(found(""), "default\ndefault\n", "a binding above the mount was used");
    assert_eq!(found("a"), "work\nbinding (PROJECT/a)\n");
    assert_eq!(found("a/b"), "work\nbinding (PROJECT/a/b)\n");
}

/// From no page free to enough, so that every step of a change is once the first that finds no room.
#[test]
fn a_full_disk_loses_no_key_and_the_change_says_so() {
    let script = r#"
        mkdir -p ~/.config/withkey && echo 'keychain_timeout = 600' > ~/.config/withkey/config.toml
        echo "$KEY" | withkey add --store dotfile 2>/dev/null || exit 9
        echo "$KEY" | withkey add kept --store keychain 2>/dev/null || exit 9
        cp -a ~/.config ~/.local "$OUTSIDE"
        # The profile that is looked at, its item in the keychain, and the change.
        try() {
            profile=$1; shift
            rm -rf ~/.config ~/.local && cp -a "$OUTSIDE/.config" "$OUTSIDE/.local" ~
            secret-tool clear service withkey username default/OPENAI_API_KEY
            echo -n "$KEY" | secret-tool store --label=kept service withkey username kept/OPENAI_API_KEY
            cat /dev/zero > ~/filler 2>/dev/null
            truncate -s "-${free}K" ~/filler
            echo "$OTHER_KEY" | withkey "$@" 2> "$OUTSIDE/words"
            status=$?
            store=$([ -e ~/.config/withkey/profiles/$profile.age ] && echo dotfile || echo keychain)
            echo "free $free: $*: $status, then $(withkey -p $profile printenv OPENAI_API_KEY) in the $store"
            sed "s/^/free $free: /" "$OUTSIDE/words"
            rm ~/filler
            echo "$OTHER_KEY" | withkey add $profile --replace 2>/dev/null && echo "room: $(withkey -p $profile printenv OPENAI_API_KEY)"
        }
        for free in 0 4 8 12 16 20 24; do
            try default add --replace
            try default add another --store dotfile
            try default rotate default
            try default move default keychain
            try kept move kept dotfile
        done"#;
    let text = outliving_the_race(|| {
        let sandbox = Sandbox::new();
        let bus = Bus::with_keyring(&sandbox);
        fs::create_dir(sandbox.path("outside")).unwrap();
        let start = bus.with_address(shell(&sandbox, script)).set("OUTSIDE", sandbox.path("outside"));
        let outcome = with_tmpfs(start, &sandbox.home(), "size=256k,mode=700").run();
        outcome.assert_exit(0).assert_stderr("");
        outcome.stdout().replace(OTHER_KEY, "the new key").replace(KEY, "the old key")
    });
    let lines: Vec<_> = text.lines().collect();
    let with = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!((with("room: "), with("room: the new key")), (35, 35), "with room again `add` does not work:\n{text}");
    let mut failures = 0;
    for (change, done) in [
        ("add --replace", "the new key in the dotfile"),
        ("add another --store dotfile", "the old key in the dotfile"),
        ("rotate default", "the new key in the dotfile"),
        ("move default keychain", "the old key in the keychain"),
        ("move kept dotfile", "the old key in the dotfile"),
    ] {
        let before = if change.contains("kept") { "the old key in the keychain" } else { "the old key in the dotfile" };
        let failed = with(&format!(": {change}: 1, then {before}"));
        let succeeded = with(&format!(": {change}: 0, then {done}"));
        assert!(failed >= 1 && succeeded >= 1 && failed + succeeded == 7, "{change}: {failed}, {succeeded}:\n{text}");
        failures += failed;
    }
    assert_eq!(with("withkey: cause: no space left on device"), failures, "{text}");
    assert_eq!(with("withkey: hint: nothing was changed; free some space and try again"), failures, "{text}");
    println!("a full disk: {failures} changes failed, {} succeeded", 35 - failures);
}

/// The same for the identity's file, which is written anew under another passphrase.
#[test]
fn a_full_disk_leaves_an_identity_that_opens() {
    let sandbox = protected();
    for (name, passphrase) in [("old", PASSPHRASE), ("new", "another one")] {
        sandbox.file(name, passphrase, 0o600);
    }
    sandbox.directly(["/bin/cp", "-a", "../home", "../outside"]).run().assert_exit(0);
    let script = r#"for free in 0 4 8 12 16; do
            rm -rf ~/.config ~/.local && cp -a ../outside/.config ../outside/.local ~
            cat /dev/zero > ~/filler 2>/dev/null
            truncate -s "-${free}K" ~/filler
            withkey unlock --set-passphrase
            echo "free $free: $?, then opens by" $(for name in old new; do
                WITHKEY_PASSPHRASE_FILE=../$name withkey printenv OPENAI_API_KEY >../key 2>/dev/null && grep -qx "$KEY" ../key && echo $name
            done)
            rm ~/filler ../key
        done"#;
    let terminal = Terminal::run_as(&sandbox, script, |start| with_tmpfs(start, &sandbox.home(), "size=256k,mode=700"));
    for _ in 0..5 {
        terminal.answer("old passphrase of ", &format!("{PASSPHRASE}\n"));
        terminal.answer("new passphrase ", "another one\n").answer("again: ", "another one\n");
        terminal.pty.wait_for("then opens by ");
    }
    let text = terminal.ends(0);
    let with = |part: &str| text.matches(part).count();
    let (failed, done) = (with(": 1, then opens by old\n"), with(": 0, then opens by new\n"));
    assert!(failed >= 1 && done >= 1 && failed + done == 5, "{failed} failed, {done} done:\n{text}");
    assert_eq!(with("withkey: cause: no space left on device"), failed, "{text}");
}

#[test]
fn a_read_only_disk_reads_and_says_so() {
    let sandbox = Sandbox::new();
    let script = r#"
        echo "$KEY" | withkey add 2>/dev/null
        mount -o remount,bind,ro ~ || exit 9
        withkey printenv OPENAI_API_KEY
        echo "$OTHER_KEY" | withkey add --replace; echo "add $?"
        withkey use default; echo "use $?"
        withkey remove default --yes; echo "remove $?"
        echo "$OTHER_KEY" | withkey rotate default 2>words; echo "rotate $?"; tail -n 2 words >&2
        withkey printenv OPENAI_API_KEY
        withkey --spawn printenv OPENAI_API_KEY
        withkey -v true 2>&1 | grep -o "this launch is not in the log"
        touch ~/file 2>/dev/null || echo read-only"#;
    let outcome = with_tmpfs(shell(&sandbox, script), &sandbox.home(), "size=256k,mode=700").run();
    let expected =
        format!("{KEY}\nadd 1\nuse 1\nremove 1\nrotate 1\n{KEY}\n{KEY}\nthis launch is not in the log\nread-only\n");
    outcome.assert_exit(0).assert_stdout(&expected);
    assert_eq!(outcome.stderr().matches("withkey: cause: read-only file system\n").count(), 4, "{}", outcome.stderr());
}

/// As above, for a project's dotfile. It is larger than its grant, so that in turn either finds no room.
#[test]
fn a_full_disk_leaves_a_projects_dotfile_as_it_was_and_granted() {
    let sandbox = Sandbox::new();
    let script = r#"
        echo "$KEY" | withkey add other 2>/dev/null || exit 9
        cp ~/.local/share/withkey/recipient.txt .age-recipients
        comment=$(head -c 6000 /dev/zero | tr '\0' x)
        printf '# %s\nOPENAI_API_KEY=%s\n' "$comment" "$KEY" | age -e -a -R .age-recipients -o .env.age || exit 9
        script -qec 'withkey allow' /dev/null <<< y > "$OUTSIDE/allow" || { cat "$OUTSIDE/allow"; exit 9; }
        echo "$OTHER_KEY" | script -qec 'withkey add -f .env.age' /dev/null > "$OUTSIDE/again" <<< y || { cat "$OUTSIDE/again"; exit 9; }
        cp -a ~ "$OUTSIDE/home"; cp -a . "$OUTSIDE/project"
        for free in 0 4 8 12 16 20 24 28 32 36 40; do
            rm -rf ~/.local/state ~/filler .env.age
            cp -a "$OUTSIDE/home/.local/state" ~/.local; cp -a "$OUTSIDE/project/.env.age" .
            cat /dev/zero > ~/filler 2>/dev/null
            truncate -s "-${free}K" ~/filler
            echo "$OTHER_KEY" | withkey add -f .env.age HF_TOKEN 2> "$OUTSIDE/words"
            echo "free $free: add $?, then $(withkey printenv OPENAI_API_KEY HF_TOKEN | tr '\n' ' ')"
            sed "s/^/free $free: /" "$OUTSIDE/words"
            rm ~/filler
            ls -A . | sed "s/^/left $free: /"
        done"#;
    fs::create_dir(sandbox.path("outside")).unwrap();
    let script =
        format!("mkdir -p ~/project && cd ~/project && chmod 755 . && bash -c '{}'", script.replace('\'', "'\\''"));
    let start = shell(&sandbox, &format!("export KEY OTHER_KEY; {script}")).set("OUTSIDE", sandbox.path("outside"));
    let outcome = with_tmpfs(start, &sandbox.home(), "size=256k,mode=700").run();
    let text = outcome.stdout().replace(KEY, "the key").replace(OTHER_KEY, "the new one");
    assert_eq!(outcome.end, common::End::Exit(0), "{text}\n{}", outcome.stderr());
    let with = |part: &str| text.lines().filter(|line| line.contains(part)).count();
    let (failed, done) =
        (with("add 1, then the key \n".trim_end_matches('\n')), with("add 0, then the key the new one "));
    assert_eq!(failed + done, 11, "{text}");
    assert!(failed >= 3 && done >= 1, "{failed} failed, {done} done:\n{text}");
    assert_eq!(with("withkey: cause: no space left on device"), failed, "{text}");
    let left = text
        .lines()
        .filter(|line| line.starts_with("left "))
        .all(|line| line.ends_with(".env.age") || line.ends_with(".age-recipients"));
    assert!(left, "{text}");
}
