//! age's public test vectors (C2SP/CCTV), as the sources of the age crate carry them: what opens, opens to the right bytes,
//! and what must not open does not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use withkey::host::Host;
use withkey::memory::Protected;
use withkey::store::identity::Identities;

/// An identity that none of the vectors is for.
const STRANGER: &str = "AGE-SECRET-KEY-12HJNQ7MM3Q5RLZ22V94KNJWNXMFFZL9HGW9XKVJAWTYTT9U5SSZQP69T9K";

/// Where the crate and the vectors are not of one mind; its own tests say why.
const BEYOND_THE_CRATE: [&str; 3] = ["armor_whitespace_outside", "stanza_missing_body", "stanza_missing_final_line"];

struct Vector {
    name: String,
    head: String,
    file: Vec<u8>,
}

impl Vector {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let end = bytes.windows(2).position(|window| window == b"\n\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let body = bytes[end + 2..].to_vec();
        let file = if head.contains("\ncompressed: zlib") { inflated(&body) } else { body };
        Self { name: path.file_name().unwrap().to_str().unwrap().to_owned(), head, file }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The SHA-256 of what it opens to with its identity; nothing when it stays closed.
    fn opened(&self) -> Option<String> {
        let identity = self.field("identity").filter(|identity| identity.starts_with("AGE-SECRET-KEY-1"));
        let text = Protected::from_pieces(&[identity.unwrap_or(STRANGER).as_bytes()]).unwrap();
        let host = Host::new(Vec::new(), Vec::new(), Some(text));
        let identities = Identities::in_force(&host).unwrap_or_else(|error| panic!("{}: {error:?}", self.name));
        let opened = identities.open(&self.file, Path::new(&self.name)).ok()?;
        Some(Sha256::digest(opened.bytes()).iter().fold(String::new(), |mut digits, byte| {
            write!(digits, "{byte:02x}").unwrap();
            digits
        }))
    }
}

/// By Python, because no library of ours does it.
fn inflated(bytes: &[u8]) -> Vec<u8> {
    let script = "import sys, zlib; sys.stdout.buffer.write(zlib.decompress(sys.stdin.buffer.read()))";
    let mut python = Command::new("/usr/bin/python3");
    let mut child = python.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// The vectors lie in the sources of the crate, wherever cargo keeps them.
fn vectors() -> Vec<Vector> {
    let mut cargo = Command::new(env!("CARGO"));
    let cargo = cargo.args(["metadata", "--offline", "--format-version", "1"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.output().unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)));
    let age = metadata["packages"].as_array().unwrap().iter().find(|package| package["name"] == "age").unwrap();
    let folder = PathBuf::from(age["manifest_path"].as_str().unwrap()).with_file_name("tests/testdata/testkit");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| Vector::read(&entry.unwrap().path())).collect()
}

#[test]
fn ages_public_vectors_open_or_stay_closed_as_they_must() {
    let (mut opens, mut refused) = (0, 0);
    for vector in vectors().iter().filter(|vector| !BEYOND_THE_CRATE.contains(&vector.name.as_str())) {
        let ours = vector.field("identity").is_some_and(|identity| identity.starts_with("AGE-SECRET-KEY-1"));
        let expected = (vector.field("expect") == Some("success") && ours).then(|| vector.field("payload").unwrap());
        assert_eq!(vector.opened().as_deref(), expected, "{}:\n{}", vector.name, vector.head);
        *(if expected.is_some() { &mut opens } else { &mut refused }) += 1;
    }
    assert!(opens >= 10 && refused >= 90, "{opens} opened, {refused} stayed closed");
}
