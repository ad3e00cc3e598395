//! The example as a process on a free port, with files of its own.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use session_tests::programs::examples;
use tempfile::TempDir;

/// The longest time to wait for a launch.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running example; dropping it ends the process, also while a failed test unwinds.
pub(crate) struct App {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl App {
    /// Starts the example with Rocket's profile `debug` or `release`.
    pub(crate) fn start(profile: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("log");
        let output = File::create(&log).unwrap();
        let mut command = Command::new(examples(&[("accounts", "examples/accounts")]).join("accounts"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ROCKET_")) {
            command.env_remove(name);
        }
        command.current_dir(folder.path()).env("ROCKET_PROFILE", profile).env("ROCKET_PORT", "0");
        command.env("ROCKET_CLI_COLORS", "false").env("ROCKET_LOG_LEVEL", "normal");
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let mut app = Self { child: command.spawn().unwrap(), port: 0, folder };
        app.port = app.launched_on();
        app
    }

    fn launched_on(&mut self) -> u16 {
        let start = Instant::now();
        loop {
            let log = self.log();
            if let Some((_, rest)) = log.split_once("launched from http://127.0.0.1:")
                && let Some((port, _)) = rest.split_once('\n')
            {
                return port.trim().parse().unwrap();
            }
            assert!(self.child.try_wait().unwrap().is_none(), "the example ended:\n{log}");
            assert!(start.elapsed() < PATIENCE, "the example does not launch:\n{log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The address with the host `localhost`, which browsers trust as they trust HTTPS.
    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("log")).unwrap()).into_owned()
    }

    pub(crate) fn sessions(&self) -> PathBuf {
        self.folder.path().join("accounts-sessions.db")
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // Both fail only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the example's last lines:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"));
        }
    }
}
