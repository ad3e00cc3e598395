//! What the library says in the log of this process, kept by the thread that said it: each site has threads of its own.

use std::sync::{Mutex, Once};
use std::thread;

/// Everything that was said, with the name of the thread.
static LINES: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

struct Log;

/// Listens from the first call on.
pub fn listen() {
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        log::set_logger(&Log).expect("nobody else listens in this process");
        log::set_max_level(log::LevelFilter::Trace);
    });
}

/// What was said by all threads of this name.
pub fn of_thread(name: &str) -> Vec<String> {
    LINES.lock().unwrap().iter().filter(|(thread, _)| thread == name).map(|(_, line)| line.clone()).collect()
}

/// What was said by anybody.
pub fn all() -> String {
    LINES.lock().unwrap().iter().map(|(_, line)| line.clone() + "\n").collect()
}

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("session_runtime")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let name = thread::current().name().unwrap_or_default().to_owned();
            LINES.lock().unwrap().push((name, format!("{} {}", record.level(), record.args())));
        }
    }

    fn flush(&self) {}
}
