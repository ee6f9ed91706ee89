//! A profile's description: `profiles/NAME.toml`. What is known of a profile without opening its store.
//!
//! It is the commit point of every change: it names the data it belongs to, and is replaced in one step. People edit it
//! by hand (`set`, `allow_endpoint`), so comments and order survive. An unknown field is an error, not a silence.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml_edit::{Datetime, DocumentMut, Item, Table, Value, value};

use crate::error::Error;
use crate::files::{self, Guard};
use crate::host::Folders;
use crate::profile::{ProfileName, Variable};
use crate::provider;

mod plain;

/// The largest description, in bytes.
const LARGEST: usize = 1024 * 1024;

/// Where a profile's keys are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// An age file of the profile's own.
    Dotfile,
}

impl StoreKind {
    /// The word for it in descriptions and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dotfile => "dotfile",
        }
    }
}

impl FromStr for StoreKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "dotfile" => Ok(Self::Dotfile),
            _ => Err(format!("the store {text} is not known to this withkey")),
        }
    }
}

/// What is known of one key without reading it.
#[derive(Clone, Debug)]
pub struct Described {
    /// The variable it is kept under.
    pub variable: Variable,
    /// Prefix and last four characters.
    pub masked: String,
    /// When withkey took it in.
    pub added: Option<Datetime>,
    /// When the provider made it.
    pub created: Option<Datetime>,
    /// When it stops working.
    pub expires: Option<Datetime>,
}

/// A description, as it was read or will be written.
#[derive(Clone, Debug)]
pub struct Description {
    text: String,
    /// Where its keys are kept.
    pub store: StoreKind,
    /// Which state of the store it belongs to, in the store's own words.
    pub data: Option<String>,
    /// Hosts to which inherited endpoint variables may send the key without a warning.
    pub allow_endpoint: Vec<String>,
    /// Plain variables that are injected too: the user speaking.
    pub set: Vec<(Variable, String)>,
    /// The keys, in order.
    pub variables: Vec<Described>,
}

/// Where the description of `name` lies.
#[must_use]
pub fn path(folders: &Folders, name: &ProfileName) -> PathBuf {
    folders.profiles().join(format!("{name}.toml"))
}

/// Whether something stands where the description of `name` lies, readable or not.
#[must_use]
pub fn exists(folders: &Folders, name: &ProfileName) -> bool {
    path(folders, name).symlink_metadata().is_ok()
}

/// The names of all profiles, sorted. Reads the folder, no description.
///
/// # Errors
/// When the folder cannot be read.
pub fn names(folders: &Folders) -> Result<Vec<ProfileName>, Error> {
    let folder = folders.profiles();
    let cannot = |source| Error::File { doing: "read", path: folder.clone(), source };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let file = entry.map_err(cannot)?.file_name();
        names.extend(file.to_str().and_then(|file| file.strip_suffix(".toml")).and_then(|name| name.parse().ok()));
    }
    names.sort_unstable();
    Ok(names)
}

impl Description {
    /// Reads the description of `name`; nothing when there is no such profile.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is of a newer withkey.
    pub fn read(folders: &Folders, name: &ProfileName) -> Result<Option<Self>, Error> {
        let path = path(folders, name);
        let Some(bytes) = files::read(&path, LARGEST, Guard::Own)? else { return Ok(None) };
        let damaged = |why: String| Error::Description { path: path.clone(), why };
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not UTF-8 text".to_owned()))?;
        Self::parse(text, &path).map(Some)
    }

    /// A description of no key yet.
    #[must_use]
    pub fn new(store: StoreKind) -> Self {
        let text = format!("version = 1\nstore = \"{}\"\n", store.as_str());
        Self { text, store, data: None, allow_endpoint: Vec::new(), set: Vec::new(), variables: Vec::new() }
    }

    /// Writes the description in one step. The lock of the configuration must be held.
    ///
    /// # Errors
    /// When the file cannot be written; the old one is then untouched.
    pub fn write(&self, folders: &Folders, name: &ProfileName) -> Result<(), Error> {
        files::replace(&path(folders, name), self.text.as_bytes())
    }

    /// What is known of `variable`'s key.
    #[must_use]
    pub fn variable(&self, variable: &Variable) -> Option<&Described> {
        self.variables.iter().find(|described| described.variable == *variable)
    }

