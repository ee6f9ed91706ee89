//! For a person who has never had a key: where one is made, that it is shown once, whose money it spends.

use crate::profile::Variable;
use crate::provider::{self, Provider};

/// What is said before the key of `variable` is asked for, a line each; nothing for a variable of no known provider.
#[must_use]
pub fn steps(variable: &Variable) -> Vec<String> {
    let Some(provider) = provider::of_variable(variable.as_str()) else { return Vec::new() };
    let (name, page) = (provider.name, provider.keys_page);
    if provider::is_admin_variable(variable.as_str()) {
        return vec![
            format!("an admin key manages the whole {name} account and is made by its owner;"),
            "  no program runs with it".to_owned(),
        ];
    }
    let mut steps = vec![
        format!("a key of {name} is made at {page}"),
        format!("  sign in, and {}; it is shown once: paste it here", click(provider)),
        "  whoever has it spends the money of the account that made it".to_owned(),
    ];
    let limits = provider.money_pages.iter().find(|(kind, _)| *kind == "limits");
    steps.extend(limits.map(|(_, page)| format!("  a limit for that: {page}")));
    steps
}

/// What to click on the provider's page. Named only where we know the words; they change without notice.
fn click(provider: &Provider) -> &'static str {
    match provider.name {
        "OpenAI" => "click \"Create new secret key\"",
        _ => "look for \"create\" or \"new key\"",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_provider_names_its_page_and_that_the_key_is_shown_once() {
        for name in provider::key_variables() {
            let text = steps(&name.parse().unwrap()).join("\n");
            let row = provider::of_variable(name).unwrap();
            let told = text.contains(row.keys_page) && text.contains("shown once") && text.contains("money");
            assert!(told || provider::is_admin_variable(name), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
        assert!(steps(&"LLM_KEY".parse().unwrap()).is_empty());
    }
}
