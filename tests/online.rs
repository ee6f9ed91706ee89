//! `--online`, against a provider on this machine with real TLS: what each answer means, how the key is sent, and that it
//! is sent nowhere else.
#![cfg(feature = "online")]
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/protected.rs"]
mod protected;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;
#[path = "common/upstream.rs"]
mod upstream;

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use common::{KEY, OTHER_KEY, Outcome, Pty, Sandbox};
use refusal::{Tree, assert_refused};
use session::{assert_no_key_shown, assert_no_piece};
use upstream::{Authority, Listener, Reply, Upstream};

/// Each provider: its word in config.toml, its variable, and the lines of the request that bear the question.
const PROVIDERS: [(&str, &str, &str, &[&str]); 10] = [
    ("openai", "OPENAI_API_KEY", "/models", &["authorization: Bearer KEY"]),
    ("anthropic", "ANTHROPIC_API_KEY", "/v1/models", &["x-api-key: KEY", "anthropic-version: 2023-06-01"]),
    ("gemini", "GEMINI_API_KEY", "/v1beta/models", &["x-goog-api-key: KEY"]),
    ("gemini", "GOOGLE_API_KEY", "/v1beta/models", &["x-goog-api-key: KEY"]),
    ("groq", "GROQ_API_KEY", "/models", &["authorization: Bearer KEY"]),
    ("openrouter", "OPENROUTER_API_KEY", "/key", &["authorization: Bearer KEY"]),
    ("mistral", "MISTRAL_API_KEY", "/models", &["authorization: Bearer KEY"]),
    ("xai", "XAI_API_KEY", "/api-key", &["authorization: Bearer KEY"]),
    ("deepseek", "DEEPSEEK_API_KEY", "/user/balance", &["authorization: Bearer KEY"]),
    ("huggingface", "HF_TOKEN", "/api/whoami-v2", &["authorization: Bearer KEY"]),
];

/// A home whose config.toml leads to a provider on this machine.
struct Stage {
    sandbox: Sandbox,
    upstream: Upstream,
}

impl Stage {
    fn new() -> Self {
        Self::at("127.0.0.1", &["127.0.0.1"], 2099)
    }

    /// A provider at that address, whose certificate is for these names and ends with that year.
    fn at(address: &str, names: &[&str], last_year: i32) -> Self {
        let (sandbox, authority) = (Sandbox::new(), Authority::new());
        let upstream = Upstream::start(address, authority.server(names, last_year));
        let stage = Self { sandbox, upstream };
        stage.sandbox.file("ca.pem", authority.pem(), 0o600);
        stage.lead_all_to(&stage.base(address));
        stage
    }

    fn base(&self, address: &str) -> String {
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        format!("https://{host}:{}", self.upstream.listener.port())
    }

    fn lead_all_to(&self, base: &str) {
        let mut config = String::new();
        for (id, ..) in PROVIDERS.iter().filter(|(_, variable, ..)| *variable != "GOOGLE_API_KEY") {
            let ca = self.sandbox.path("ca.pem");
            writeln!(config, "[providers.{id}]\nbase_url = \"{base}\"\nca_file = \"{}\"", ca.display()).unwrap();
        }
        self.configure(&config);
    }

    fn configure(&self, text: &str) {
        self.sandbox.file("home/.config/withkey/config.toml", text, 0o600);
    }

    fn check(&self, words: &[&str]) -> Outcome {
        let outcome = self.sandbox.withkey(["check", "--online"]).args(words).run();
        assert_no_key_shown(&outcome);
        outcome
    }

    /// The question about `default`, and how many requests the provider has seen for it.
    #[track_caller]
    fn asked_once(&self, reply: Reply) -> Outcome {
        self.upstream.answers(reply);
        let outcome = self.check(&["default"]);
        assert_eq!(self.upstream.requests().len(), 1, "{outcome:?}");
        outcome
    }
}

