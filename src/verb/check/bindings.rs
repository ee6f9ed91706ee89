//! Bindings that lead nowhere.

use super::Finding;
use crate::host::Folders;
use crate::profile::binding::Bindings;
use crate::profile::description;

const PROBE: &str = "bindings";

pub fn probe(folders: &Folders) -> Vec<Finding> {
    let bound = match Bindings::read(folders).and_then(|bindings| bindings.all()) {
        Ok(bound) => bound,
        Err(error) => return vec![Finding::problem_of(PROBE, &error)],
    };
    let mut findings = Vec::new();
    for bound in &bound {
        let name = &bound.profile;
        let place = bound.directory.as_ref().map(|directory| directory.display().to_string());
        if !name.is_inherit() && !description::exists(folders, name) {
            let (what, remove) = match &place {
                Some(place) => (format!("{place} is tied to {name}"), format!("withkey use --remove {place}")),
                None => (format!("the default is {name}"), "withkey use --default PROFILE".to_owned()),
            };
            let mend = format!("withkey add {name}, or {remove}");
            findings.push(Finding::problem(PROBE, format!("{what}, and there is no such profile"), mend));
        }
        if let (Some(directory), Some(place)) = (&bound.directory, &place)
            && !directory.is_dir()
        {
            let what = format!("{place} is tied to {name}, and there is no such directory");
            findings.push(Finding::warning(PROBE, what, format!("withkey use --remove {place}")));
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
