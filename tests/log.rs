//! What the library writes to the log of this process.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};

/// Every line of the library, with the thread that wrote it.
#[derive(Debug)]
pub struct Log(Mutex<Vec<(ThreadId, String)>>);

impl Log {
    /// Listens from the first call on.
    ///
    /// # Panics
    ///
    /// If something else listens in this process.
    pub fn listen() -> &'static Self {
        static LOG: Log = Log(Mutex::new(Vec::new()));
        static FIRST: Once = Once::new();
        FIRST.call_once(|| {
            log::set_logger(&LOG).expect("nothing else listens in this process");
            log::set_max_level(log::LevelFilter::Trace);
        });
        &LOG
    }

    /// The lines that hold these words, whichever thread wrote them.
    #[must_use]
    pub fn with(&self, words: &str) -> Vec<String> {
        self.lines().iter().filter(|(_, line)| line.contains(words)).map(|(_, line)| line.clone()).collect()
    }

    /// The lines that this thread wrote.
    #[must_use]
    pub fn here(&self) -> Vec<String> {
        let id = thread::current().id();
        self.lines().iter().filter(|(thread, _)| *thread == id).map(|(_, line)| line.clone()).collect()
    }

    fn lines(&self) -> MutexGuard<'_, Vec<(ThreadId, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("session_runtime")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{} {}", record.level(), record.args());
            self.lines().push((thread::current().id(), line));
        }
    }

    fn flush(&self) {}
}
