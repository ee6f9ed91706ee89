//! A project's dotfile: an age file in the project, whose plaintext is dotenv text.
//!
//! It is opened once, judged, and what was read then is decrypted: nothing is looked up by its name a second time.

use std::path::Path;

use crate::error::Error;
use crate::error::project::Project;
use crate::files::Guard;
use crate::host::Host;
use crate::key::Key;
use crate::memory::Protected;
use crate::profile::project;
use crate::profile::{Description, Grant, Name, Profile, Variable};
use crate::store::identity::{self, Identities};
use crate::store::{dotenv, envelope};

pub mod write;

/// How often a launch looks again when a writer keeps changing a dotfile and its grant.
const LOOKS: usize = 100;

/// An opened dotfile.
pub struct Opened {
    /// The age file as it was read.
    pub sealed: Vec<u8>,
    /// What it holds, comments and all.
    pub text: Protected,
    /// The keys, in the file's order.
    pub keys: Vec<(Variable, Key)>,
}

/// Opens the project's dotfile of a chosen profile, and puts its keys and what they are into it; a profile of another
/// kind stays as it is. May prompt for what opens the identity.
///
/// # Errors
/// When the file is not there, is not what the way it was chosen demands, does not open, holds what no dotfile may, or is
/// not what was allowed.
///
/// # Secrets
/// The keys are the profile's, in protected pages.
pub fn open_chosen(profile: &mut Profile, host: &Host) -> Result<(), Error> {
    let Some((path, guard)) = judged_by(profile) else { return Ok(()) };
    let path = path.to_owned();
    let mut identities = None;
    for _ in 0..LOOKS {
        // What is not fit to be opened is refused before anybody is asked for a passphrase.
        let sealed = project::read(&path, guard)?.ok_or_else(|| Project::Missing { path: path.clone() })?;
        let identities = match &mut identities {
            Some(known) => known,
            none => none.insert(Identities::in_force(host).map_err(|error| for_newcomers(error, &path))?),
        };
        let keys = Opened::of(sealed, &path, identities, host)?.keys;
        if let Some(grant) = &profile.grant {
            let difference = grant.compare(&keys, host.folders()?)?;
            if !difference.is_none() {
                let now = Grant::read(host.folders()?, &path)?;
                if now.as_ref().is_some_and(|now| now.given != grant.given || now.names() != grant.names()) {
                    profile.grant = now;
                    continue;
                }
                return Err(Project::Changed { path: path.clone(), how: difference.words() }.into());
            }
        }
        let described = keys.iter().map(|(variable, key)| (variable.clone(), key.masked()));
        profile.description = Some(Description::of_dotfile(described));
        profile.opened = Some(keys);
        return Ok(());
    }
    Err(Project::ChangedMeanwhile { path: path.clone() }.into())
}

/// The keys of `variables` among `opened`, in that order.
///
/// # Errors
/// When one is not there.
pub fn keys_of<'a>(opened: &'a [(Variable, Key)], variables: &[&Variable], name: &Name) -> Result<Vec<&'a Key>, Error> {
    let key = |wanted: &&Variable| {
        let found = opened.iter().find(|(variable, _)| variable == *wanted);
        found.map(|(_, key)| key).ok_or_else(|| name.lacks(Some(wanted)))
    };
    variables.iter().map(key).collect()
}

/// Looks whether the project's dotfile of a chosen profile is fit to be opened, and opens nothing.
///
/// # Errors
/// When the file is not there or is not what the way it was chosen demands.
pub fn judge(profile: &Profile) -> Result<(), Error> {
    let Some((path, guard)) = judged_by(profile) else { return Ok(()) };
    project::read(path, guard)?.map(|_| ()).ok_or_else(|| Project::Missing { path: path.to_owned() }.into())
}

/// The dotfile of a chosen profile, and what it must be: more is asked of one that was found than of one that was named.
fn judged_by(profile: &Profile) -> Option<(&Path, Guard)> {
    let guard = if profile.grant.is_some() { Guard::Found } else { Guard::Own };
    profile.name.dotfile().map(|path| (path, guard))
}

impl Opened {
    /// Opens what was read from `path`.
    ///
    /// # Errors
    /// As [`open_chosen`], but for the grant.
    ///
    /// # Secrets
    /// What it holds is the caller's, in protected pages.
    pub fn of(sealed: Vec<u8>, path: &Path, identities: &Identities, host: &Host) -> Result<Self, Error> {
        let text = unseal(&sealed, path, identities, host)?;
        let keys = keys(&text, path)?;
        Ok(Self { sealed, text, keys })
    }
}

/// Decrypts; the sentences are those of a team, not of one's own profiles.
///
/// # Errors
/// Why it stays closed.
///
/// # Secrets
/// The plaintext is the caller's, in protected pages.
pub fn unseal(sealed: &[u8], path: &Path, identities: &Identities, host: &Host) -> Result<Protected, Error> {
    if envelope::is_age(sealed) && envelope::is_protected(sealed) {
        return Err(Project::Passphrase { path: path.to_owned() }.into());
    }
    identities.open(sealed, path).map_err(|error| match error {
        Error::NotARecipient { path, identity } => {
            let recipient = identities.recipient().or_else(|| identity::recipient(host).ok().flatten());
            Project::NotARecipient { path, identity, recipient }.into()
        }
        Error::Dotfile { path, why, .. } => Project::Damaged { path, why }.into(),
        other => other,
    })
}

/// All that the text sets.
///
/// # Errors
/// When a name is one that no dotfile may set, or a value is missing or would not arrive byte for byte.
pub fn keys(text: &Protected, path: &Path) -> Result<Vec<(Variable, Key)>, Error> {
    let file = path.display().to_string();
    let names = dotenv::names(text.bytes(), &file)?;
    let refused = |name: &String| Project::Refused { path: path.to_owned(), name: name.clone() };
    let variables: Vec<_> = names
        .iter()
        .map(|name| Variable::for_key(name).map_err(|_| refused(name).into()))
        .collect::<Result<_, Error>>()?;
    let values = dotenv::read(text.bytes(), &variables.iter().collect::<Vec<_>>(), &file)?;
    let pairs = variables.into_iter().zip(values).map(|(variable, key)| match key {
        Some(key) if !key.expose().is_empty() => Ok((variable, key)),
        _ => Err(Project::Empty { path: path.to_owned(), name: variable.to_string() }.into()),
    });
    pairs.collect()
}

/// Who has no identity yet needs one of their own, not a backup.
fn for_newcomers(error: Error, path: &Path) -> Error {
    match error {
        Error::NoIdentity { path: identity } => Project::NoIdentity { identity, path: path.to_owned() }.into(),
        other => other,
    }
}
