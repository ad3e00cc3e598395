//! A server as a process of its own, so that only its instructions are counted and only its memory is seen.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;
use tempfile::TempDir;

/// A running server; killed when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    folder: TempDir,
    /// Stopped after the server.
    _engine: Option<Engine>,
}

/// The store of the sessions.
enum Engine {
    Redis(Redis),
    Postgres(Postgres),
}

/// The served application.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum App {
    Bare,
    Memory,
    Sqlite,
    Redis,
    Postgres,
}

impl App {
    fn engine(self) -> Option<Engine> {
        match self {
            Self::Bare | Self::Memory | Self::Sqlite => None,
            Self::Redis => Some(Engine::Redis(Redis::start())),
            Self::Postgres => Some(Engine::Postgres(Postgres::start(""))),
        }
    }
}

impl Engine {
    fn url(&self) -> String {
        match self {
            Self::Redis(redis) => redis.url(),
            Self::Postgres(postgres) => postgres.url(),
        }
    }
}

impl Server {
    /// With as many workers as there are cores.
    pub(crate) fn start(app: App) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        let command = Command::new(env::current_exe().expect("the path of this program"));
        Self::spawn(command, app, workers, folder)
    }

    /// Under callgrind, with one worker, so that the same requests are the same instructions.
    pub(crate) fn counted(app: App) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        let command = callgrind(&counts(folder.path()));
        Self::spawn(command, app, 1, folder)
    }

    fn spawn(mut command: Command, app: App, workers: usize, folder: TempDir) -> Self {
        let engine = app.engine();
        let file = format!("sqlite://{}", folder.path().join("sessions.db").display());
        let (kind, store) = match (app, &engine) {
            (_, Some(engine)) => ("session", engine.url()),
            (App::Bare, _) => ("bare", "none".to_owned()),
            (App::Memory, _) => ("session", "memory:".to_owned()),
            _ => ("session", file),
        };
        command.args(["serve", kind, &store]).arg(workers.to_string());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a server that starts");
        let output = BufReader::new(child.stdout.take().expect("the output of the server"));
        // Fairings may print before the port is known.
        let port = output.lines().map_while(Result::ok).find_map(|line| line.parse::<u16>().ok());
        let port = port.expect("the port of a server that started");
        Self { address: SocketAddr::from(([127, 0, 0, 1], port)), child, folder, _engine: engine }
    }

    /// Instructions that callgrind counted between the `n`th mark and the mark before it. `n` starts at 1.
    pub(crate) fn counted_up_to_mark(&self, n: usize) -> f64 {
        total(&counts(self.folder.path()), n)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, which a measurement has shown before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn counts(folder: &Path) -> PathBuf {
    folder.join("callgrind.out")
}

/// This program under callgrind, which writes what it counted into a file each time the mark is passed.
pub(crate) fn callgrind(out: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "-q", "--dump-before=*callgrind_mark*"]);
    command.arg(format!("--callgrind-out-file={}", out.display()));
    command.arg(env::current_exe().expect("the path of this program"));
    command
}

/// The instructions in the `n`th file that callgrind wrote.
pub(crate) fn total(out: &Path, n: usize) -> f64 {
    let file = PathBuf::from(format!("{}.{n}", out.display()));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("callgrind wrote no {n}th count: {error}"));
    let line = text.lines().find_map(|line| line.strip_prefix("totals: "));
    line.and_then(|count| count.trim().parse().ok()).expect("a total in the output of callgrind")
}
