//! A linked git worktree resolves as its main checkout does, and what only claims to be one gains nothing.
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

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};

use common::{End, KEY, OTHER_KEY, Sandbox};
use project::{allow, assert_launches_with, newcomer, seal};
use refusal::assert_refused;

/// git, as a person who has no configuration has it.
#[track_caller]
fn git(sandbox: &Sandbox, directory: &Path, words: &[&str]) {
    let git = sandbox.directly(["/usr/bin/git"]).in_directory(directory);
    let git = git.args(["-c", "user.name=ana", "-c", "user.email=ana@example.org", "-c", "protocol.file.allow=always"]);
    git.args(["-c", "init.defaultBranch=main"]).args(words).run().assert_exit(0);
}

/// A repository with a directory `src` at this path.
#[track_caller]
fn repository(sandbox: &Sandbox, path: &Path) {
    fs::create_dir_all(path.join("src")).unwrap();
    git(sandbox, path, &["init", "-q"]);
    fs::write(path.join("src/app.py"), "").unwrap();
    git(sandbox, path, &["add", "."]);
    git(sandbox, path, &["commit", "-qm", "first"]);
}

/// A main checkout tied to the profile `work`, and a worktree of it elsewhere; the default is `play`.
struct Scene {
    sandbox: Sandbox,
    main: PathBuf,
    worktree: PathBuf,
}

fn scene() -> Scene {
    let sandbox = Sandbox::new();
    sandbox.add("work", KEY);
    sandbox.add("play", OTHER_KEY);
    sandbox.withkey(["use", "--default", "play"]).run().assert_exit(0);
    let (main, worktree) = (sandbox.path("main"), sandbox.path("elsewhere/worktree"));
    repository(&sandbox, &main);
    git(&sandbox, &main, &["worktree", "add", "-q", worktree.to_str().unwrap()]);
    sandbox.bind("work", &main);
    Scene { sandbox, main, worktree }
}

impl Scene {
    /// Which profile a launch in that directory would use; the words of the refusal when none.
    #[track_caller]
    fn profile_in(&self, directory: &Path) -> String {
        let outcome = self.sandbox.withkey(["-n", "true"]).in_directory(directory).run();
        match outcome.end {
            End::Exit(0) => {
                let text = outcome.stdout();
                text.lines().find_map(|line| line.strip_prefix("profile: ")).unwrap_or("a dotfile").to_owned()
            }
            _ => outcome.stderr(),
        }
    }
}

#[test]
fn a_linked_worktree_resolves_as_its_main_checkout_does() {
    let scene = scene();
    for directory in ["", "src"] {
        assert_eq!(scene.profile_in(&scene.worktree.join(directory)), "work", "{directory:?}");
    }
    let source = scene.sandbox.withkey(["-n", "true"]).in_directory(scene.worktree.join("src")).run().stdout();
    assert!(source.contains(&format!("source: binding ({})\n", scene.main.display())), "{source}");
    assert_launches_with(&scene.sandbox, &scene.worktree, KEY);
    // The same place in it, not only its top.
    scene.sandbox.bind("play", scene.main.join("src"));
    assert_eq!(scene.profile_in(&scene.worktree.join("src")), "play");
    assert_eq!(scene.profile_in(&scene.worktree), "work");
    // What is not there yet in the main checkout is taken as what lies above it.
    fs::create_dir_all(scene.worktree.join("src/new/deep")).unwrap();
    assert_eq!(scene.profile_in(&scene.worktree.join("src/new/deep")), "play");
    // And what lies above the main checkout.
    for tied in [scene.main.join("src"), scene.main.clone()] {
        scene.sandbox.withkey(["use".as_ref(), "--remove".as_ref(), tied.as_os_str()]).run().assert_exit(0);
    }
    assert_eq!(scene.profile_in(&scene.worktree), "play");
    scene.sandbox.bind("work", scene.sandbox.path(""));
    assert_eq!(scene.profile_in(&scene.worktree), "work");
}

#[test]
fn what_is_tied_in_the_worktree_itself_wins() {
    let scene = scene();
    scene.sandbox.bind("play", &scene.worktree);
    assert_eq!(scene.profile_in(&scene.worktree.join("src")), "play");
    assert_eq!(scene.profile_in(&scene.main.join("src")), "work");
    // What is tied above the worktree is further away than the main checkout.
    scene.sandbox.withkey(["use", "--remove"]).in_directory(&scene.worktree).run().assert_exit(0);
    scene.sandbox.bind("play", scene.sandbox.path("elsewhere"));
    assert_eq!(scene.profile_in(&scene.worktree.join("src")), "work");
}

