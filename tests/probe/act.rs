//! What the probe can be told to do, one word each: `NAME` or `NAME:VALUE`.

use std::ffi::c_int;

use crate::sys;

/// Does `actions` in order. The status is 0 when they end, 99 after a word that is not known.
pub fn all(actions: &[&[u8]]) -> c_int {
    for action in actions {
        let text = String::from_utf8_lossy(action);
        let (name, value) = text.split_once(':').unwrap_or((&text, ""));
        match name {
            // A line on standard output.
            "say" => say(value),
            "exit" => return number(value),
            // Dies by a signal, whatever was inherited for it.
            "die" => die(number(value)),
            // Sends itself a signal that stops it (19, 20, 21 or 22) and goes on when continued.
            "stop" => raise(number(value)),
            "close" => drop_fd(number(value)),
            "block" => sys::block(set(value)),
            "kill-parent" => kill(parent(), number(value)),
            // Sends a signal to the whole process group, itself included.
            "kill-group" => kill(0, number(value)),
            // Blocks the listed signals, says that it is ready, then one line for each that comes, for ever.
            "listen" => listen(set(value)),
            _ => return 99,
        }
    }
    0
}

fn listen(set: u64) -> ! {
    sys::block(set);
    say(&format!("ready {}", std::process::id()));
    loop {
        let (signal, code, sender) = sys::wait_for(set);
        let origin = if code > 0 { "kernel".to_owned() } else { format!("process {sender}") };
        say(&format!("got {signal} from {origin}"));
    }
}

/// One `write`, so that lines of several processes do not mix.
fn say(text: &str) {
    let line = format!("{text}\n");
    // SAFETY: the buffer is `line`, of that length.
    unsafe { libc::write(1, line.as_ptr().cast(), line.len()) };
}

fn die(signal: c_int) {
    sys::set_default(signal);
    sys::unblock(bit(signal));
    raise(signal);
}

fn raise(signal: c_int) {
    kill(i32::try_from(std::process::id()).unwrap(), signal);
}

fn kill(process: i32, signal: c_int) {
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::kill(process, signal) }, 0, "kill failed");
}

fn parent() -> i32 {
    // SAFETY: a plain system call.
    unsafe { libc::getppid() }
}

fn drop_fd(fd: c_int) {
    // SAFETY: nothing in this program owns the descriptor.
    unsafe { libc::close(fd) };
}

fn number(value: &str) -> c_int {
    value.parse().expect("an action's value is a number")
}

fn set(value: &str) -> u64 {
    value.split(',').filter(|one| !one.is_empty()).map(|one| bit(number(one))).fold(0, |all, one| all | one)
}

fn bit(signal: c_int) -> u64 {
    1 << (signal - 1)
}
