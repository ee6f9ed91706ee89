//! What makes a directory a linked worktree: any bytes in `.git`, `gitdir` and `commondir`. It is believed exactly when
//! the git folder is physically `<main>/.git/worktrees/<id>`, its owner's alone, and its `gitdir` names this `.git`.
#![no_main]

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use withkey::profile::worktree::{self, Git};

/// git folders that are what they should be.
const PROPER: [&str; 2] = ["main/.git/worktrees/id", "main/.git/worktrees/a b"];

/// Those that are not: the name `.git` or `worktrees` is missing, the folder is one too deep, or others may write it.
const IMPROPER: [&str; 6] = [
    "other/worktrees/id",
    "main/.git/modules/id",
    "main/.git/modules/sub/worktrees/id",
    "main/.git/worktrees/id/deeper",
    "main/.git/worktrees/open",
    "open/.git/worktrees/id",
];

/// A folder with `linked`, the directory that is looked at, and `main`, whose worktree it may be.
static TREE: LazyLock<PathBuf> = LazyLock::new(|| {
    let tree = place::new();
    let make = |path| DirBuilder::new().mode(0o700).recursive(true).create(tree.join(path)).unwrap();
    ["texts", "linked"].into_iter().chain(PROPER).chain(IMPROPER).for_each(make);
    for open in ["main/.git/worktrees/open", "open/.git/worktrees"] {
        fs::set_permissions(tree.join(open), Permissions::from_mode(0o770)).unwrap();
    }
    // Looks as it should, and leads elsewhere; looks wrong, and leads to what is as it should be.
    symlink("../../../other/worktrees/id", tree.join("main/.git/worktrees/link")).unwrap();
    symlink("main/.git/worktrees/id", tree.join("short")).unwrap();
    // One file each, wherever it is asked for.
    for name in ["gitdir", "commondir"] {
        let text = tree.join("texts").join(name);
        place::write(&text, b"");
        PROPER.iter().chain(&IMPROPER).for_each(|folder| fs::hard_link(&text, tree.join(folder).join(name)).unwrap());
    }
    tree
});

/// `@` stands for the tree's own path.
fn filled(text: &[u8]) -> Vec<u8> {
    let pieces: Vec<&[u8]> = text.split(|&byte| byte == b'@').collect();
    pieces.join(TREE.as_os_str().as_bytes())
}

/// The physical path that `text` names, seen from `folder`.
fn named(folder: &Path, text: &[u8]) -> Option<PathBuf> {
    let path = text.trim_ascii();
    folder.join(OsStr::from_bytes(path)).canonicalize().ok().filter(|_| !path.is_empty())
}

// Three texts with a NUL between them: `.git`, `gitdir`, `commondir`.
fuzz_target!(|bytes: &[u8]| {
    let mut texts = bytes.splitn(3, |&byte| byte == 0).map(filled);
    let [dot_git, gitdir, commondir] = [0; 3].map(|_| texts.next().unwrap_or_default());
    let linked = TREE.join("linked");
    place::write(&TREE.join("texts/gitdir"), &gitdir);
    place::write(&TREE.join("texts/commondir"), &commondir);
    place::write(&linked.join(".git"), &dot_git);

    let folder = dot_git.strip_prefix(b"gitdir:").and_then(|claim| named(&linked, claim));
    let folder = folder.filter(|folder| PROPER.iter().any(|proper| *folder == TREE.join(proper)));
    let proved = folder.is_some_and(|folder| named(&folder, &gitdir) == Some(linked.join(".git")));
    let expected = if proved { Git::Worktree(TREE.join("main")) } else { Git::Nothing };
    assert_eq!(worktree::look(&linked), expected);
});