#[test]
fn the_main_checkouts_dotfile_serves_the_worktree_with_one_grant() {
    let sandbox = newcomer();
    let (main, worktree) = (sandbox.path("main"), sandbox.path("worktree"));
    repository(&sandbox, &main);
    git(&sandbox, &main, &["worktree", "add", "-q", worktree.to_str().unwrap()]);
    seal(&sandbox, &main.join(".env.age"), &format!("OPENAI_API_KEY={KEY}\n"));
    let outcome = sandbox.withkey(["true"]).in_directory(&worktree).run();
    assert_refused(&outcome, 125, "main/.env.age, which is not allowed yet");
    allow(&sandbox, &main.join(".env.age"));
    assert_launches_with(&sandbox, &worktree.join("src"), KEY);
    // A branch's own copy lies nearer, at another path, and asks for itself.
    seal(&sandbox, &worktree.join(".env.age"), &format!("OPENAI_API_KEY={OTHER_KEY}\n"));
    let outcome = sandbox.withkey(["true"]).in_directory(worktree.join("src")).run();
    assert_refused(&outcome, 125, "worktree/.env.age, which is not allowed yet");
    allow(&sandbox, &worktree.join(".env.age"));
    assert_launches_with(&sandbox, &worktree.join("src"), OTHER_KEY);
    assert_launches_with(&sandbox, &main, KEY);
}

#[test]
fn a_worktree_with_relative_paths_is_one_too() {
    let scene = scene();
    // As git 2.48 writes them with worktree.useRelativePaths.
    fs::write(scene.worktree.join(".git"), "gitdir: ../../main/.git/worktrees/worktree\n").unwrap();
    let back = scene.main.join(".git/worktrees/worktree/gitdir");
    fs::write(back, "../../../../elsewhere/worktree/.git\n").unwrap();
    assert_eq!(scene.profile_in(&scene.worktree.join("src")), "work");
}

#[test]
fn a_worktree_may_lie_deep() {
    let scene = scene();
    // Longer than most programs' buffers, and far from the longest path that Linux takes.
    let deep = scene.sandbox.path(["d".repeat(200).as_str(); 6].join("/"));
    git(&scene.sandbox, &scene.main, &["worktree", "add", "-q", deep.to_str().unwrap()]);
    assert_eq!(scene.profile_in(&deep.join("src")), "work");
}

#[test]
fn a_moved_worktree_gains_nothing_until_git_repairs_it() {
    let scene = scene();
    let moved = scene.sandbox.path("moved");
    fs::rename(&scene.worktree, &moved).unwrap();
    assert_eq!(scene.profile_in(&moved.join("src")), "play");
    // Nor does one that is put where it was.
    fs::create_dir_all(scene.worktree.join("src")).unwrap();
    assert_eq!(scene.profile_in(&scene.worktree.join("src")), "play");
    fs::remove_dir_all(&scene.worktree).unwrap();
    git(&scene.sandbox, &moved, &["worktree", "repair"]);
    assert_eq!(scene.profile_in(&moved.join("src")), "work");
    // git's own way.
    let again = scene.sandbox.path("again");
    git(&scene.sandbox, &scene.main, &["worktree", "move", moved.to_str().unwrap(), again.to_str().unwrap()]);
    assert_eq!(scene.profile_in(&again), "work");
}

#[test]
fn a_forged_git_file_gains_nothing() {
    let scene = scene();
    let evil = scene.sandbox.path("evil");
    fs::create_dir_all(evil.join("src")).unwrap();
    let folder = scene.main.join(".git/worktrees/worktree");
    for text in [
        format!("gitdir: {}\n", folder.display()),
        format!("gitdir: {}/.git\n", scene.main.display()),
        "gitdir: ../main/.git/worktrees/worktree\n".to_owned(),
        "gitdir: ../main/.git/worktrees/nobody\n".to_owned(),
        "gitdir: ../main/.git/worktrees\n".to_owned(),
        format!("gitdir: {}", "x".repeat(100_000)),
        "gitdir: \n".to_owned(),
        "gitdir: /\n".to_owned(),
        String::new(),
        "\0\u{1b}".to_owned(),
    ] {
        fs::write(evil.join(".git"), &text).unwrap();
        assert_eq!(scene.profile_in(&evil.join("src")), "play", "{:.60}", text);
    }
    fs::remove_file(evil.join(".git")).unwrap();
    for target in [scene.worktree.join(".git"), folder, scene.main.join(".git")] {
        symlink(target, evil.join(".git")).unwrap();
        assert_eq!(scene.profile_in(&evil.join("src")), "play");
        fs::remove_file(evil.join(".git")).unwrap();
    }
    let fifo = std::ffi::CString::new(evil.join(".git").to_str().unwrap()).unwrap();
    // SAFETY: a plain system call on a string that ends with a NUL.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    assert_eq!(scene.profile_in(&evil.join("src")), "play");
}

