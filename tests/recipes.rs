//! The README's section "Recipes", line by line and file by file: what runs here is the README's own text.
//!
//! Put in for what a reader puts in: `…` (a command, the rest of a recipient), and `my-image`, `host`, `app`, `op`, `node`
//! and `claude`, which are made here. Everything else is the real program: cron's daemon, systemd, sshd, podman (by the
//! name of docker), sudo, vim, git, age.
#![allow(unsafe_code, reason = "odd states are made by system calls")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/project.rs"]
mod project;
#[path = "common/protected.rs"]
mod protected;
#[path = "common/session.rs"]
mod session;
#[path = "common/stage.rs"]
mod stage;
#[path = "common/terminal.rs"]
mod terminal;
#[cfg(feature = "online")]
#[path = "common/upstream.rs"]
mod upstream;

use std::fs;

use common::{KEY, OTHER_KEY, Outcome, Pty, Sandbox};
use project::{newcomer, recipient, seal, seal_to};
use session::{assert_no_key_shown, shell};
use stage::{local_program, on_stage, staged};

const README: &str = include_str!("../README.md");

/// The table's rows that a test below types, and the files and lines that stand under these headings.
const ROWS: [&str; 16] = [
    "a key per client",
    "a key per repository, its folders and worktrees",
    "several keys in one profile",
    "to leave `.env` behind",
    "a key under another name",
    "a key from another tool",
    "to know whether all keys work",
    "a time limit",
    "to see the key",
    "a job with nobody to ask",
    "under sudo",
    "a second machine, a recovery key",
    "an SSH key as identity",
    "a key that another machine keeps",
    "this machine's key, on another",
    "vim",
];
const BLOCKS: [&str; 5] = ["CI", "A container", "cron", "systemd", "A coding agent"];

/// A Makefile whose goals say which of them was made with which key.
const MAKEFILE: &str =
    "say = @echo \"$@ with $$OPENAI_API_KEY in $$PWD\"\nreport test:\n\t$(say)\nreport-%:\n\t$(say)\n";

// ---- the README's text -----------------------------------------------------------------------------------------------

fn section() -> &'static str {
    let (_, from_here) = README.split_once("\n## Recipes\n").unwrap();
    from_here.split("\n## ").next().unwrap()
}

/// What is wanted, and how it is done.
fn rows() -> impl Iterator<Item = (&'static str, String)> {
    section().lines().filter_map(|line| {
        let (want, rest) = line.strip_prefix("| ")?.split_once(" | ")?;
        Some((want, rest.trim_end_matches(" |").replace("\\|", "|")))
    })
}

/// The pieces of a row that are to be typed.
#[track_caller]
fn typed(want: &str) -> Vec<String> {
    assert!(ROWS.contains(&want), "ROWS lacks {want}");
    let (_, text) =
        rows().find(|(name, _)| *name == want).unwrap_or_else(|| panic!("the README has no recipe: {want}"));
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The first of them, which is the whole recipe of most rows.
#[track_caller]
fn line(want: &str) -> String {
    typed(want).swap_remove(0)
}

/// The fenced text under a heading.
#[track_caller]
fn block(heading: &str) -> &'static str {
    assert!(BLOCKS.contains(&heading), "BLOCKS lacks {heading}");
    let (_, below) = section().split_once(&format!("\n**{heading}.**")).unwrap_or_else(|| panic!("no {heading}"));
    let (_, fenced) = below.split_once("\n```").unwrap();
    fenced.split_once('\n').unwrap().1.split("\n```").next().unwrap()
}

#[test]
fn no_recipe_is_untried() {
    let untried: Vec<_> = rows()
        .map(|(want, _)| want)
        .filter(|want| !ROWS.contains(want) && !want.ends_with('°') && !want.starts_with("you want"))
        .collect();
    assert!(untried.is_empty(), "{untried:?}");
    let headings =
        section().lines().filter_map(|line| line.strip_prefix("**")?.split_once(".**")).map(|(name, _)| name);
    assert_eq!(headings.collect::<Vec<_>>(), BLOCKS);
    assert_eq!(section().matches("\n```").count(), 2 * BLOCKS.len(), "a block without a heading");
}

// ---- typed in a shell ------------------------------------------------------------------------------------------------

