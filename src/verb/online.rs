//! What `check`, `add` and `rotate` share: asking the provider about a key, and saying what the answer means.

use crate::config::Config;
use crate::error::{Error, online::Online};
use crate::files::{self, Guard};
use crate::host::Host;
use crate::key::Key;
use crate::memory;
use crate::profile::{Description, Variable};
use crate::provider::address::host_of;
use crate::provider::answer::{self, Answer};
use crate::provider::online::{self, Route};
use crate::provider::{self, Provider};
use crate::ui::Ui;

/// Who asks, and by which way.
pub struct Asker {
    config: Config,
    proxy: Option<String>,
}

/// A question and its answer.
pub struct Asked {
    /// Who was asked, or would have been.
    pub provider: &'static Provider,
    /// The host that was asked.
    pub host: String,
    /// What it said.
    pub answer: Answer,
    /// What it told beyond that: our word, its text.
    pub told: Vec<(&'static str, String)>,
}

impl Asked {
    /// Says the answer, what was told beyond it, and the page to go to.
    pub fn say(&self, variable: &Variable, key: &Key, ui: Ui) {
        ui.notice(&format!("{variable} ({}): {} ({})", key.masked(), self.answer.sentence(), self.host));
        for (word, text) in &self.told {
            ui.notice(&format!("{variable}: {word} {text}"));
        }
        if let Some(page) = self.answer.page(self.provider) {
            ui.hint(&format!("see {page}"));
        }
    }
}

impl Asker {
    /// Reads where to ask from the user's own config.toml.
    ///
    /// # Errors
    /// When this withkey cannot ask, or config.toml cannot be read.
    pub fn new(proxy: Option<&str>, host: &Host) -> Result<Self, Error> {
        if !online::BUILT {
            return Err(Error::Online(Online::NotBuilt));
        }
        Ok(Self { config: Config::read(host)?, proxy: proxy.map(str::to_owned) })
    }

    /// Asks the provider of `variable` about its key; nothing when withkey knows no provider. Blocks for seconds.
    ///
    /// # Errors
    /// When `ca_file` of config.toml cannot be read. That nobody answered is an answer too.
    ///
    /// # Secrets
    /// The key goes over verified TLS to the one host that the provider's row or config.toml names. What the libraries
    /// left of it in the stack is overwritten here.
    pub fn ask(&self, variable: &Variable, key: &Key, set: Option<&Description>) -> Result<Option<Asked>, Error> {
        let Some(provider) = run_key_of(variable) else { return Ok(None) };
        let route = self.route(provider)?;
        let address = online::address(&provider.check, &route);
        let host = host_of(&address).unwrap_or_default().to_owned();
        if let Some(elsewhere) = set.and_then(|description| sent_elsewhere(provider, description, &host)) {
            let why = format!(
                "the profile sends it to {elsewhere}, not to {host}; name that address in config.toml: base_url under \
                 [providers.{}]",
                provider.check.id
            );
            return Ok(Some(Asked { provider, host, answer: Answer::Unasked(why), told: Vec::new() }));
        }
        let reply = online::ask(&provider.check, &route, key.expose());
        let (answer, told) = match &reply {
            Ok(reply) => {
                let answer = answer::without_pieces(answer::meaning(provider, reply), key.expose());
                (answer, answer::told(provider, reply, key.expose()))
            }
            Err(why) => (Answer::Unasked(why.clone()), Vec::new()),
        };
        drop(reply);
        memory::scrub_stack::<{ 64 * 1024 }>();
        Ok(Some(Asked { provider, host, answer, told }))
    }

    /// Asks about a key before it is stored, and says the answer.
    ///
    /// # Errors
    /// [`Online::Refused`] when the provider calls it wrong; as [`Asker::ask`].
    pub fn ask_about_new(
        &self,
        variable: &Variable,
        key: &Key,
        set: Option<&Description>,
        ui: Ui,
    ) -> Result<Option<Answer>, Error> {
        let Some(asked) = self.ask(variable, key, set)? else {
            ui.notice(&format!("{variable}: {NOBODY}"));
            return Ok(None);
        };
        if asked.answer == Answer::Invalid {
            let (provider, page) = (asked.provider.name, asked.provider.keys_page);
            return Err(Error::Online(Online::Refused { variable: variable.to_string(), provider, page }));
        }
        asked.say(variable, key, ui);
        Ok(Some(asked.answer))
    }

    fn route(&self, provider: &Provider) -> Result<Route, Error> {
        let gateway = self.config.gateways.iter().find(|gateway| gateway.provider.check.id == provider.check.id);
        let roots = match gateway.and_then(|gateway| gateway.ca_file.as_ref()) {
            None => None,
            Some(path) => {
                let source = || std::io::Error::from_raw_os_error(libc::ENOENT);
                let missing = || Error::File { doing: "read", path: path.clone(), source: source() };
                Some(files::read(path, files::LARGEST, Guard::Own)?.ok_or_else(missing)?)
            }
        };
        Ok(Route { base: gateway.and_then(|gateway| gateway.base_url.clone()), roots, proxy: self.proxy.clone() })
    }
}

/// What is said of a variable that belongs to no provider.
pub const NOBODY: &str = "not asked: withkey knows no provider to ask about it";

/// The provider who can be asked about the variable's key. The question is one for run keys: an admin key is none.
pub fn run_key_of(variable: &Variable) -> Option<&'static Provider> {
    provider::of_variable(variable.as_str()).filter(|row| row.variables.contains(&variable.as_str()))
}

/// The host to which the profile's own `set` sends the key, when that is not the one that would be asked: a gateway's key
/// is nothing for the provider to see.
fn sent_elsewhere(provider: &Provider, description: &Description, asked: &str) -> Option<String> {
    let set = description.set.iter().filter(|(name, _)| provider.endpoints.contains(&name.as_str()));
    // A proxy passes on what is sent; the others name where to.
    let mut set = set.filter(|(name, _)| !name.as_str().ends_with("_PROXY"));
    set.find_map(|(_, url)| {
        let target = host_of(url).unwrap_or("an address withkey cannot read");
        (target != asked).then(|| target.to_owned())
    })
}
