//! Which file a command's name leads to: execvp's rules, with env(1) beside it as the measure.
#![allow(unsafe_code, reason = "inotify, and a process of another user")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use common::{End, KEY, Mode, Sandbox, Start, assert_same, probe_binary, withkey_binary};

/// What stands at a place.
#[derive(Clone, Copy)]
enum There {
    /// Says under which name it was started, and its first argument.
    Script,
    /// The same without `#!`, which the kernel does not run and /bin/sh does.
    Bare,
    /// A script whose interpreter is this.
    InterpretedBy(&'static str),
    /// A program whose loader, its PT_INTERP, is missing.
    Unloadable,
    /// Not executable.
    Plain,
    Empty,
    Directory,
    /// A symbolic link.
    LinkTo(&'static str),
}
use There::{Bare, Directory, Empty, InterpretedBy, LinkTo, Plain, Script, Unloadable};

struct Row {
    what: &'static str,
    /// `None` is unset; relative elements start at the current directory.
    path: Option<&'static str>,
    typed: &'static str,
    there: &'static [(&'static str, There)],
    status: i32,
    says: &'static str,
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row { what: "the first along PATH", path: Some("a:b"), typed: "tool", there: &[("a/tool", Script), ("b/tool", Script)], status: 0, says: "a/tool [x]\n" },
    Row { what: "the second when the first has none", path: Some("a:b"), typed: "tool", there: &[("a/other", Script), ("b/tool", Script)], status: 0, says: "b/tool [x]\n" },
    Row { what: "an element that is missing or a file", path: Some("none:file:b"), typed: "tool", there: &[("file", Plain), ("b/tool", Script)], status: 0, says: "b/tool [x]\n" },
    Row { what: "an element that is a file, as the last", path: Some("none:file"), typed: "tool", there: &[("file", Plain)], status: 126, says: "" },
    Row { what: "an element that is missing, as the last", path: Some("file:none"), typed: "tool", there: &[("file", Plain)], status: 127, says: "" },
    Row { what: "not executable, then one that is", path: Some("a:b"), typed: "tool", there: &[("a/tool", Plain), ("b/tool", Script)], status: 0, says: "b/tool [x]\n" },
    Row { what: "not executable", path: Some("a:b"), typed: "tool", there: &[("a/tool", Plain)], status: 126, says: "" },
    Row { what: "a directory, then a program", path: Some("a:b"), typed: "tool", there: &[("a/tool", Directory), ("b/tool", Script)], status: 0, says: "b/tool [x]\n" },
    Row { what: "a directory", path: Some("a:b"), typed: "tool", there: &[("a/tool", Directory)], status: 126, says: "" },
    Row { what: "a missing interpreter, then a program", path: Some("a:b"), typed: "tool", there: &[("a/tool", InterpretedBy("/no/such")), ("b/tool", Script)], status: 0, says: "b/tool [x]\n" },
    Row { what: "a missing interpreter", path: Some("a:b"), typed: "tool", there: &[("a/tool", InterpretedBy("/no/such"))], status: 127, says: "" },
    Row { what: "a script of DOS", path: Some("a"), typed: "tool", there: &[("a/tool", InterpretedBy("/bin/sh\r"))], status: 127, says: "" },
    Row { what: "an interpreter that cannot be run, then a program", path: Some("a:b"), typed: "tool", there: &[("a/tool", InterpretedBy("/etc/passwd")), ("b/tool", Script)], status: 0, says: "b/tool [x]\n" },
    Row { what: "an interpreter that cannot be run", path: Some("a:b"), typed: "tool", there: &[("a/tool", InterpretedBy("/etc/passwd"))], status: 126, says: "" },
    Row { what: "an interpreter with a missing interpreter", path: Some("a:b"), typed: "tool", there: &[("a/tool", InterpretedBy("b/inner")), ("b/inner", InterpretedBy("/no/such")), ("b/tool", Script)], status: 0, says: "b/tool [x]\n" },
    Row { what: "an interpreter that is a script", path: Some("a"), typed: "tool", there: &[("a/tool", InterpretedBy("b/inner")), ("b/inner", Script)], status: 0, says: "b/inner [a/tool]\n" },
    Row { what: "an interpreter with blanks and an argument", path: Some("a"), typed: "tool", there: &[("a/tool", InterpretedBy(" \t/bin/sh -e "))], status: 0, says: "a/tool [x]\n" },
    Row { what: "a missing loader, then a program", path: Some("a:b"), typed: "tool", there: &[("a/tool", Unloadable), ("b/tool", Script)], status: 0, says: "b/tool [x]\n" },
    Row { what: "a missing loader", path: Some("a:b"), typed: "tool", there: &[("a/tool", Unloadable)], status: 127, says: "" },
    Row { what: "a script without #!", path: Some("a:b"), typed: "tool", there: &[("a/tool", Bare), ("b/tool", Script)], status: 0, says: "a/tool [x]\n" },
    Row { what: "a script without #!, by its path", path: Some("a"), typed: "b/tool", there: &[("b/tool", Bare)], status: 0, says: "b/tool [x]\n" },
    Row { what: "an empty file", path: Some("a:b"), typed: "tool", there: &[("a/tool", Empty), ("b/tool", Script)], status: 0, says: "" },
    Row { what: "an empty element first", path: Some(":a"), typed: "tool", there: &[("tool", Script), ("a/tool", Script)], status: 0, says: "tool [x]\n" },
    Row { what: "an empty element in the midst", path: Some("a::b"), typed: "tool", there: &[("tool", Script), ("b/tool", Script)], status: 0, says: "tool [x]\n" },
    Row { what: "an empty element last", path: Some("a:"), typed: "tool", there: &[("tool", Script)], status: 0, says: "tool [x]\n" },
    Row { what: "an empty PATH", path: Some(""), typed: "tool", there: &[("tool", Script)], status: 0, says: "tool [x]\n" },
    Row { what: "elements with slashes and dots", path: Some("./a/../b//"), typed: "tool", there: &[("a/x", Plain), ("b/tool", Script)], status: 0, says: "./a/../b///tool [x]\n" },
    Row { what: "PATH unset: not here", path: None, typed: "tool", there: &[("tool", Script)], status: 127, says: "" },
    Row { what: "PATH unset: the system's", path: None, typed: "echo", there: &[("echo", Script)], status: 0, says: "x\n" },
    Row { what: "a name with a slash is a path", path: Some("a"), typed: "./tool", there: &[("tool", Script), ("a/tool", Script)], status: 0, says: "./tool [x]\n" },
    Row { what: "a path that is not there, though PATH has the name", path: Some("a"), typed: "./tool", there: &[("a/tool", Script)], status: 127, says: "" },
    Row { what: "a path that is a directory", path: Some("a"), typed: "./tool", there: &[("tool", Directory)], status: 126, says: "" },
    Row { what: "a path that is not executable", path: Some("a"), typed: "./tool", there: &[("tool", Plain), ("a/tool", Script)], status: 126, says: "" },
    Row { what: "a path with a missing interpreter", path: Some("a"), typed: "./tool", there: &[("tool", InterpretedBy("/no/such")), ("a/tool", Script)], status: 127, says: "" },
    Row { what: "a path with a missing loader", path: Some("a"), typed: "./tool", there: &[("tool", Unloadable)], status: 127, says: "" },
    Row { what: "a path through a file", path: Some("a"), typed: "tool/tool", there: &[("tool", Plain)], status: 126, says: "" },
    Row { what: "a link", path: Some("a:b"), typed: "tool", there: &[("a/tool", LinkTo("../b/other")), ("b/other", Script)], status: 0, says: "a/tool [x]\n" },
    Row { what: "a link to nothing, then a program", path: Some("a:b"), typed: "tool", there: &[("a/tool", LinkTo("none")), ("b/tool", Script)], status: 0, says: "b/tool [x]\n" },
    Row { what: "a circle of links", path: Some("a:b"), typed: "tool", there: &[("a/tool", LinkTo("tool")), ("b/tool", Script)], status: 126, says: "" },
    Row { what: "no name", path: Some("a:b"), typed: "", there: &[("a/tool", Script)], status: 127, says: "" },
    Row { what: "two dots", path: Some("a"), typed: "..", there: &[("a/tool", Script)], status: 126, says: "" },
    Row { what: "a name with blanks and stars", path: Some("a"), typed: "t ö*ol", there: &[("a/t ö*ol", Script)], status: 0, says: "a/t ö*ol [x]\n" },
];

