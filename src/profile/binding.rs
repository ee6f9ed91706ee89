//! Directories tied to profiles: the file `bindings`, one line each, `PROFILE PATH`; `PROFILE *` is the default.
//!
//! Read by scanning, fit to edit by hand. In a path `\\` stands for a backslash, `\n`, `\r` and `\t` for those bytes, and
//! `\ ` for a blank at the end of a name; all else is as it is, byte for byte, to the end of the line. Empty lines and lines that begin with `#` are comments and are kept.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files::{self, Guard};
use crate::host::Folders;
use crate::memory;
use crate::profile::ProfileName;

/// The default's place in a line.
const EVERYWHERE: &[u8] = b"*";

/// The content of the bindings' file.
pub struct Bindings {
    file: PathBuf,
    /// Never freed: it would be overwritten then, which a thousand bindings would make felt.
    text: &'static [u8],
}

/// One line that binds.
struct Line<'a> {
    number: usize,
    profile: &'a [u8],
    /// As written, escapes and all.
    target: &'a [u8],
}

/// A binding whose directory is the current one or lies above it, or the default.
#[derive(Debug)]
pub struct Bound {
    /// The directory; none for the default.
    pub directory: Option<PathBuf>,
    /// The profile tied to it.
    pub profile: ProfileName,
    line: usize,
}

impl Bindings {
    /// Reads the bindings; a missing file has none.
    ///
    /// # Errors
    /// When the file cannot be read or others may change it.
    pub fn read(folders: &Folders) -> Result<Self, Error> {
        let file = folders.bindings();
        let text = files::read(&file, files::LARGEST, Guard::Own)?.unwrap_or_default();
        Ok(Self { file, text: text.leak() })
    }

    /// The bindings of a text that was read elsewhere; `file` is for errors and for where a change is written.
    #[must_use]
    pub fn from_text(file: PathBuf, text: &'static [u8]) -> Self {
        Self { file, text }
    }

    /// The bindings that matter in the directory `here`, in the file's order, the default among them.
    ///
    /// # Errors
    /// When a line is malformed, or two lines name different profiles for one directory.
    pub fn above(&self, here: &Path) -> Result<Vec<Bound>, Error> {
        let here = escaped(here.as_os_str().as_bytes());
        let mut found: Vec<Bound> = Vec::new();
        for (number, raw) in self.raw_lines() {
            if rule_out(raw, &here) {
                continue;
            }
            let Some(line) = self.parse(number, raw)? else { continue };
            if line.target != EVERYWHERE && !contains(line.target, &here) {
                continue;
            }
            let target = line.path();
            let bound = self.bound(&line, &target)?;
            if let Some(other) = found.iter().find(|other| other.directory == bound.directory) {
                if other.profile != bound.profile {
                    return Err(Error::BindingTwice {
                        file: self.file.clone(),
                        lines: (other.line, bound.line),
                        directory: String::from_utf8_lossy(&target).into_owned(),
                    });
                }
                continue;
            }
            found.push(bound);
        }
        Ok(found)
    }

    /// Every binding, in the file's order.
    ///
    /// # Errors
    /// When a line is malformed.
    pub fn all(&self) -> Result<Vec<Bound>, Error> {
        self.lines()
            .map(|line| {
                let line = line?;
                if line.is_untidy() {
                    let why = "its path holds //, /./ or /../, and so matches no directory";
                    return Err(Error::BindingLine { file: self.file.clone(), line: line.number, why });
                }
                self.bound(&line, &line.path())
            })
            .collect()
    }

    /// Ties `directory` (none: everywhere, as the default) to `profile` in place of what it was tied to, or unties it.
    /// Gives whether anything changed. The lock of the configuration must be held.
    ///
    /// # Errors
    /// When the file is malformed or cannot be written.
    pub fn bind(&mut self, directory: Option<&Path>, profile: Option<&ProfileName>) -> Result<bool, Error> {
        let target = directory.map_or(EVERYWHERE, |directory| directory.as_os_str().as_bytes());
        let new = profile.map(|profile| [profile.as_str().as_bytes(), b" ", &escaped(target), b"\n"].concat());
        self.rewrite(new.as_deref().unwrap_or_default(), |line| line.path() == target)
    }

    /// Unties every directory of `profile`. The lock of the configuration must be held.
    ///
    /// # Errors
    /// As [`Bindings::bind`].
    pub fn forget(&mut self, profile: &ProfileName) -> Result<bool, Error> {
        self.rewrite(b"", |line| line.profile == profile.as_str().as_bytes())
    }

