//! What a provider's answer means: from status, headers and body to words, with no network in between.
//!
//! The code that the body names counts first, then its text, the status last; and only what the provider itself said in so
//! many words makes a key a wrong one. The words stand in the providers' rows, and in [`SHARED`].

use serde_json::Value;

use crate::exit::Exit;
use crate::provider::Provider;
use crate::provider::check::{Looks, SHARED};

/// The longest thing a provider tells that is shown, in characters.
const LONGEST: usize = 100;

/// How many bytes in a row two texts may share before one counts as showing a piece of the other.
const PIECE: usize = 6;

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The body, whole; nothing when it was larger than withkey reads, or broke off.
    pub body: Option<Vec<u8>>,
}

/// What a provider says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It works.
    Works,
    /// It is wrong, deleted or expired.
    Invalid,
    /// It is real, and may not do what was asked; the permission's name if the provider gave it.
    Permission(Option<String>),
    /// It is real, and something about its account stands in the way.
    Account(&'static str),
    /// It is real, and there is no money for it; which page of [`Provider::money_pages`] tells more.
    Money(&'static str),
    /// It is real, and asked about too often; how many seconds to wait, if the provider says so.
    Wait(Option<u32>),
    /// The answer says nothing about the key.
    Unknown(String),
    /// There was no answer.
    Unasked(String),
}

impl Answer {
    /// The word for it in JSON.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Invalid => "invalid",
            Self::Permission(_) => "permission",
            Self::Account(_) => "account",
            Self::Money(_) => "money",
            Self::Wait(_) => "wait",
            Self::Unknown(_) => "unknown",
            Self::Unasked(_) => "unasked",
        }
    }

    /// The sentence for a person.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Works => "works; that does not prove that there is credit".to_owned(),
            Self::Invalid => "wrong, deleted or expired".to_owned(),
            Self::Permission(Some(name)) => format!("real; the permission {name} is missing"),
            Self::Permission(None) => "real; a permission is missing".to_owned(),
            Self::Account(why) => format!("real; {why}"),
            Self::Money(_) => "real; no money is left, or a limit is reached: trying again does not help".to_owned(),
            Self::Wait(Some(seconds)) => format!("real; asked too often: wait {seconds} seconds"),
            Self::Wait(None) => "real; asked too often: wait a while".to_owned(),
            Self::Unknown(why) => format!("unknown: {why}"),
            Self::Unasked(why) => format!("could not ask: {why}"),
        }
    }

    /// Whether the provider knows the key.
    #[must_use]
    pub fn is_real(&self) -> bool {
        !matches!(self, Self::Invalid | Self::Unknown(_) | Self::Unasked(_))
    }

    /// How `check --online` ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Works => Exit::Done,
            Self::Unasked(_) => Exit::VerbFailed,
            Self::Invalid => Exit::KeyInvalid,
            Self::Permission(_) | Self::Account(_) => Exit::KeyRefused,
            Self::Money(_) => Exit::KeyUnpaid,
            Self::Wait(_) => Exit::KeyMustWait,
            Self::Unknown(_) => Exit::KeyUnknown,
        }
    }

    /// The page on which a person can do something about it.
    #[must_use]
    pub fn page(&self, provider: &Provider) -> Option<&'static str> {
        match self {
            Self::Invalid | Self::Permission(_) => Some(provider.keys_page),
            Self::Money(wanted) => {
                let page = provider.money_pages.iter().find(|(page, _)| page == wanted);
                Some(page.map_or(provider.keys_page, |(_, url)| url))
            }
            _ => None,
        }
    }
}

/// What `reply` means.
#[must_use]
pub fn meaning(provider: &Provider, reply: &Reply) -> Answer {
    let status = reply.status;
    let Some(body) = &reply.body else {
        return Answer::Unknown(format!("status {status} with a body that breaks off or is too large"));
    };
    let unclear = || Answer::Unknown(format!("status {status} with words that withkey does not know"));
    let Ok(json @ (Value::Object(_) | Value::Array(_))) = serde_json::from_slice::<Value>(body) else {
        return match status {
            300..400 => Answer::Unknown(format!("status {status}, a redirect, which withkey does not follow")),
            404 => Answer::Unknown("status 404: there is nothing to ask at that address".to_owned()),
            _ => Answer::Unknown(format!("status {status} with a body that is no JSON, as a gateway's page is")),
        };
    };
    match status {
        200..300 => caught(provider, &json).unwrap_or(Answer::Works),
        300..400 => Answer::Unknown(format!("status {status}, a redirect, which withkey does not follow")),
        400..500 => refusal(provider, reply, &json).unwrap_or_else(unclear),
        500..600 => Answer::Unknown(format!("status {status}, a failure of the host's own")),
        _ => unclear(),
    }
}

/// What the provider puts into an answer that is otherwise a yes.
fn caught(provider: &Provider, json: &Value) -> Option<Answer> {
    let looks = |value: &Value, looks| match looks {
        Looks::True => *value == Value::Bool(true),
        Looks::False => *value == Value::Bool(false),
        Looks::UsedUp => value.as_f64().is_some_and(|left| left <= 0.0),
    };
    let mut catches = provider.check.catches.iter();
    let found = catches.find(|(pointer, wanted, _)| json.pointer(pointer).is_some_and(|value| looks(value, *wanted)));
    found.map(|(.., answer)| answer.clone())
}