/// Types a recipe in the sandbox's project, with this on standard input.
#[track_caller]
fn type_in(sandbox: &Sandbox, line: &str, input: &str) -> Outcome {
    let outcome = shell(sandbox, line).input(input).run();
    outcome.assert_exit(0);
    outcome
}

/// Fails unless a launch in this directory of the sandbox has this key and no word is said.
#[track_caller]
fn assert_key(sandbox: &Sandbox, directory: &str, key: &str) {
    project::assert_launches_with(sandbox, &sandbox.path(directory), key);
}

/// A program on the PATH of [`shell`].
fn program(sandbox: &Sandbox, name: &str, text: &str) {
    shell(sandbox, ":").run();
    sandbox.program(format!("bin/{name}"), text);
}

#[test]
fn a_key_per_client() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("home/src/client-a/deep")).unwrap();
    type_in(&sandbox, &line("a key per client"), &format!("{KEY}\n"));
    assert_key(&sandbox, "home/src/client-a/deep", KEY);
    sandbox.withkey(["true"]).run().assert_exit(125);
}

#[test]
fn a_key_per_repository() {
    let sandbox = Sandbox::new();
    let git =
        "export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null; git='git -c user.name=a -c user.email=a@b'";
    let make = "mkdir -p ~/src/app/deep && cd ~/src/app && git init -q && $git commit -q --allow-empty -m a";
    type_in(&sandbox, &format!("{git}; {make} && git worktree add -q ../tree"), "");
    type_in(&sandbox, &line("a key per repository, its folders and worktrees"), &format!("{KEY}\n"));
    for directory in ["home/src/app", "home/src/app/deep", "home/src/tree"] {
        assert_key(&sandbox, directory, KEY);
    }
}

#[test]
fn several_keys_in_one_profile() {
    let sandbox = Sandbox::new();
    type_in(&sandbox, &line("several keys in one profile"), &format!("{KEY}\nsk-ant-api03-{OTHER_KEY}\n"));
    let shown = type_in(&sandbox, "withkey -p work sh -c 'echo $OPENAI_API_KEY $ANTHROPIC_API_KEY'", "");
    shown.assert_stdout(&format!("{KEY} sk-ant-api03-{OTHER_KEY}\n"));
}

#[test]
fn to_leave_a_clear_file_behind() {
    let sandbox = Sandbox::new();
    sandbox.file("project/.env", format!("DEBUG=1\nOPENAI_API_KEY={KEY}\n"), 0o600);
    assert_no_key_shown(&type_in(&sandbox, &line("to leave `.env` behind"), ""));
    assert_key(&sandbox, "project", KEY);
}

#[test]
fn a_key_under_another_name() {
    let sandbox = Sandbox::with_key();
    program(&sandbox, "node", "#!/bin/sh\necho $1 $LLM_KEY ${OPENAI_API_KEY-none}\n");
    let shown = type_in(&sandbox, &line("a key under another name"), "");
    shown.assert_stdout(&format!("server.js {KEY} none\n"));
}

#[test]
fn a_key_from_another_tool() {
    let sandbox = Sandbox::new();
    program(&sandbox, "op", &format!("#!/bin/sh\n[ \"$*\" = 'read op://Private/OpenAI/key' ] && echo {KEY}\n"));
    type_in(&sandbox, &line("a key from another tool"), "");
    type_in(&sandbox, "withkey -p work printenv OPENAI_API_KEY", "").assert_stdout(&format!("{KEY}\n"));
}

#[cfg(feature = "online")]
#[test]
fn to_know_whether_all_keys_work() {
    let sandbox = Sandbox::with_key();
    sandbox.add("work", OTHER_KEY);
    let authority = upstream::Authority::new();
    let provider = upstream::Upstream::start("127.0.0.1", authority.server(&["127.0.0.1"], 2099));
    let ca = sandbox.file("ca.pem", authority.pem(), 0o600);
    let port = provider.listener.port();
    let config =
        format!("[providers.openai]\nbase_url = \"https://127.0.0.1:{port}\"\nca_file = \"{}\"\n", ca.display());
    sandbox.file("home/.config/withkey/config.toml", config, 0o600);
    let outcome = type_in(&sandbox, &line("to know whether all keys work"), "");
    assert_eq!(outcome.stdout().matches("works; that does not prove that there is credit").count(), 2, "{outcome:?}");
}

