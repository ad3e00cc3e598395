//! Compile errors outside the reach of `ui`, which runs the compiler with debug assertions and compares whole messages.
//!
//! A test writes a crate, checks it as for a release, and reads the errors. The crates lie in the workspace's target
//! folder and share their dependencies, so only the first run compiles those.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A schema that is still designed does not reach users: at the word `unreleased`, the layout to paste.
#[test]
fn an_unreleased_schema_is_refused_in_a_release() {
    let source = "\
use session_runtime::Session;

#[derive(Session)]
#[session(key = \"cart\", version = 3, oldest = 3, unreleased)]
pub struct Cart {
    count: u32,
    note: Option<String>,
}
";
    let message =
        "version 3 of session schema `cart` is not pinned; record it: layout = \"count:4d0f51c1 note:ec0d589b\"";
    let found = mistakes("unreleased", source);
    assert!(
        matches!(found.as_slice(), [one] if one.starts_with("src/lib.rs:4:50: error") && one.contains(message)),
        "{found:#?}"
    );
}

/// Two types that contain each other: the macro sees one of them. The compiler's words are its own.
#[test]
fn shapes_that_contain_each_other_are_refused() {
    let source = "\
use session_runtime::SessionValue;

#[derive(SessionValue)]
pub struct Node {
    pub edges: Vec<Edge>,
}

#[derive(SessionValue)]
pub struct Edge {
    pub to: Box<Node>,
}
";
    let found = mistakes("recursive", source);
    assert!(matches!(found.as_slice(), [one] if one.contains(": error[E0391]: cycle detected")), "{found:#?}");
}

/// The errors in the crate's source, a line each, with their places.
fn mistakes(name: &str, source: &str) -> Vec<String> {
    let crates = Path::new(env!("CARGO_TARGET_TMPDIR")).join("release");
    let folder = crates.join(name);
    write(&folder, name, source);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["check", "--release", "--offline", "--quiet", "--message-format", "short"]);
    let cargo = cargo.current_dir(&folder).env("CARGO_TARGET_DIR", crates.join("target")).stdin(Stdio::null());
    let output = cargo.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{name} compiles");
    let found: Vec<String> = text.lines().filter(|line| line.starts_with("src/lib.rs:")).map(str::to_owned).collect();
    assert!(!found.is_empty(), "the mistake of {name} was not reached:\n{text}");
    found
}

/// With the versions that the workspace has, which are there without a registry.
fn write(folder: &Path, name: &str, source: &str) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let runtime = workspace.join("session-runtime").display().to_string();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         session-runtime = {{ path = {runtime:?}, default-features = false }}\n"
    );
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    fs::write(folder.join("src/lib.rs"), source).unwrap();
}
