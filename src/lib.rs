//! withkey runs a command with this directory's API key in its environment, and leaves the key nowhere else.
//!
//! The path: argv → [`cli::Request`] → program → chosen profile → key → environment → `execve`. [`run`] and
//! [`launch::run`] tell the whole of it. Rooms use only those below them: launch, verb > store, cli > profile, config >
//! ui > program, log, files, host, key > error > provider > exit, apart > memory.

#[cfg(windows)]
compile_error!("withkey runs on Linux and macOS: Windows has no execve, which withkey is made of");

use std::panic::{self, AssertUnwindSafe};

pub mod advice;
#[cfg(target_os = "linux")]
mod apart;
#[cfg(not(target_os = "linux"))]
#[path = "apart/thread.rs"]
mod apart;
pub mod cli;
pub mod config;
pub mod error;
pub mod exit;
pub mod files;
pub mod host;
pub mod key;
pub mod launch;
pub mod log;
pub mod memory;
pub mod profile;
pub mod program;
pub mod provider;
pub mod store;
pub mod ui;
pub mod verb;

use cli::Request;
use error::Error;
use exit::Exit;
use host::Host;
use ui::Ui;
use ui::style::Color;

/// Does what the arguments ask for and gives the exit status. A launch that works does not return.
#[must_use]
pub fn run(host: Host) -> Exit {
    let fallback = Ui::new(Color::Auto, &host);
    // A panic must not reach the C frame of the door; its text could hold anything, so it is not shown.
    panic::set_hook(Box::new(|_| {}));
    let exit = panic::catch_unwind(AssertUnwindSafe(|| dispatch(host))).unwrap_or_else(|_| {
        fallback.error(&Error::Internal);
        Exit::LaunchFailed
    });
    // From up here the libraries lie deeper than from the launch that used them.
    memory::scrub_stack::<{ 64 * 1024 }>();
    // A parent of COMMAND held no key, and ends without delay.
    if !matches!(exit, Exit::Command(_)) {
        memory::scrub_registers();
    }
    exit
}

fn dispatch(mut host: Host) -> Exit {
    let request = match cli::parse(&host.arguments) {
        Ok(request) => request,
        Err(refused) => {
            Ui::new(Color::Auto, &host).error_with(&refused.error, advice::advice(&refused.error, &host));
            return refused.exit;
        }
    };
    match request {
        Request::Launch(launch) => {
            let ui = Ui::new(launch.color, &host);
            launch::run(launch, &mut host, ui).unwrap_or_else(|error| {
                ui.error_with(&error, advice::advice(&error, &host));
                error.exit_of_launch()
            })
        }
        Request::Verb(verb, color) => {
            let ui = Ui::new(color, &host);
            verb::run(verb, &host, ui).unwrap_or_else(|error| {
                ui.error_with(&error, advice::advice(&error, &host));
                error.exit_of_verb()
            })
        }
        Request::Complete(words) => {
            verb::completions::answer::run(&words, &host);
            Exit::Done
        }
        Request::Show(text) => ui::answer(&text).map_or(Exit::LaunchFailed, |()| Exit::Done),
        Request::Help(page, color) => {
            let text = cli::help::page(&page, ui::stdout_is_colored(color, &host));
            ui::answer(&text).map_or(Exit::LaunchFailed, |()| Exit::Done)
        }
        Request::HelpUnasked(page) => {
            ui::say(&cli::help::page(&page, Color::Auto.decide(&host, ui::stderr_is_terminal)));
            Exit::LaunchFailed
        }
    }
}
