//! Bindings that lead nowhere.

use super::Finding;
use crate::error::line;
use crate::host::Folders;
use crate::profile::binding::Bindings;
use crate::profile::description;

const PROBE: &str = "bindings";

/// Unties the directory behind it.
const REMOVE: &str = "withkey use --remove";

pub fn probe(folders: &Folders) -> Vec<Finding> {
    let bound = match Bindings::read(folders).and_then(|bindings| bindings.all()) {
        Ok(bound) => bound,
        Err(error) => return vec![Finding::problem_of(PROBE, &error)],
    };
    let mut findings = Vec::new();
    for bound in &bound {
        let name = &bound.profile;
        if !name.is_inherit() && !description::exists(folders, name) {
            let (what, remove) = match &bound.directory {
                Some(place) => (format!("{} is tied to {name}", place.display()), line(REMOVE, place)),
                None => (format!("the default is {name}"), "withkey use --default PROFILE".to_owned()),
            };
            let mend = format!("withkey add {name}, or {remove}");
            findings.push(Finding::problem(PROBE, format!("{what}, and there is no such profile"), mend));
        }
        if let Some(place) = bound.directory.as_ref().filter(|place| !place.is_dir()) {
            let what = format!("{} is tied to {name}, and there is no such directory", place.display());
            findings.push(Finding::warning(PROBE, what, line(REMOVE, place)));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            PROBE,
            match bound.len() {
                0 => "none".to_owned(),
                1 => "1 binding, to a profile that is there".to_owned(),
                count => format!("{count} bindings, each to a profile that is there"),
            },
        ));
    }
    findings
}