#[test]
fn a_time_limit() {
    let sandbox = Sandbox::with_key();
    program(&sandbox, "python", "#!/bin/sh\necho $1 $OPENAI_API_KEY; exec sleep 1000\n");
    let limit = line("a time limit");
    let short = limit.replace(" 60 ", " 0.3 ");
    assert_ne!(limit, short);
    let outcome = shell(&sandbox, &short).run();
    // timeout(1)'s own status.
    outcome.assert_exit(124).assert_stdout(&format!("app.py {KEY}\n"));
}

#[test]
fn to_see_the_key() {
    let sandbox = Sandbox::with_key();
    type_in(&sandbox, &line("to see the key"), "").assert_stdout(&format!("{KEY}\n"));
}

#[test]
fn a_job_with_nobody_to_ask() {
    let sandbox = Sandbox::new();
    sandbox.add("work", KEY);
    protected::protect(&sandbox);
    sandbox.file("home/.job-passphrase", format!("{}\n", protected::PASSPHRASE), 0o600);
    sandbox.file("project/Makefile", MAKEFILE, 0o644);
    let outcome = type_in(&sandbox, &line("a job with nobody to ask"), "");
    outcome.assert_stderr("");
    assert!(outcome.stdout().starts_with(&format!("report with {KEY} in ")), "{outcome:?}");
}

#[test]
fn a_second_machine_or_a_recovery_key() {
    let (sandbox, second) = (newcomer(), newcomer());
    let config = line("a second machine, a recovery key").replace("age1…", &recipient(&second));
    sandbox.file("home/.config/withkey/config.toml", config, 0o600);
    sandbox.add("work", KEY);
    for identity in [sandbox.identity(), second.identity()] {
        let open = sandbox.directly(["/usr/bin/age", "-d", "-i"]).args([identity]);
        let opened = open.args([sandbox.configuration("profiles/work.age")]).run();
        opened.assert_exit(0);
        assert!(opened.stdout().contains(KEY), "{opened:?}");
    }
}

#[test]
fn an_ssh_key_as_identity() {
    let recipes = typed("an SSH key as identity");
    let [variable, config] = &recipes[..] else { panic!("{recipes:?}") };
    let sandbox = Sandbox::new();
    type_in(&sandbox, "mkdir -m 700 ~/.ssh && ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519", "");
    let file = sandbox.file("home/.config/withkey/config.toml", config, 0o600);
    sandbox.add("default", KEY);
    assert_key(&sandbox, "project", KEY);
    assert!(!sandbox.identity().exists());
    fs::remove_file(file).unwrap();
    let launch = variable.replace('…', "printenv OPENAI_API_KEY");
    type_in(&sandbox, &launch, "").assert_stdout(&format!("{KEY}\n"));
}

#[test]
fn vim_runs_what_has_the_key() {
    let recipes = typed("vim");
    let [bang, terminal, makeprg] = &recipes[..] else { panic!("{recipes:?}") };
    let sandbox = Sandbox::with_key();
    sandbox.file("project/Makefile", MAKEFILE, 0o644);
    program(&sandbox, "python", "#!/bin/sh\necho $1 with $OPENAI_API_KEY\n");
    let pty = Pty::open();
    let start = shell(&sandbox, "stty cols 100 rows 40; exec vim -N -u NONE -i NONE -n").set("TERM", "xterm");
    let vim = pty.attach(start).start();
    pty.wait_for("VIM - Vi IMproved");
    pty.type_in(&format!("{bang}\r"));
    pty.wait_for(&format!("test with {KEY}"));
    // Enter ends the question for it; the editor itself holds no key.
    pty.type_in("\r:echo 'editor' ($OPENAI_API_KEY == '' ? 'without' : 'with') 'key'\r");
    pty.wait_for("editor without key");
    pty.type_in(&format!("{makeprg}\r:make report\r"));
    pty.wait_for(&format!("report with {KEY}"));
    // Last: what is typed while it runs is its own.
    pty.type_in(&format!("\r{terminal}\r"));
    pty.wait_for(&format!("app.py with {KEY}"));
    pty.wait_for("finished]");
    pty.type_in(":qall!\r");
    vim.outcome().assert_exit(0);
}

