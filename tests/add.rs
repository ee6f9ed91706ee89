//! `withkey add` as people type it.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/refusal.rs"]
mod refusal;
#[path = "common/session.rs"]
mod session;

use std::fs;

use common::{KEY, Sandbox};
use refusal::{Tree, assert_refused};
use session::{assert_no_key_in_files, session};

#[test]
fn a_key_is_stored_once_and_used_from_then_on() {
    session(
        &Sandbox::new(),
        "
        $ echo $KEY | withkey add
        withkey: made your identity, ~/.local/share/withkey/identity.txt: back it up, nothing else opens your dotfiles
        withkey: stored OPENAI_API_KEY (sk-…ghij) in profile default, store dotfile
        $ withkey printenv OPENAI_API_KEY
        $KEY
        $ echo $OTHER_KEY | withkey add work --use
        withkey: stored OPENAI_API_KEY (sk-…tsrq) in profile work, store dotfile
        withkey: /sandbox/project uses profile work now
        $ withkey printenv OPENAI_API_KEY; cd / && withkey printenv OPENAI_API_KEY
        $OTHER_KEY
        $KEY
        $ echo ${OPENAI_API_KEY-the shell has none}
        the shell has none
    ",
    );
}

#[test]
fn several_variables_take_one_line_each() {
    session(&Sandbox::new(), "
        $ printf '%s\\n' $KEY $OTHER_KEY | withkey add work OPENAI_API_KEY GEMINI_API_KEY 2>&1 | grep -v identity
        on standard output: withkey: warning: GEMINI_API_KEY: a key that begins with sk- looks like one of OpenAI or DeepSeek, not Gemini; it is stored all the same
        on standard output: withkey: stored OPENAI_API_KEY (sk-…ghij) in profile work, store dotfile
        on standard output: withkey: stored GEMINI_API_KEY (sk-…tsrq) in profile work, store dotfile
        $ withkey -p work printenv OPENAI_API_KEY GEMINI_API_KEY
        $KEY
        $OTHER_KEY
        $ echo $OTHER_KEY | withkey add work LLM_KEY; withkey -p work printenv GEMINI_API_KEY LLM_KEY
        $OTHER_KEY
        $OTHER_KEY
        withkey: stored LLM_KEY (sk-…tsrq) in profile work, store dotfile
    ");
}

#[test]
fn another_number_of_lines_stores_nothing() {
    let sandbox = Sandbox::with_key();
    let before = Tree::of(&sandbox);
    session(
        &sandbox,
        "
        $ echo $KEY | withkey add work OPENAI_API_KEY GEMINI_API_KEY
        withkey: error: nothing stored: 1 line for 2 variables
        withkey: cause: standard input gives one key a line, for OPENAI_API_KEY, GEMINI_API_KEY
        [1]
        $ printf '%s\\n' $KEY $OTHER_KEY | withkey add work
        withkey: error: nothing stored: 2 lines for 1 variable
        withkey: cause: standard input gives one key a line, for OPENAI_API_KEY
        [1]
        $ printf '%s\\n' $KEY '' $OTHER_KEY | withkey add work OPENAI_API_KEY GEMINI_API_KEY
        withkey: error: nothing stored: 3 lines for 2 variables
        withkey: cause: standard input gives one key a line, for OPENAI_API_KEY, GEMINI_API_KEY
        [1]
        $ withkey add work < /dev/null
        withkey: error: nothing stored: 0 lines for 1 variable
        withkey: cause: standard input gives one key a line, for OPENAI_API_KEY
        [1]
        $ printf '%s\\n' $KEY sk-short | withkey add work OPENAI_API_KEY DEEPSEEK_API_KEY
        withkey: error: not stored: the value for DEEPSEEK_API_KEY cannot be a key
        withkey: cause: it is under 20 bytes
        withkey: hint: copy the whole key; the provider's page shows it once
        [1]
    ",
    );
    before.assert_unchanged("add", &sandbox);
}

#[test]
fn the_first_word_may_be_a_variable_of_default() {
    session(
        &Sandbox::with_key(),
        "
        $ echo $OTHER_KEY | withkey add LLM_KEY
        withkey: stored LLM_KEY (sk-…tsrq) in profile default, store dotfile
        $ withkey printenv OPENAI_API_KEY LLM_KEY
        $KEY
        $OTHER_KEY
        $ echo $KEY | withkey add llm_key
        withkey: stored OPENAI_API_KEY (sk-…ghij) in profile llm_key, store dotfile
        $ echo $KEY | withkey add Not-A-Profile
        withkey: error: not a profile name: Not-A-Profile
        withkey: cause: a profile name is 1 to 64 of a-z 0-9 . _ - and begins with a letter or a digit
        [2]
        $ echo $KEY | withkey add work PATH
        withkey: error: withkey does not inject PATH
        withkey: cause: it would redirect programs or change what they run; no dotfile may set it
        [2]
        $ echo $KEY | withkey add work A A
        withkey: error: A is named twice
        withkey: hint: withkey add --help
        [2]
    ",
    );
}

#[test]
fn a_stored_key_is_replaced_only_when_asked() {
    let sandbox = Sandbox::with_key();
    let before = Tree::of(&sandbox);
    session(
        &sandbox,
        "
        $ echo $OTHER_KEY | withkey add
        withkey: error: profile default has a key for OPENAI_API_KEY already
        withkey: cause: a stored key is not overwritten unasked
        withkey: hint: withkey rotate default OPENAI_API_KEY (with a way back), or withkey add default OPENAI_API_KEY --replace
        [1]
    ",
    );
    before.assert_unchanged("add", &sandbox);
    session(
        &sandbox,
        "
        $ echo $OTHER_KEY | withkey add default OPENAI_API_KEY --replace
        withkey: stored OPENAI_API_KEY (sk-…tsrq) in profile default, store dotfile
        $ withkey printenv OPENAI_API_KEY; ls -A ~/.config/withkey/profiles
        $OTHER_KEY
        default.age
        default.toml
    ",
    );
}

#[test]
fn dates_are_kept_and_shown() {
    session(
        &Sandbox::new(),
        "
        $ echo $KEY | withkey add --created 2026-11-01 --expires 2099-01-31 2>/dev/null; withkey list
        default (dotfile, the default)
          OPENAI_API_KEY  sk-…ghij  added TODAY  created 2026-11-01  expires 2099-01-31
        $ echo $KEY | withkey add soon --expires 0d 2>/dev/null; withkey list | tail -n 1
          OPENAI_API_KEY  sk-…ghij  added TODAY  expires TODAY
        $ echo $KEY | withkey add never --expires 2027-02-30
        withkey: error: not a date: 2027-02-30
        withkey: cause: a date is YYYY-MM-DD, or a number of days such as 90d
        [2]
        $ echo $KEY | withkey add never --created 90d
        withkey: error: not a date: 90d
        withkey: cause: a date is YYYY-MM-DD, or a number of days such as 90d
        [2]
        $ echo $KEY | withkey add never --expires=-1d; withkey list | grep never
        withkey: error: not a date: -1d
        withkey: cause: a date is YYYY-MM-DD, or a number of days such as 90d
        [1]
    ",
    );
}

#[test]
fn a_profile_has_the_store_that_there_is() {
    session(
        &Sandbox::new(),
        "
        $ echo $KEY | withkey add --store dotfile 2>/dev/null; withkey printenv OPENAI_API_KEY
        $KEY
        $ echo $KEY | withkey add default LLM_KEY --store keychain
        withkey: error: profile default is kept in the store dotfile
        withkey: cause: a profile has one store
        withkey: hint: leave out --store, or move the profile first: withkey move default STORE
        [1]
        $ echo $KEY | withkey add work --store keychain
        withkey: error: the keychain is not available
        withkey: cause: no session bus answers here
        withkey: hint: run the line in your desktop session, or keep keys in a dotfile: withkey add PROFILE --store dotfile
        [1]
        $ echo $KEY | withkey add work --store cloud
        withkey: error: cloud is no value for --store <STORE>
        withkey: hint: withkey add --help
        [2]
    ",
    );
}

#[test]
fn the_variables_of_a_clear_file_move_in() {
    let sandbox = Sandbox::with_key();
    let text = format!(
        "\u{feff}# clear\r\nexport LLM_KEY=\"{KEY}\" # mine\r\nDEBUG=1\r\n\r\nMY_SECRET='a $HOME # \\t b'\r\nOPENAI_API_KEY={KEY}\r\n"
    );
    sandbox.file("project/.env", &text, 0o644);
    session(
        &sandbox,
        "
        $ withkey add moved LLM_KEY MY_SECRET --from .env
        withkey: stored LLM_KEY (sk-…ghij) in profile moved, store dotfile
        withkey: stored MY_SECRET (…) in profile moved, store dotfile
        withkey: hint: the clear copy should go now: delete LLM_KEY, MY_SECRET from .env
        $ withkey -p moved printenv LLM_KEY MY_SECRET OPENAI_API_KEY
        $KEY
        a $HOME # \\t b
        [1]
        $ withkey add usual --from ./.env
        withkey: stored OPENAI_API_KEY (sk-…ghij) in profile usual, store dotfile
        withkey: hint: the clear copy should go now: delete OPENAI_API_KEY from ./.env
        $ withkey add piped --from /dev/stdin < .env; withkey -p piped printenv OPENAI_API_KEY
        $KEY
        withkey: stored OPENAI_API_KEY (sk-…ghij) in profile piped, store dotfile
        withkey: hint: the clear copy should go now: delete OPENAI_API_KEY from /dev/stdin
    ",
    );
    assert_eq!(fs::read_to_string(sandbox.path("project/.env")).unwrap(), text, "the clear file was touched");
}

#[test]
fn what_a_clear_file_does_not_say_plainly_is_refused_by_line_and_name() {
    let sandbox = Sandbox::with_key();
    for (line, part) in [
        ("OPENAI_API_KEY=sk-$HOME-0123456789abcdef", "line 2 of .env (OPENAI_API_KEY)"),
        ("OPENAI_API_KEY=\"sk-${X}-0123456789abcdef\"", "line 2 of .env (OPENAI_API_KEY)"),
        ("OPENAI_API_KEY=sk-test\\n0123456789abcdef", "line 2 of .env (OPENAI_API_KEY)"),
        ("OPENAI_API_KEY=sk-test#0123456789abcdef", "line 2 of .env (OPENAI_API_KEY)"),
        ("OPENAI_API_KEY=#sk-test-0123456789abcdef", "line 2 of .env (OPENAI_API_KEY)"),
        ("OPENAI_API_KEY='sk-test-0123456789abcdef", "line 2 of .env (OPENAI_API_KEY)"),
        ("OPENAI_API_KEY=\"sk-test-0123456789abcdef", "line 2 of .env (OPENAI_API_KEY)"),
        ("OPENAI_API_KEY=sk-test 0123456789abcdef", "line 2 of .env (OPENAI_API_KEY)"),
        ("OPENAI_API_KEY=a\nOPENAI_API_KEY=sk-test-0123456789abcdef", "line 3 of .env (OPENAI_API_KEY)"),
        ("OPENAI_API_KEY", "line 2 of .env (no name)"),
        ("sk-test-0123456789abcdefghij", "line 2 of .env (no name)"),
        ("# nothing", ".env holds no OPENAI_API_KEY"),
        ("OPENAI_API_KEY=", "the value for OPENAI_API_KEY cannot be a key"),
        ("OPENAI_API_KEY=sk-short", "the value for OPENAI_API_KEY cannot be a key"),
    ] {
        sandbox.file("project/.env", format!("# one\n{line}\n"), 0o600);
        let before = Tree::of(&sandbox);
        let outcome = sandbox.withkey(["add", "moved", "--from", ".env"]).run();
        assert_refused(&outcome, 1, part);
        assert!(!outcome.stderr().contains("0123456789"), "{}", outcome.stderr());
        before.assert_unchanged(line, &sandbox);
    }
    let refused =
        |file: &str, part: &str| assert_refused(&sandbox.withkey(["add", "moved", "--from", file]).run(), 1, part);
    refused("missing", "cannot read missing");
    fs::create_dir(sandbox.path("project/folder")).unwrap();
    refused("folder", "cannot use folder");
    let sparse = fs::File::create(sandbox.path("project/large")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    refused("large", "large is too large");
}

/// A `.env` of a real project has lines that no key comes from.
#[test]
fn a_line_beside_the_one_that_is_wanted_does_not_stop_it() {
    let sandbox = Sandbox::with_key();
    sandbox.file("project/.env", format!("DATABASE_URL=postgres://$USER@localhost/db\nOPENAI_API_KEY={KEY}\n"), 0o600);
    let outcome = sandbox.withkey(["add", "moved", "--from", ".env"]).run();
    outcome
        .assert_exit(0)
        .assert_stderr_has("withkey: stored OPENAI_API_KEY (sk-…ghij) in profile moved, store dotfile\n");
}

#[test]
fn comments_and_what_was_set_by_hand_survive() {
    let sandbox = Sandbox::with_key();
    let file = sandbox.configuration("profiles/default.toml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text
        .replace("version = 1", "# mine\nversion = 1 # one")
        .replace("[variables.", "allow_endpoint = [\"gw.example\"] # ours\n\n# plain\n[set]\nOPENAI_ORG_ID = \"org-1\" # o\n\n# the project's key\n[variables.")
        + "\n# the end\n";
    fs::write(&file, text).unwrap();
    sandbox.withkey(["add", "default", "LLM_KEY"]).input(KEY).run().assert_exit(0);
    sandbox.withkey(["add", "--replace"]).input(KEY).run().assert_exit(0);
    sandbox.withkey(["remove", "default", "LLM_KEY", "--yes"]).run().assert_exit(0);
    let text = fs::read_to_string(&file).unwrap();
    for kept in [
        "# mine\n",
        "version = 1 # one",
        "[\"gw.example\"] # ours",
        "# plain\n[set]",
        "\"org-1\" # o",
        "# the project's key\n[var",
        "# the end",
    ] {
        assert!(text.contains(kept), "{kept:?} is gone:\n{text}");
    }
}

#[test]
fn nothing_below_the_home_holds_a_key_in_clear() {
    let sandbox = Sandbox::with_key();
    sandbox.add_variables("work", &[("OPENAI_API_KEY", KEY), ("MY_SECRET", KEY)]);
    sandbox.withkey(["remove", "work", "MY_SECRET", "--yes"]).run().assert_exit(0);
    assert_no_key_in_files(&sandbox.home());
    for (folder, mode) in [
        (".config/withkey", "drwx------"),
        (".config/withkey/profiles", "drwx------"),
        (".local/share/withkey", "drwx------"),
    ] {
        let listed = sandbox.directly(["/bin/ls", "-ld", sandbox.home().join(folder).to_str().unwrap()]).run().stdout();
        assert!(listed.starts_with(mode), "{listed}");
    }
    let listed =
        sandbox.directly(["/usr/bin/find", sandbox.home().to_str().unwrap(), "-type", "f", "!", "-perm", "0600"]).run();
    listed.assert_stdout("");
}

#[test]
fn a_wide_umask_opens_nothing_to_others() {
    let sandbox = Sandbox::new();
    sandbox.withkey(["add", "--use"]).input(KEY).umask(0).run().assert_exit(0);
    sandbox
        .directly(["/usr/bin/find", sandbox.path("home/.config").to_str().unwrap(), "-perm", "/077"])
        .run()
        .assert_stdout("");
    sandbox
        .directly(["/usr/bin/find", sandbox.path("home/.local").to_str().unwrap(), "-perm", "/077"])
        .run()
        .assert_stdout("");
}
