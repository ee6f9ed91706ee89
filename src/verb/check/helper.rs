//! The programs that give keys: there, fit to be run, and not for others to replace. None is run.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Described, Finding};
use crate::error::line;
use crate::host::Host;
use crate::program::Program;

const PROBE: &str = "helper";

pub fn probe(described: &[Described], host: &Host) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, read) in described {
        for known in read.iter().flat_map(|description| &description.variables) {
            let Some(program) = known.helper.first() else { continue };
            let whose = format!("{name} {}", known.variable);
            let another = format!("withkey add {whose} --replace --helper 'PROGRAM ARG'");
            let path = Path::new(program);
            findings.push(match cannot_run(path, host) {
                Some(why) => Finding::problem(
                    PROBE,
                    format!("{whose}: {why}"),
                    format!("install it again, or name another: {another}"),
                ),
                None => match weakness(path) {
                    Some(Weakness { what, mend }) => {
                        let mend =
                            mend.unwrap_or_else(|| format!("name a program that is yours or the system's: {another}"));
                        Finding::warning(PROBE, format!("{whose}: {what}"), mend)
                    }
                    None => Finding::ok(PROBE, format!("{whose} comes from {}", path.display())),
                },
            });
        }
    }
    findings
}

/// Why the system would not run it; nothing when it would.
fn cannot_run(program: &Path, host: &Host) -> Option<String> {
    let name = CString::new(program.as_os_str().as_bytes()).ok()?;
    let words = Program::find(&name, host).err()?.words();
    Some(words.cause.map_or_else(|| words.error.clone(), |cause| format!("{}: {cause}", words.error)))
}

/// How somebody else could decide what a helper does.
pub struct Weakness {
    /// In words.
    pub what: String,
    /// The line that mends it; none when the file or folder is not the user's to mend.
    pub mend: Option<String>,
}

/// Looks at the program and its folder, and where it is a link at those it leads to.
pub fn weakness(program: &Path) -> Option<Weakness> {
    let real = program.canonicalize().ok()?;
    let folders = [program.parent(), real.parent()];
    std::iter::once(real.as_path()).chain(folders.into_iter().flatten()).find_map(weakness_of)
}

fn weakness_of(path: &Path) -> Option<Weakness> {
    let facts = std::fs::metadata(path).ok()?;
    let (mode, user) = (facts.mode() & 0o7777, nix::unistd::geteuid().as_raw());
    if facts.uid() != user && facts.uid() != 0 {
        let what = format!("{} belongs to another user, who can decide what it gives", path.display());
        return Some(Weakness { what, mend: None });
    }
    if mode & 0o022 == 0 {
        return None;
    }
    // A folder like /tmp is everybody's on purpose.
    let is_ours_to_mend = facts.uid() == user && mode & 0o1000 == 0;
    Some(Weakness {
        what: format!("other users may change {}: its mode is {mode:04o}", path.display()),
        mend: is_ours_to_mend.then(|| line("chmod go-w", path)),
    })
}