#[test]
fn a_ci_brings_its_own_identity() {
    let workflow = block("CI");
    let command = workflow.lines().find_map(|line| line.trim().strip_prefix("- run: ")).unwrap();
    let (name, secret) = workflow.lines().last().unwrap().trim().split_once(": ").unwrap();
    assert_eq!(secret, "${{ secrets.WITHKEY_IDENTITY }}");
    let (team, machine) = (newcomer(), Sandbox::new());
    seal_to(&machine, &[&recipient(&team)], &machine.path("project/.env.age"), &format!("OPENAI_API_KEY={KEY}\n"));
    machine.file(
        "project/Makefile",
        format!("{MAKEFILE}test: gone\ngone:\n\t@echo $${{WITHKEY_IDENTITY-gone}}\n"),
        0o644,
    );
    // As the runner starts a step.
    let step = machine.file("step", command, 0o644);
    let start = shell(&machine, &format!("bash -e {}", step.display()));
    let outcome = start.set(name, fs::read_to_string(team.identity()).unwrap()).run();
    outcome.assert_exit(0).assert_stderr("");
    assert!(outcome.stdout().starts_with(&format!("gone\ntest with {KEY} in ")), "{outcome:?}");
    let step = machine.directly(["/bin/ls", "-A"]).args([machine.home()]).run();
    assert!(!step.stdout().contains(".config"), "{step:?}");
}

#[test]
fn an_agent_has_the_line_to_type_and_no_other_key_than_its_own() {
    let sandbox = Sandbox::with_key();
    sandbox.add_variables("agent", &[("ANTHROPIC_API_KEY", OTHER_KEY), ("OPENAI_API_KEY", KEY)]);
    program(&sandbox, "claude", "#!/bin/sh\necho $ANTHROPIC_API_KEY ${OPENAI_API_KEY-none}\n");
    type_in(&sandbox, block("A coding agent"), "").assert_stdout(&format!("{OTHER_KEY} none\n"));
    let said = fs::read_to_string(sandbox.path("project/AGENTS.md")).unwrap();
    // What the instructions say works in an agent's environment.
    let advice = said.split('`').nth(1).unwrap();
    sandbox.file("project/Makefile", MAKEFILE, 0o644);
    let outcome = shell(&sandbox, advice).set("CLAUDECODE", "1").run();
    assert!(outcome.assert_exit(0).stdout().starts_with(&format!("test with {KEY} in ")), "{outcome:?}");
}

// ---- on a machine of Ana's -------------------------------------------------------------------------------------------

/// Ana has the profile `work`, ~/src/client-a is tied to `client-a`, and there is a Makefile in both places.
fn ana() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add("work", KEY);
    sandbox.add("client-a", OTHER_KEY);
    sandbox.file("home/Makefile", MAKEFILE, 0o644);
    sandbox.file("home/src/client-a/Makefile", MAKEFILE, 0o644);
    sandbox
}

#[test]
fn withkey_first_then_sudo() {
    let sandbox = ana();
    local_program(&sandbox, "command", "#!/bin/sh\necho \"$(id -u) with $OPENAI_API_KEY\"\n");
    sandbox.file("sudoers", "root ALL=(ALL:ALL) ALL\nana ALL=(ALL:ALL) ALL\n", 0o440);
    let script = "mount --bind $STAGE/sudoers /etc/sudoers; export WITHKEY_PROFILE=work\n";
    let outcome = on_stage(&sandbox, &format!("{script}{}", line("under sudo")));
    outcome.assert_stdout(&format!("0 with {KEY}\n"));
}

#[test]
fn ssh_runs_it_there_or_takes_the_key_along() {
    let sandbox = ana();
    // Without a port: the client talks to an sshd of its own.
    let server = "HostKey /home/ana/host\nAuthorizedKeysFile /home/ana/me.pub\nPidFile none\nUsePAM no\n\
                  StrictModes no\nAcceptEnv OPENAI_API_KEY\n";
    sandbox.file("home/sshd_config", server, 0o600);
    let client = "Host host\n  User ana\n  IdentityFile /home/ana/me\n  StrictHostKeyChecking no\n  LogLevel ERROR\n  \
                  UserKnownHostsFile /home/ana/known\n  ProxyCommand /usr/sbin/sshd -i -f /home/ana/sshd_config\n";
    sandbox.file("home/.ssh/config", client, 0o600);
    let keys = "for name in host me; do ssh-keygen -q -t ed25519 -N '' -f ~/$name; done\n";
    let there = line("a key that another machine keeps");
    let along = line("this machine's key, on another");
    let outcome = on_stage(
        &sandbox,
        &format!("{keys}{there}\nWITHKEY_PROFILE=client-a {along}\n{there} && ssh host exit 7 || echo $?"),
    );
    let expected = format!("report with {KEY} in /home/ana\n");
    outcome.assert_stdout(&format!("{expected}report with {OTHER_KEY} in /home/ana\n{expected}7\n"));
}

