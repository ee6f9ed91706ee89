//! A person at a terminal: a shell runs one line on it, and its questions are answered.

use crate::common::{KEY, Pty, Running, Sandbox, Start};
use crate::session::{assert_no_key, shell};

/// A terminal with echo, as a person has it, on which a shell runs one line.
pub struct Terminal {
    pub pty: Pty,
    running: Running,
}

impl Terminal {
    /// The modes before the line and after it are compared, and the line's status is shown.
    pub fn run(sandbox: &Sandbox, line: &str) -> Self {
        Self::run_with(sandbox, &[], line)
    }

    pub fn run_with(sandbox: &Sandbox, variables: &[(&str, &str)], line: &str) -> Self {
        Self::run_as(sandbox, line, |start| variables.iter().fold(start, |start, (name, value)| start.set(name, value)))
    }

    /// The shell is started as `change` says.
    pub fn run_as(sandbox: &Sandbox, line: &str, change: impl FnOnce(Start) -> Start) -> Self {
        let script = format!(
            "trap : INT QUIT TSTP; stty echo; before=$(stty -g); {line}\necho \"status $?\"; \
             [ \"$before\" = \"$(stty -g)\" ] && echo modes restored || {{ echo modes changed; stty -a; }}; echo end"
        );
        let pty = Pty::open();
        let running = pty.attach(change(shell(sandbox, &script))).start();
        Self { pty, running }
    }

    /// Waits for a question and answers it.
    #[track_caller]
    pub fn answer(&self, question: &str, answer: &str) -> &Self {
        self.pty.wait_for(question);
        self.pty.type_in(answer);
        self
    }

    /// Everything shown, when the line has ended with this status and the modes are as they were.
    #[track_caller]
    pub fn ends(self, status: i32) -> String {
        self.pty.wait_for("\nend\r\n");
        self.running.outcome().assert_exit(0);
        let text = self.pty.text().replace("\r\n", "\n");
        assert!(text.contains(&format!("status {status}\n")), "not status {status}:\n{text}");
        assert!(text.contains("modes restored\n"), "{text}");
        assert_no_key("the terminal", text.replace(&format!("{KEY}!\n"), "").as_bytes());
        text
    }
}