    /// Leaves out the lines that `goes` picks, puts `new` where the first of them stood or at the end, and writes the file.
    fn rewrite(&mut self, new: &[u8], goes: impl Fn(&Line) -> bool) -> Result<bool, Error> {
        let mut text = Vec::with_capacity(self.text.len() + new.len() + 1);
        let mut new = Some(new);
        for (index, raw) in self.text.split_inclusive(|&byte| byte == b'\n').enumerate() {
            match self.parse(index + 1, raw.strip_suffix(b"\n").unwrap_or(raw))? {
                Some(line) if goes(&line) => text.extend_from_slice(new.take().unwrap_or_default()),
                _ => {
                    text.extend_from_slice(raw);
                    if !raw.ends_with(b"\n") {
                        text.push(b'\n');
                    }
                }
            }
        }
        text.extend_from_slice(new.unwrap_or_default());
        if self.text == text {
            return Ok(false);
        }
        files::replace(&self.file, &text)?;
        self.text = text.leak();
        Ok(true)
    }

    fn lines(&self) -> impl Iterator<Item = Result<Line<'_>, Error>> {
        self.raw_lines().filter_map(|(number, raw)| self.parse(number, raw).transpose())
    }

    /// The lines with their numbers, without their ends.
    fn raw_lines(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let mut rest = self.text;
        let mut number = 0;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            number += 1;
            let (raw, behind) = rest.split_at_checked(memory::find(b'\n', rest).unwrap_or(rest.len()))?;
            rest = behind.get(1..).unwrap_or_default();
            Some((number, raw))
        })
    }

    fn parse<'a>(&self, number: usize, raw: &'a [u8]) -> Result<Option<Line<'a>>, Error> {
        match raw.first() {
            None | Some(b'#') => return Ok(None),
            Some(_) => {}
        }
        let malformed = |why| Err(Error::BindingLine { file: self.file.clone(), line: number, why });
        let Some(space) = raw.iter().position(|&byte| byte == b' ') else {
            return malformed("it has no space between profile and path");
        };
        let (profile, target) = raw.split_at(space);
        let target = target.get(1..).unwrap_or_default();
        if target.first() != Some(&b'/') && target != EVERYWHERE {
            return malformed("its path is not absolute");
        }
        // Compared as bytes it would match no directory, and another key would be used in silence.
        if target.ends_with(b" ") && !target.ends_with(b"\\ ") || target.ends_with(b"\t") || target.ends_with(b"\r") {
            return malformed("it ends in white space");
        }
        let line = Line { number, profile, target };
        if escaped(&line.path()) != target {
            return malformed("it has a backslash too many or too few; `withkey use` writes it right");
        }
        Ok(Some(line))
    }

    fn bound(&self, line: &Line, target: &[u8]) -> Result<Bound, Error> {
        let profile = std::str::from_utf8(line.profile).ok().and_then(|name| name.parse().ok());
        let why = "its first word is not a profile's name";
        let profile = profile.ok_or_else(|| Error::BindingLine { file: self.file.clone(), line: line.number, why })?;
        let directory = (target != EVERYWHERE).then(|| PathBuf::from(OsStr::from_bytes(target)));
        Ok(Bound { directory, profile, line: line.number })
    }
}

/// Whether a line binds some other directory than `here` and those above it. A thousand bindings must hardly be felt at a
/// launch, so nearly every line is ruled out here; one that is malformed never is, because it may mean this directory.
#[inline]
fn rule_out(raw: &[u8], here: &[u8]) -> bool {
    // The end of the default, and of white space.
    if matches!(raw.last(), None | Some(b'*' | b' ' | b'\t' | b'\r')) {
        return false;
    }
    let Some(space) = raw.iter().position(|&byte| byte == b' ') else { return false };
    match raw.get(space + 1..) {
        Some(target @ [b'/', ..]) => !contains(target, here) && !is_special(target),
        _ => false,
    }
}

/// Whether a path as written may be another one than it seems.
#[inline]
fn is_special(target: &[u8]) -> bool {
    memory::find(b'\\', target).is_some() || memory::find(b' ', target).is_some()
}

impl<'a> Line<'a> {
    /// Whether the path is one that no directory has: canonical paths have no empty part, no `.` and no `..`.
    fn is_untidy(&self) -> bool {
        let mut parts = self.target.strip_suffix(b"/").unwrap_or(self.target).split(|&byte| byte == b'/').skip(1);
        parts.any(|part| part.is_empty() || part == b"." || part == b"..")
    }