    /// Names the state of the store that this description belongs to.
    ///
    /// # Errors
    /// When the text is no TOML, which reading it has excluded.
    pub fn belong_to(&mut self, data: String) -> Result<(), Error> {
        self.edit(|document| {
            document.insert("data", value(&data));
        })?;
        self.data = Some(data);
        Ok(())
    }

    /// Describes a key, in place of what was said of that variable.
    ///
    /// # Errors
    /// As [`Description::belong_to`].
    pub fn describe(&mut self, described: Described) -> Result<(), Error> {
        self.edit(|document| {
            let variables = document.entry("variables").or_insert_with(|| {
                let mut table = Table::new();
                table.set_implicit(true);
                Item::Table(table)
            });
            let table = variables.as_table_like_mut().map(|variables| {
                variables.entry(described.variable.as_str()).or_insert_with(|| Item::Table(Table::new()))
            });
            let Some(table) = table.and_then(Item::as_table_like_mut) else { return };
            table.insert("masked", value(&described.masked));
            let dates = [("added", described.added), ("created", described.created), ("expires", described.expires)];
            for (field, date) in dates {
                match date {
                    Some(date) => table.insert(field, value(date)),
                    None => table.remove(field),
                };
            }
        })?;
        match self.variables.iter_mut().find(|known| known.variable == described.variable) {
            Some(known) => *known = described,
            None => self.variables.push(described),
        }
        Ok(())
    }

    /// Says nothing more of `variable`.
    ///
    /// # Errors
    /// As [`Description::belong_to`].
    pub fn forget(&mut self, variable: &Variable) -> Result<(), Error> {
        self.edit(|document| {
            if let Some(variables) = document.get_mut("variables").and_then(Item::as_table_like_mut) {
                variables.remove(variable.as_str());
            }
        })?;
        self.variables.retain(|described| described.variable != *variable);
        Ok(())
    }

    /// Changes the text where it has to change; comments and order stay.
    fn edit(&mut self, change: impl FnOnce(&mut DocumentMut)) -> Result<(), Error> {
        let mut document: DocumentMut = self.text.parse().map_err(|_| Error::Internal)?;
        change(&mut document);
        self.text = document.to_string();
        Ok(())
    }

    /// Reads a description's text; `path` is for its errors.
    ///
    /// # Errors
    /// What is wrong with the text, by field.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        plain::read(text).map_or_else(|| Self::parse_toml(text, path), Ok)
    }

    /// As [`Description::parse`], by TOML's whole grammar: what the short way is held to.
    ///
    /// # Errors
    /// As [`Description::parse`].
    pub fn parse_toml(text: &str, path: &Path) -> Result<Self, Error> {
        let damaged = |why: String| Error::Description { path: path.to_owned(), why };
        let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
            let line = error.span().map_or(0, |span| text.get(..span.start).unwrap_or(text).lines().count().max(1));
            damaged(format!("line {line}: {}", error.message().lines().next().unwrap_or("not TOML")))
        })?;
        match document.get("version").and_then(Item::as_integer) {
            Some(1) => {}
            Some(version) => return Err(Error::NewerVersion { path: path.to_owned(), version }),
            None => return Err(damaged("it has no `version`".to_owned())),
        }
        Self::from_document(&document, text).map_err(damaged)
    }

    fn from_document(document: &DocumentMut, text: &str) -> Result<Self, String> {
        let mut store = None;
        let mut data = None;
        let mut allow_endpoint = Vec::new();
        let mut set = Vec::new();
        let mut variables = Vec::new();
        for (field, item) in document.iter() {
            match field {
                "version" => {}
                "store" => store = Some(text_of(field, item)?.parse()?),
                "data" => data = Some(text_of(field, item)?.to_owned()),
                "allow_endpoint" => allow_endpoint = texts_of(field, item)?,
                "set" => set = plain_variables(item)?,
                "variables" => variables = described_variables(item)?,
                _ => return Err(format!("it has an unknown field `{field}`")),
            }
        }
        let store = store.ok_or("it has no `store`")?;
        Ok(Self { text: text.to_owned(), store, data, allow_endpoint, set, variables })
    }
}

