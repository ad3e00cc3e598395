//! A folder with the shop's database and output, and the process that serves the shop.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};

use rusqlite::types::ValueRef;
use session_runtime::clock::Timestamp;
use session_runtime::record::Values;
use session_runtime::store::Wanted;
use session_runtime::{SessionKey, SqliteStore, Store as _};
use session_tests::cookie::{Cookie, hex};
use session_tests::http::{Answer, Connection, Request};
use session_tests::programs::examples;
use session_tests::servers::cluster::Cluster;
use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;
use tempfile::TempDir;

use crate::mounts;

/// For things that take milliseconds; running out means that they do not happen at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// Rocket's profile: it decides about the cookie's name and `Secure`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// The program that serves the shop. `SESSION_TESTS_PROGRAM` chooses it for a whole run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    Rocket,
    Axum,
}

impl Program {
    pub(crate) const VARIABLE: &str = "SESSION_TESTS_PROGRAM";

    pub(crate) fn chosen() -> Self {
        match std::env::var(Self::VARIABLE).as_deref() {
            Err(_) | Ok("rocket") => Self::Rocket,
            Ok("axum") => Self::Axum,
            Ok(other) => panic!("{} is `rocket` or `axum`, not `{other}`", Self::VARIABLE),
        }
    }

    pub(crate) fn command(self) -> Command {
        Command::new(self.path())
    }

    fn path(self) -> PathBuf {
        programs().join(match self {
            Self::Rocket => "cart",
            Self::Axum => "axum-cart",
        })
    }

    /// Sets the settings of the session. Port 0: the system picks a free port, and the program prints it.
    fn configure(self, command: &mut Command, profile: Profile, session: &str) {
        match self {
            Self::Rocket => command
                .env("ROCKET_ADDRESS", "127.0.0.1")
                .env("ROCKET_PORT", "0")
                .env("ROCKET_CLI_COLORS", "false")
                .env("ROCKET_LOG_LEVEL", "normal")
                .env("ROCKET_PROFILE", if matches!(profile, Profile::Debug) { "debug" } else { "release" })
                .env("ROCKET_SESSION", session),
            Self::Axum => command.env("PORT", "0").env("CART_SESSION", Self::with_secure(profile, session)),
        };
    }

    /// A program without profiles is a debug build here, whose cookie is `Secure` only if the settings demand it.
    fn with_secure(profile: Profile, session: &str) -> String {
        match (profile, session.strip_suffix('}')) {
            (Profile::Release, Some(table)) if !["cookie", "bearer"].iter().any(|word| session.contains(word)) => {
                format!("{table},cookie={{secure=true}}}}")
            }
            _ => session.to_owned(),
        }
    }
}

/// The store of the sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Storage {
    Memory,
    Sqlite,
    Postgres,
    Redis,
    Cluster,
}

impl Storage {
    /// Those that several processes can share.
    pub(crate) const SHARED: [Self; 4] = [Self::Sqlite, Self::Postgres, Self::Redis, Self::Cluster];

    /// The URL of a server that all tests of this process share: no two of them have a session in common.
    pub(crate) fn server(self) -> Option<String> {
        static POSTGRES: LazyLock<Postgres> = LazyLock::new(|| Postgres::start(""));
        static REDIS: LazyLock<Redis> = LazyLock::new(Redis::start);
        static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::start);
        match self {
            Self::Memory | Self::Sqlite => None,
            Self::Postgres => Some(POSTGRES.url()),
            Self::Redis => Some(REDIS.url()),
            Self::Cluster => Some(CLUSTER.url()),
        }
    }
}

/// A folder for one test, in which processes of the shop run.
pub(crate) struct Host {
    program: Program,
    folder: TempDir,
    starts: AtomicUsize,
    /// The script that mounts the disk of the database, visible to the server alone.
    mounts: Option<&'static str>,
}

