//! Starting a process in any state: std's own way sorts the environment, repairs closed descriptors and resets signals.

use std::ffi::{CString, OsStr, c_char, c_int};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::RwLock;

use super::{Outcome, Running};

/// Held for writing while a program's file is written: a process forked meanwhile would keep the file open until its
/// own `execve`, and running the file would fail with ETXTBSY.
pub(super) static FORK: RwLock<()> = RwLock::new(());

/// Descriptors to hand over are first moved here, out of the way of the numbers they are to have.
const ASIDE: RawFd = 500;

type Step = Box<dyn Fn() -> c_int>;

/// A process to be, and the state it is to find.
///
/// It begins in a session of its own without a terminal, all signals default and none blocked, umask 022, nothing open
/// but an empty standard input and two files that collect its output.
pub struct Start {
    program: CString,
    argv: Vec<CString>,
    environment: Vec<CString>,
    directory: CString,
    input: Vec<u8>,
    descriptors: Vec<(RawFd, OwnedFd)>,
    steps: Vec<Step>,
}

impl Start {
    /// `program` is a path: nothing is looked up. The environment is empty, the directory `/`.
    pub fn new(program: impl AsRef<Path>) -> Self {
        let program = c_string(program.as_ref().as_os_str().as_bytes());
        let argv = vec![program.clone()];
        let (environment, directory, input) = (Vec::new(), c"/".to_owned(), Vec::new());
        Self { program, argv, environment, directory, input, descriptors: Vec::new(), steps: Vec::new() }
    }

    pub fn args<T: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.argv.extend(words.into_iter().map(|word| c_string(word.as_ref().as_bytes())));
        self
    }

    /// The first word, which is the program's path unless said otherwise.
    pub fn argv0(mut self, word: &[u8]) -> Self {
        self.argv[0] = c_string(word);
        self
    }

    /// Adds one entry to the end of the environment, whatever its bytes; entries may repeat and need no `=`.
    pub fn entry(mut self, entry: &[u8]) -> Self {
        self.environment.push(c_string(entry));
        self
    }

    /// Sets a variable as a shell would: at its place, or at the end.
    pub fn set(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let entry = c_string(&[name.as_bytes(), b"=", value.as_ref().as_bytes()].concat());
        match self.environment.iter().position(|entry| names(entry, name)) {
            Some(at) => self.environment[at] = entry,
            None => self.environment.push(entry),
        }
        self
    }

    pub fn unset(mut self, name: &str) -> Self {
        self.environment.retain(|entry| !names(entry, name));
        self
    }

    /// The environment as it will be handed over.
    pub fn environment(&self) -> Vec<Vec<u8>> {
        self.environment.iter().map(|entry| entry.as_bytes().to_vec()).collect()
    }

    pub fn in_directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = c_string(directory.as_ref().as_os_str().as_bytes());
        self
    }

    /// What standard input holds: a file, at its beginning.
    pub fn input(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.input = bytes.as_ref().to_vec();
        self
    }

    /// Hands `file` over under this number, instead of what would be there.
    pub fn descriptor(mut self, number: RawFd, file: impl Into<OwnedFd>) -> Self {
        self.descriptors.push((number, file.into()));
        self
    }

    /// Something to do in the new process before it runs the program; -1 is failure, with errno.
    /// It runs in a forked copy of one thread: system calls only.
    pub fn step(mut self, step: impl Fn() -> c_int + 'static) -> Self {
        self.steps.push(Box::new(step));
        self
    }

    pub fn closed(self, number: RawFd) -> Self {
        // SAFETY: in the new process, whose descriptors nothing owns.
        self.step(move || unsafe { libc::close(number) })
    }

    pub fn ignoring(self, signals: &[c_int]) -> Self {
        signals.iter().fold(self, |start, &signal| {
            // SAFETY: SIG_IGN runs no code.
            start.step(move || match unsafe { libc::signal(signal, libc::SIG_IGN) } {
                libc::SIG_ERR => -1,
                _ => 0,
            })
        })
    }

    pub fn blocking(self, signals: &[c_int]) -> Self {
        signals.iter().fold(self, |start, &signal| {
            // SAFETY: an all-zero set is valid and is emptied first.
            start.step(move || unsafe {
                let mut set = std::mem::zeroed();
                libc::sigemptyset(&raw mut set);
                libc::sigaddset(&raw mut set, signal);
                libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut())
            })
        })
    }

    /// Blocked and already sent.
    pub fn pending(self, signal: c_int) -> Self {
        // SAFETY: plain system calls.
        self.blocking(&[signal]).step(move || unsafe { libc::kill(libc::getpid(), signal) })
    }

    pub fn umask(self, mask: libc::mode_t) -> Self {
        self.step(move || {
            // SAFETY: a plain system call, which cannot fail.
            unsafe { libc::umask(mask) };
            0
        })
    }

    pub fn limited(self, resource: libc::__rlimit_resource_t, soft: u64, hard: u64) -> Self {
        // SAFETY: the limits live on this frame.
        self.step(move || unsafe { libc::setrlimit(resource, &libc::rlimit { rlim_cur: soft, rlim_max: hard }) })
    }

    /// Starts it and waits for its end.
    #[track_caller]
    pub fn run(self) -> Outcome {
        self.start().outcome()
    }

    /// Returns once the program runs.
    #[track_caller]
    pub fn start(self) -> Running {
        let shown = self.shown();
        self.try_start().unwrap_or_else(|error| panic!("cannot start {shown}: {error}"))
    }

    /// As `start`, for who expects that the system refuses.
    pub fn try_start(self) -> io::Result<Running> {
        let (stdout, stderr) = (memory_file(b"")?, memory_file(b"")?);
        let mut descriptors = vec![(0, aside(&memory_file(&self.input)?)?)];
        descriptors.push((1, aside(&stdout)?));
        descriptors.push((2, aside(&stderr)?));
        for (number, file) in &self.descriptors {
            descriptors.push((*number, aside(file)?));
        }
        let (mut failure, write_end) = pipe()?;
        let report = aside(&write_end)?;
        drop(write_end);
        let (argv, environment) = (pointers(&self.argv), pointers(&self.environment));

        let forking = FORK.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        // SAFETY: the new process makes system calls only, until it runs the program or ends.
        let process = unsafe { libc::fork() };
        match process {
            -1 => return Err(io::Error::last_os_error()),
            0 => self.become_program(&descriptors, &argv, &environment, report.as_raw_fd()),
            _ => drop(report),
        }
        // `execve` closes the pipe; what comes before is an errno.
        let mut errno = Vec::new();
        failure.read_to_end(&mut errno)?;
        drop(forking);
        let running = Running::new(process, self.shown(), stdout, stderr);
        match errno.try_into() {
            Ok(errno) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))),
            Err(_) => Ok(running),
        }
    }

    fn shown(&self) -> String {
        let words: Vec<_> = self.argv.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    /// In the new process: system calls only.
    fn become_program(
        &self,
        descriptors: &[(RawFd, OwnedFd)],
        argv: &[*const c_char],
        environment: &[*const c_char],
        report: RawFd,
    ) -> ! {
        // SAFETY: every pointer is to memory made before the fork.
        unsafe {
            let ready = clean() != -1
                && libc::chdir(self.directory.as_ptr()) != -1
                && descriptors.iter().all(|(number, file)| libc::dup2(file.as_raw_fd(), *number) != -1)
                && self.steps.iter().all(|step| step() != -1);
            if ready {
                libc::execve(self.program.as_ptr(), argv.as_ptr(), environment.as_ptr());
            }
            let errno = *libc::__errno_location();
            libc::write(report, (&raw const errno).cast(), size_of::<c_int>());
            libc::_exit(1)
        }
    }
}

