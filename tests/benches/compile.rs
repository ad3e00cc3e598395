//! Compile time of the derive: CPU seconds of `cargo check` of a crate of schemas, beside serde on the same structs.
//!
//! Three crates are written into a temporary folder, each of 100 structs of 8 fields: plain, with serde's two derives,
//! and pinned schemas. Their dependencies are checked first. Then each crate is checked alone, with a changed source,
//! and the processor time of its processes is read from `/proc/self/stat`. The time of the plain crate is subtracted
//! from both.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::table::{Goal, Table, median};

const SCHEMAS: usize = 100;
const RUNS: usize = 3;
/// Clock ticks of `/proc`, which are hundredths of a second on every Linux.
const TICKS: f64 = 100.0;

/// A field's type, and the hash of what is stored of it.
const FIELDS: [(&str, &str); 8] = [
    ("u32", "4d0f51c1"),
    ("Option<String>", "ec0d589b"),
    ("String", "4fb0f3d8"),
    ("Vec<String>", "d2185aaa"),
    ("BTreeMap<u32, u32>", "e0b2dfa2"),
    ("bool", "3032d9ea"),
    ("Vec<Option<u32>>", "5f765ca8"),
    ("u64", "4d0fe23a"),
];

/// The derives of a crate.
#[derive(Clone, Copy)]
enum Derives {
    Nothing,
    Serde,
    Session,
}

pub(crate) fn measure(table: &mut Table) {
    let folder = tempfile::tempdir().expect("a folder for the crates");
    let crates = [Derives::Nothing, Derives::Serde, Derives::Session].map(|derives| Crate::new(folder.path(), derives));
    let [plain, serde, session] = crates.map(|one| one.seconds());
    let (serde, session) = (serde - plain, session - plain);
    table.line("compiling: `Serialize` and `Deserialize` for 100 structs of 8 fields, CPU s", serde, 2, Goal::None);
    table.line("compiling: 100 pinned schemas of 8 fields, CPU s", session, 2, Goal::None);
    table.line("compiling: schemas beside serde", session / serde, 2, Goal::AtMost(0.6));
}

/// A crate of structs.
struct Crate {
    folder: PathBuf,
    derives: Derives,
    /// One for all, so that what they depend on is checked once.
    target: PathBuf,
}

impl Crate {
    fn new(folder: &Path, derives: Derives) -> Self {
        let name = match derives {
            Derives::Nothing => "plain",
            Derives::Serde => "with-serde",
            Derives::Session => "with-session",
        };
        let one = Self { folder: folder.join(name), derives, target: folder.join("target") };
        fs::create_dir_all(one.folder.join("src")).expect("a folder for a crate");
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        fs::write(one.folder.join("Cargo.toml"), manifest(name, workspace)).expect("a manifest");
        // The versions that the workspace has, which are there without a registry.
        fs::copy(workspace.join("Cargo.lock"), one.folder.join("Cargo.lock")).expect("the workspace's lock file");
        one
    }

    /// The middle one of the runs, dependencies left out.
    fn seconds(&self) -> f64 {
        self.check(RUNS);
        median((0..RUNS).map(|run| self.check(run)).collect())
    }

    fn check(&self, run: usize) -> f64 {
        let source = format!("{}// {run}\n", source(self.derives));
        fs::write(self.folder.join("src/lib.rs"), source).expect("the crate's source");
        let before = seconds_of_children();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["check", "--offline", "--quiet"]).current_dir(&self.folder).env("CARGO_TARGET_DIR", &self.target);
        cargo.env("CARGO_INCREMENTAL", "0").stdin(Stdio::null());
        let status = cargo.status().expect("cargo");
        assert!(status.success(), "a crate of structs does not compile");
        seconds_of_children() - before
    }
}

fn manifest(name: &str, workspace: &Path) -> String {
    let runtime = workspace.join("session-runtime");
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\nsession-runtime = {{ path = \"{}\" }}\n",
        runtime.display()
    )
}

fn source(derives: Derives) -> String {
    let mut text = "use std::collections::BTreeMap;\n".to_owned();
    for at in 0..SCHEMAS {
        text.push_str(&attributes(derives, at));
        let _ = writeln!(text, "pub struct Schema{at} {{");
        for (field, (ty, _)) in FIELDS.iter().enumerate() {
            let _ = writeln!(text, "    pub field_{field}: {ty},");
        }
        text.push_str("}\n");
    }
    text
}

fn attributes(derives: Derives, at: usize) -> String {
    match derives {
        Derives::Nothing => String::new(),
        Derives::Serde => "#[derive(serde::Serialize, serde::Deserialize)]\n".to_owned(),
        Derives::Session => {
            let pins: Vec<String> =
                FIELDS.iter().enumerate().map(|(field, (_, hash))| format!("field_{field}:{hash}")).collect();
            let layout = pins.join(" ");
            format!(
                "#[derive(session_runtime::Session)]\n#[session(key = \"s{at}\", version = 1, layout = {layout:?})]\n"
            )
        }
    }
}

/// Processor time of ended child processes, user and system, their own children included.
fn seconds_of_children() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").expect("/proc/self/stat");
    // The name may hold blanks; what follows it does not. The two times are fields 16 and 17 of all.
    let after = text.rsplit_once(')').map_or("", |(_, after)| after);
    let times = after.split_whitespace().skip(13).take(2).filter_map(|word| word.parse::<f64>().ok());
    times.sum::<f64>() / TICKS
}