fn text_of<'a>(field: &str, item: &'a Item) -> Result<&'a str, String> {
    item.as_str().ok_or_else(|| format!("`{field}` is not a string"))
}

fn texts_of(field: &str, item: &Item) -> Result<Vec<String>, String> {
    let wrong = || format!("`{field}` is not a list of strings");
    let texts = item.as_array().ok_or_else(wrong)?.iter();
    texts.map(|text| text.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

fn plain_variables(item: &Item) -> Result<Vec<(Variable, String)>, String> {
    let table = item.as_table_like().ok_or("`set` is not a table")?;
    let mut set = Vec::new();
    for (name, item) in table.iter() {
        let text = text_of(&format!("set.{name}"), item)?;
        if provider::of_variable(name).is_some() {
            return Err(format!("`set` holds {name}: a key does not stand in clear; store it with `withkey add`"));
        }
        if name.starts_with("WITHKEY_") || text.contains('\0') {
            return Err(format!("`set` cannot hold {name}"));
        }
        set.push((
            name.parse().map_err(|_| format!("`set` holds {name}, which is no variable's name"))?,
            text.to_owned(),
        ));
    }
    Ok(set)
}

fn described_variables(item: &Item) -> Result<Vec<Described>, String> {
    let table = item.as_table_like().ok_or("`variables` is not a table")?;
    table.iter().map(|(name, item)| described_variable(name, item)).collect()
}

fn described_variable(name: &str, item: &Item) -> Result<Described, String> {
    let variable = Variable::for_key(name).map_err(|_| format!("`variables` holds {name}, which no key may have"))?;
    let mut described = Described { variable, masked: String::new(), added: None, created: None, expires: None };
    for (field, item) in item.as_table_like().ok_or_else(|| format!("`variables.{name}` is not a table"))?.iter() {
        let date = || {
            item.as_value().and_then(Value::as_datetime).copied().ok_or(format!("`{field}` of {name} is not a date"))
        };
        match field {
            "masked" => text_of(field, item)?.clone_into(&mut described.masked),
            "added" => described.added = Some(date()?),
            "created" => described.created = Some(date()?),
            "expires" => described.expires = Some(date()?),
            _ => return Err(format!("{name} has an unknown field `{field}`")),
        }
    }
    Ok(described)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Result<Description, String> {
        Description::parse(text, Path::new("x.toml")).map_err(|error| error.words().cause.unwrap_or_default())
    }

    #[test]
    fn comments_and_order_survive_a_change() {
        let text = "# mine\nversion = 1\nstore = \"dotfile\" # here\n\n[set]\nOPENAI_ORG_ID = \"org-1\"\n";
        let mut description = parse(text).unwrap();
        description
            .describe(Described {
                variable: "OPENAI_API_KEY".parse().unwrap(),
                masked: "sk-…abcd".to_owned(),
                added: Some("2026-11-23T10:00:00Z".parse().unwrap()),
                created: None,
                expires: Some("2027-01-31".parse().unwrap()),
            })
            .unwrap();
        description.belong_to("sha256:00".to_owned()).unwrap();
        let written = description.text.clone();
        assert!(written.starts_with("# mine\nversion = 1\nstore = \"dotfile\" # here\n"), "{written}");
        let again = parse(&written).unwrap();
        assert_eq!(again.variables.len(), 1);
        assert_eq!(again.data.as_deref(), Some("sha256:00"));
        assert_eq!(again.set.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named_and_never_passed_over() {
        for (text, word) in [
            ("", "version"),
            ("version = 1", "store"),
            ("version = 1\nstore = \"cloud\"", "cloud"),
            ("version = 1\nstore = \"dotfile\"\nsett = 1", "sett"),
            ("version = 1\nstore = \"dotfile\"\n[set]\nOPENAI_API_KEY = \"x\"", "OPENAI_API_KEY"),
            ("version = 1\nstore = \"dotfile\"\n[variables.LD_PRELOAD]\nmasked = \"x\"", "LD_PRELOAD"),
            ("version = 1\nstore = [", "line 2"),
        ] {
            let why = parse(text).unwrap_err();
            assert!(why.contains(word), "{text:?}: {why}");
        }
        assert!(parse("version = 2\nfuture = true").unwrap_err().contains("version 2"));
    }
}
