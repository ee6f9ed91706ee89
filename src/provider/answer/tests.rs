#![allow(clippy::unwrap_used)]
use super::*;
use crate::provider::PROVIDERS;

fn asked(id: &str, status: u16, body: &str) -> Answer {
    let provider = PROVIDERS.iter().find(|row| row.check.id == id).unwrap();
    let reply = Reply { status, retry_after: None, body: Some(body.as_bytes().to_vec()) };
    meaning(provider, &reply)
}

/// The bodies are those of the providers' documentation and of reports about them.
#[test]
fn a_wrong_key_is_called_wrong_in_each_providers_own_words() {
    for (id, status, body) in [
        (
            "openai",
            401,
            r#"{"error":{"message":"Incorrect API key provided: x. You can find your API key at https://x.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        ),
        ("anthropic", 401, r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#),
        (
            "gemini",
            400,
            r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"x","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#,
        ),
        (
            "gemini",
            400,
            r#"{"error":{"code":400,"message":"API key expired. Please renew the API key.","status":"INVALID_ARGUMENT"}}"#,
        ),
        (
            "gemini",
            400,
            r#"{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT","details":[{"locale":"en"},{"reason":"API_KEY_INVALID"}]}}"#,
        ),
        (
            "gemini",
            403,
            r#"{"error":{"code":403,"message":"Your API key was reported as leaked.","status":"PERMISSION_DENIED"}}"#,
        ),
        (
            "groq",
            401,
            r#"{"error":{"message":"Invalid API Key","type":"invalid_request_error","code":"invalid_api_key"}}"#,
        ),
        ("openrouter", 401, r#"{"error":{"message":"No auth credentials found","code":401}}"#),
        ("openrouter", 401, r#"{"error":{"message":"User not found.","code":401}}"#),
        ("mistral", 401, r#"{"message":"Unauthorized","request_id":"x"}"#),
        ("mistral", 401, r#"{"detail":"Unauthorized"}"#),
        (
            "xai",
            400,
            r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***bc."}"#,
        ),
        (
            "deepseek",
            401,
            r#"{"error":{"message":"Authentication Fails, Your api key: ****abcd is invalid","type":"authentication_error","param":null,"code":"invalid_request_error"}}"#,
        ),
        ("huggingface", 401, r#"{"error":"Invalid username or password."}"#),
        ("huggingface", 401, r#"{"error":"Invalid credentials in Authorization header"}"#),
    ] {
        assert_eq!(asked(id, status, body), Answer::Invalid, "{id} {body}");
    }
}

#[test]
fn what_is_no_verdict_on_the_key_is_never_called_one() {
    let wrong =
        r#"{"error":{"message":"Incorrect API key provided","type":"authentication_error","code":"invalid_api_key"}}"#;
    for row in PROVIDERS {
        let id = row.check.id;
        for status in [100, 301, 500, 502, 503, 504, 529, 999] {
            assert!(matches!(asked(id, status, wrong), Answer::Unknown(_)), "{id} {status}");
        }
        for (status, body) in [
            (400, "<html>"),
            (401, ""),
            (401, "<html>401 Authorization Required</html>"),
            (401, "Unauthorized"),
            (401, "null"),
            (401, "\"invalid_api_key\""),
            (401, r#"{"error":{"code":"invalid_api_"#),
            (401, r#"{"error":{"message":"log in to the gateway first"}}"#),
            (401, "{}"),
            (403, "<html>blocked</html>"),
            (404, wrong.get(..10).unwrap_or_default()),
            (429, "<html>"),
            (200, "<html>log in</html>"),
        ] {
            assert!(matches!(asked(id, status, body), Answer::Unknown(_)), "{id} {status} {body}");
        }
    }
    // One provider's word for a wrong key is a gateway's word for anything.
    assert!(matches!(asked("openai", 401, r#"{"detail":"Unauthorized"}"#), Answer::Unknown(_)));
    assert!(matches!(asked("deepseek", 404, r#"{"error":{"type":"authentication_error"}}"#), Answer::Unknown(_)));
}

#[test]
fn a_real_key_that_is_refused_stays_a_real_one() {
    for (id, status, body, expected) in [
        (
            "anthropic",
            403,
            r#"{"type":"error","error":{"type":"permission_error","message":"x"}}"#,
            Answer::Permission(None),
        ),
        ("anthropic", 429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"x"}}"#, Answer::Wait(None)),
        (
            "anthropic",
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#,
            Answer::Money("billing"),
        ),
        (
            "gemini",
            403,
            r#"{"error":{"code":403,"message":"x","status":"PERMISSION_DENIED","details":[{"reason":"SERVICE_DISABLED"}]}}"#,
            Answer::Permission(None),
        ),
        (
            "gemini",
            400,
            r#"{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}"#,
            Answer::Account("it does not work from this country"),
        ),
        ("gemini", 429, r#"{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED"}}"#, Answer::Wait(None)),
        ("openrouter", 402, r#"{"error":{"code":402,"message":"Insufficient credits"}}"#, Answer::Money("billing")),
        (
            "deepseek",
            402,
            r#"{"error":{"message":"Insufficient Balance","type":"unknown_error"}}"#,
            Answer::Money("billing"),
        ),
        (
            "xai",
            403,
            r#"{"code":"x","error":"Your newly created team doesn't have any credits yet."}"#,
            Answer::Money("billing"),
        ),
        ("mistral", 429, r#"{"message":"Requests rate limit exceeded"}"#, Answer::Wait(None)),
        ("huggingface", 403, r#"{"error":"Forbidden"}"#, Answer::Permission(None)),
    ] {
        let answer = asked(id, status, body);
        assert!(answer.is_real(), "{id} {body}: {answer:?}");
        assert_eq!(answer, expected, "{id} {body}");
    }
}

#[test]
fn only_what_looks_like_a_permission_is_named() {
    for (text, name) in [
        ("Missing scopes: api.model.read", Some("api.model.read")),
        (
            "You have insufficient permissions. Missing scopes: api.model.read, api:x. Check that you",
            Some("api.model.read, api:x"),
        ),
        ("Missing scopes: <b>x</b>", None),
        ("Missing scopes:", None),
    ] {
        let body = format!(r#"{{"error":{{"code":"missing_scope","message":"{text}"}}}}"#);
        assert_eq!(asked("openai", 401, &body), Answer::Permission(name.map(str::to_owned)), "{text}");
    }
}

#[test]
fn every_answer_has_a_page_where_a_person_can_do_something_about_it() {
    for row in PROVIDERS {
        assert_eq!(Answer::Invalid.page(row), Some(row.keys_page));
        assert!(Answer::Money("billing").page(row).is_some());
        assert_eq!(Answer::Works.page(row), None);
    }
}

#[test]
fn the_words_of_one_provider_mean_nothing_when_another_says_them() {
    let precondition = r#"{"error":{"code":400,"message":"x","status":"FAILED_PRECONDITION"}}"#;
    assert!(matches!(asked("openai", 400, precondition), Answer::Unknown(_)));
    let gated = r#"{"error":"Access to the dataset country-music is restricted"}"#;
    assert_eq!(asked("huggingface", 403, gated), Answer::Permission(None));
    let credit = r#"{"error":{"message":"x is at the credit of its author","type":"y"}}"#;
    assert!(matches!(asked("groq", 404, credit), Answer::Unknown(_)));
    for (id, yes, expected) in [
        ("openai", r#"{"is_available":false}"#, Answer::Works),
        ("deepseek", r#"{"is_available":false}"#, Answer::Money("billing")),
        ("deepseek", r#"{"api_key_blocked":true}"#, Answer::Works),
        ("xai", r#"{"api_key_blocked":true}"#, Answer::Account("it is blocked or switched off")),
        ("xai", r#"{"team_blocked":true}"#, Answer::Account("its team is blocked")),
        ("xai", r#"{"data":{"limit_remaining":0}}"#, Answer::Works),
        ("openrouter", r#"{"data":{"limit_remaining":0}}"#, Answer::Money("billing")),
        ("openrouter", r#"{"data":{"limit_remaining":null}}"#, Answer::Works),
    ] {
        assert_eq!(asked(id, 200, yes), expected, "{id} {yes}");
    }
}
