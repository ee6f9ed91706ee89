//! `--online` finds a provider by its name: on a machine of its own, with this loopback, this `/etc` and this name server.
//!
//! The static build, too: glibc would load the modules that nsswitch.conf names into it, and end by a signal where the
//! machine's C library is of another version than the one it was linked with.
#![cfg(feature = "online")]
#![allow(unsafe_code, reason = "a machine of its own is made by system calls")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "what the tests share is used in part")]

mod common;
#[path = "common/session.rs"]
mod session;
#[path = "common/upstream.rs"]
mod upstream;

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::thread;

use common::{Outcome, Sandbox, withkey_binary};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use session::assert_no_key_shown;
use upstream::{Authority, Upstream};

const NAME: &str = "gateway.test";
const ASKS_SERVERS: &str = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";
const MODULES: &str = "hosts: mymachines trap [!UNAVAIL=return] mdns4_minimal [NOTFOUND=return] resolve\n";

/// A machine with a provider called [`NAME`], and a home whose keys are checked there.
struct Machine {
    sandbox: Sandbox,
    upstream: Upstream,
}

impl Machine {
    /// Runs `test` on a machine whose `/etc` holds these files.
    #[track_caller]
    fn with(etc: &'static [(&str, &str)], test: impl FnOnce(&Self) + Send + 'static) {
        // What is unshared is the thread's, and what it starts has it, too.
        let apart = thread::spawn(move || {
            let sandbox = Sandbox::with_key();
            fs::create_dir(sandbox.path("etc")).unwrap();
            for (file, text) in etc {
                sandbox.file(format!("etc/{file}"), text, 0o644);
            }
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("be root");
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
            mount(Some(&sandbox.path("etc")), "/etc", none, MsFlags::MS_BIND, none).unwrap();
            raise_loopback();
            let authority = Authority::new();
            let upstream = Upstream::start("127.0.0.1", authority.server(&[NAME], 2099));
            sandbox.file("ca.pem", authority.pem(), 0o600);
            test(&Self { sandbox, upstream });
        });
        if let Err(panic) = apart.join() {
            std::panic::resume_unwind(panic);
        }
    }

    fn lead_to(&self, name: &str) {
        let (port, ca) = (self.upstream.listener.port(), self.sandbox.path("ca.pem"));
        let config =
            format!("[providers.openai]\nbase_url = \"https://{name}:{port}\"\nca_file = \"{}\"\n", ca.display());
        self.sandbox.file("home/.config/withkey/config.toml", config, 0o600);
    }

    #[track_caller]
    fn assert_found(&self) {
        self.lead_to(NAME);
        let outcome = self.check();
        outcome.assert_exit(0);
        assert!(outcome.stdout().contains("works"), "{outcome:?}");
        assert_eq!(self.upstream.requests().len(), 1, "{outcome:?}");
    }

    #[track_caller]
    fn assert_not_found(&self, name: &str, why: &str) {
        self.lead_to(name);
        let outcome = self.check();
        outcome.assert_exit(1);
        assert!(outcome.stdout().contains(why), "{outcome:?}");
        assert_eq!(self.upstream.listener.count(), 0, "{outcome:?}");
    }

    fn check(&self) -> Outcome {
        let outcome = self.sandbox.withkey(["check", "--online", "default"]).run();
        assert_no_key_shown(&outcome);
        outcome
    }
}

#[test]
fn a_name_of_etc_hosts_is_found() {
    Machine::with(&[("hosts", "127.0.0.1 gateway.test\n"), ("nsswitch.conf", "hosts: files dns\n")], |machine| {
        machine.assert_found();
    });
}

#[test]
fn a_name_that_a_server_knows_is_found() {
    Machine::with(&[("resolv.conf", ASKS_SERVERS), ("nsswitch.conf", "hosts: files dns\n")], |machine| {
        name_server(Server::Knows);
        machine.assert_found();
    });
}

#[test]
fn a_name_that_nobody_knows_is_said_so() {
    Machine::with(&[("resolv.conf", ASKS_SERVERS), ("hosts", "127.0.0.1 gateway.test\n")], |machine| {
        name_server(Server::Knows);
        machine.assert_not_found("elsewhere.test", "the host's name is not known");
    });
}

#[test]
fn a_server_that_does_not_answer_is_said_so() {
    // Nothing listens there; then something that says nothing.
    Machine::with(&[("resolv.conf", ASKS_SERVERS)], |machine| {
        machine.assert_not_found(NAME, "no name server answers");
        name_server(Server::Silent);
        machine.assert_not_found(NAME, "no name server answers");
    });
}

#[test]
fn an_empty_etc_is_no_harm() {
    Machine::with(&[], |machine| machine.assert_not_found(NAME, "no name server answers"));
}

#[test]
fn no_module_of_the_machine_is_loaded_into_a_process_that_holds_a_key() {
    let etc = &[("resolv.conf", ASKS_SERVERS), ("nsswitch.conf", MODULES)];
    Machine::with(etc, |machine| {
        name_server(Server::Knows);
        machine.assert_found();
        let log = machine.sandbox.path("strace.log");
        let strace = ["/usr/bin/strace", "-f", "-e", "trace=open,openat", "-o", log.to_str().unwrap()];
        let outcome =
            machine.sandbox.directly(strace).args([withkey_binary()]).args(["check", "--online", "default"]).run();
        outcome.assert_exit(0);
        let log = fs::read_to_string(log).unwrap();
        assert!(log.contains("/etc/resolv.conf"), "{log}");
        assert!(!log.contains("libnss"), "{log}");
    });
}

/// What a name server does with a question.
#[derive(Clone, Copy, PartialEq)]
enum Server {
    /// Knows the address of [`NAME`], and that there is no other name.
    Knows,
    Silent,
}

/// A server on port 53 of this machine, for as long as the test runs. Messages as in RFC 1035, section 4.
fn name_server(server: Server) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).unwrap();
    thread::spawn(move || {
        let mut message = [0; 512];
        while let Ok((length, asker)) = socket.recv_from(&mut message) {
            if server == Server::Silent {
                continue;
            }
            let text = NAME.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
            let name: Vec<u8> = text.chain([0]).collect();
            // The asker's question as it came: a name, its type and its class. Further records are left out.
            let end = 12 + message[12..length].iter().position(|&byte| byte == 0).unwrap() + 5;
            let question = &message[12..end];
            let known = question.starts_with(&name);
            let answers = u8::from(known && question.ends_with(&[0, 1, 0, 1]));
            let mut answer = message[..2].to_vec();
            answer.extend([0x81, if known { 0x80 } else { 0x83 }, 0, 1, 0, answers, 0, 0, 0, 0]);
            answer.extend(question);
            if answers == 1 {
                // The name is at byte 12; type A, class IN, a minute, four bytes.
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
            }
            let _ = socket.send_to(&answer, asker);
        }
    });
}

/// A new network has its loopback down.
fn raise_loopback() {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    // SAFETY: an all-zero request is valid; both calls read and write only it.
    unsafe {
        use std::os::fd::AsRawFd;
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[..2].copy_from_slice(&[b'l' as libc::c_char, b'o' as libc::c_char]);
        request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
        assert_eq!(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request), 0);
    }
}
