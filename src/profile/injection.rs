//! What COMMAND's environment gains, what is replaced in it and what it loses: names only, no store opened.

use crate::error::Error;
use crate::host::{Host, UNLOCKING, value_of};
use crate::profile::{Description, INHERIT, Profile, ProfileName, USUAL_VARIABLE, Variable};
use crate::provider::address::host_of;
use crate::provider::{self, Provider};

/// What `-e NAME[=VARIABLE]` asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The name in COMMAND's environment.
    pub name: Variable,
    /// The profile's variable whose key it gets.
    pub from: Variable,
}

/// The change to the environment, decided before any key is read.
#[derive(Debug, Default)]
pub struct Injection {
    /// Keys, each with its name in COMMAND's environment.
    pub keys: Vec<Wanted>,
    /// Plain variables of the description's `set`.
    pub plain: Vec<(Variable, String)>,
    /// Names that COMMAND does not inherit.
    pub dropped: Vec<&'static str>,
}

impl Injection {
    /// Decides the change that `profile` makes: all its variables, or those `wanted`.
    ///
    /// # Errors
    /// When the profile lacks a variable, two have one name, or `inherit` finds nothing to inherit.
    pub fn decide(profile: &Profile, wanted: &[Wanted], drop_other_keys: bool, host: &Host) -> Result<Self, Error> {
        let mut injection = match &profile.description {
            // Its names are known when it is opened.
            None if profile.name.dotfile().is_some() => Self { keys: wanted.to_vec(), ..Self::default() },
            None => inherit(wanted, host)?,
            Some(description) if wanted.is_empty() => all(profile, description)?,
            Some(description) => only(profile, description, wanted)?,
        };
        let names: Vec<_> = injection.names().collect();
        if let Some((_, name)) =
            names.iter().enumerate().find(|(index, name)| names.iter().take(*index).any(|other| other == *name))
        {
            return Err(Error::VariablesCollide { name: (*name).to_owned() });
        }
        let keeps = |name: &str| names.contains(&name) || (profile.name.is_inherit() && name == USUAL_VARIABLE);
        let others = provider::key_variables().filter(|name| drop_other_keys && !keeps(name));
        let dropped: Vec<_> = UNLOCKING.into_iter().chain(others).filter(|name| is_inherited(name, host)).collect();
        injection.dropped = dropped;
        Ok(injection)
    }

    /// The names that are injected, keys first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|wanted| wanted.name.as_str()).chain(self.plain.iter().map(|(name, _)| name.as_str()))
    }

    /// The names that COMMAND would not have without withkey.
    pub fn added<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = &'a str> {
        self.names().filter(|name| !is_inherited(name, host))
    }

    /// The names whose inherited value COMMAND does not see.
    pub fn replaced<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = &'a str> {
        self.names().filter(|name| is_inherited(name, host))
    }

    /// What an inherited variable would do to an injected key, in whole sentences: send it to another host, or beat it.
    #[must_use]
    pub fn warnings(&self, profile: &Profile, host: &Host) -> Vec<String> {
        let allowed = profile.description.as_ref().map_or(&[][..], |description| &description.allow_endpoint);
        let mut warnings = Vec::new();
        for wanted in &self.keys {
            let name = wanted.name.as_str();
            let Some(row) = provider::of_variable(name) else { continue };
            for endpoint in row.endpoints.iter().filter(|endpoint| self.is_passed_on(endpoint, host)) {
                warnings
                    .extend(redirection(row, name, endpoint, allowed, host).filter(|line| !warnings.contains(line)));
            }
            let stronger = row.variables.iter().skip_while(|other| **other != name).skip(1);
            for other in stronger.filter(|other| self.is_passed_on(other, host)) {
                warnings.push(format!(
                    "{other} is inherited and is used in place of {name}; to leave it out: --drop-other-keys"
                ));
            }
        }
        warnings
    }

    fn is_passed_on(&self, name: &str, host: &Host) -> bool {
        host.variable(name).is_some() && !self.names().any(|other| other == name) && !self.dropped.contains(&name)
    }
}

fn is_inherited(name: &str, host: &Host) -> bool {
    host.environment.iter().any(|entry| value_of(entry, name).is_some())
}

fn inherit(wanted: &[Wanted], host: &Host) -> Result<Injection, Error> {
    if !wanted.is_empty() {
        return Err(Error::InheritInjectsNothing);
    }
    host.variable(USUAL_VARIABLE).ok_or(Error::NothingToInherit)?;
    Ok(Injection::default())
}

fn all(profile: &Profile, description: &Description) -> Result<Injection, Error> {
    debug_assert_ne!(profile.name.profile().map(ProfileName::as_str), Some(INHERIT));
    if description.variables.is_empty() {
        return Err(profile.name.lacks(None));
    }
    let same = |described: &crate::profile::description::Described| Wanted {
        name: described.variable.clone(),
        from: described.variable.clone(),
    };
    Ok(Injection {
        keys: description.variables.iter().map(same).collect(),
        plain: description.set.clone(),
        dropped: Vec::new(),
    })
}

fn only(profile: &Profile, description: &Description, wanted: &[Wanted]) -> Result<Injection, Error> {
    for Wanted { from, .. } in wanted {
        description.variable(from).ok_or_else(|| profile.name.lacks(Some(from)))?;
    }
    Ok(Injection { keys: wanted.to_vec(), ..Injection::default() })
}

/// The sentence about an inherited endpoint that leads away from the provider.
fn redirection(row: &Provider, name: &str, endpoint: &str, allowed: &[String], host: &Host) -> Option<String> {
    let url = host.variable(endpoint)?.to_string_lossy();
    let target = host_of(&url);
    if target == Some(row.host) || target.is_some_and(|target| allowed.iter().any(|allowed| allowed == target)) {
        return None;
    }
    let target = target.unwrap_or("an address withkey cannot read");
    Some(format!(
        "{endpoint} is inherited and sends {name} to {target}; if that is right, allow_endpoint in the description says so"
    ))
}