#[test]
fn crons_daemon_runs_its_jobs() {
    let sandbox = ana();
    // cron mails what jobs print; here it goes to a file. No other word of the jobs is touched.
    let jobs: String = block("cron").lines().map(|line| format!("{line} >> /home/ana/out 2>&1\n")).collect();
    sandbox.file("crontab", jobs, 0o600);
    let script = r#"
        withkey use client-a ~/src/client-a
        for empty in /var/spool/cron /etc/cron.d; do mount -t tmpfs stage $empty; done
        mount --bind /dev/null /etc/crontab
        install -D -m 600 $STAGE/crontab /var/spool/cron/crontabs/ana
        export TZ=UTC
        for hour in 05 06; do
            touch out; lines=$(wc -l < out)
            # Three seconds before the hour.
            faketime -f "@2026-01-05 $hour:59:57" cron -f -L 15 &
            until [ $(wc -l < out) -gt $lines ]; do sleep 0.1; done
            kill $(cat /run/crond.pid); wait
        done
        cat out
    "#;
    let today = sandbox.directly(["/bin/date", "-u", "+%F"]).run().stdout();
    let outcome = on_stage(&sandbox, script);
    let first = format!("report-{} with {KEY} in ", today.trim());
    let stdout = outcome.stdout();
    let lines: Vec<_> = stdout.lines().filter(|line| line.contains(" with ")).collect();
    assert!(lines.len() == 2 && lines[0].starts_with(&first), "{outcome:?}");
    assert_eq!(lines[1], format!("report with {OTHER_KEY} in /home/ana/src/client-a"), "{outcome:?}");
}