fn error(code: &str, message: &str) -> String {
    format!(r#"{{"error":{{"message":"{message}","type":"x","param":null,"code":"{code}"}}}}"#)
}

#[test]
fn every_provider_is_asked_in_its_own_way_and_only_once() {
    let stage = Stage::new();
    for (_, variable, path, lines) in PROVIDERS {
        stage.sandbox.add_variables(&variable.to_lowercase(), &[(variable, KEY)]);
        let outcome = stage.check(&[&variable.to_lowercase()]);
        outcome.assert_exit(0).assert_stderr("");
        assert!(outcome.stdout().contains("works; that does not prove that there is credit"), "{outcome:?}");
        let requests = stage.upstream.requests();
        let [request] = &requests[..] else { panic!("{requests:?}") };
        assert!(request.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{request}");
        let wanted = lines.iter().map(|line| line.replace("KEY", KEY));
        for line in wanted {
            let (name, value) = line.split_once(": ").unwrap();
            let found = request.lines().filter_map(|line| line.split_once(": "));
            let found: Vec<_> = found.filter(|(other, _)| other.eq_ignore_ascii_case(name)).collect();
            assert!(found.len() == 1 && found[0].1 == value, "{line} in {request}");
        }
        assert_eq!(request.matches(KEY).count(), 1, "the key stands in one place: {request}");
    }
}

#[test]
fn every_row_of_the_table_gets_its_words_and_its_status() {
    let stage = Stage::new();
    stage.sandbox.add("default", KEY);
    let keys = "see: https://platform.openai.com/api-keys";
    let limits = "see: https://platform.openai.com/settings/organization/limits";
    let billing = "see: https://platform.openai.com/settings/organization/billing";
    for (status, headers, body, exit, parts) in [
        (200, &[][..], r#"{"data":[]}"#.to_owned(), 0, &["works"][..]),
        (401, &[], error("invalid_api_key", "Incorrect API key provided: x"), 3, &["wrong, deleted or expired", keys]),
        (
            403,
            &[],
            error("missing_scope", "Missing scopes: api.model.read. Check"),
            4,
            &["permission api.model.read is"],
        ),
        (401, &[], error("", "Missing scopes: api.model.read, x.y"), 4, &["real; the permission api.model.read, x.y"]),
        (401, &[], error("", "You must be a member of an organization to use the API"), 4, &["real; its owner is no"]),
        (401, &[], error("ip_not_authorized", "Your IP is not authorized"), 4, &["real; this machine's address"]),
        (401, &[], error("mismatched_project", "x"), 4, &["real; organization or project"]),
        (403, &[], error("", "You have insufficient permissions"), 4, &["real; a permission is missing"]),
        (
            403,
            &[],
            error("unsupported_country_region_territory", "x"),
            4,
            &["real; it does not work from this country"],
        ),
        (429, &[], error("credit_balance_exhausted", "x"), 5, &["real; no money", billing]),
        (429, &[], error("insufficient_quota", "x"), 5, &["real; no money", billing]),
        (429, &[], error("billing_not_active", "x"), 5, &["real; no money", billing]),
        (429, &[], error("organization_usage_limit_exceeded", "x"), 5, &["real; no money", limits]),
        (429, &[], error("project_spend_limit_exceeded", "x"), 5, &["real; no money", limits]),
        (429, &[], error("organization_spend_limit_exceeded", "x"), 5, &["real; no money", limits]),
        (429, &["Retry-After: 17"], error("rate_limit_exceeded", "x"), 6, &["real; asked too often: wait 17 seconds"]),
        (429, &[], error("slow_down", "x"), 6, &["real; asked too often: wait a while"]),
        (500, &[], error("invalid_api_key", "x"), 7, &["unknown: status 500"]),
        (503, &[], "<html>".to_owned(), 7, &["unknown: status 503"]),
        (401, &[], "<html>401</html>".to_owned(), 7, &["unknown: status 401 with a body that is no JSON"]),
        (401, &[], error("gateway_says_no", "x"), 7, &["unknown: status 401 with words that withkey does not know"]),
        (403, &[], "<html>".to_owned(), 7, &["unknown: status 403"]),
        (404, &[], "not here".to_owned(), 7, &["unknown: status 404"]),
        (200, &[], "<html>log in</html>".to_owned(), 7, &["unknown: status 200"]),
    ] {
        let outcome = stage.asked_once(Reply::json(status, headers, &body));
        outcome.assert_exit(exit).assert_stderr("");
        for part in parts {
            assert!(outcome.stdout().contains(part), "{status} {body}: no {part:?} in {outcome:?}");
        }
        assert_eq!(outcome.stdout().contains("wrong"), exit == 3, "{status} {body}: {outcome:?}");
    }
}

#[test]
fn what_a_provider_tells_beyond_that_is_shown_and_never_a_piece_of_the_key() {
    let stage = Stage::new();
    let profile = |variable: &str| variable.to_lowercase();
    for variable in ["DEEPSEEK_API_KEY", "OPENROUTER_API_KEY", "XAI_API_KEY", "HF_TOKEN"] {
        stage.sandbox.add_variables(&profile(variable), &[(variable, KEY)]);
    }
    let piece = &KEY[8..24];
    for (variable, body, exit, shown) in [
        (
            "DEEPSEEK_API_KEY",
            r#"{"is_available":true,"balance_infos":[{"currency":"CNY","total_balance":"110.00"}]}"#.to_owned(),
            0,
            "  balance: 110.00\n  currency: CNY\n",
        ),
        (
            "DEEPSEEK_API_KEY",
            r#"{"is_available":false,"balance_infos":[{"currency":"USD","total_balance":"0.00"}]}"#.to_owned(),
            5,
            "  balance: 0.00\n  currency: USD\n",
        ),
        (
            "OPENROUTER_API_KEY",
            r#"{"data":{"label":"laptop","usage":1.25,"limit":10,"limit_remaining":8.75}}"#.to_owned(),
            0,
            "  name: laptop\n  used: 1.25\n  limit: 10\n  left: 8.75\n",
        ),
        (
            "OPENROUTER_API_KEY",
            format!(r#"{{"data":{{"label":"key {piece}","usage":1,"limit":10,"limit_remaining":0}}}}"#),
            5,
            "  used: 1\n  limit: 10\n  left: 0\n",
        ),
        (
            "XAI_API_KEY",
            r#"{"name":"my\u001b[31m key","api_key_blocked":false}"#.to_owned(),
            0,
            "name: my\\u{1b}[31m key\n",
        ),
        ("XAI_API_KEY", r#"{"name":"mine","api_key_disabled":true}"#.to_owned(), 4, "real; it is blocked"),
        (
            "HF_TOKEN",
            r#"{"name":"ana","auth":{"accessToken":{"displayName":"laptop","role":"read"}}}"#.to_owned(),
            0,
            "  account: ana\n  name: laptop\n  role: read\n",
        ),
    ] {
        stage.upstream.answers(Reply::json(200, &[], &body));
        let outcome = stage.check(&[&profile(variable)]);
        outcome.assert_exit(exit);
        assert!(outcome.stdout().contains(shown), "{body}: {outcome:?}");
        assert_no_piece(&body, piece.as_bytes(), &outcome.stdout);
    }
}

#[test]
fn a_permission_whose_name_is_a_piece_of_the_key_is_not_named() {
    let stage = Stage::new();
    stage.sandbox.add("default", KEY);
    let outcome = stage.asked_once(Reply::json(403, &[], &error("missing_scope", &format!("Missing scopes: {KEY}"))));
    outcome.assert_exit(4);
    assert!(outcome.stdout().contains("a permission is missing"), "{outcome:?}");
}

#[test]
fn chunks_are_put_together_and_what_breaks_off_is_unknown() {
    let stage = Stage::new();
    stage.sandbox.add("default", KEY);
    let bytes = |text: &str| Reply::Bytes(text.as_bytes().to_vec());
    let chunked = "HTTP/1.1 401 X\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"error\":{\"code\"\r\n14\r\n:\"invalid_api_key\"}}";
    stage.asked_once(bytes(&format!("{chunked}\r\n0\r\n\r\n"))).assert_exit(3);
    for broken in [
        chunked,
        "HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{\"data\":[]}",
        "HTTP/1.1 401 X\r\nContent-Length: 100\r\n\r\n{\"error\":{\"code\":\"invalid_api_key\"}}",
        "HTTP/1.1 200 X\r\nContent-Length: 8\r\n\r\n{\"data\":",
    ] {
        let outcome = stage.asked_once(bytes(broken));
        outcome.assert_exit(7).assert_stderr("");
        assert!(outcome.stdout().contains("unknown: status"), "{broken:?}: {outcome:?}");
    }
    for no_http in ["", "HTTP/1.1", "garbage\r\n\r\n", "HTTP/1.1 200 X\r\nContent-Le"] {
        let outcome = stage.asked_once(bytes(no_http));
        outcome.assert_exit(1);
        assert!(outcome.stdout().contains("could not ask: "), "{no_http:?}: {outcome:?}");
    }
}

#[test]
fn a_body_of_ten_megabytes_is_not_read_to_its_end() {
    let stage = Stage::new();
    stage.sandbox.add("default", KEY);
    let body = format!(r#"{{"data":"{}"}}"#, "x".repeat(10 << 20));
    let outcome = stage.asked_once(Reply::json(200, &[], &body));
    outcome.assert_exit(7);
    assert!(outcome.stdout().contains("breaks off or is too large"), "{outcome:?}");
}

#[test]
fn one_that_never_answers_is_given_up_and_says_nothing_about_the_key() {
    let stage = Stage::new();
    stage.sandbox.add("default", KEY);
    let outcome = stage.asked_once(Reply::Stall(Vec::new()));
    outcome.assert_exit(1);
    assert!(outcome.stdout().contains("could not ask: no answer within 10 seconds"), "{outcome:?}");
}

#[test]
fn one_that_stops_in_the_midst_of_its_answer_is_given_up() {
    let stage = Stage::new();
    stage.sandbox.add("default", KEY);
    let outcome = stage.asked_once(Reply::Stall(b"HTTP/1.1 401 X\r\nContent-Length: 100\r\n\r\n{\"error\":".to_vec()));
    outcome.assert_exit(7);
    assert!(outcome.stdout().contains("unknown: status 401"), "{outcome:?}");
}

#[test]
fn a_redirect_is_not_followed() {
    let stage = Stage::new();
    stage.sandbox.add("default", KEY);
    let target = Stage::new();
    for status in [301, 302, 303, 307, 308] {
        for place in [target.base("127.0.0.1") + "/models", stage.base("127.0.0.1") + "/other", "/other".to_owned()] {
            let reply = Reply::json(status, &[&format!("Location: {place}")], "{}");
            let outcome = stage.asked_once(reply);
            outcome.assert_exit(7);
            assert!(outcome.stdout().contains("a redirect, which withkey does not follow"), "{outcome:?}");
        }
    }
    assert_eq!(target.upstream.listener.count(), 0);
}

#[test]
fn a_certificate_that_does_not_hold_gets_no_key() {
    let refused = |stage: &Stage, why: &str| {
        stage.sandbox.add("default", KEY);
        let outcome = stage.check(&["default"]);
        outcome.assert_exit(1).assert_stderr("");
        assert!(outcome.stdout().contains(&format!("could not ask: {why}")), "{outcome:?}");
        assert_eq!(stage.upstream.requests(), [""; 0], "{why}");
    };
    refused(&Stage::at("127.0.0.1", &["127.0.0.2"], 2099), "its certificate is for another name");
    refused(&Stage::at("127.0.0.1", &["gw.example"], 2099), "its certificate is for another name");
    refused(&Stage::at("127.0.0.1", &["127.0.0.1"], 2021), "its certificate has expired");
    let stage = Stage::new();
    stage.sandbox.file("ca.pem", Authority::new().pem(), 0o600);
    refused(&stage, "its certificate is of nobody whom withkey trusts");
    // The bundled roots do not know the test's authority.
    let stage = Stage::new();
    stage.configure(&format!("[providers.openai]\nbase_url = \"{}\"\n", stage.base("127.0.0.1")));
    refused(&stage, "its certificate is of nobody whom withkey trusts");
}

#[test]
fn a_ca_file_that_cannot_be_used_is_named() {
    let stage = Stage::new();
    stage.sandbox.add("default", KEY);
    stage.sandbox.file("ca.pem", "no certificate", 0o600);
    let outcome = stage.check(&["default"]);
    outcome.assert_exit(1);
    assert!(outcome.stdout().contains("ca_file of config.toml holds no certificate"), "{outcome:?}");
    stage.sandbox.file("ca.pem", "", 0o666);
    assert_refused(&stage.check(&["default"]), 1, "ca.pem");
    std::fs::remove_file(stage.sandbox.path("ca.pem")).unwrap();
    assert_refused(&stage.check(&["default"]), 1, "ca.pem");
    assert_eq!(stage.upstream.listener.count(), 0);
}

#[test]
fn plain_http_is_refused_before_anything_is_sent() {
    let stage = Stage::new();
    stage.sandbox.add("default", KEY);
    let trap = Listener::start([127, 0, 0, 1].into(), drop);
    for bad in [
        format!("http://127.0.0.1:{}", trap.port()),
        format!("127.0.0.1:{}", trap.port()),
        format!("https://api.openai.com@127.0.0.1:{}", trap.port()),
    ] {
        stage.configure(&format!("[providers.openai]\nbase_url = \"{bad}\"\n"));
        assert_refused(&stage.check(&["default"]), 1, "`base_url` of providers.openai");
    }
    stage.configure("[providers.nobody]\nbase_url = \"https://127.0.0.1\"\n");
    assert_refused(&stage.check(&["default"]), 1, "`providers.nobody` is none of openai, anthropic");
    stage.configure("[providers.openai]\nurl = \"https://127.0.0.1\"\n");
    assert_refused(&stage.check(&["default"]), 1, "unknown field `url`");
    assert_eq!(trap.count(), 0);
}

#[test]
fn ipv6_works_too() {
    let stage = Stage::at("::1", &["::1"], 2099);
    stage.sandbox.add("default", KEY);
    let outcome = stage.asked_once(Reply::json(401, &[], &error("invalid_api_key", "x")));
    outcome.assert_exit(3);
    assert!(outcome.stdout().contains(" (::1)\n"), "{outcome:?}");
}

#[test]
fn neither_the_environment_nor_a_project_leads_the_key_elsewhere() {
    let stage = Stage::new();
    stage.sandbox.add("default", KEY);
    let trap = Listener::start([127, 0, 0, 1].into(), drop);
    let elsewhere = format!("http://127.0.0.1:{}", trap.port());
    let redirected = ["OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_PROXY", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"];
    let all = redirected.iter().chain(&["all_proxy", "HTTP_PROXY", "http_proxy", "CURL_HOME"]);
    let start = all.fold(stage.sandbox.withkey(["check", "--online"]), |start, name| start.set(name, &elsewhere));
    let log = stage.sandbox.path("tls-secrets");
    let start = start.set("SSLKEYLOGFILE", &log).set("SSL_CERT_FILE", "/nowhere").set("RUST_LOG", "trace");
    stage.sandbox.file("project/config.toml", "[providers.openai]\nbase_url = \"https://127.0.0.2\"\n", 0o644);
    let outcome = start.run();
    outcome.assert_exit(0).assert_stderr("");
    assert_no_key_shown(&outcome);
    assert_eq!(stage.upstream.requests().len(), 1);
    assert_eq!(trap.count(), 0);
    assert!(!log.exists());
}

#[test]
fn a_proxy_is_used_when_it_is_asked_for_and_sees_no_key() {
    let stage = Stage::new();
    stage.sandbox.add("default", KEY);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let proxy = upstream::proxy(Arc::clone(&seen));
    let outcome = stage.check(&["--proxy", &format!("http://127.0.0.1:{}", proxy.port())]);
    outcome.assert_exit(0).assert_stderr("");
    assert_eq!(stage.upstream.requests().len(), 1);
    let seen = seen.lock().unwrap();
    assert!(seen.starts_with(format!("CONNECT 127.0.0.1:{} ", stage.upstream.listener.port()).as_bytes()));
    assert_no_piece("what the proxy saw", KEY.as_bytes(), &seen);
    assert_refused(&stage.sandbox.withkey(["check", "--proxy", "http://127.0.0.1:1"]).run(), 2, "missing");
    let outcome = stage.check(&["--proxy", "no address"]);
    outcome.assert_exit(1);
    assert!(outcome.stdout().contains("could not ask: --proxy wants an address"), "{outcome:?}");
}

#[test]
fn what_the_proxy_does_is_not_called_the_providers_doing() {
    let stage = Stage::new();
    stage.sandbox.add("default", KEY);
    let answering = |answer: &'static [u8]| {
        Listener::start([127, 0, 0, 1].into(), move |mut client| {
            let _ = std::io::Write::write_all(&mut client, answer);
            let _ = std::io::Read::read_to_end(&mut client, &mut Vec::new());
        })
    };
    let refusing = answering(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    let silent = answering(b"");
    let (_socket, deaf) = upstream::deaf_port();
    // A name that no resolver has to ask anybody about: a part of it is over 63 bytes.
    let nobody = format!("{}.example", "a".repeat(64));
    for (proxy, said) in [
        (format!("http://{nobody}:3128"), format!("the proxy {nobody}: the host's name is not known")),
        (format!("http://me:secret@127.0.0.1:{deaf}"), "the proxy 127.0.0.1: connection refused".to_owned()),
        (format!("127.0.0.1:{}", refusing.port()), "the proxy 127.0.0.1: it refuses".to_owned()),
        (
            format!("http://127.0.0.1:{}", silent.port()),
            "no answer within 10 seconds, through the proxy 127.0.0.1".to_owned(),
        ),
        ("socks5://127.0.0.1:1080".to_owned(), "--proxy wants an address such as http://proxy.example:3128".to_owned()),
    ] {
        let outcome = stage.check(&["--proxy", &proxy]);
        outcome.assert_exit(1).assert_stderr("");
        assert!(outcome.stdout().contains(&format!("could not ask: {said} (127.0.0.1)\n")), "{proxy}: {outcome:?}");
    }
    // The proxy lets it through, and what comes back is the other side's.
    let proxy = upstream::proxy(Arc::default());
    stage.sandbox.file("ca.pem", Authority::new().pem(), 0o600);
    let outcome = stage.check(&["--proxy", &format!("http://127.0.0.1:{}", proxy.port())]);
    let said = "its certificate is of nobody whom withkey trusts, through the proxy 127.0.0.1";
    assert!(outcome.stdout().contains(said), "{outcome:?}");
    assert_eq!(stage.upstream.requests(), [""; 0]);
}

/// The keychain is asked by a forked child, and `add` and `rotate` do so after they have asked the provider.
#[test]
#[cfg(target_os = "linux")]
fn withkeys_own_process_has_no_thread_left_when_it_has_asked() {
    let stage = Stage::new();
    stage.sandbox.add("default", KEY);
    let trace = stage.sandbox.path("trace");
    let strace = ["/usr/bin/strace", "-f", "-qq", "-e", "trace=execve,fork,clone,clone3", "-o"];
    let start = stage.sandbox.directly(strace).args([trace.as_os_str(), common::withkey_binary().as_os_str()]);
    start.args(["check", "--online", "default"]).run().assert_exit(0);
    let text = std::fs::read_to_string(&trace).unwrap_or_else(|_| panic!("strace is needed: apt-get install strace"));
    let own = text.split_whitespace().next().unwrap();
    let others = text.lines().filter(|line| line.starts_with(&format!("{own} ")) && !line.contains("execve("));
    let cloned: Vec<_> = others.collect();
    assert!(!cloned.is_empty(), "the host was not looked up:\n{text}");
    assert!(!cloned.iter().any(|line| line.contains("CLONE_THREAD")), "{text}");
}

#[test]
fn nobody_listening_is_said_in_words() {
    let stage = Stage::new();
    stage.sandbox.add("default", KEY);
    let (_socket, port) = upstream::deaf_port();
    stage.configure(&format!("[providers.openai]\nbase_url = \"https://127.0.0.1:{port}\"\n"));
    let outcome = stage.check(&[]);
    outcome.assert_exit(1).assert_stderr("");
    assert!(outcome.stdout().contains("could not ask: connection refused (127.0.0.1)"), "{outcome:?}");
}

#[test]
fn a_key_that_the_profile_sends_to_a_gateway_is_not_shown_to_the_provider() {
    let stage = Stage::new();
    stage.sandbox.add("default", KEY);
    let description = stage.sandbox.configuration("profiles/default.toml");
    let text = std::fs::read_to_string(&description).unwrap();
    let with = |url: &str| format!("{text}\n[set]\nOPENAI_BASE_URL = \"{url}\"\n");
    stage.sandbox.file("home/.config/withkey/profiles/default.toml", with("https://gw.example/v1"), 0o600);
    let outcome = stage.check(&[]);
    outcome.assert_exit(1);
    assert!(outcome.stdout().contains("the profile sends it to gw.example, not to 127.0.0.1"), "{outcome:?}");
    assert_eq!(stage.upstream.requests(), [""; 0]);
    stage.sandbox.file("home/.config/withkey/profiles/default.toml", with("https://127.0.0.1/v1"), 0o600);
    stage.check(&[]).assert_exit(0);
}

#[test]
fn all_gives_the_worst_and_says_what_it_does_not_ask_about() {
    let stage = Stage::new();
    stage
        .sandbox
        .add_variables("work", &[("OPENAI_API_KEY", KEY), ("MY_SECRET", "not a key"), ("HF_TOKEN", OTHER_KEY)]);
    stage.sandbox.add("beside", KEY);
    stage.upstream.answers(Reply::json(429, &[], &error("slow_down", "x")));
    let outcome = stage.check(&["--all"]);
    outcome.assert_exit(6).assert_stderr("");
    assert_eq!(outcome.stdout().lines().count(), 4, "{outcome:?}");
    assert!(outcome.stdout().contains("work MY_SECRET …: not asked: withkey knows no provider"), "{outcome:?}");
    assert_eq!(stage.upstream.requests().len(), 3);
    // One that cannot be opened is told, and counts.
    std::fs::remove_file(stage.sandbox.configuration("profiles/beside.age")).unwrap();
    let outcome = stage.check(&["--all"]);
    outcome.assert_exit(1).assert_stderr_has("the dotfile of profile beside is missing");
    assert_eq!(stage.upstream.requests().len(), 2);
    // What is known to be broken is worse than what is not known.
    stage.upstream.answers(Reply::json(401, &[], &error("invalid_api_key", "x")));
    stage.check(&["--all"]).assert_exit(3);
    assert_refused(&stage.check(&["--all", "--json"]), 3, "the dotfile of profile beside is missing");
}

#[test]
fn where_there_is_nobody_to_ask_the_words_say_so() {
    let stage = Stage::new();
    stage
        .sandbox
        .add_variables("work", &[("MY_SECRET", "not a key"), ("OPENAI_ADMIN_KEY", "sk-admin-test-0123456789abcdef")]);
    let outcome = stage.check(&["work"]);
    outcome.assert_exit(1).assert_stderr_has("there is nobody to ask about profile work");
    assert_refused(&stage.check(&["work", "--json"]), 1, "there is nobody to ask");
    assert_refused(&stage.check(&["inherit"]), 1, "there is nobody to ask about profile inherit");
    assert_refused(&stage.check(&["nobody"]), 1, "there is no profile nobody");
    assert_refused(&stage.check(&[]), 1, "no profile for");
    assert_refused(&Stage::new().check(&["--all"]), 1, "there is nobody to ask");
    assert_eq!(stage.upstream.listener.count(), 0);
}

#[test]
fn json_is_one_object_with_every_key() {
    let stage = Stage::new();
    stage.sandbox.add_variables("default", &[("OPENAI_API_KEY", KEY), ("MY_SECRET", "not a key")]);
    stage.upstream.answers(Reply::json(429, &["Retry-After: 9"], &error("slow_down", "x")));
    let outcome = stage.check(&["--json"]);
    outcome.assert_exit(6).assert_stderr("").assert_stdout(
        r#"{
  "version": 1,
  "keys": [
    {
      "profile": "default",
      "variable": "OPENAI_API_KEY",
      "masked": "sk-…ghij",
      "provider": "OpenAI",
      "host": "127.0.0.1",
      "answer": "wait",
      "sentence": "real; asked too often: wait 9 seconds",
      "page": null,
      "retry_after": 9,
      "told": []
    },
    {
      "profile": "default",
      "variable": "MY_SECRET",
      "masked": "…",
      "provider": null,
      "host": null,
      "answer": "skipped",
      "sentence": "not asked: withkey knows no provider to ask about it",
      "page": null,
      "retry_after": null,
      "told": []
    }
  ]
}
"#,
    );
}

#[test]
fn add_asks_before_it_stores_and_stores_nothing_that_the_provider_calls_wrong() {
    let stage = Stage::new();
    let add = |words: &[&str]| {
        let outcome = stage.sandbox.withkey(["add", "--online"]).args(words).input(KEY).run();
        assert_no_key_shown(&outcome);
        outcome
    };
    stage.upstream.answers(Reply::json(401, &[], &error("invalid_api_key", "x")));
    let before = Tree::of(&stage.sandbox);
    assert_refused(&add(&["work"]), 3, "not stored: OpenAI calls the key for OPENAI_API_KEY wrong, deleted or expired");
    before.assert_unchanged("add", &stage.sandbox);
    stage.upstream.answers(Reply::json(429, &[], &error("credit_balance_exhausted", "x")));
    add(&["work"]).assert_exit(0).assert_stderr_has("OPENAI_API_KEY (sk-…ghij): real; no money");
    stage.upstream.answers(Reply::json(200, &[], "{}"));
    add(&["other"]).assert_exit(0).assert_stderr_has("OPENAI_API_KEY (sk-…ghij): works");
    stage.upstream.answers(Reply::json(503, &[], ""));
    add(&["third"]).assert_exit(0).assert_stderr_has("unknown: status 503");
    add(&["fourth", "MY_SECRET"]).assert_exit(0).assert_stderr_has("not asked");
    assert_eq!(stage.upstream.requests().len(), 4);
    stage.sandbox.withkey(["-p", "third", "printenv", "OPENAI_API_KEY"]).run().assert_stdout(&format!("{KEY}\n"));
}

#[test]
fn rotate_switches_to_a_real_key_and_never_to_a_wrong_one() {
    let stage = Stage::new();
    stage.sandbox.add("work", KEY);
    let rotate = |words: &[&str]| {
        let outcome = stage.sandbox.withkey(["rotate", "work"]).args(words).input(OTHER_KEY).run();
        assert_no_key_shown(&outcome);
        outcome
    };
    let before = Tree::of(&stage.sandbox);
    stage.upstream.answers(Reply::json(401, &[], &error("invalid_api_key", "x")));
    assert_refused(&rotate(&["--online"]), 3, "not stored: OpenAI calls the key for OPENAI_API_KEY wrong");
    assert!(stage.upstream.requests()[0].contains(OTHER_KEY), "it is the new key that is asked about");
    stage.upstream.answers(Reply::json(503, &[], ""));
    assert_refused(&rotate(&["--online"]), 7, "hint: to replace the key unasked: withkey rotate work OPENAI_API_KEY");
    stage.upstream.answers(Reply::Bytes(Vec::new()));
    assert_refused(&rotate(&["--online"]), 1, "whether the key for OPENAI_API_KEY works is not known");
    before.assert_unchanged("rotate", &stage.sandbox);
    stage.upstream.answers(Reply::json(429, &[], &error("insufficient_quota", "x")));
    let outcome = rotate(&["--online"]);
    outcome.assert_exit(0).assert_stderr_has("OPENAI_API_KEY (sk-…tsrq): real; no money");
    let printenv = || stage.sandbox.withkey(["-p", "work", "printenv", "OPENAI_API_KEY"]).run();
    printenv().assert_stdout(&format!("{OTHER_KEY}\n"));
    stage.upstream.requests();
    for options in [&["--undo"][..], &["--finish"], &[]] {
        rotate(options).assert_exit(0);
    }
    assert_eq!(stage.upstream.requests(), [""; 0], "asked only on --online");
}

#[test]
fn on_a_terminal_an_unclear_answer_is_the_owners_to_judge() {
    for (answer, exit, key) in [("n\n", 1, KEY), ("y\n", 0, OTHER_KEY)] {
        let stage = Stage::new();
        stage.sandbox.add("work", KEY);
        stage.upstream.answers(Reply::json(503, &[], ""));
        let pty = Pty::open();
        let running = pty.attach(stage.sandbox.withkey(["rotate", "work", "--online"])).start();
        pty.wait_for("OPENAI_API_KEY (not shown while you type): ");
        pty.type_in(&format!("{OTHER_KEY}\n"));
        pty.wait_for("unknown: status 503");
        pty.wait_for("Replace the old one all the same? [y/N] ");
        pty.type_in(answer);
        running.outcome().assert_exit(exit);
        let found = stage.sandbox.withkey(["-p", "work", "printenv", "OPENAI_API_KEY"]).run();
        found.assert_stdout(&format!("{key}\n"));
    }
}

#[test]
fn nothing_is_ever_asked_unasked() {
    let stage = Stage::new();
    for words in [&["add"][..], &["add", "work", "--use"], &["list"], &["status"], &["true"], &["-n", "true"]] {
        stage.sandbox.withkey(words).input(KEY).run().assert_exit(0);
    }
    assert_eq!(stage.upstream.listener.count(), 0);
}

/// A pipe can be read once, and a person should be asked once.
#[test]
fn all_profiles_are_asked_about_with_one_opening_of_the_identity() {
    let stage = Stage::new();
    for profile in ["one", "three", "two"] {
        stage.sandbox.add(profile, KEY);
    }
    protected::protect_with(&stage.sandbox, "open sesame");
    stage.upstream.answers(Reply::json(200, &[], "{}"));
    let (read_end, mut pipe) = common::pipe().unwrap();
    std::io::Write::write_all(&mut pipe, b"open sesame\n").unwrap();
    drop(pipe);
    let start = stage.sandbox.withkey(["check", "--online", "--all"]).descriptor(9, read_end);
    let outcome = start.set("WITHKEY_PASSPHRASE_FILE", "/dev/fd/9").run();
    outcome.assert_exit(0);
    assert_eq!(outcome.stdout().lines().filter(|line| line.contains("works")).count(), 3, "{outcome:?}");
}
