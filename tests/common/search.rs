//! What must not be found in a process, and the search for it in everything readable there.
//!
//! Needs root (or CAP_SYS_PTRACE), because withkey makes itself unreadable for its own user.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use crate::common::Sandbox;

/// Halves that stand nowhere else: a run of digits or letters would be found in the C library's tables.
pub const KEY: &str = "sk-test-Xq7Lw2Rk9Vd4Ht6Bz8Jm3Np5Gs1Fc0Yu";

/// As a person would take one, and halves that stand nowhere else.
pub const PASSPHRASE: &str = "Zq4vTm9-Lx2kRw7 Hb6nPj3-Yd8sGf5";

/// Something that must not be found, and what it is.
#[derive(Clone)]
pub struct Needle {
    pub what: &'static str,
    pub bytes: Vec<u8>,
}

impl Needle {
    pub fn new(what: &'static str, bytes: &[u8]) -> Self {
        Self { what, bytes: bytes.to_vec() }
    }
}

/// Of [`KEY`], and of the sandbox's identity where it has one.
pub fn needles(sandbox: &Sandbox) -> Vec<Needle> {
    let mut needles = of_a_key(KEY);
    if sandbox.identity().exists() {
        needles.extend(of_an_identity(&fs::read_to_string(sandbox.identity()).unwrap()));
    }
    needles
}

pub fn of_a_key(key: &str) -> Vec<Needle> {
    let key = key.as_bytes();
    let (front, back) = key.split_at(key.len() / 2);
    vec![
        Needle::new("the key's first half", front),
        Needle::new("the key's second half", back),
        Needle::new("the key in base64", base64(key).as_bytes()),
    ]
}

/// Of [`PASSPHRASE`].
pub fn of_a_passphrase() -> Vec<Needle> {
    let (front, back) = PASSPHRASE.as_bytes().split_at(PASSPHRASE.len() / 2);
    vec![Needle::new("the passphrase's first half", front), Needle::new("the passphrase's second half", back)]
}

/// Of the text of its file.
pub fn of_an_identity(text: &str) -> Vec<Needle> {
    let identity = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap().as_bytes();
    // Behind the prefix that every identity has.
    let (front, back) = identity[15..].split_at(28);
    // Its number, but for the first and last byte, which X25519 changes.
    let number = scalar(identity);
    vec![
        Needle::new("the identity's first half", front),
        Needle::new("the identity's second half", back),
        Needle::new("the first half of the identity's number", &number[1..16]),
        Needle::new("the second half of the identity's number", &number[16..31]),
    ]
}

/// The 32 bytes that an identity's text stands for: Bech32, BIP 173.
fn scalar(identity: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 32] = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
    let digits =
        identity["AGE-SECRET-KEY-1".len()..].iter().map(|digit| DIGITS.iter().position(|d| d == digit).unwrap());
    let bits: Vec<usize> = digits.flat_map(|digit| (0..5).rev().map(move |bit| digit >> bit & 1)).collect();
    let byte = |bits: &[usize]| u8::try_from(bits.iter().fold(0, |byte, bit| byte << 1 | bit)).unwrap();
    bits.chunks_exact(8).take(32).map(byte).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let whole = bytes.chunks_exact(3).map(|three| {
        let number = three.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[number >> shift & 63]))
    });
    whole.flatten().collect()
}

/// Every place in the process where a needle stands.
pub fn search(process: i32, needles: &[Needle]) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = File::open(format!("/proc/{process}/mem")).unwrap_or_else(|error| {
        panic!("cannot read the memory of the process ({error}): run the tests as root, as tests/run does")
    });
    let (mut hits, mut read) = (Vec::new(), 0);
    for map in maps.lines() {
        let (range, rest) = map.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        if !rest.starts_with('r') || memory.read_exact_at(&mut bytes, start).is_err() {
            // The pages of memfd_secret, which nobody can read, and the kernel's vvar.
            continue;
        }
        read += 1;
        for needle in needles {
            let found = count(&bytes, &needle.bytes);
            if found > 0 {
                hits.push(format!("{} ({found} times) in {map}", needle.what));
            }
        }
    }
    assert!(read > 5, "only {read} mappings were readable");
    hits
}

/// How often it stands there. By the C library, which is many times as fast as a test's own code.
pub fn count(mut bytes: &[u8], needle: &[u8]) -> usize {
    let mut count = 0;
    loop {
        let (start, length) = (bytes.as_ptr(), bytes.len());
        // SAFETY: memmem reads no byte behind either length, and gives null or an address in the first range.
        let at = unsafe {
            let found = libc::memmem(start.cast(), length, needle.as_ptr().cast(), needle.len()).cast::<u8>();
            if found.is_null() {
                return count;
            }
            found.cast_const().offset_from_unsigned(start)
        };
        count += 1;
        bytes = &bytes[at + 1..];
    }
}