#[test]
fn a_service_of_systemd_gets_its_identity_as_a_credential() {
    let sandbox = newcomer();
    seal(&sandbox, &sandbox.path("etc/env.age"), &format!("OPENAI_API_KEY={KEY}\n"));
    sandbox.file("etc/app.service", block("systemd"), 0o644);
    sandbox.file("etc/small.target", "[Unit]\nDefaultDependencies=no\nRequires=try.service\n", 0o644);
    let run = "systemctl start app; while systemctl is-active -q app; do sleep 0.1; done; systemctl exit 0";
    let unit = format!("[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=/bin/sh -c '{run}'\n");
    sandbox.file("etc/try.service", unit, 0o644);
    sandbox.file("etc/output.conf", "[Service]\nStandardOutput=append:/out\nStandardError=append:/out\n", 0o644);
    let serve = "#!/bin/sh\necho with $OPENAI_API_KEY\nls -l $CREDENTIALS_DIRECTORY/identity | cut -c1-10\nid -un\n\
                 echo ${WITHKEY_IDENTITY_FILE-gone}\n[ $PPID = 1 ] && echo child of systemd\n";
    sandbox.program("serve", serve);
    // systemd as the first process of a machine made of this one's files, none of which is changed.
    let script = r#"
        mount -t tmpfs stage /mnt; mkdir /mnt/upper /mnt/work /mnt/machine
        mount -t overlay stage -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/machine
        cd /mnt/machine
        rm -rf etc/machine-id etc/systemd/system/*
        mkdir -p usr/local/bin srv/app etc/app etc/systemd/system/app.service.d
        cp /usr/local/bin/withkey usr/local/bin/
        cp $STAGE/serve srv/app/; install -m 644 $STAGE/etc/env.age srv/app/.env.age
        install -m 600 ~/.local/share/withkey/identity.txt etc/app/
        cp $STAGE/etc/*.service $STAGE/etc/small.target etc/systemd/system/
        cp $STAGE/etc/output.conf etc/systemd/system/app.service.d/
        ln -s small.target etc/systemd/system/default.target
        systemd-nspawn --quiet --register=no --keep-unit --boot --console=pipe --directory=. < /dev/null
        cat out
    "#;
    let outcome = staged(&sandbox, script).run();
    let expected = format!("with {KEY}\n-r--------\napp\ngone\nchild of systemd\n");
    assert!(outcome.stdout().contains(&expected), "{outcome:?}");
}

/// A container engine that keeps everything in this machine's /run, by the name the README has.
const DOCKER: &str = r#"#!/bin/sh
if [ "$1" = run ]; then
    shift
    set -- run --network none --log-driver none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$@"
fi
exec podman --root /run/images --runroot /run/containers --storage-driver vfs --cgroup-manager cgroupfs \
    --events-backend none "$@"
"#;

/// An image of a shell, withkey, the project's dotfile, and `app`. Its user is of this number.
fn image(user: u32) -> String {
    format!(
        r#"
        # crun knows either kind of control groups, and no mixture.
        umount /sys/fs/cgroup/unified 2>/dev/null || true
        mkdir -p /run/image/usr/local/bin /run/image/app /run/image/tmp /run/image/bin
        for program in /bin/sh /usr/bin/id /usr/local/bin/withkey; do
            cp --parents -L $program $(ldd $program | grep -o '/[^ ]*') /run/image 2>/dev/null || cp --parents $program /run/image
        done
        printf '#!/bin/sh\necho "$(id -u) with $OPENAI_API_KEY ${{WITHKEY_IDENTITY_FILE-}}"\n' > /run/image/usr/local/bin/app
        chmod 755 /run/image/usr/local/bin/app
        install -m 644 $STAGE/env.age /run/image/app/.env.age
        tar -C /run/image -c . | docker import --change USER={user} - my-image > /dev/null 2>&1
        "#
    )
}

fn container() -> Sandbox {
    let sandbox = newcomer();
    seal(&sandbox, &sandbox.path("env.age"), &format!("OPENAI_API_KEY={KEY}\n"));
    local_program(&sandbox, "docker", DOCKER);
    fs::copy(sandbox.identity(), sandbox.path("home/ci.txt")).unwrap();
    sandbox
}

#[test]
fn a_container_opens_its_dotfile_with_a_mounted_identity_or_is_given_the_key() {
    let sandbox = container();
    sandbox.add("default", OTHER_KEY);
    let [mounted, given] = block("A container").lines().collect::<Vec<_>>()[..] else { panic!("not two lines") };
    let script = format!("{}{mounted}\n{given}\n", image(0));
    on_stage(&sandbox, &script).assert_stdout(&format!("0 with {KEY} \n0 with {OTHER_KEY} \n"));
    // Another user, whose identity it is.
    let script = format!("{}chown 1000 ~/ci.txt; chmod 400 ~/ci.txt; {mounted}\n", image(1000));
    on_stage(&sandbox, &script).assert_stdout(&format!("1000 with {KEY} \n"));
    // Another user, root's secret: as engines mount them.
    let script = format!("{}chown 0 ~/ci.txt; chmod 444 ~/ci.txt; {mounted}\n", image(1000));
    on_stage(&sandbox, &script).assert_stdout(&format!("1000 with {KEY} \n"));
}

#[test]
fn a_container_says_whose_a_mounted_identity_has_to_be() {
    let sandbox = container();
    let mounted = block("A container").lines().next().unwrap();
    let secret = "/run/secrets/identity";
    let mut script = image(1000);
    let mut expected = String::new();
    for (owner, mode, what, why) in [
        (0, 400, format!("cannot open {secret}"), "permission denied"),
        (1001, 400, format!("cannot open {secret}"), "permission denied"),
        (
            1001,
            444,
            format!("{secret} belongs to another user"),
            "withkey uses and makes files of the user who runs it only",
        ),
        (1000, 444, format!("other users may read {secret}"), "its mode is 0444"),
    ] {
        script += &format!("chown {owner} ~/ci.txt; chmod {mode} ~/ci.txt; {mounted} && exit 1 || [ $? = 125 ]\n");
        expected += &format!(
            "withkey: error: {what}\nwithkey: cause: {why}\nwithkey: hint: mount it as this user's alone: uid=1000,mode=0400\n"
        );
    }
    on_stage(&sandbox, &script).assert_stderr(&expected).assert_stdout("");
}
