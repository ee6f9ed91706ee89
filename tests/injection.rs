//! What COMMAND's environment gains and loses: `-e`, `--drop-other-keys`, the profile `inherit`, and the warnings about
//! inherited variables that would carry the key elsewhere.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use std::fs;

use common::{KEY, OTHER_KEY, Pty, Sandbox};
use refusal::assert_refused;
use session::{assert_no_key, session, shell};

/// `work` holds two keys.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_key();
    sandbox.add_variables("work", &[("OPENAI_API_KEY", KEY), ("GEMINI_API_KEY", OTHER_KEY)]);
    sandbox
}

/// Adds lines to the description of `default`, as a person does by hand.
fn describe(sandbox: &Sandbox, lines: &str) {
    let file = sandbox.configuration("profiles/default.toml");
    let text = fs::read_to_string(&file).unwrap();
    let (head, rest) = text.split_once("\n[").unwrap();
    fs::write(&file, format!("{head}\n{lines}\n[{rest}")).unwrap();
}

#[test]
fn dry_run_tells_what_would_be_added_replaced_and_dropped() {
    session(
        &sandbox(),
        r#"
        $ withkey -p work -n true
        program: /usr/bin/true
        profile: work
        source: option (-p)
        store: dotfile
        added: OPENAI_API_KEY, GEMINI_API_KEY
        $ OPENAI_API_KEY=x HF_TOKEN=y withkey -p work --drop-other-keys -n true
        program: /usr/bin/true
        profile: work
        source: option (-p)
        store: dotfile
        added: GEMINI_API_KEY
        replaced: OPENAI_API_KEY
        dropped: HF_TOKEN
        $ OPENAI_API_KEY=x HF_TOKEN=y withkey -p work --drop-other-keys -n --json true
        {
          "version": 1,
          "program": "/usr/bin/true",
          "profile": "work",
          "source": {
            "kind": "option"
          },
          "store": "dotfile",
          "added": [
            "GEMINI_API_KEY"
          ],
          "replaced": [
            "OPENAI_API_KEY"
          ],
          "dropped": [
            "HF_TOKEN"
          ],
          "names_known": true
        }
        $ HF_TOKEN=y withkey -v -p work --drop-other-keys sh -c 'echo "${HF_TOKEN-gone}"'
        gone
        withkey: program: /usr/bin/sh
        withkey: profile: work
        withkey: source: option (-p)
        withkey: store: dotfile
        withkey: added: OPENAI_API_KEY, GEMINI_API_KEY
        withkey: dropped: HF_TOKEN
    "#,
    );
}

#[test]
fn e_injects_only_what_it_names() {
    session(
        &sandbox(),
        r#"
        $ withkey -p work -e GEMINI_API_KEY sh -c 'printenv GEMINI_API_KEY; echo "${OPENAI_API_KEY-unset}"'
        $OTHER_KEY
        unset
        $ withkey -p work -e LLM_KEY=OPENAI_API_KEY sh -c 'printenv LLM_KEY; echo "${OPENAI_API_KEY-unset}"'
        $KEY
        unset
        $ withkey -p work -e A=OPENAI_API_KEY -e B=OPENAI_API_KEY --env GEMINI_API_KEY printenv A B GEMINI_API_KEY
        $KEY
        $KEY
        $OTHER_KEY
        $ withkey -p work -e OPENAI_API_KEY=GEMINI_API_KEY -e GEMINI_API_KEY=OPENAI_API_KEY printenv OPENAI_API_KEY GEMINI_API_KEY
        $OTHER_KEY
        $KEY
        $ OPENAI_API_KEY=mine withkey -p work -e GEMINI_API_KEY printenv OPENAI_API_KEY
        mine
    "#,
    );
}

#[test]
fn e_refuses_what_the_profile_lacks_what_collides_and_what_redirects() {
    let sandbox = sandbox();
    let refused = |words: &[&str], part: &str| {
        for dry in [&[][..], &["-n"]] {
            let outcome = sandbox.withkey(["-p", "work"]).args(dry).args(words).args(["touch", "started"]).run();
            assert_refused(&outcome, 125, part);
            assert!(!sandbox.project().join("started").exists(), "{words:?}: COMMAND was started");
        }
    };
    refused(&["-e", "HF_TOKEN"], "withkey: error: profile work has no key for HF_TOKEN");
    refused(&["-e", "OPENAI_API_KEY=HF_TOKEN"], "withkey: error: profile work has no key for HF_TOKEN");
    refused(&["-e", "A=OPENAI_API_KEY", "-e", "A=GEMINI_API_KEY"], "withkey: error: two keys for A");
    refused(&["-e", "OPENAI_API_KEY", "-e", "OPENAI_API_KEY"], "withkey: error: two keys for OPENAI_API_KEY");
    for name in [
        "PATH",
        "LD_PRELOAD",
        "DYLD_INSERT_LIBRARIES",
        "NODE_OPTIONS",
        "PYTHONPATH",
        "BASH_ENV",
        "GIT_SSH_COMMAND",
        "OPENAI_BASE_URL",
        "HTTPS_PROXY",
        "https_proxy",
        "WITHKEY_PROFILE",
        "HOME",
    ] {
        refused(&["-e", &format!("{name}=OPENAI_API_KEY")], &format!("withkey: error: withkey does not inject {name}"));
    }
    for form in ["", "=", "A=", "=OPENAI_API_KEY", "1A=OPENAI_API_KEY", "A B=OPENAI_API_KEY", "A=OPENAI_API_KEY=B"] {
        refused(&["-e", form], "withkey: error: withkey does not inject ");
    }
}