impl Row {
    fn lay_out(&self, sandbox: &Sandbox) {
        let says = "printf '%s [%s]\\n' \"$0\" \"$1\"\n";
        for (place, there) in self.there {
            let place = Path::new("project").join(place);
            match there {
                Script => sandbox.program(&place, format!("#!/bin/sh\n{says}")),
                Bare => sandbox.program(&place, says),
                InterpretedBy(interpreter) => sandbox.program(&place, format!("#!{interpreter}\n{says}")),
                Unloadable => sandbox.program(&place, without_loader()),
                Plain => sandbox.file(&place, format!("#!/bin/sh\n{says}"), 0o644),
                Empty => sandbox.program(&place, ""),
                Directory => {
                    fs::create_dir_all(sandbox.path(&place)).unwrap();
                    place
                }
                LinkTo(target) => {
                    fs::create_dir_all(sandbox.path(place.parent().unwrap())).unwrap();
                    symlink(target, sandbox.path(&place)).unwrap();
                    place
                }
            };
        }
    }

    fn along_path(&self, start: Start) -> Start {
        match self.path {
            Some(path) => start.set("PATH", path),
            None => start.unset("PATH"),
        }
    }

    /// What differs from the row when `start` looks for it.
    fn difference(&self, by: &str, start: Start) -> Option<String> {
        let outcome = self.along_path(start).run();
        let (expected, found) = ((End::Exit(self.status), self.says.to_owned()), (outcome.end, outcome.stdout()));
        (expected != found).then(|| format!("{}: {expected:?} expected, {found:?} by {by}\n", self.what))
    }
}

