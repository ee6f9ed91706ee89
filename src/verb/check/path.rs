//! Which withkey a shell starts.

use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Finding;
use crate::host::Host;

const PROBE: &str = "PATH";

pub fn probe(host: &Host) -> Option<Finding> {
    let own = own()?;
    let path = host.variable("PATH")?;
    let directories = path.as_bytes().split(|byte| *byte == b':').map(|piece| {
        // An empty piece is the current directory: execvp(3).
        if piece.is_empty() { Path::new(".") } else { Path::new(std::ffi::OsStr::from_bytes(piece)) }
    });
    let programs = directories.map(|directory| directory.join("withkey"));
    let first: Option<(PathBuf, Metadata)> = programs
        .filter_map(|program| std::fs::metadata(&program).ok().map(|facts| (program, facts)))
        .find(|(_, facts)| facts.is_file() && facts.permissions().mode() & 0o111 != 0);
    Some(match first {
        None => Finding::warning(
            PROBE,
            "no directory on it has withkey: scripts and Makefiles do not find it",
            "copy withkey to a directory on PATH",
        ),
        Some((program, facts)) if (facts.dev(), facts.ino()) != (own.dev(), own.ino()) => {
            let program = program.display();
            let what = format!("{program} comes first and is another withkey than this one");
            Finding::problem(PROBE, what, format!("delete {program}, or put the right one's directory first"))
        }
        Some((program, _)) => Finding::ok(PROBE, format!("{} is this withkey", program.display())),
    })
}

/// The file that this process runs.
fn own() -> Option<Metadata> {
    // Where it was renamed or replaced, /proc still leads to the file itself.
    std::fs::metadata("/proc/self/exe").or_else(|_| std::fs::metadata(std::env::current_exe()?)).ok()
}