#[test]
fn drop_other_keys_leaves_out_every_key_of_the_table_that_is_not_injected() {
    let sandbox = sandbox();
    let all = [
        "OPENAI_API_KEY",
        "OPENAI_ADMIN_KEY",
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "GROQ_API_KEY",
        "OPENROUTER_API_KEY",
        "MISTRAL_API_KEY",
        "XAI_API_KEY",
        "DEEPSEEK_API_KEY",
        "HF_TOKEN",
    ];
    let kept = ["OPENAI_ORG_ID", "ANTHROPIC_BASE_URL", "MY_API_KEY", "OPENAI_API_KEY_2"];
    let seen = |options: &[&str]| {
        let start = sandbox.withkey(options).args(["sh", "-c", "export -p"]);
        let start = all.iter().chain(&kept).fold(start, |start, name| start.set(name, "inherited"));
        let stdout = start.run().stdout();
        let names = all.iter().chain(&kept).filter(|name| stdout.contains(&format!(" {name}=")));
        names
            .map(|name| {
                if stdout.contains(&format!(" {name}='inherited'")) {
                    format!("{name} inherited")
                } else {
                    (*name).to_owned()
                }
            })
            .collect::<Vec<_>>()
    };
    let inherited = kept.map(|name| format!("{name} inherited"));
    assert_eq!(seen(&["--drop-other-keys"]), [&["OPENAI_API_KEY".to_owned()][..], &inherited].concat());
    assert_eq!(seen(&[]).len(), all.len() + kept.len());
    assert_eq!(
        seen(&["-p", "inherit", "--drop-other-keys"]),
        [&["OPENAI_API_KEY inherited".to_owned()][..], &inherited].concat()
    );
}

#[test]
fn inherit_injects_nothing_and_demands_the_key() {
    session(
        &Sandbox::new(),
        r#"
        $ OPENAI_API_KEY=brought withkey -p inherit printenv OPENAI_API_KEY
        brought
        $ OPENAI_API_KEY=brought WITHKEY_PROFILE=inherit withkey -n true
        program: /usr/bin/true
        profile: inherit
        source: environment (WITHKEY_PROFILE)
        $ unset HOME; OPENAI_API_KEY=brought withkey -p inherit printenv OPENAI_API_KEY
        brought
        $ WITHKEY_PROFILE=inherit withkey touch started
        withkey: error: the profile inherit found no key
        withkey: cause: OPENAI_API_KEY is not set in the environment
        withkey: hint: set it there, or choose a profile: withkey -p PROFILE COMMAND
        [125]
        $ OPENAI_API_KEY= withkey -p inherit touch started 2>&1 | head -n 1; ls
        on standard output: withkey: error: the profile inherit found no key
        $ OPENAI_API_KEY=brought withkey -p inherit -e OPENAI_API_KEY true
        withkey: error: the profile inherit injects nothing
        withkey: cause: -e needs a profile that has keys
        withkey: hint: leave out -e, or choose a profile: withkey -p PROFILE -e NAME COMMAND
        [125]
        $ echo $KEY | withkey add inherit
        withkey: error: the profile name inherit is reserved
        withkey: cause: inherit stands for the key that the environment already has
        withkey: hint: choose another name
        [1]
        $ withkey use inherit; OPENAI_API_KEY=brought withkey printenv OPENAI_API_KEY
        brought
        withkey: /sandbox/project uses profile inherit now
    "#,
    );
}

#[test]
fn plain_variables_of_the_description_are_injected_too() {
    let sandbox = Sandbox::with_key();
    describe(&sandbox, "[set]\nOPENAI_ORG_ID = \"org-1\"\nOPENAI_BASE_URL = \"https://gw.example/v1\"\n");
    session(
        &sandbox,
        "
        $ OPENAI_BASE_URL=https://other.example withkey printenv OPENAI_API_KEY OPENAI_ORG_ID OPENAI_BASE_URL
        $KEY
        org-1
        https://gw.example/v1
    ",
    );
}

