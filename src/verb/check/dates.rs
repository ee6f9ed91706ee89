//! Keys that stop working soon, or that their owner calls old.

use super::{Described, Finding};
use crate::config::Config;
use crate::profile::expiry::{self, Ending};
use crate::profile::{ProfileName, date};

const PROBE: &str = "dates";

pub fn probe(described: &[Described], examined: &[ProfileName], config: &Config) -> Vec<Finding> {
    let today = date::today();
    let mut findings = Vec::new();
    for (name, read) in described.iter().filter(|(name, _)| examined.contains(name)) {
        for known in read.iter().flat_map(|description| &description.variables) {
            let key = format!("the key for {} of profile {name}", known.variable);
            let mend = format!("withkey rotate {name} {}", known.variable);
            if let Some(ending) = Ending::of(known, today) {
                findings.push(Finding::warning(PROBE, format!("{key} {ending}"), mend));
            } else if let Some(days) = expiry::old(known, config.old_after, today) {
                findings.push(Finding::warning(PROBE, format!("{key} is {days} days old"), mend));
            }
        }
    }
    if findings.is_empty() {
        let old = config.old_after.map_or(String::new(), |days| format!(", or over {days} days old"));
        findings.push(Finding::ok(PROBE, format!("no key is about to expire{old}")));
    }
    findings
}
