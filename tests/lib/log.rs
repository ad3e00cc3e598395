//! The log of this process: the lines of the library and of its client of PostgreSQL, from the level TRACE on.
//!
//! A process has one logger, and Rocket installs its own if no other is there. A test that launches Rocket and reads the
//! log calls [`Log::listen`] first.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, Thread};

/// Every line, with the thread that wrote it.
#[derive(Debug)]
pub struct Log(Mutex<Vec<Line>>);

#[derive(Debug)]
struct Line {
    thread: Thread,
    is_ours: bool,
    text: String,
}

impl Log {
    /// Listens from the first call on.
    ///
    /// # Panics
    ///
    /// If this process has another logger.
    pub fn listen() -> &'static Self {
        static LOG: Log = Log(Mutex::new(Vec::new()));
        static FIRST: Once = Once::new();
        FIRST.call_once(|| {
            log::set_logger(&LOG).expect("this process has no other logger");
            log::set_max_level(log::LevelFilter::Trace);
        });
        &LOG
    }

    /// Runs this test again, in a process of its own where Rocket has installed no logger. Listens there; returns `None`
    /// in the process that has started it.
    ///
    /// # Panics
    ///
    /// If the test fails there.
    pub fn alone(test: &str) -> Option<&'static Self> {
        const ALONE: &str = "SESSION_TESTS_ALONE";
        if std::env::var_os(ALONE).is_some() {
            return Some(Self::listen());
        }
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        let run = command.args([test, "--exact"]).env(ALONE, "1").output().expect("a process");
        let shown = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && shown.contains("1 passed"), "{shown}{}", String::from_utf8_lossy(&run.stderr));
        None
    }

    /// The library's lines.
    pub fn all(&self) -> Vec<String> {
        self.ours(|_| true)
    }

    /// The library's lines that contain this text, from any thread.
    pub fn with(&self, text: &str) -> Vec<String> {
        self.ours(|line| line.text.contains(text))
    }

    /// The library's lines from this thread.
    pub fn here(&self) -> Vec<String> {
        let id = thread::current().id();
        self.ours(|line| line.thread.id() == id)
    }

    /// The library's lines from all threads of this name.
    pub fn of_threads(&self, name: &str) -> Vec<String> {
        self.ours(|line| line.thread.name() == Some(name))
    }

    /// Every line, those of the client of PostgreSQL included.
    pub fn whole(&self) -> String {
        self.lines().iter().flat_map(|line| [&line.text, "\n"]).collect()
    }

    fn ours(&self, keep: impl Fn(&Line) -> bool) -> Vec<String> {
        self.lines().iter().filter(|line| line.is_ours && keep(line)).map(|line| line.text.clone()).collect()
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        is_ours(metadata.target()) || metadata.target().starts_with("tokio_postgres")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let text = format!("{} {}", record.level(), record.args());
            self.lines().push(Line { thread: thread::current(), is_ours: is_ours(record.target()), text });
        }
    }

    fn flush(&self) {}
}

fn is_ours(target: &str) -> bool {
    target.starts_with("session_runtime")
}