/// What an archive can bring along: a git folder of its own that says it belongs to another's repository.
#[test]
fn a_forged_git_folder_whose_commondir_names_anothers_repository_gains_nothing() {
    let scene = scene();
    let evil = scene.sandbox.path("evil");
    let real = scene.main.join(".git");
    for folder in ["evil/fake/.git/worktrees/id", "evil/fake/worktrees/id", "evil/src/.git/worktrees/.."] {
        let folder = scene.sandbox.path(folder);
        fs::create_dir_all(evil.join("src")).unwrap();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("gitdir"), format!("{}/.git\n", evil.display())).unwrap();
        fs::write(folder.join("commondir"), format!("{}\n", real.display())).unwrap();
        fs::write(folder.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        fs::write(evil.join(".git"), format!("gitdir: {}\n", folder.display())).unwrap();
        assert_eq!(scene.profile_in(&evil.join("src")), "play", "{}", folder.display());
        fs::remove_dir_all(&evil).unwrap();
    }
    // Nor when a part of the forged path is a link into the other repository: its `gitdir` names another file.
    fs::create_dir_all(evil.join("src")).unwrap();
    fs::create_dir_all(evil.join("fake")).unwrap();
    symlink(&real, evil.join("fake/.git")).unwrap();
    fs::write(evil.join(".git"), format!("gitdir: {}/fake/.git/worktrees/worktree\n", evil.display())).unwrap();
    assert_eq!(scene.profile_in(&evil.join("src")), "play");
}

#[test]
fn a_git_folder_of_another_user_proves_nothing() {
    let scene = scene();
    assert_eq!(scene.profile_in(&scene.worktree), "work");
    for part in [".git/worktrees/worktree", ".git/worktrees", ".git"] {
        let folder = scene.main.join(part);
        chown(&folder, Some(12_346), None)
            .expect("a stranger's folder can be made by root only: sudo -E $(which cargo) test --test worktrees");
        assert_eq!(scene.profile_in(&scene.worktree), "play", "{part}");
        chown(&folder, Some(0), None).unwrap();
    }
}

#[test]
fn a_submodule_is_no_worktree_and_lies_below_its_superproject() {
    let scene = scene();
    let library = scene.sandbox.path("library");
    repository(&scene.sandbox, &library);
    git(&scene.sandbox, &scene.main, &["submodule", "--quiet", "add", library.to_str().unwrap(), "vendor"]);
    assert!(scene.main.join("vendor/.git").is_file());
    assert_eq!(scene.profile_in(&scene.main.join("vendor/src")), "work");
    // A worktree of the submodule is a place of its own.
    let apart = scene.sandbox.path("apart");
    git(&scene.sandbox, &scene.main.join("vendor"), &["worktree", "add", "-q", apart.to_str().unwrap()]);
    assert_eq!(scene.profile_in(&apart), "play");
    // A submodule inside a worktree leads up into the worktree, and from there to the main checkout.
    git(&scene.sandbox, &scene.main, &["commit", "-qam", "vendor"]);
    let second = scene.sandbox.path("second");
    git(&scene.sandbox, &scene.main, &["worktree", "add", "-q", second.to_str().unwrap()]);
    git(&scene.sandbox, &second, &["submodule", "--quiet", "update", "--init"]);
    assert!(second.join("vendor/.git").is_file());
    assert_eq!(scene.profile_in(&second), "work");
    assert_eq!(scene.profile_in(&second.join("vendor/src")), "work");
}

#[test]
fn a_repository_of_its_own_inside_a_worktree_does_not_lead_to_the_main_checkout() {
    let scene = scene();
    let own = scene.worktree.join("own");
    repository(&scene.sandbox, &own);
    assert_eq!(scene.profile_in(&own.join("src")), "play");
    assert_eq!(scene.profile_in(&scene.worktree.join("src")), "work");
}

#[test]
fn the_same_place_in_the_main_checkout_is_not_reached_through_a_link() {
    let scene = scene();
    let private = scene.sandbox.path("private");
    fs::create_dir(&private).unwrap();
    scene.sandbox.bind("play", &private);
    fs::remove_dir_all(scene.main.join("src")).unwrap();
    symlink(&private, scene.main.join("src")).unwrap();
    // A dotfile behind the link is that other directory's.
    fs::write(private.join(".env.age"), "").unwrap();
    assert_eq!(scene.profile_in(&scene.worktree.join("src")), "work");
}

#[test]
fn git_is_not_needed_and_no_process_is_started() {
    let scene = scene();
    let trace = scene.sandbox.path("trace");
    let start = scene.sandbox.directly(["/usr/bin/strace", "-f", "-e", "trace=process", "-o"]).args([&trace]);
    let start = start.args([common::withkey_binary()]).args(["-n", "true"]).in_directory(&scene.worktree);
    let outcome = start.set("PATH", "/bin").run();
    outcome.assert_exit(0);
    assert!(outcome.stdout().contains("profile: work"), "{}", outcome.stdout());
    let trace = fs::read_to_string(trace).unwrap();
    assert_eq!(trace.matches("execve(").count(), 1, "{trace}");
    assert!(!trace.contains("fork(") && !trace.contains("clone"), "{trace}");
}
