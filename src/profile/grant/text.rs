//! A grant as its file has it: lines of words, the first of which says what the line is.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::{Grant, Granted, Said, Written};
use crate::profile::Variable;
use crate::profile::binding::{escaped, unescaped};

/// How a grant's file begins.
const HEAD: &str = "withkey grant 1";
/// How it ends: one that is cut short says nothing.
const END: &[u8] = b"end\n";

/// The file's content.
pub fn of(grant: &Grant) -> Vec<u8> {
    let mut text = format!("{HEAD}\npath ").into_bytes();
    text.extend(escaped(grant.path.as_os_str().as_bytes()));
    let mut rest = format!("\ngiven {}\n", grant.given);
    match &grant.said {
        Said::Never => rest.push_str("never\n"),
        Said::Allowed { keys, before, written } => {
            rest.push_str("allowed\n");
            for (word, all) in [("key", keys), ("before", before)] {
                for Granted { variable, masked, tag } in all {
                    let _ = writeln!(rest, "{word} {variable} {tag} {masked}");
                }
            }
            for Written { sealed, recipients } in written {
                let _ = writeln!(rest, "written {sealed}");
                for recipient in recipients {
                    let _ = writeln!(rest, "recipient {recipient}");
                }
            }
        }
    }
    text.extend(rest.as_bytes());
    text.extend(END);
    text
}

/// What the file says, or why it cannot be understood.
pub fn parse(text: &[u8]) -> Result<Grant, &'static str> {
    let body = text.strip_suffix(END).filter(|body| body.ends_with(b"\n")).ok_or("it is cut short")?;
    let mut lines = body.split(|&byte| byte == b'\n');
    match lines.next() {
        Some(head) if head == HEAD.as_bytes() => {}
        Some(head) if head.starts_with(b"withkey grant ") => return Err("it is of a newer withkey"),
        _ => return Err("it does not begin as a grant does"),
    }
    let (mut path, mut given, mut said) = (None, String::new(), None);
    for line in lines.filter(|line| !line.is_empty()) {
        if let Some(written) = line.strip_prefix(b"path ") {
            path = Some(PathBuf::from(OsStr::from_bytes(&unescaped(written))));
            continue;
        }
        let line = std::str::from_utf8(line).map_err(|_| "a line is not UTF-8 text")?;
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, &mut said) {
            ("given", _) => rest.clone_into(&mut given),
            ("never", None) => said = Some(Said::Never),
            ("allowed", None) => {
                said = Some(Said::Allowed { keys: Vec::new(), before: Vec::new(), written: Vec::new() });
            }
            ("key", Some(Said::Allowed { keys, .. })) => keys.push(granted(rest)?),
            ("before", Some(Said::Allowed { before, .. })) => before.push(granted(rest)?),
            ("written", Some(Said::Allowed { written, .. })) => {
                written.push(Written { sealed: rest.to_owned(), recipients: Vec::new() });
            }
            ("recipient", Some(Said::Allowed { written, .. })) => {
                written.last_mut().ok_or("a recipient stands alone")?.recipients.push(rest.to_owned());
            }
            _ => return Err("it has a line that no grant has"),
        }
    }
    let path = path.ok_or("it names no path")?;
    Ok(Grant { path, given, said: said.ok_or("it neither allows nor refuses")? })
}

fn granted(words: &str) -> Result<Granted, &'static str> {
    let mut words = words.splitn(3, ' ');
    let (Some(variable), Some(tag), Some(masked)) = (words.next(), words.next(), words.next()) else {
        return Err("a line `key` is cut short");
    };
    let variable = Variable::for_key(variable).map_err(|_| "it allows a name that no dotfile may set")?;
    Ok(Granted { variable, tag: tag.to_owned(), masked: masked.to_owned() })
}
