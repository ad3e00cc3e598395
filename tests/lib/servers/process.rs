//! A server process that ends with the test: when the handle is dropped, and also when the test process dies in any
//! way.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Starts a server, prints its process id, and ends it when standard input ends.
const GUARD: &str = r#"
exec 3<&0
"$@" </dev/null >&2 3<&- &
server=$!
echo $server
exec >&2
cat <&3 >/dev/null
kill -CONT $server
kill -"$STOP" $server
wait $server
"#;

/// A running server.
#[derive(Debug)]
pub struct Process {
    guard: Child,
    /// Closed by the kernel if the test dies, by `stop` otherwise.
    alive: Option<ChildStdin>,
    pid: u32,
}

impl Process {
    /// Starts a program with its arguments. What it prints goes to the file `log`; the signal `stop` ends it.
    ///
    /// # Panics
    ///
    /// If no shell can be started.
    #[must_use]
    pub fn start(command: &[&str], log: &Path, stop: &str) -> Self {
        let log = File::create(log).expect("a file for the log");
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "sh"]).args(command).env("STOP", stop);
        guard.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut guard = guard.spawn().expect("a shell");
        let alive = guard.stdin.take();
        let mut line = String::new();
        BufReader::new(guard.stdout.take().expect("its output")).read_line(&mut line).expect("a line of it");
        let pid = line.trim().parse().expect("the number of the server's process");
        Self { guard, alive, pid }
    }

    /// The server's own number, for signals.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal by its name, such as `STOP`.
    ///
    /// # Panics
    ///
    /// If the process is gone.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid.to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "no process to send {name} to");
    }

    /// Ends the server and waits until it is gone.
    pub fn stop(&mut self) {
        drop(self.alive.take());
        let _ = self.guard.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}
