//! The kernel's keyrings, as this process sees them, and processes that may not use them.

use std::fs;

use linux_keyutils::{Key, KeyRing, KeyRingIdentifier, KeySerialId};

use crate::common::{Sandbox, Start};

/// Leads from this thread to everything of the user's: what lies there can be seen and read from now on.
fn possess() {
    let thread = KeyRing::from_special_id(KeyRingIdentifier::Thread, true).unwrap();
    thread.link_keyring_id(KeyRingIdentifier::User).unwrap();
}

/// All keys, as /proc/keys lists them, that could be used.
fn listed() -> Vec<String> {
    possess();
    let usable = |line: &&str| {
        let flags = line.split_whitespace().nth(1).unwrap();
        flags.starts_with('I') && !flags.contains(['R', 'D', 'i', 'N']) && !line.contains(" expd ")
    };
    fs::read_to_string("/proc/keys").unwrap().lines().filter(usable).map(str::to_owned).collect()
}

/// What withkey keeps for a sandbox, as lines of /proc/keys.
#[derive(Debug)]
pub struct Kept(Vec<String>);

impl Kept {
    pub fn of(sandbox: &Sandbox) -> Self {
        let folder = sandbox.identity().parent().unwrap().display().to_string();
        Self(listed().into_iter().filter(|line| line.contains(&folder)).collect())
    }

    pub fn lines(&self) -> &[String] {
        &self.0
    }

    /// Their descriptions.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|line| line.split_whitespace().skip(8).collect::<Vec<_>>().join(" ")).collect()
    }
}

/// The keys, of whatever keyring, whose payload holds the secret line of an identity.
pub fn holding(identity: &[u8]) -> Vec<String> {
    let text = String::from_utf8(identity.to_vec()).unwrap();
    let secret = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap();
    let holds = |line: &String| {
        let number = i32::from_str_radix(line.split_whitespace().next().unwrap(), 16).unwrap();
        let payload = Key::from_id(KeySerialId::from(number)).read_to_vec().unwrap_or_default();
        payload.windows(secret.len()).any(|window| window == secret.as_bytes())
    };
    listed().into_iter().filter(|line| !line.contains(" keyring ")).filter(holds).collect()
}

/// With a new session keyring that leads nowhere.
pub fn in_a_new_session(start: Start) -> Start {
    const JOIN_SESSION_KEYRING: libc::c_long = 1;
    start.step(|| {
        // SAFETY: no name is given, so nothing is read.
        let joined = unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, 0_usize) };
        if joined < 0 { -1 } else { 0 }
    })
}

/// Every call on keys fails with `errno`, as in a container.
pub fn without_keyring(start: Start, errno: i32) -> Start {
    filtered(start, libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap())
}

/// Every call on keys ends the process.
pub fn ended_by_a_call(start: Start) -> Start {
    filtered(start, libc::SECCOMP_RET_KILL_PROCESS)
}

fn filtered(start: Start, action: u32) -> Start {
    let number = |call: libc::c_long| u32::try_from(call).unwrap();
    let step = |code: u16, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let filter = [
        step(0x20, 0, 0, 0),
        step(0x15, 2, 0, number(libc::SYS_keyctl)),
        step(0x15, 1, 0, number(libc::SYS_add_key)),
        step(0x15, 0, 1, number(libc::SYS_request_key)),
        step(0x06, 0, 0, action),
        step(0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    start.step(move || {
        let program = libc::sock_fprog { len: 6, filter: filter.as_ptr().cast_mut() };
        // SAFETY: plain system calls on structures that live for the call.
        unsafe {
            match libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) {
                0 => libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program),
                failed => failed,
            }
        }
    })
}
