//! Private `PostgreSQL` instances from Debian's packages (`postgresql`, `pgbouncer`): each has its own folder and port,
//! and is copied from one that `initdb` made once for the process.
//!
//! The server refuses to run as root. Root starts it as the user `postgres`, or as the unprivileged user of the system. It
//! runs without `fsync`, since no test cuts the power.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::free_port;
use super::process::Process;

/// The superuser of every instance.
pub const USER: &str = "owner";
/// Its password.
pub const PASSWORD: &str = "opensesame";
/// The longest time for a start.
const PATIENCE: Duration = Duration::from_secs(60);

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
fsync = off
full_page_writes = off
shared_buffers = 32MB
max_connections = 60
max_wal_size = 256MB
shared_preload_libraries = 'pg_stat_statements'
logging_collector = off
";

/// A running instance with an empty database `sessions`.
pub struct Postgres {
    // Stopped before its folder goes.
    process: Option<Process>,
    port: u16,
    folder: TempDir,
    /// Mounts the small disk, if it has one.
    mount: Option<String>,
}

impl Postgres {
    /// An instance with these lines behind its settings, such as `max_connections = 10`.
    ///
    /// # Panics
    ///
    /// If the packages are missing or the server does not start.
    #[must_use]
    pub fn start(settings: &str) -> Self {
        Self::start_in(shared_folder(), template(), settings)
    }

    /// An instance that has a disk of so many mebibytes beside the one with its data.
    ///
    /// # Panics
    ///
    /// If this system lets nothing be mounted, or the server does not start.
    #[must_use]
    pub fn start_with_small_disk(mebibytes: usize) -> Self {
        let folder = shared_folder();
        let disk = folder.path().join("small");
        fs::create_dir(&disk).expect("a folder for the disk");
        let owner = if is_root() { format!(",uid=$(id -u {})", user()) } else { String::new() };
        let mount = format!("mount -t tmpfs -o size={mebibytes}m,mode=700{owner} tmpfs {}", disk.display());
        let mut server = Self { process: None, port: free_port(), folder, mount: Some(mount) };
        server.begin(template(), "");
        server
    }

    fn start_in(folder: TempDir, data: &Path, settings: &str) -> Self {
        let mut server = Self { process: None, port: free_port(), folder, mount: None };
        server.begin(data, settings);
        server
    }

    fn begin(&mut self, data: &Path, settings: &str) {
        copy(data, &self.data());
        let (socket, port) = (self.folder.path().display().to_string(), self.port);
        self.configure(&format!("{SETTINGS}\nport = {port}\nunix_socket_directories = '{socket}'\n{settings}\n"));
        self.run();
    }

    /// A read-only standby that follows this one.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn standby(&self) -> Self {
        let folder = shared_folder();
        let data = folder.path().join("copy");
        let mut backup = as_server(&binary("pg_basebackup"));
        backup.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            USER,
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "-D",
        ]);
        done(backup.arg(&data).env("PGPASSWORD", PASSWORD));
        Self::start_in(folder, &data, "hot_standby = on")
    }

    /// Adds lines to the settings; they hold from the next start on.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    pub fn configure(&self, settings: &str) {
        let path = self.data().join("postgresql.conf");
        let mut text = fs::read_to_string(&path).expect("the settings");
        let _ = writeln!(text, "{settings}");
        fs::write(path, text).expect("the settings can be written");
    }

    /// Starts it again after [`stop`](Self::stop).
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn run(&mut self) {
        let data = self.data().display().to_string();
        let postgres = binary("postgres");
        let mount = self.mount.as_ref().map_or_else(String::new, |mount| format!("{mount} && exec \"$@\""));
        let mut command = Vec::new();
        if self.mount.is_some() {
            // A user's own namespace where the test is not root.
            let options = if is_root() { &[][..] } else { &["--map-current-user", "--keep-caps"] };
            command.extend(["unshare", "--mount"].iter().chain(options).chain(&["sh", "-c", &mount, "sh"]));
        }
        command.extend(as_server_words());
        command.extend([postgres.as_str(), "-D", &data]);
        self.process = Some(Process::start(&command, &self.log(), "QUIT"));
        let started = Instant::now();
        while !self.is_ready() {
            assert!(started.elapsed() < PATIENCE, "PostgreSQL does not start:\n{}", self.logged());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn is_ready(&self) -> bool {
        let mut ask = Command::new(binary("pg_isready"));
        ask.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        ask.status().is_ok_and(|status| status.success())
    }

    /// Stops it as a crash would: `run` recovers.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Sends a signal to the server and to all processes that it started, by its name, such as `STOP`.
    ///
    /// # Panics
    ///
    /// If it is not running.
    pub fn signal(&self, name: &str) {
        let main = self.process.as_ref().expect("a running server").pid().to_string();
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &main]).output().expect("ps").stdout;
        let children = String::from_utf8(children).expect("numbers");
        let all = children.split_whitespace().chain([main.as_str()]);
        for process in all {
            // One of them may have ended meanwhile.
            let _ = Command::new("kill").args([&format!("-{name}"), process]).stderr(Stdio::null()).status();
        }
    }

    /// The number of the server's main process.
    ///
    /// # Panics
    ///
    /// If it is not running.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("a running server").pid()
    }

    /// The port of the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The URL of its database, for the superuser.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.address())
    }

    /// Its data.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder of its own that the server may use.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The disk of [`start_with_small_disk`](Self::start_with_small_disk), which only the server sees.
    #[must_use]
    pub fn small_disk(&self) -> PathBuf {
        self.folder.path().join("small")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The output since the last start.
    #[must_use]
    pub fn logged(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// A connection of the test's own.
    ///
    /// # Panics
    ///
    /// If there is none to be had.
    pub async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client
    }

    /// Runs statements.
    ///
    /// # Panics
    ///
    /// If one fails.
    pub async fn execute(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.expect(sql);
    }

    /// The first column of the first row.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn ask(&self, sql: &str) -> i64 {
        self.client().await.query_one(sql, &[]).await.expect(sql).get(0)
    }
}

