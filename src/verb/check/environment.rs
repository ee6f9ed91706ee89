//! Keys that this shell hands to everything it starts.

use super::Finding;
use crate::host::Host;
use crate::profile::injection::Injection;
use crate::profile::{Chosen, Profile, ProfileName, Source};
use crate::provider;

const PROBE: &str = "environment";

pub fn probe(examined: &[ProfileName], host: &Host) -> Vec<Finding> {
    let mut findings = Vec::new();
    let profiles = examined.iter().filter_map(|name| {
        let chosen = Chosen { name: name.clone().into(), source: Source::Option, grant: None };
        let profile = Profile::open(chosen, host).ok()?;
        let injection = Injection::decide(&profile, &[], false, host).ok()?;
        Some((profile, injection))
    });
    let profiles: Vec<_> = profiles.collect();
    let replaced = profiles.iter().flat_map(|(_, injection)| injection.replaced(host)).map(str::to_owned);
    let replaced: Vec<String> = replaced.collect();
    let mut names = replaced.clone();
    names.extend(provider::key_variables().filter(|name| host.variable(name).is_some()).map(str::to_owned));
    names.sort_unstable();
    names.dedup();
    for name in names {
        let what = if replaced.contains(&name) {
            format!("{name} is set in this shell; withkey replaces it for COMMAND, everything else here gets it")
        } else {
            format!("{name} is set in this shell, and everything started here gets it")
        };
        findings.push(Finding::warning(PROBE, what, format!("unset {name}")));
    }
    for (profile, injection) in &profiles {
        for warning in injection.warnings(profile, host) {
            let mend = "unset it, or say that it is right: allow_endpoint in the description";
            findings.push(Finding::warning(PROBE, warning, mend));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(PROBE, "no key is set in this shell"));
    }
    findings
}
