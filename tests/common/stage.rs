//! A machine of Ana's, for programs that look at fixed places: her home is /home/ana, withkey lies in /usr/local/bin.
//!
//! It is a mount namespace of its own, so nothing of the real machine is changed or seen there: /home, /run and
//! /usr/local/bin are the sandbox's, and /etc/passwd knows Ana (who has root's number: mounting is root's). cron and sshd are
//! the real machine's, or those that tests/run has unpacked.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::{env, fs};

use crate::common::{Outcome, Sandbox, Start, withkey_binary};

const PASSWD: &str = "ana:x:0:0:Ana:/home/ana:/bin/sh
root:x:0:0:root:/home/ana:/bin/sh
sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin
nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin
";
const SHADOW: &str = "ana:*:19000:0:99999:7:::\nroot:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n";

/// The mounts. What is copied is copied first: cargo's folder may lie under /home.
const MOUNTS: &str = r#"
set -eu
mkdir -p "$STAGE/local"
cp "$WITHKEY" "$STAGE/local/withkey"
for top in etc usr/sbin usr/lib/openssh var/spool; do
    [ ! -d "$DAEMONS/$top" ] || mount -t overlay stage -o "lowerdir=$DAEMONS/$top:/$top" "/$top"
done
mount -t tmpfs stage /run
mount --bind "$STAGE/local" /usr/local/bin
mount --bind "$STAGE/passwd" /etc/passwd
mount --bind "$STAGE/shadow" /etc/shadow
mkdir -p /run/ana /run/sshd
mount --bind "$STAGE/home" /run/ana
mount -t tmpfs stage /home
mkdir /home/ana
mount --bind /run/ana /home/ana
export HOME=/home/ana USER=ana PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
cd
"#;

/// bash on that machine, in Ana's home. Root only.
#[track_caller]
pub fn staged(sandbox: &Sandbox, script: &str) -> Start {
    let user = fs::metadata("/proc/self").map(|facts| facts.uid()).unwrap();
    assert_eq!(user, 0, "a machine of its own is made by root only: sudo -E $(which cargo) test --test recipes");
    sandbox.file("passwd", PASSWD, 0o644);
    sandbox.file("shadow", SHADOW, 0o600);
    let script = format!("{MOUNTS}{script}");
    sandbox
        .directly(["/usr/bin/unshare", "--mount", "/bin/bash", "-c", &script])
        .set("STAGE", sandbox.path(""))
        .set("DAEMONS", daemons().unwrap_or_default())
        .set("WITHKEY", withkey_binary())
}

/// Where tests/run unpacks what is not installed: beside what cargo builds.
fn daemons() -> Option<PathBuf> {
    Some(env::current_exe().ok()?.ancestors().nth(3)?.join("tools/daemons"))
}

/// The same, to its end, which must be good.
#[track_caller]
pub fn on_stage(sandbox: &Sandbox, script: &str) -> Outcome {
    let outcome = staged(sandbox, script).run();
    outcome.assert_exit(0);
    outcome
}

/// A program in the machine's /usr/local/bin.
pub fn local_program(sandbox: &Sandbox, name: &str, text: &str) {
    sandbox.program(format!("local/{name}"), text);
}