#[test]
fn an_inherited_address_that_leads_away_is_told_always() {
    let sandbox = Sandbox::with_key();
    let warning = |name: &str, host: &str| {
        format!(
            "withkey: warning: {name} is inherited and sends OPENAI_API_KEY to {host}; if that is right, allow_endpoint in the description says so\n"
        )
    };
    for (url, host) in [
        ("https://gw.example/v1", "gw.example"),
        ("http://gw.example:8080", "gw.example"),
        ("https://user:hunter2-secret@gw.example/v1?token=hunter2", "gw.example"),
        ("https://api.openai.com@gw.example/v1", "gw.example"),
        ("https://api.openai.com.gw.example/v1", "api.openai.com.gw.example"),
        ("http://127.0.0.1:9/", "127.0.0.1"),
        ("http://[::1]:8080/", "::1"),
        ("gw.example", "gw.example"),
        ("https:///v1", "an address withkey cannot read"),
        ("https://gw\u{1b}[2J.example/", "gw\\u{1b}[2J.example"),
    ] {
        for name in ["OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_PROXY"] {
            let outcome = sandbox.withkey(["true"]).set(name, url).run();
            outcome.assert_exit(0).assert_stdout("").assert_stderr(&warning(name, host));
            assert!(!outcome.stderr().contains("hunter2"));
        }
    }
    for url in ["https://api.openai.com/v1", "https://api.openai.com", ""] {
        sandbox.withkey(["true"]).set("OPENAI_BASE_URL", url).run().assert_exit(0).assert_stderr("");
    }
}

/// To httpx, which the OpenAI SDK uses, all before the `@` is user information; to a browser the backslash ends the host.
#[test]
fn an_address_that_clients_read_in_two_ways_is_told() {
    let sandbox = Sandbox::with_key();
    let outcome = sandbox.withkey(["true"]).set("OPENAI_BASE_URL", "https://api.openai.com\\@gw.example/v1").run();
    outcome.assert_exit(0).assert_stderr_has("withkey: warning: OPENAI_BASE_URL is inherited");
}

#[test]
fn set_and_allow_endpoint_silence_the_warning() {
    let launch = |lines: &str| {
        let sandbox = Sandbox::with_key();
        describe(&sandbox, lines);
        sandbox.withkey(["true"]).set("OPENAI_BASE_URL", "https://gw.example/v1").run()
    };
    launch("allow_endpoint = [\"gw.example\"]").assert_exit(0).assert_stderr("");
    launch("[set]\nOPENAI_BASE_URL = \"https://gw.example\"\n").assert_exit(0).assert_stderr("");
    launch("allow_endpoint = [\"other.example\"]").assert_stderr_has("sends OPENAI_API_KEY to gw.example");
    // Only what carries this key is spoken of.
    let sandbox = sandbox();
    let other =
        sandbox.withkey(["-p", "work", "-e", "GEMINI_API_KEY", "true"]).set("OPENAI_BASE_URL", "https://gw.example");
    other.run().assert_exit(0).assert_stderr("");
}

#[test]
fn an_inherited_key_that_beats_the_injected_one_is_told() {
    let sandbox = sandbox();
    let launch =
        |words: &[&str]| sandbox.withkey(["-p", "work"]).args(words).args(["true"]).set("GOOGLE_API_KEY", "x").run();
    let warning = "withkey: warning: GOOGLE_API_KEY is inherited and is used in place of GEMINI_API_KEY; to leave it out: --drop-other-keys\n";
    launch(&[]).assert_exit(0).assert_stderr(warning);
    launch(&["--drop-other-keys"]).assert_exit(0).assert_stderr("");
    launch(&["-e", "OPENAI_API_KEY"]).assert_exit(0).assert_stderr("");
}

#[test]
fn a_different_value_that_is_replaced_is_told_on_a_terminal_only() {
    let sandbox = Sandbox::with_key();
    let warning = "withkey: warning: OPENAI_API_KEY has another value here; the key of profile default is used";
    let on_terminal = |value: &str| {
        let pty = Pty::open();
        let launch = sandbox.withkey(["echo", "done"]).set("OPENAI_API_KEY", value);
        let running = pty.attach(launch).start();
        pty.wait_for("done\r\n");
        running.outcome().assert_exit(0);
        pty.text()
    };
    assert_eq!(on_terminal(OTHER_KEY), format!("{warning}\r\ndone\r\n"));
    assert_eq!(on_terminal(KEY), "done\r\n");
    assert_eq!(on_terminal(""), "done\r\n");
    let elsewhere = sandbox.withkey(["true"]).set("OPENAI_API_KEY", OTHER_KEY).run();
    elsewhere.assert_exit(0).assert_stdout("").assert_stderr("");
}

#[test]
fn verbose_shows_names_and_no_key() {
    let sandbox = sandbox();
    let outcome = shell(&sandbox, "OPENAI_API_KEY=$OTHER_KEY withkey -v -p work true").run();
    outcome.assert_exit(0).assert_stdout("").assert_stderr_has("withkey: replaced: OPENAI_API_KEY");
    assert_no_key("standard error", &outcome.stderr);
}