    /// The path it names, without escapes.
    fn path(&self) -> Cow<'a, [u8]> {
        unescaped(self.target)
    }
}

/// What a written path stands for.
pub(super) fn unescaped(written: &[u8]) -> Cow<'_, [u8]> {
    if !written.contains(&b'\\') {
        return Cow::Borrowed(written);
    }
    let mut path = Vec::with_capacity(written.len());
    let mut bytes = written.iter().copied();
    while let Some(byte) = bytes.next() {
        path.push(match (byte, byte == b'\\') {
            (_, true) => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(other) => other,
                None => b'\\',
            },
            (byte, false) => byte,
        });
    }
    Cow::Owned(path)
}

/// A path as a line writes it. A part of a longer path is written as it is alone, so that both can be compared.
pub(super) fn escaped(path: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(path.len());
    let mut bytes = path.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let letter = match byte {
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            b' ' if bytes.peek().is_none_or(|&next| next == b'/') => b' ',
            _ => {
                escaped.push(byte);
                continue;
            }
        };
        escaped.extend([b'\\', letter]);
    }
    escaped
}

/// Whether `directory` is `here` or lies above it, component by component.
fn contains(directory: &[u8], here: &[u8]) -> bool {
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    here.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn bindings(text: &[u8]) -> Bindings {
        Bindings { file: PathBuf::from("/x/bindings"), text: text.to_vec().leak() }
    }

    fn names(text: &str, here: &str) -> Vec<String> {
        let found = bindings(text.as_bytes()).above(Path::new(here)).unwrap();
        found.iter().map(|bound| bound.profile.to_string()).collect()
    }

    #[test]
    fn paths_are_compared_by_component_and_never_as_string_prefixes() {
        let text = "a /home/ana/app\nb /home/ana\nc /home/ana/application\nd *\n";
        assert_eq!(names(text, "/home/ana/app/src"), ["a", "b", "d"]);
        assert_eq!(names(text, "/home/ana/application"), ["b", "c", "d"]);
        assert_eq!(names(text, "/home/an"), ["d"]);
        assert_eq!(names("r /\n", "/anything"), ["r"]);
        assert_eq!(names("r /a/\n", "/a"), ["r"]);
    }

    #[test]
    fn a_path_of_any_bytes_comes_back_as_it_went_in() {
        for path in [&b"/a b"[..], b"/a\nb", b"/a\\nb", b"/a\\", b"/\xff", b"/# x", b"/a ", b"/a\r", b"/a\t"] {
            let line = [b"p ", escaped(path).as_slice()].concat();
            let found = bindings(&line).above(Path::new(OsStr::from_bytes(path))).unwrap();
            assert_eq!(found.first().unwrap().directory.as_deref().unwrap().as_os_str().as_bytes(), path);
        }
    }

    #[test]
    fn a_malformed_line_is_an_error_with_its_number_and_never_passed_over() {
        for (text, number) in [
            ("a /x\nb\n", 2),
            ("a\t/x\n", 1),
            ("# c\n\na x\n", 3),
            ("A! /x\n", 1),
            ("a  /x\n", 1),
            ("a /x\r\n", 1),
            ("a /x \n", 1),
            ("a /x\t\n", 1),
            ("a/nowhere\n", 1),
            // As a shell would write them: compared as bytes they would match no directory.
            ("a /y\\ b\n", 1),
            ("a /y\\\n", 1),
            ("a /y\\z\n", 1),
            ("a /y /z\n", 1),
        ] {
            match bindings(text.as_bytes()).above(Path::new("/x")) {
                Err(Error::BindingLine { line, .. }) => assert_eq!(line, number, "{text:?}"),
                other => panic!("{text:?}: {:?}", other.map(|found| found.len())),
            }
        }
    }

    #[test]
    fn a_path_that_no_directory_has_is_told_by_the_verbs_that_read_all() {
        for text in ["a //x\n", "a /y/./x\n", "a /y/..\n", "a /y\tz\n", "a /y\rz\n"] {
            assert!(matches!(bindings(text.as_bytes()).all(), Err(Error::BindingLine { line: 1, .. })), "{text:?}");
        }
        assert_eq!(bindings(b"a /x/\nb /\nc *\n").all().unwrap().len(), 3);
    }

    #[test]
    fn one_directory_bound_to_two_profiles_is_an_error() {
        let twice = bindings(b"a /x\nb /x\n");
        assert!(matches!(twice.above(Path::new("/x/y")), Err(Error::BindingTwice { lines: (1, 2), .. })));
        assert_eq!(names("a /x\na /x\n", "/x"), ["a"]);
    }
}
