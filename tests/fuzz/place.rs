//! Where the targets that read files have them: a folder of this process, in memory where the system has such a place.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use withkey::host::Folders;

/// A new folder that nobody else can write, by its physical path. `tests/fuzz/run` says where, and removes it.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn new() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let temporary = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let above = std::env::var_os("WITHKEY_FUZZ_PLACE").map_or(temporary, PathBuf::from);
    let place = above.join(format!("withkey-fuzz-{}", std::process::id()));
    DirBuilder::new().mode(0o700).create(&place).unwrap();
    place.canonicalize().unwrap()
}

/// withkey's folders in `place`, with the one for what it remembers made.
///
/// # Panics
/// When they cannot be made.
#[must_use]
pub fn folders(place: &Path) -> Folders {
    let folders = Folders { config: place.join("config"), data: place.join("data"), state: place.join("state") };
    DirBuilder::new().mode(0o700).recursive(true).create(folders.grants()).unwrap();
    folders
}

/// Puts `bytes` into a file that only its owner can write.
///
/// # Panics
/// When it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(bytes).unwrap();
}
