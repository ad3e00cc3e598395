//! A private Redis server: in memory by default, with whatever options a test needs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use redis::Connection;

use super::free_port;
use super::process::Process;

/// A running server in a folder of its own.
#[derive(Debug)]
pub struct Redis {
    process: Option<Process>,
    folder: tempfile::TempDir,
    port: u16,
    options: Vec<String>,
    tls: bool,
    password: Option<String>,
}

/// The longest time for a start.
const PATIENCE: Duration = Duration::from_secs(60);

impl Redis {
    /// A server that saves nothing.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"])
    }

    /// A server with these command line options.
    #[must_use]
    pub fn with(options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { process: None, folder: folder(), port: 0, options, tls: false, password: None };
        server.run_somewhere();
        server
    }

    /// A server that wants this password.
    #[must_use]
    pub fn with_password(password: &str) -> Self {
        let options = ["--save", "", "--requirepass", password].map(str::to_owned).to_vec();
        let password = Some(password.to_owned());
        let mut server = Self { process: None, folder: folder(), port: 0, options, tls: false, password };
        server.run_somewhere();
        server
    }

    /// A server that speaks TLS only. Its certificate is signed by [`Redis::authority`].
    #[must_use]
    pub fn with_tls() -> Self {
        let mut server =
            Self { process: None, folder: folder(), port: 0, options: Vec::new(), tls: true, password: None };
        certify(server.folder.path());
        let own = ["--save", "", "--tls-auth-clients", "no"];
        server.options.extend(own.map(str::to_owned));
        for (option, file) in [("cert", "server.pem"), ("key", "server.key"), ("ca-cert", "ca.pem")] {
            server.options.extend([format!("--tls-{option}-file"), server.file(file).display().to_string()]);
        }
        server.run_somewhere();
        server
    }

    /// The certificate of the authority that signed this server's own.
    ///
    /// # Panics
    ///
    /// If the server has no TLS.
    #[must_use]
    pub fn authority(&self) -> Vec<u8> {
        std::fs::read(self.file("ca.pem")).expect("a server with TLS")
    }

    /// The port of the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://localhost:{}", if self.tls { "rediss" } else { "redis" }, self.port)
    }

    /// The server's process.
    ///
    /// # Panics
    ///
    /// If it is stopped.
    #[must_use]
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("a running server")
    }

    /// Stops it. With persistence, it saves first.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again, on the same port and in the same folder.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn run(&mut self) {
        assert!(self.try_to_run(), "another process took the port meanwhile");
    }

    /// Starts it on a port that is still free when it gets there.
    fn run_somewhere(&mut self) {
        loop {
            self.port = free_port();
            if self.try_to_run() {
                return;
            }
        }
    }

    fn try_to_run(&mut self) -> bool {
        let (port, folder) = (self.port.to_string(), self.folder.path().display().to_string());
        let ports = if self.tls { vec!["--port", "0", "--tls-port", &port] } else { vec!["--port", &port] };
        let mut command = vec!["redis-server", "--dir", &folder, "--bind", "127.0.0.1"];
        command.extend(ports);
        command.extend(self.options.iter().map(String::as_str));
        let log = self.file("log");
        self.process = Some(Process::start(&command, &log, "TERM"));
        listens(&log)
    }

    /// A connection of the test's own, beside those of the store.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn connect(&self) -> Connection {
        let client = redis::Client::open(format!("redis://localhost:{}", self.port)).expect("a URL");
        let mut connection = client.get_connection().expect("a connection");
        if let Some(password) = &self.password {
            redis::cmd("AUTH").arg(password).exec(&mut connection).expect("its password");
        }
        connection
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Waits until the server that writes this log takes requests; `false`: another has its port.
///
/// # Panics
///
/// If it does not start, or is not installed.
#[must_use]
pub fn listens(log: &Path) -> bool {
    let start = Instant::now();
    loop {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        if text.contains("Ready to accept connections") {
            return true;
        }
        if text.contains("already in use") || text.contains("Failed listening") {
            return false;
        }
        assert!(start.elapsed() < PATIENCE, "no redis-server, which `tests/run` installs: {text}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// An authority, and a certificate for `localhost` that it signed.
fn certify(folder: &Path) {
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1").expect("a file");
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let run = |args: &[&str]| {
        let output = Command::new("openssl").args(args).current_dir(folder).output().expect("openssl");
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    };
    let authority =
        ["req", "-x509", "-days", "2", "-subj", "/CN=Test authority", "-keyout", "ca.key", "-out", "ca.pem"];
    run(&[&authority[..], &key].concat());
    run(&[&["req", "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"][..], &key].concat());
    let sign = ["x509", "-req", "-days", "2", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key"];
    run(&[&sign[..], &["-CAcreateserial", "-extfile", "names", "-out", "server.pem"]].concat());
}