/// `PgBouncer` in transaction mode in front of an instance.
pub struct PgBouncer {
    _process: Process,
    _folder: TempDir,
    port: u16,
}

impl PgBouncer {
    /// A pooler with so many connections to the server.
    ///
    /// # Panics
    ///
    /// If the package is missing or it does not start.
    #[must_use]
    pub fn start(server: &Postgres, connections: usize) -> Self {
        let (folder, port) = (shared_folder(), free_port());
        let (users, settings) = (folder.path().join("users"), folder.path().join("settings"));
        fs::write(&users, format!("\"{USER}\" \"{PASSWORD}\"\n")).expect("a file of users");
        let text = format!(
            "[databases]\nsessions = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\npool_mode = transaction\nauth_type = plain\nauth_file = {}\n\
             default_pool_size = {connections}\nmax_client_conn = 100\n",
            server.port,
            users.display()
        );
        fs::write(&settings, text).expect("a file of settings");
        let (log, settings) = (folder.path().join("log"), settings.display().to_string());
        let mut command = as_server_words();
        command.extend(["/usr/sbin/pgbouncer", &settings]);
        let process = Process::start(&command, &log, "INT");
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let logged = || fs::read_to_string(&log).unwrap_or_default();
            assert!(started.elapsed() < PATIENCE, "PgBouncer does not start:\n{}", logged());
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { _process: process, _folder: folder, port }
    }

    /// The URL of the database behind it.
    #[must_use]
    pub fn url(&self) -> String {
        url(SocketAddr::from(([127, 0, 0, 1], self.port)))
    }
}

/// The URL of the database at an address, a proxy's perhaps.
#[must_use]
pub fn url(address: SocketAddr) -> String {
    format!("postgres://{USER}:{PASSWORD}@{address}/sessions")
}

/// A folder that the server's user may use.
fn shared_folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its rights");
    give(folder.path());
    folder
}

/// Data of an instance with the database and the user, made once.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("session-tests-postgres-md5-{}", version()));
        if !path.join("data").exists() {
            make_template(&path);
        }
        path.join("data")
    })
}

/// Made beside its place and then moved there, since several test processes may do it at once.
fn make_template(path: &Path) {
    let folder = shared_folder();
    let (data, password) = (folder.path().join("data"), folder.path().join("password"));
    fs::write(&password, PASSWORD).expect("a file for the password");
    // The newer kind of password takes long to compute, in a debug build above all.
    let mut initdb = as_server(&binary("initdb"));
    initdb.args(["-N", "-U", USER, "-E", "UTF8", "--locale=C", "-A", "md5", "--pwfile"]);
    done(initdb.arg(&password).arg("-D").arg(&data));
    let mut single = as_server(&binary("postgres"));
    single.args(["--single", "-D"]).arg(&data).args(["-F", "postgres"]);
    let mut single =
        single.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("postgres");
    let sql = b"CREATE DATABASE sessions;\n";
    std::io::Write::write_all(&mut single.stdin.take().expect("its input"), sql).expect("it reads");
    assert!(single.wait().expect("its end").success(), "the database cannot be made");
    let folder = folder.keep();
    if fs::rename(&folder, path).is_err() {
        // Another process was faster.
        let _ = fs::remove_dir_all(folder);
    }
}

fn copy(from: &Path, to: &Path) {
    done(Command::new("cp").arg("-a").arg(from).arg(to));
}

fn done(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("a program that can be started");
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Debian's folder of the newest version.
fn binaries() -> &'static Path {
    static BINARIES: OnceLock<PathBuf> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
        let newest = versions.filter(|path| path.join("bin/postgres").exists()).max();
        newest.expect("PostgreSQL, from Debian's package `postgresql`").join("bin")
    })
}

fn version() -> String {
    let folder = binaries().parent().and_then(Path::file_name).expect("a version");
    format!("{}-{}", folder.to_string_lossy(), user())
}

fn binary(name: &str) -> String {
    binaries().join(name).display().to_string()
}

/// The user that runs the servers; root may not.
fn user() -> &'static str {
    static OWNER: OnceLock<String> = OnceLock::new();
    OWNER.get_or_init(|| {
        let output = |args: &[&str]| Command::new("id").args(args).output().expect("id");
        let me = String::from_utf8(output(&["-un"]).stdout).expect("a name").trim().to_owned();
        match me.as_str() {
            "root" if output(&["-u", "postgres"]).status.success() => "postgres".to_owned(),
            "root" => "nobody".to_owned(),
            _ => me,
        }
    })
}

fn is_root() -> bool {
    static ROOT: OnceLock<bool> = OnceLock::new();
    *ROOT.get_or_init(|| Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n"))
}

fn as_server_words() -> Vec<&'static str> {
    if is_root() { vec!["setpriv", "--reuid", user(), "--clear-groups", "--"] } else { vec!["env"] }
}

fn as_server(program: &str) -> Command {
    let words = as_server_words();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(program).current_dir("/");
    command
}

/// Hands a file to the server's user, who alone may read it then.
///
/// # Panics
///
/// If it is not there.
pub fn own_by_server(file: &Path) {
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("its rights");
    give(file);
}

/// Hands a folder or file to the server's user.
fn give(path: &Path) {
    if is_root() {
        done(Command::new("chown").arg(user()).arg(path));
    }
}
