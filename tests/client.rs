//! A real client: the OpenAI Python SDK, which finds its key in the environment, sends exactly the stored one.
//!
//! The other end is tests/client/upstream.py, and what counts is what arrives there.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};
use std::{env, fs};

use common::{KEY, Mode, OTHER_KEY, Outcome, Running, Sandbox, Start};

/// The interpreter that has the SDK: WITHKEY_TEST_PYTHON, or that of the folder in which tests/run puts it.
fn python() -> PathBuf {
    let usual = || Some(env::current_exe().ok()?.ancestors().nth(3)?.join("tools/venv/bin/python"));
    let python = env::var_os("WITHKEY_TEST_PYTHON").map(PathBuf::from).or_else(usual).unwrap();
    assert!(
        python.is_file(),
        "the OpenAI SDK is missing: there is no {}; install it and run all tests: tests/run\n\
         (or name a Python that has it: WITHKEY_TEST_PYTHON=/path/to/python cargo test --test client)",
        python.display()
    );
    python
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client").join(name)
}

/// The fake upstream, which ends with the test.
struct Upstream {
    server: Running,
    port: String,
}

impl Upstream {
    #[track_caller]
    fn start(sandbox: &Sandbox) -> Self {
        let server = sandbox.directly([python(), source("upstream.py")]).start();
        let said = server.output_with("\n");
        let port = said.lines().next().unwrap().strip_prefix("listening on ").unwrap().to_owned();
        Self { server, port }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// Exactly one request came, and its only authorization is this key.
    #[track_caller]
    fn assert_got(&self, key: &str) {
        let came =
            format!(r#"{{"method": "POST", "path": "/v1/chat/completions", "authorization": ["Bearer {key}"]}}"#);
        common::assert_same(
            "what the upstream saw",
            &format!("listening on {}\n{came}\n", self.port),
            &self.server.output(),
        );
    }
}

/// The application under withkey.
fn app(sandbox: &Sandbox, mode: Mode) -> Start {
    sandbox.launch(mode, [python(), source("app.py")])
}

#[track_caller]
fn assert_answered(outcome: &Outcome) {
    outcome.assert_exit(0).assert_stdout("hello from the upstream\n");
    for key in [KEY, OTHER_KEY] {
        assert!(!outcome.stderr().contains(key), "a key is on standard error");
    }
}

in_both_modes! {
    fn the_openai_sdk_sends_exactly_the_stored_key(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let upstream = Upstream::start(&sandbox);
        let outcome = app(&sandbox, mode).set("OPENAI_BASE_URL", upstream.url()).run();
        assert_answered(&outcome);
        // An inherited URL takes the key elsewhere: said each time, by name and host.
        outcome.assert_stderr_has("withkey: warning: ").assert_stderr_has("OPENAI_BASE_URL").assert_stderr_has("127.0.0.1");
        upstream.assert_got(KEY);
    }

    fn the_key_of_the_binding_wins_over_an_inherited_one(mode: Mode) {
        let sandbox = Sandbox::new();
        sandbox.add("work", KEY);
        sandbox.bind("work", sandbox.project());
        let upstream = Upstream::start(&sandbox);
        let start = app(&sandbox, mode).set("OPENAI_API_KEY", OTHER_KEY).set("OPENAI_BASE_URL", upstream.url());
        assert_answered(&start.run());
        upstream.assert_got(KEY);
    }

    fn a_url_that_the_description_sets_takes_the_sdk_there_without_a_word(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let upstream = Upstream::start(&sandbox);
        let description = sandbox.configuration("profiles/default.toml");
        let text = fs::read_to_string(&description).unwrap();
        fs::write(&description, format!("{text}\n[set]\nOPENAI_BASE_URL = \"{}\"\n", upstream.url())).unwrap();
        let outcome = app(&sandbox, mode).run();
        assert_answered(&outcome);
        outcome.assert_stderr("");
        upstream.assert_got(KEY);
    }
}

/// Else the tests above would pass without withkey.
#[test]
fn without_withkey_the_sdk_has_no_key() {
    let sandbox = Sandbox::with_key();
    let upstream = Upstream::start(&sandbox);
    let start = sandbox.directly([python(), source("app.py")]).set("OPENAI_BASE_URL", upstream.url());
    start.run().assert_exit(1).assert_stderr_has("OPENAI_API_KEY");
    assert_eq!(upstream.server.output().lines().count(), 1, "something was sent");
}
