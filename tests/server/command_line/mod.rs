//! The command `session`, as an operator runs it: the program on every store, in a pipe and on a terminal.
//!
//! The sessions are those of a node with the schemas `cart` and `auth`, which the program does not know. A place has a
//! namespace of its own on a shared server.

mod doctor;
mod forms;
mod refused;
mod sessions;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use session_runtime::clock::Clock;
use session_runtime::{PostgresStore, RedisStore, Sessions, SqliteStore, Store};
use session_tests::lookups::{ClockAhead, node};
use session_tests::programs::is_stale;
use tempfile::TempDir;

use crate::process::Storage;

const DAY: i64 = 24 * 60 * 60;

/// Sessions on one store, and the program.
struct Place {
    folder: TempDir,
    storage: Storage,
    url: String,
    namespace: String,
}

/// Outcome of the program.
#[derive(Debug)]
struct Outcome {
    status: ExitStatus,
    out: String,
    err: String,
}

impl Place {
    fn new(storage: Storage) -> Self {
        static PLACES: AtomicUsize = AtomicUsize::new(0);
        let folder = TempDir::new().unwrap();
        let file = || format!("sqlite://{}", folder.path().join("sessions.db").display());
        let url = storage.server().unwrap_or_else(file);
        let namespace = format!("operated{}", PLACES.fetch_add(1, Ordering::Relaxed));
        Self { folder, storage, url, namespace }
    }

    /// One on each store that several processes can share.
    fn all() -> impl Iterator<Item = Self> {
        Storage::SHARED.into_iter().map(Self::new)
    }

    /// The store of the application.
    fn store(&self) -> Arc<dyn Store> {
        match self.storage {
            Storage::Postgres => Arc::new(PostgresStore::builder(&self.url).schema(&self.namespace).open().unwrap()),
            Storage::Redis | Storage::Cluster => {
                Arc::new(RedisStore::builder(&self.url).namespace(&self.namespace).open().unwrap())
            }
            Storage::Sqlite => Arc::new(SqliteStore::open(self.file()).unwrap()),
            Storage::Memory => unreachable!("the program is another process"),
        }
    }

    /// A node of the application.
    async fn node(&self, clock: impl Clock) -> Sessions {
        let node = node(self.store(), clock);
        node.prepare().await.unwrap();
        node
    }

    /// A node whose sessions expired two minutes ago, after two weeks. Redis keeps them for some minutes more.
    async fn old_node(&self) -> Sessions {
        self.node(ClockAhead(-14 * DAY - 120)).await
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("sessions.db")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = program(args);
        command.env("SESSION_STORE", &self.url).args(["--namespace", &self.namespace]);
        command
    }

    fn run(&self, args: &[&str]) -> Outcome {
        run(&mut self.command(args))
    }

    /// Runs a command that succeeds without a message, and returns its output.
    #[track_caller]
    fn done(&self, args: &[&str]) -> String {
        let Outcome { status, out, err } = self.run(args);
        assert!(status.success() && err.is_empty(), "{:?}: {args:?} ended with {status}: {err}", self.storage);
        out
    }

    /// The JSON object that a command prints.
    #[track_caller]
    fn json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.done(&[args, &["--json"]].concat())).unwrap()
    }
}

impl Outcome {
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        self
    }
}

/// The program with these arguments, and nothing of this process's environment that it reads.
fn program(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args).env_remove("SESSION_STORE").env_remove("NO_COLOR").env("TERM", "xterm").stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let outcome = Outcome { status: output.status, out: text(output.stdout), err: text(output.stderr) };
    assert!(!outcome.err.contains("panicked"), "{outcome:?}");
    outcome
}

/// The program, built anew if it is missing or older than its sources.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // A test is `<target>/<profile>/deps/server-…`.
        let test = std::env::current_exe().unwrap();
        let target = test.ancestors().nth(3).unwrap();
        let binary = target.join("debug/session");
        if is_stale(&binary, &[]) {
            let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            command.args(["build", "--locked", "--package", "session-runtime", "--bin", "session", "--all-features"]);
            command.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", target);
            assert!(command.status().unwrap().success(), "the program does not build");
        }
        binary
    })
}

/// Every file of a folder with its content.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    files.sort();
    files
}
