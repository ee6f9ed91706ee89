//! A description as TOML, by the library: comments and order survive a change, and an unknown field is an error.

use toml_edit::{Array, DocumentMut, Item, Table, Value, value};

use super::{Described, Description, PREVIOUS, VARIABLES};
use crate::profile::Variable;
use crate::provider;

/// The description that the document is; `text` is what it was parsed from.
pub fn read(document: &DocumentMut, text: &str) -> Result<Description, String> {
    let mut store = None;
    let mut data = None;
    let mut leaving = None;
    let mut allow_endpoint = Vec::new();
    let mut set = Vec::new();
    let mut variables = Vec::new();
    let mut previous = Vec::new();
    for (field, item) in document.iter() {
        match field {
            "version" => {}
            "store" => store = Some(text_of(field, item)?.parse()?),
            "data" => data = Some(text_of(field, item)?.to_owned()),
            "leaving" => leaving = Some(text_of(field, item)?.parse()?),
            "allow_endpoint" => allow_endpoint = texts_of(field, item)?,
            "set" => set = plain_variables(item)?,
            VARIABLES => variables = described_variables(field, item)?,
            PREVIOUS => previous = described_variables(field, item)?,
            _ => return Err(format!("it has an unknown field `{field}`")),
        }
    }
    let store = store.ok_or("it has no `store`")?;
    Ok(Description { text: text.to_owned(), store, data, leaving, allow_endpoint, set, variables, previous })
}

/// Puts what is known of a key into the table `place`, in place of what was said of that variable.
pub fn write(document: &mut DocumentMut, place: &str, described: &Described) {
    let variables = document.entry(place).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let table = variables
        .as_table_like_mut()
        .map(|variables| variables.entry(described.variable.as_str()).or_insert_with(|| Item::Table(Table::new())));
    let Some(table) = table.and_then(Item::as_table_like_mut) else { return };
    table.insert("masked", value(&described.masked));
    match &described.hash {
        Some(hash) => table.insert("hash", value(hash)),
        None => table.remove("hash"),
    };
    if described.helper.is_empty() {
        table.remove("helper");
    } else {
        table.insert("helper", value(described.helper.iter().collect::<Array>()));
    }
    let dates = [("added", described.added), ("created", described.created), ("expires", described.expires)];
    for (field, date) in dates {
        match date {
            Some(date) => table.insert(field, value(date)),
            None => table.remove(field),
        };
    }
}

/// Takes a variable out of the table `place`.
pub fn erase(document: &mut DocumentMut, place: &str, variable: &Variable) {
    let Some(variables) = document.get_mut(place).and_then(Item::as_table_like_mut) else { return };
    variables.remove(variable.as_str());
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

fn described_variables(place: &str, item: &Item) -> Result<Vec<Described>, String> {
    let table = item.as_table_like().ok_or_else(|| format!("`{place}` is not a table"))?;
    table.iter().map(|(name, item)| described_variable(place, name, item)).collect()
}

/// A program's absolute path and its arguments, as `execve` takes them.
fn helper(name: &str, item: &Item) -> Result<Vec<String>, String> {
    let words = texts_of("helper", item)?;
    let usable = words.first().is_some_and(|program| program.starts_with('/')) && !words.concat().contains('\0');
    if usable { Ok(words) } else { Err(format!("`helper` of {name} does not begin with a program's absolute path")) }
}

fn described_variable(place: &str, name: &str, item: &Item) -> Result<Described, String> {
    let variable = Variable::for_key(name).map_err(|_| format!("`{place}` holds {name}, which no key may have"))?;
    let mut described = Described::of(variable);
    for (field, item) in item.as_table_like().ok_or_else(|| format!("`{place}.{name}` is not a table"))?.iter() {
        let date = || {
            item.as_value().and_then(Value::as_datetime).copied().ok_or(format!("`{field}` of {name} is not a date"))
        };
        match field {
            "masked" => text_of(field, item)?.clone_into(&mut described.masked),
            "hash" => described.hash = Some(text_of(field, item)?.to_owned()),
            "helper" => described.helper = helper(name, item)?,
            "added" => described.added = Some(date()?),
            "created" => described.created = Some(date()?),
            "expires" => described.expires = Some(date()?),
            _ => return Err(format!("{name} has an unknown field `{field}`")),
        }
    }
    Ok(described)
}
