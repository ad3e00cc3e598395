//! Outcome of a command: its exit status, and the message of a failure.

use std::io;
use std::process::ExitCode;

use crate::error::{ErrorKind, SessionError};

/// Exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Done = 0,
    /// No such session; or `doctor` found something wrong.
    Nothing = 1,
    Usage = 2,
    Store = 3,
    /// As shells report a process that Ctrl-C has ended.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Failure of a command.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    /// Adds the effect that the command had before it failed.
    pub(super) fn after(self, effect: &str) -> Self {
        Self { message: format!("{effect} before this failure: {}", self.message), ..self }
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) const fn exit(&self) -> Exit {
        self.exit
    }

    /// Prints the message, and returns the exit status.
    pub(super) fn report(self) -> Exit {
        if !self.message.is_empty() {
            anstream::eprintln!("session: {}", self.message);
        }
        self.exit
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        let exit = if error.kind() == ErrorKind::Unsupported { Exit::Usage } else { Exit::Store };
        Self { exit, message: error.chain() }
    }
}

/// Output that cannot be written. A reader that has seen enough, such as `head`, is no failure.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self { exit: Exit::Done, message: String::new() },
            _ => Self { exit: Exit::Store, message: format!("the output cannot be written: {error}") },
        }
    }
}