/// The words of a refusal, wherever providers put them, in small letters.
struct Said {
    codes: Vec<String>,
    text: String,
}

impl Said {
    fn read(json: &Value) -> Self {
        let at = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).map(str::to_lowercase);
        let places = ["/error/code", "/error/type", "/error/status", "/error/details/0/reason", "/code"];
        let mut codes: Vec<_> = places.into_iter().filter_map(at).collect();
        // Google's list of details has no fixed order.
        if let Some(details) = json.pointer("/error/details").and_then(Value::as_array) {
            let reasons = details.iter().filter_map(|detail| detail.get("reason")?.as_str());
            codes.extend(reasons.map(str::to_lowercase));
        }
        let texts = ["/error/message", "/error", "/message", "/detail"];
        Self { codes, text: texts.into_iter().filter_map(at).collect::<Vec<_>>().join("\n") }
    }

    fn has_code(&self, word: &str) -> bool {
        self.codes.iter().any(|code| code == word)
    }

    fn has_text(&self, word: &str) -> bool {
        self.text.contains(word)
    }
}

fn refusal(provider: &Provider, reply: &Reply, json: &Value) -> Option<Answer> {
    let said = Said::read(json);
    let by_words = |has: &dyn Fn(&str) -> bool| {
        let mut meant = provider.check.says.iter().chain(SHARED).filter(|says| says.words.iter().any(|word| has(word)));
        // What else is said of a key counts before the verdict on the key itself.
        let other = meant.clone().find(|says| says.means.is_real());
        let says = other.or_else(|| meant.find(|_| (400..=403).contains(&reply.status)))?;
        Some(match &says.means {
            Answer::Permission(_) => Answer::Permission(missing_scopes(&said)),
            Answer::Wait(_) => Answer::Wait(seconds(reply)),
            answer => answer.clone(),
        })
    };
    by_words(&|word| said.has_code(word))
        .or_else(|| by_words(&|word| said.has_text(word)))
        .or_else(|| by_status(reply, json))
}

fn by_status(reply: &Reply, json: &Value) -> Option<Answer> {
    // A gateway has errors of its own; these are in the form that the providers share.
    let own_words = ["/error/message", "/error", "/message"];
    if !own_words.into_iter().any(|pointer| json.pointer(pointer).is_some_and(Value::is_string)) {
        return None;
    }
    match reply.status {
        402 => Some(Answer::Money("billing")),
        403 => Some(Answer::Permission(None)),
        429 => Some(Answer::Wait(seconds(reply))),
        _ => None,
    }
}

fn seconds(reply: &Reply) -> Option<u32> {
    reply.retry_after.as_deref()?.trim().parse().ok()
}

/// "… Missing scopes: api.model.read, x. …": the names, if they look like names.
fn missing_scopes(said: &Said) -> Option<String> {
    let (_, rest) = said.text.split_once("missing scopes:").or_else(|| said.text.split_once("missing scope:"))?;
    let scope = |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric() || "._:-".contains(c));
    let words = rest.split([',', ' ', '\n']).filter(|word| !word.is_empty());
    let mut names = Vec::new();
    for word in words.take_while(scope) {
        let name = word.trim_end_matches('.');
        names.push(name.chars().take(LONGEST).collect::<String>());
        // A full stop ends the list.
        if name.len() < word.len() || names.len() == 5 {
            break;
        }
    }
    (!names.is_empty()).then(|| names.join(", "))
}

/// What else the provider tells of the key: our word, its text. Nothing that shares a piece with `key`.
///
/// # Secrets
/// `key` stays the caller's, and what is given holds no six bytes in a row of it.
#[must_use]
pub fn told(provider: &Provider, reply: &Reply, key: &[u8]) -> Vec<(&'static str, String)> {
    let json = reply.body.as_deref().and_then(|body| serde_json::from_slice::<Value>(body).ok());
    let Some(json) = json.filter(|_| (200..300).contains(&reply.status)) else { return Vec::new() };
    let text = |pointer: &str| match json.pointer(pointer)? {
        Value::String(text) => Some(text.chars().take(LONGEST).collect::<String>()),
        number @ Value::Number(_) => Some(number.to_string()),
        _ => None,
    };
    let told = provider.check.tells.iter().filter_map(|(word, pointer)| Some((*word, text(pointer)?)));
    told.filter(|(_, text)| !text.is_empty() && !shares_a_piece(text.as_bytes(), key)).collect()
}

/// What may be said of `answer`: without the names of permissions when they hold a piece of the key.
#[must_use]
pub fn without_pieces(answer: Answer, key: &[u8]) -> Answer {
    match answer {
        Answer::Permission(Some(name)) if shares_a_piece(name.as_bytes(), key) => Answer::Permission(None),
        answer => answer,
    }
}

fn shares_a_piece(text: &[u8], key: &[u8]) -> bool {
    let text = text.to_ascii_lowercase();
    let key_pieces = || key.windows(PIECE);
    text.windows(PIECE).any(|piece| key_pieces().any(|of_key| of_key.eq_ignore_ascii_case(piece)))
}

#[cfg(test)]
mod tests;