/// A running server; dropping it kills it, also while a failed test unwinds.
pub(crate) struct Shop {
    child: Child,
    address: SocketAddr,
    output: PathBuf,
    /// Further processes over the same sessions; connections go to each in turn.
    beside: Vec<Shop>,
    turn: AtomicUsize,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::of(Program::chosen())
    }

    pub(crate) fn of(program: Program) -> Self {
        Self { program, folder: TempDir::new().unwrap(), starts: AtomicUsize::new(0), mounts: None }
    }

    /// With a disk that only the server sees: the script mounts it at `$1`.
    pub(crate) fn mounting(script: &'static str) -> Self {
        let host = Self { mounts: Some(script), ..Self::new() };
        fs::create_dir(host.disk()).unwrap();
        host
    }

    pub(crate) fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    pub(crate) fn database(&self) -> PathBuf {
        let folder = if self.mounts.is_some() { self.disk() } else { self.folder.path().to_owned() };
        folder.join("sessions.db")
    }

    /// `ROCKET_SESSION` that names this place's database, and `more` keys.
    pub(crate) fn sqlite(&self, more: &str) -> String {
        format!("{{store=\"sqlite://{}\"{more}}}", self.database().display())
    }

    pub(crate) fn open(&self, profile: Profile, storage: Storage) -> Shop {
        self.open_with(profile, storage, "")
    }

    /// With `more` keys of the session's table: `,idle="1h"`.
    pub(crate) fn open_with(&self, profile: Profile, storage: Storage, more: &str) -> Shop {
        let session = match storage.server() {
            Some(url) => return self.open_at(profile, &url, more),
            None if matches!(storage, Storage::Memory) => format!("{{store=\"memory:\"{more}}}"),
            None => self.sqlite(more),
        };
        let started = self.spawn(self.program(), profile, &session);
        Self::launched(started)
    }

    /// Over the server that this URL names, through a proxy perhaps.
    pub(crate) fn open_at(&self, profile: Profile, url: &str, more: &str) -> Shop {
        let session = format!("{{store=\"{url}\"{more}}}");
        Self::launched(self.spawn(self.program(), profile, &session))
    }

    /// Several processes over the same sessions, as one shop.
    pub(crate) fn open_fleet(&self, storage: Storage, processes: usize, more: &str) -> Shop {
        let mut shop = self.open_with(Profile::Debug, storage, more);
        shop.beside = (1..processes).map(|_| self.open_with(Profile::Debug, storage, more)).collect();
        shop
    }

    /// Another server than the example: `ROCKET_SESSION` is `session`.
    pub(crate) fn launch(&self, command: Command, session: &str) -> Shop {
        Self::launched(self.spawn(command, Profile::Debug, session))
    }

    fn launched((mut child, output): (Child, PathBuf)) -> Shop {
        let address = poll("the server to launch", || {
            let text = read(&output);
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the server did not launch but ended with {status}:\n{text}");
            }
            let (_, address) = text.split_once("launched from http://")?;
            address.split_once('\n')?.0.trim().parse().ok()
        });
        Shop::new(child, address, output)
    }

    /// Starts a server that is to refuse; gives its output.
    #[track_caller]
    pub(crate) fn refusal(&self, profile: Profile, session: &str) -> String {
        let (child, output) = self.spawn(self.program(), profile, session);
        // Killed in any case.
        let mut shop = Shop::new(child, ([127, 0, 0, 1], 0).into(), output);
        let status = poll("the server to launch or to refuse", || {
            assert!(!shop.output().contains("launched from"), "launched in spite of {session}");
            shop.child.try_wait().unwrap()
        });
        let output = shop.output();
        assert!(!status.success(), "{session} was refused with exit status 0:\n{output}");
        assert_eq!(status.signal(), None, "{session} crashed the server:\n{output}");
        assert!(!has_panicked(&output), "{session} made something panic:\n{output}");
        output
    }

    /// The example, with this place's disk mounted.
    fn program(&self) -> Command {
        match self.mounts {
            Some(script) => mounts::command(script, &self.disk(), &self.program.path()),
            None => self.program.command(),
        }
    }

    fn spawn(&self, mut command: Command, profile: Profile, session: &str) -> (Child, PathBuf) {
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.path().join(format!("output-{start}"));
        let output = File::create(&path).unwrap();
        for (name, _) in std::env::vars_os() {
            if ["ROCKET_", "CART_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        self.program.configure(&mut command, profile, session);
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        (command.spawn().unwrap(), path)
    }

    /// The database as another process sees it.
    pub(crate) fn look(&self) -> rusqlite::Connection {
        let database = rusqlite::Connection::open(self.database()).unwrap();
        database.busy_timeout(PATIENCE).unwrap();
        database
    }

    /// The keys of all sessions.
    pub(crate) fn keys(&self) -> Vec<[u8; 16]> {
        let database = self.look();
        let mut keys = database.prepare("SELECT session FROM entry WHERE name = 0").unwrap();
        keys.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// The stored values of a session, read by this library.
    pub(crate) fn stored(&self, cookie: &Cookie) -> Values {
        let store = SqliteStore::open(self.database()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let key = SessionKey::from_bytes(cookie.key());
        let all = Wanted::all();
        let loaded = runtime.block_on(store.load(key, &all, Timestamp::from_millis(0)));
        loaded.unwrap().expect("the session is stored").record.values
    }

    /// Every row of every table, blobs in hexadecimal: two equal answers mean that nothing was stored in between.
    pub(crate) fn rows(&self) -> Vec<String> {
        let database = self.look();
        let mut tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").unwrap();
        let tables: Vec<String> = tables.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        tables.iter().flat_map(|table| rows_of(&database, table)).collect()
    }

    /// The rows that belong to this session, whatever its secret is by now.
    pub(crate) fn rows_about(&self, cookie: &Cookie) -> Vec<String> {
        let key = hex(&cookie.key());
        self.rows().into_iter().filter(|row| row.contains(&key)).collect()
    }

    /// The database's files, the write-ahead log included.
    pub(crate) fn database_files(&self) -> Vec<PathBuf> {
        let paths = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let of_database = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("sessions.db");
        paths.filter(of_database).collect()
    }
}

fn rows_of(database: &rusqlite::Connection, table: &str) -> Vec<String> {
    let mut statement = database.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map((), |row| {
        let cells = (0..columns).map(|at| row.get_ref(at).map(cell));
        Ok(format!("{table}: {}", cells.collect::<Result<Vec<_>, _>>()?.join(" | ")))
    });
    let mut rows: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
    rows.sort_unstable();
    rows
}

fn cell(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => hex(bytes),
    }
}

impl Shop {
    fn new(child: Child, address: SocketAddr, output: PathBuf) -> Self {
        Self { child, address, output, beside: Vec::new(), turn: AtomicUsize::new(0) }
    }

    /// The output of the process so far, of both streams.
    pub(crate) fn output(&self) -> String {
        read(&self.output)
    }

    /// The number of these requests that have reached it. Anywhere in a line: several threads write their lines in two
    /// parts.
    pub(crate) fn reached(&self, request: &str) -> usize {
        self.output().matches(request).count()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kilobytes of memory that the process has.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// This path as the server sees it, whatever is mounted there for it.
    pub(crate) fn sees(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.child.id()));
        root.join(path.strip_prefix("/").unwrap())
    }

    pub(crate) fn connect(&self) -> Connection {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % (self.beside.len() + 1);
        let shop = turn.checked_sub(1).map_or(self, |other| &self.beside[other]);
        Connection::open(shop.address).unwrap()
    }

    /// Asks on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Request) -> Answer {
        self.connect().ask(request).unwrap_or_else(|error| panic!("no answer to {request:?}: {error}"))
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str, cookie: &Cookie) -> Answer {
        self.ask(&Request::get(path).cookie(cookie))
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, cookie: &Cookie) -> Answer {
        self.ask(&Request::post(path).cookie(cookie))
    }

    /// A new visitor, with one piece of this product in the cart.
    #[track_caller]
    pub(crate) fn visitor(&self, product: u32) -> Cookie {
        let answer = self.ask(&Request::post(format!("/cart/add/{product}"))).expect(200);
        assert_eq!(answer.text(), "1", "{answer:?}");
        answer.new_cookie()
    }

    /// The cart as JSON text.
    #[track_caller]
    pub(crate) fn cart(&self, cookie: &Cookie) -> String {
        self.get("/cart", cookie).expect_silent(200).text()
    }

    /// The user that the server recognises by this cookie.
    #[track_caller]
    pub(crate) fn user(&self, cookie: &Cookie) -> Option<String> {
        let answer: serde_json::Value = self.get("/whoami", cookie).expect_silent(200).json();
        let user = answer.get("user").expect("whoami answers with a user, or null");
        user.as_str().map(str::to_owned)
    }

    /// Checks that this cookie opens nothing at all.
    #[track_caller]
    pub(crate) fn assert_anonymous(&self, cookie: &Cookie) {
        assert_eq!(self.cart(cookie), "{}", "this cookie should open no cart");
        assert_eq!(
            self.get("/prefs", cookie).expect_silent(200).text(),
            "{}",
            "this cookie should open no preferences"
        );
        assert_eq!(self.user(cookie), None, "this cookie should have no user");
    }

    #[track_caller]
    pub(crate) fn assert_running(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "the server went down:\n{}", self.output());
        self.beside.iter_mut().for_each(Self::assert_running);
    }

    /// Checks that the server is there, and that nothing in it ever panicked.
    #[track_caller]
    pub(crate) fn assert_unharmed(&mut self) {
        self.assert_running();
        assert!(!has_panicked(&self.output()), "something panicked:\n{}", self.output());
    }

    /// SIGKILL: no chance to finish anything.
    pub(crate) fn kill(&mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.child.wait().unwrap()
    }

    /// SIGTERM: the way a service manager stops a server.
    pub(crate) fn stop(self) {
        // Rocket prints that it has launched before it listens for signals. It answers only after that.
        self.ask(&Request::get("/ping")).expect(200);
        self.ask_to_stop();
        self.wait_for_its_end();
    }

    pub(crate) fn ask_to_stop(&self) {
        let command = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{command}");
    }

    pub(crate) fn wait_for_its_end(mut self) {
        let status = poll("the server to stop after SIGTERM", || self.child.try_wait().unwrap());
        assert!(status.success(), "stopped by SIGTERM, the server ended with {status}:\n{}", self.output());
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // Both fail only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let output = self.output();
            let lines: Vec<&str> = output.lines().collect();
            let complaints: Vec<&str> = lines
                .iter()
                .copied()
                .filter(|line| ["Error", "Warning"].iter().any(|word| line.starts_with(word)))
                .collect();
            let end = |lines: &[&str], count: usize| lines[lines.len().saturating_sub(count)..].join("\n");
            eprintln!("the server's last complaints:\n{}", end(&complaints, 20));
            eprintln!("and last lines:\n{}", end(&lines, 20));
        }
    }
}

/// A refused launch ends `main` by a panic of Rocket's own, which does not count.
fn has_panicked(output: &str) -> bool {
    let mut lines = output.lines().skip_while(|line| !line.contains("panicked at"));
    lines.next().is_some_and(|_| !lines.next().is_some_and(|reason| reason.starts_with("aborting due to")))
}

/// Waits for something that the other side does in its own time.
#[track_caller]
pub(crate) fn poll<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

/// The folder with the shops and with the visitors of the fleet, built anew if missing or older than their sources.
pub(crate) fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        examples(&[
            ("cart", "examples/cart"),
            ("axum-cart", "examples/axum-cart"),
            ("fleet-visitors", "examples/fleet/visitors"),
        ])
    })
}
