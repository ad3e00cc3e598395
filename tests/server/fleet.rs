//! The example `fleet`: the shop on several nodes behind nginx. One node is killed and one is added under load. The
//! example's script starts all of that and prints the outcome. Here it runs for some seconds, with the existing build.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::process::{poll, programs};

/// One at a time: each of them is a dozen processes.
static TURN: Mutex<()> = Mutex::new(());

/// The output of the script.
struct Run {
    status: ExitStatus,
    output: String,
}

/// The script at work, in a folder for all that it makes.
struct Script {
    child: Child,
    folder: TempDir,
}

impl Script {
    fn start(store: &str, seconds: u32) -> Self {
        let folder = TempDir::new().unwrap();
        // A database does not run as root, and its folder is in here.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let output = fs::File::create(folder.path().join("output")).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/fleet/run");
        let mut command = Command::new(script);
        command.args([store, &seconds.to_string()]);
        command.env("FLEET_PROGRAMS", programs()).env("TMPDIR", folder.path());
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        Self { child: command.spawn().unwrap(), folder }
    }

    fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join("output")).unwrap()
    }

    fn terminate(&self) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success(), "the script is gone already:\n{}", self.output());
    }

    /// Waits for its end, and checks that nothing is left of what it made.
    #[track_caller]
    fn finish(mut self) -> Run {
        // It does not wait for ever itself.
        let status = self.child.wait().unwrap();
        let output = self.output();
        println!("{output}");
        let files = fs::read_dir(self.folder.path()).unwrap();
        let files: Vec<_> = files.map(|file| file.unwrap().file_name()).filter(|name| name != "output").collect();
        assert!(files.is_empty(), "left behind: {files:?}");
        assert_eq!(self.processes(), [""; 0], "still running");
        Run { status, output }
    }

    /// The script, and what it started: they write into files of its folder. Many change their names and environment.
    fn processes(&self) -> Vec<String> {
        let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        let writes_here = |process: &PathBuf| {
            fs::read_link(process.join("fd/1")).is_ok_and(|output| output.starts_with(self.folder.path()))
        };
        let name = |process: PathBuf| fs::read_to_string(process.join("comm")).unwrap_or_default();
        processes.filter(writes_here).map(name).collect()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // The test has failed: the script stops what it has started.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.terminate();
            let _ = self.child.wait();
        }
    }
}

impl Run {
    /// The numbers in the line that begins with this word.
    #[track_caller]
    fn numbers(&self, word: &str) -> Vec<u64> {
        let line = self.output.lines().find_map(|line| line.strip_prefix(&format!("{word}  ")));
        let line = line.unwrap_or_else(|| panic!("no line `{word}` in:\n{}", self.output));
        line.split([' ', ',']).filter_map(|word| word.parse().ok()).collect()
    }

    #[track_caller]
    fn assert_nothing_lost(&self) {
        assert!(self.status.success(), "{}:\n{}", self.status, self.output);
        for node in ["node-1", "node-2", "node-3", "node-4"] {
            assert!(self.numbers(node)[0] > 0, "{node} was not asked:\n{}", self.output);
        }
        assert!(self.numbers("adds")[0] > 100 && self.numbers("logouts")[0] > 0, "little was done:\n{}", self.output);
        assert_eq!(self.numbers("adds")[2..], [0, 0], "lost, or counted twice:\n{}", self.output);
        assert_eq!(self.numbers("logouts")[1..], [0], "came back:\n{}", self.output);
    }
}

fn run(store: &str, seconds: u32) -> Run {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    Script::start(store, seconds).finish()
}

#[test]
fn nothing_is_lost_on_a_redis_cluster() {
    run("redis", 6).assert_nothing_lost();
}

#[test]
fn nothing_is_lost_on_postgres() {
    run("postgres", 6).assert_nothing_lost();
}

/// Nodes that share nothing: what the visitors put in one is missing on the others.
#[test]
fn a_loss_is_seen() {
    let run = run("memory", 3);
    assert_eq!(run.status.code(), Some(1), "{}", run.output);
    assert!(run.numbers("adds")[2] > 0 && run.numbers("logouts")[1] > 0, "{}", run.output);
}

/// Stopped in the middle of the load, the script takes all that it started with it.
#[test]
fn nothing_is_left_of_a_run_that_is_stopped() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for store in ["redis", "postgres"] {
        let script = Script::start(store, 60);
        poll("the load to begin", || script.output().contains("open at").then_some(()));
        let running = script.processes().concat();
        assert!(["cart", "nginx", store].iter().all(|name| running.contains(name)), "{running}");
        script.terminate();
        assert_eq!(script.finish().status.code(), Some(143));
    }
}
