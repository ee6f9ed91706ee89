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
            hash: None,
            added: Some("2026-11-23T10:00:00Z".parse().unwrap()),
            created: None,
            expires: Some("2027-01-31".parse().unwrap()),
            helper: vec!["/usr/bin/gopass".to_owned(), "it's".to_owned()],
        })
        .unwrap();
    description.belong_to("sha256:00".to_owned()).unwrap();
    let written = description.text.clone();
    assert!(written.starts_with("# mine\nversion = 1\nstore = \"dotfile\" # here\n"), "{written}");
    let again = parse(&written).unwrap();
    assert_eq!(again.variables.len(), 1);
    assert_eq!(again.variables.first().unwrap().helper, ["/usr/bin/gopass", "it's"]);
    assert_eq!(again.data.as_deref(), Some("sha256:00"));
    assert_eq!(again.set.len(), 1);
}

#[test]
fn a_previous_key_is_read_the_short_way_and_goes_without_a_trace() {
    let key = |name: &str| Described {
        variable: name.parse().unwrap(),
        masked: "sk-…abcd".to_owned(),
        added: Some("2026-11-23T10:00:00Z".parse().unwrap()),
        ..Described::of("X".parse().unwrap())
    };
    let mut description = Description::new(StoreKind::Dotfile);
    description.describe(key("OPENAI_API_KEY")).unwrap();
    let before = description.text.clone();
    description.describe_previous(key("OPENAI_API_KEY")).unwrap();
    description.describe(key("HF_TOKEN")).unwrap();
    assert!(plain::read(&description.text).is_some(), "{}", description.text);
    let again = parse(&description.text).unwrap();
    assert_eq!((again.variables.len(), again.previous.len()), (2, 1));
    let kept: Vec<_> = again.kept().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(kept, ["OPENAI_API_KEY", "HF_TOKEN", "WITHKEY_PREVIOUS_OPENAI_API_KEY"]);
    description.forget_previous(&"OPENAI_API_KEY".parse().unwrap()).unwrap();
    description.forget(&"HF_TOKEN".parse().unwrap()).unwrap();
    assert_eq!(description.text, before);
}

#[test]
fn what_is_known_after_a_change_is_what_is_read_again() {
    let key = |name: &str, masked: &str| Described {
        masked: masked.to_owned(),
        created: Some("2026-11-01".parse().unwrap()),
        ..Described::of(name.parse().unwrap())
    };
    let name = |name: &str| name.parse::<Variable>().unwrap();
    let masks = |keys: &[Described]| keys.iter().map(|key| key.masked.clone()).collect::<Vec<_>>();
    let mut description = Description::new(StoreKind::Dotfile);
    let mut change = |change: &dyn Fn(&mut Description) -> Result<(), Error>| {
        change(&mut description).unwrap();
        assert_eq!(format!("{description:?}"), format!("{:?}", parse(&description.text).unwrap()));
        let Description { store, leaving, .. } = description;
        (store, leaving, masks(&description.variables), masks(&description.previous))
    };
    for (variable, masked) in [("A", "a"), ("B", "b"), ("A", "c")] {
        change(&|description| description.describe(key(variable, masked)));
        change(&|description| description.describe_previous(key(variable, masked)));
    }
    let (.., variables, previous) = change(&|description| description.belong_to("sha256:00".to_owned()));
    assert_eq!((variables.as_slice(), previous), (&["c".to_owned(), "b".to_owned()][..], variables.clone()));
    let (store, leaving, ..) = change(&|description| description.move_to(StoreKind::Keychain));
    assert_eq!((store, leaving), (StoreKind::Keychain, Some(StoreKind::Dotfile)));
    assert_eq!(change(&Description::have_left).1, None);
    let (.., variables, previous) = change(&|description| description.forget_previous(&name("B")));
    assert_eq!((variables.len(), previous.as_slice()), (2, &["c".to_owned()][..]));
    let (.., variables, previous) = change(&|description| description.forget(&name("A")));
    assert_eq!((variables.as_slice(), previous.len()), (&["b".to_owned()][..], 0));
}

#[test]
fn each_key_is_known_under_its_own_variable() {
    let text = "version = 1\nstore = \"dotfile\"\n[variables.A]\nmasked = \"a\"\n[variables.B]\nmasked = \"b\"\n\
        [previous.B]\nmasked = \"c\"\n";
    let description = parse(text).unwrap();
    let name = |name: &str| name.parse::<Variable>().unwrap();
    let current = |variable: &str| description.variable(&name(variable)).map(|key| key.masked.as_str());
    let previous = |variable: &str| description.previous(&name(variable)).map(|key| key.masked.as_str());
    assert_eq!(["A", "B", "C"].map(current), [Some("a"), Some("b"), None]);
    assert_eq!(["A", "B", "C"].map(previous), [None, Some("c"), None]);
}

#[test]
fn a_description_may_be_long_and_not_endless() {
    let place = tempfile::tempdir().unwrap();
    let folders =
        Folders { config: place.path().join("c"), data: place.path().join("d"), state: place.path().join("s") };
    let name = ProfileName::usual();
    let mut description = Description::new(StoreKind::Dotfile);
    for (size, fits) in [(512 * 1024, true), (1024 * 1024, false)] {
        description.text = format!("version = 1\nstore = \"dotfile\"\n#{}", "x".repeat(size));
        description.write(&folders, &name).unwrap();
        assert_eq!(Description::read(&folders, &name).is_ok(), fits);
    }
}

#[test]
fn what_stands_where_the_profiles_should_is_an_error_and_not_waited_for() {
    let place = tempfile::tempdir().unwrap();
    let folders = Folders { config: place.path().to_owned(), data: PathBuf::new(), state: PathBuf::new() };
    assert_eq!(names(&folders).unwrap().len(), 0);
    // Opened as a file is, it would wait for a writer.
    nix::unistd::mkfifo(&folders.profiles(), Mode::S_IRWXU).unwrap();
    assert!(names(&folders).is_err());
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
        ("version = 1\nstore = \"dotfile\"\n[set]\nWITHKEY_PROFILE = \"x\"", "WITHKEY_PROFILE"),
        ("version = 1\nstore = \"dotfile\"\n[set]\nX = \"a\\u0000b\"", "cannot hold X"),
        ("version = 1\nstore = [", "line 2"),
        ("version = 1\nstore = \"helper\"\n[variables.X]\nhelper = [\"gopass\"]", "`helper` of X"),
        ("version = 1\nstore = \"helper\"\n[variables.X]\nhelper = []", "`helper` of X"),
        ("version = 1\nstore = \"helper\"\n[variables.X]\nhelper = \"/bin/x\"", "`helper` is not a list"),
    ] {
        let why = parse(text).unwrap_err();
        assert!(why.contains(word), "{text:?}: {why}");
    }
    assert!(parse("version = 2\nfuture = true").unwrap_err().contains("version 2"));
}
