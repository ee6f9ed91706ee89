//! withkey's folders and files: owners and modes.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Finding;
use crate::error::line;
use crate::files::{self, Guard};
use crate::host::Folders;

const PROBE: &str = "files";

pub fn probe(folders: &Folders) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in [&folders.config, &folders.profiles(), &folders.data, &folders.state] {
        findings.extend(folder_is_ours(folder));
    }
    for (file, guard) in [
        (folders.bindings(), Guard::Own),
        (folders.config.join("config.toml"), Guard::Own),
        (folders.recipient(), Guard::Own),
        (folders.salt(), Guard::Secret),
    ] {
        findings
            .extend(files::read(&file, files::LARGEST, guard).err().map(|error| Finding::problem_of(PROBE, &error)));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(PROBE, "withkey's folders are yours alone"));
    }
    findings
}

fn folder_is_ours(folder: &Path) -> Option<Finding> {
    // One that is missing is made when it is needed.
    let facts = std::fs::metadata(folder).ok()?;
    let path = folder.display();
    // Whoever owns a folder can put other files into it.
    if facts.uid() != nix::unistd::geteuid().as_raw() {
        let mend = line(&format!("run withkey as its owner, or chown {}", nix::unistd::geteuid()), folder);
        return Some(Finding::problem(PROBE, format!("{path} belongs to another user"), mend));
    }
    let mode = facts.mode() & 0o7777;
    if mode & 0o022 != 0 {
        let what = format!("other users may change {path}: its mode is {mode:04o}");
        return Some(Finding::problem(PROBE, what, line("chmod 700", folder)));
    }
    (mode & 0o055 != 0).then(|| {
        let what = format!("other users may look into {path}: its mode is {mode:04o}");
        Finding::warning(PROBE, what, line("chmod 700", folder))
    })
}