/// The probe, but for the first letters of its loader's name.
fn without_loader() -> Vec<u8> {
    let mut program = fs::read(probe_binary()).unwrap();
    let loader = program.windows(4).position(|window| window == b"/ld-");
    let loader = loader.unwrap_or_else(|| panic!("the probe has no loader to be missing"));
    program[loader..loader + 4].copy_from_slice(b"/no-");
    program
}

in_both_modes! {
    fn names_lead_where_execvp_leads(mode: Mode) {
        let differences = TABLE.iter().flat_map(|row| {
            let sandbox = Sandbox::with_key();
            row.lay_out(&sandbox);
            let by_env = row.difference("env", sandbox.directly(["/usr/bin/env", row.typed, "x"]));
            let by_withkey = row.difference("withkey", sandbox.launch(mode, ["--", row.typed, "x"]));
            [by_env, by_withkey].into_iter().flatten()
        });
        assert_same("names that lead elsewhere", "", &differences.collect::<String>());
    }

    fn what_is_too_long_is_treated_as_by_env(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let (long_name, path) = ("x".repeat(256), format!("/{}:/usr/bin:/bin", "x".repeat(5000)));
        for (typed, status, says) in [("echo", 0, "x\n"), (&long_name, 126, "")] {
            for start in [sandbox.directly(["/usr/bin/env", typed]), sandbox.launch(mode, [typed])] {
                start.args(["x"]).set("PATH", &path).run().assert_exit(status).assert_stdout(says);
            }
        }
    }

    fn permissions_count_not_readability(mode: Mode) {
        let sandbox = Sandbox::new();
        fs::set_permissions(sandbox.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        let withkey = sandbox.program("withkey", fs::read(withkey_binary()).unwrap());
        sandbox.file("b/tool", fs::read(probe_binary()).unwrap(), 0o111);
        sandbox.program("closed/tool", "#!/bin/sh\necho wrong\n");
        fs::set_permissions(sandbox.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::create_dir(sandbox.path("visitor")).unwrap();
        let run = |elements: &[&str]| {
            let path: Vec<_> = elements.iter().map(|element| sandbox.path(element).display().to_string()).collect();
            let words = [mode.options(), &["tool", "say:here"]].concat();
            let start = sandbox.directly([&withkey]).args(words).set("PATH", path.join(":"));
            let start = start.set("HOME", sandbox.path("visitor")).set("WITHKEY_PROFILE", "inherit");
            as_visitor(start.set("OPENAI_API_KEY", KEY)).run()
        };
        run(&["b"]).assert_exit(0).assert_stdout("here\n");
        run(&["closed", "b"]).assert_exit(0).assert_stdout("here\n");
        run(&["closed"]).assert_exit(126).assert_stdout("");
        run(&["closed", "none"]).assert_exit(126).assert_stdout("");
        fs::set_permissions(sandbox.path("closed"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn what_was_found_before_the_wait_is_what_runs(mode: Mode) {
        // Each way puts another file where the program was found.
        let ways: [&dyn Fn(&Sandbox); 3] = [
            &|sandbox| fs::rename(sandbox.path("other"), sandbox.path("project/a/tool")).unwrap(),
            &|sandbox| {
                fs::rename(sandbox.path("project/a"), sandbox.path("kept")).unwrap();
                fs::rename(sandbox.path("others"), sandbox.path("project/a")).unwrap();
            },
            &|sandbox| {
                fs::rename(sandbox.path("project/a/tool"), sandbox.path("kept")).unwrap();
                symlink(sandbox.path("other"), sandbox.path("project/a/tool")).unwrap();
            },
        ];
        for way in ways {
            let sandbox = Sandbox::with_key();
            sandbox.program("project/a/tool", "#!/bin/sh\necho found\n");
            for other in ["other", "others/tool"] {
                sandbox.program(other, "#!/bin/sh\necho another\n");
            }
            let (start, mut rest) = sandbox.with_half_an_identity(sandbox.launch(mode, ["tool"]).set("PATH", "a:/bin"));
            let running = start.start();
            rest.until_read();
            way(&sandbox);
            rest.write();
            let outcome = running.outcome();
            match outcome.end {
                End::Exit(0) => outcome.assert_stdout("found\n"),
                _ => outcome.assert_exit(126).assert_stdout("").assert_stderr_has("withkey: error: "),
            };
        }
    }

    /// A typo must not unlock anything, and is told before anything else that is wrong.
    fn a_typo_never_opens_the_store(mode: Mode) {
        let sandbox = Sandbox::with_key();
        let watched = [sandbox.identity(), sandbox.configuration("profiles/default.age")];
        let opened = |command: &str, status: i32| {
            let mut watch = Watch::over(&watched);
            sandbox.launch(mode, [command]).run().assert_exit(status);
            watch.opened()
        };
        sandbox.file("project/plain", "", 0o644);
        assert!(opened("true", 0), "the watch sees nothing");
        assert!(!opened("no-such-program", 127), "a typo opened the store");
        assert!(!opened("./plain", 126), "a program that cannot run opened the store");
        for file in watched {
            fs::remove_file(file).unwrap();
        }
        assert!(sandbox.launch(mode, ["true"]).run().end == End::Exit(125), "nothing is wrong");
        sandbox.launch(mode, ["no-such-program"]).run().assert_exit(127);
        Sandbox::new().launch(mode, ["no-such-program"]).run().assert_exit(127);
    }
}

#[test]
fn a_dry_run_names_the_program_that_the_launch_runs() {
    for row in TABLE {
        let sandbox = Sandbox::with_key();
        row.lay_out(&sandbox);
        let dry = row.along_path(sandbox.withkey(["-n", "--", row.typed, "x"])).run();
        let launched = row.along_path(sandbox.withkey(["--", row.typed, "x"])).run();
        dry.assert_end(launched.end);
        if launched.end != End::Exit(0) {
            dry.assert_stdout("");
            continue;
        }
        let named = dry.stdout().lines().find_map(|line| line.strip_prefix("program: ").map(str::to_owned));
        let named = named.unwrap_or_else(|| panic!("{}: no program is named", row.what));
        let said = launched.stdout();
        let started = match row.there[0] {
            _ if row.typed == "echo" => "/bin/echo",
            // Not every script says as what it was started.
            (place, Empty) => place,
            (place, InterpretedBy(inner)) if said.starts_with(inner) => place,
            _ => said.split(" [").next().unwrap(),
        };
        let inode = |path: &str| fs::metadata(sandbox.project().join(path)).unwrap().ino();
        assert_eq!(inode(&named), inode(started), "{}: {named} is not {started}", row.what);
    }
}

/// As root nothing is forbidden, so that another user has to try it.
fn as_visitor(start: Start) -> Start {
    // SAFETY: plain system calls.
    start.step(|| unsafe {
        match libc::geteuid() {
            0 if libc::setgroups(0, std::ptr::null()) == -1 || libc::setgid(65534) == -1 => -1,
            0 => libc::setuid(65534),
            _ => 0,
        }
    })
}

/// Tells whether files were opened.
struct Watch(fs::File);

impl Watch {
    fn over(files: &[std::path::PathBuf]) -> Self {
        use std::os::fd::FromRawFd;
        use std::os::unix::ffi::OsStrExt;
        // SAFETY: makes a new descriptor, which the file then owns; the path is a C string.
        unsafe {
            let fd = libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK);
            for file in files {
                let path = std::ffi::CString::new(file.as_os_str().as_bytes()).unwrap();
                assert_ne!(libc::inotify_add_watch(fd, path.as_ptr(), libc::IN_OPEN), -1, "{}", file.display());
            }
            Self(fs::File::from_raw_fd(fd))
        }
    }

    fn opened(&mut self) -> bool {
        self.0.read(&mut [0; 4096]).is_ok()
    }
}