/// Puts aside what the test program itself was started with or has changed.
///
/// # Safety
///
/// In a new process only.
unsafe fn clean() -> c_int {
    // SAFETY: plain system calls; an all-zero set is valid and is emptied first.
    unsafe {
        // glibc's posix_spawn leaves 32 and 33, its own, as ignored, and its `signal` refuses to change them. The
        // kernel's structure: handler, flags, restorer, mask.
        let default = [0_usize; 4];
        for signal in 1..=64 {
            libc::syscall(libc::SYS_rt_sigaction, signal, &raw const default, 0_usize, 8_usize);
        }
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        libc::umask(0o022);
        libc::syscall(libc::SYS_close_range, 3_u32, ASIDE - 1, 0_u32);
        libc::setsid()
    }
}

fn aside(file: &impl AsRawFd) -> io::Result<OwnedFd> {
    // SAFETY: makes a new descriptor.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, ASIDE) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: nothing else owns it.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
    }
}

/// A file in memory that holds `bytes`, at its beginning.
pub fn memory_file(bytes: &[u8]) -> io::Result<File> {
    // SAFETY: makes a new descriptor.
    let mut file = match unsafe { libc::memfd_create(c"test".as_ptr(), libc::MFD_CLOEXEC) } {
        -1 => return Err(io::Error::last_os_error()),
        // SAFETY: nothing else owns it.
        fd => unsafe { File::from_raw_fd(fd) },
    };
    file.write_all(bytes)?;
    io::Seek::rewind(&mut file)?;
    Ok(file)
}

/// A pipe: the end to read from, the end to write to.
pub fn pipe() -> io::Result<(File, File)> {
    let (read, write) = io::pipe()?;
    Ok((File::from(OwnedFd::from(read)), File::from(OwnedFd::from(write))))
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

fn names(entry: &CString, name: &str) -> bool {
    entry.as_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
}

fn c_string(bytes: &[u8]) -> CString {
    CString::new(bytes).unwrap()
}
