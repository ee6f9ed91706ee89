//! What state a Secret Service is in, asked below `keyring`: its errors do not tell a missing bus from a missing service,
//! a dismissed prompt from one that nothing could show, or an open prompt from silence. Runs apart (see apart.rs).

use std::collections::HashMap;

use secret_service::{EncryptionType, Error as ServiceError, blocking::SecretService};
use zbus::blocking::Connection;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};
use zbus::{DBusError, Error as BusError, fdo};

use super::item::{Failed, Failure, SERVICE};

const NAME: &str = "org.freedesktop.secrets";
const PATH: &str = "/org/freedesktop/secrets";
const INTERFACE: &str = "org.freedesktop.Secret.Service";
const BUS: &str = "org.freedesktop.DBus";

/// GNOME's name on the bus, and the name of the program that shows its prompts.
const GNOME: &str = "org.gnome.keyring";
const PROMPTER: &str = "org.gnome.keyring.SystemPrompter";

/// Why keyring could not begin.
pub fn at_start(error: &keyring::Error) -> Failed {
    let Some(bus) = bus() else { return Failure::NoBus.into() };
    let failed = failed_on(error, Some(&bus));
    let unknown = ["ServiceUnknown", "NameHasNoOwner"].iter().any(|ending| failed.name.ends_with(ending));
    // The bus starts a service that it knows; what fails then is called Spawn.
    if unknown || failed.name.contains(".Spawn.") { Failure::NoService.into() } else { failed }
}

/// Why a step of keyring's failed.
pub fn failed(error: &keyring::Error) -> Failed {
    failed_on(error, None)
}

fn failed_on(error: &keyring::Error, bus: Option<&Connection>) -> Failed {
    let inner = match error {
        keyring::Error::Ambiguous(_) => return Failure::Duplicates.into(),
        keyring::Error::NoStorageAccess(inner) | keyring::Error::PlatformFailure(inner) => inner,
        _ => return Failure::Refused.into(),
    };
    match inner.downcast_ref::<ServiceError>() {
        Some(ServiceError::Locked) => Failure::Locked.into(),
        Some(ServiceError::NoResult) => Failure::NoCollection.into(),
        Some(ServiceError::Prompt) => unanswered(bus).into(),
        Some(ServiceError::PromptDisconnected) => Failure::Died.into(),
        Some(ServiceError::Unavailable) => Failure::NoBus.into(),
        Some(ServiceError::Zbus(error)) => of_bus(error),
        Some(ServiceError::ZbusFdo(error)) => of_name(error.name().as_str()),
        _ => Failure::Refused.into(),
    }
}

fn of_bus(error: &BusError) -> Failed {
    match error {
        BusError::MethodError(name, ..) => of_name(name.as_str()),
        BusError::FDO(error) => match &**error {
            fdo::Error::ZBus(error) => of_bus(error),
            error => of_name(error.name().as_str()),
        },
        BusError::InputOutput(_) => Failure::Died.into(),
        _ => Failure::Refused.into(),
    }
}

fn of_name(name: &str) -> Failed {
    let gone = ["NoReply", "Disconnected"].iter().any(|ending| name.ends_with(ending));
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte));
    let why = match name {
        "org.freedesktop.Secret.Error.IsLocked" => Failure::Locked,
        _ if gone => Failure::Died,
        _ => Failure::Refused,
    };
    Failed { why, name: if plain { name.to_owned() } else { String::new() } }
}

/// A prompt that ended without a yes: somebody dismissed it, or GNOME's keychain found no program to show it.
fn unanswered(bus: Option<&Connection>) -> Failure {
    let opened = if bus.is_none() { self::bus() } else { None };
    let Some(bus) = bus.or(opened.as_ref()) else { return Failure::Dismissed };
    let names = |method: &str| -> Vec<String> {
        let reply = bus.call_method(Some(BUS), "/org/freedesktop/DBus", Some(BUS), method, &());
        reply.ok().and_then(|reply| reply.body().deserialize().ok()).unwrap_or_default()
    };
    let running = names("ListNames");
    let known = |names: &[String], name: &str| names.iter().any(|other| other == name);
    let shown = known(&running, PROMPTER) || known(&names("ListActivatableNames"), PROMPTER);
    if known(&running, GNOME) && !shown { Failure::NoPrompter } else { Failure::Dismissed }
}

fn bus() -> Option<Connection> {
    Connection::session().ok()
}

/// One harmless question, answered before a session is opened. GNOME Keyring 42 ends itself when a session is opened while
/// it still deals with the end of another caller, such as the process that asked before this one; by its answer it has
/// dealt with that. Whatever is wrong, `keyring` will find, too. The connection is to be kept until the work is done: its
/// own end would be such an event.
pub fn greet() -> Option<Connection> {
    let bus = bus()?;
    let properties = Some("org.freedesktop.DBus.Properties");
    let _ = bus.call_method(Some(NAME), PATH, properties, "Get", &(INTERFACE, "Collections"));
    Some(bus)
}

/// Whether the service waits for somebody to answer its prompt, so that the items of `users` (or, if `any`, the default
/// collection) can be used: they are locked, and it answers the wish to unlock them with a prompt.
pub fn waits_for_prompt(users: &[String], any: bool) -> bool {
    asks(users, any).unwrap_or(false)
}

fn asks(users: &[String], any: bool) -> zbus::Result<bool> {
    let bus = Connection::session()?;
    let mut locked: Vec<OwnedObjectPath> = Vec::new();
    for user in users {
        let attributes = HashMap::from([("service", SERVICE), ("username", user)]);
        let reply = bus.call_method(Some(NAME), PATH, Some(INTERFACE), "SearchItems", &attributes)?;
        let (_, found): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) = reply.body().deserialize()?;
        locked.extend(found);
    }
    if locked.is_empty() && any {
        let reply = bus.call_method(Some(NAME), PATH, Some(INTERFACE), "ReadAlias", &"default")?;
        let collection: OwnedObjectPath = reply.body().deserialize()?;
        let property = ("org.freedesktop.Secret.Collection", "Locked");
        let properties = Some("org.freedesktop.DBus.Properties");
        if collection.as_str() != "/" {
            let reply = bus.call_method(Some(NAME), &collection, properties, "Get", &property)?;
            let value: OwnedValue = reply.body().deserialize()?;
            if bool::try_from(value).unwrap_or(false) {
                locked.push(collection);
            }
        }
    }
    if locked.is_empty() {
        return Ok(false);
    }
    // This shows nothing: a prompt appears when it is told to, and this one is not.
    let reply = bus.call_method(Some(NAME), PATH, Some(INTERFACE), "Unlock", &locked)?;
    let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) = reply.body().deserialize()?;
    Ok(prompt.as_str() != "/")
}

/// Whether a new item could be kept; unlocks the place for it by the service's prompt if `unlock`.
pub fn ready(unlock: bool) -> Result<(), Failed> {
    let of_service = |error: ServiceError| failed(&keyring::Error::PlatformFailure(Box::new(error)));
    let service = SecretService::connect(EncryptionType::Dh).map_err(of_service)?;
    let collection = service.get_default_collection().map_err(of_service)?;
    if !collection.is_locked().map_err(of_service)? {
        Ok(())
    } else if unlock {
        collection.unlock().map_err(of_service)
    } else {
        Err(Failure::Locked.into())
    }
}
