//! Rules of the repository, as plain tests.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on has failed")]

mod cases;
mod install;
mod rooms;

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let hidden = path.file_name().unwrap().to_string_lossy().starts_with('.');
        if path.is_dir() && !hidden && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The README's program is the one of the documentation; a doc test of this package compiles it.
#[test]
fn the_readme_begins_with_a_whole_program() {
    let readme = read("README.md");
    let program = readme.split("```rust\n").nth(1).expect("a Rust block").split("```").next().unwrap();
    for line in
        ["#[derive(Session)]", "#[launch]", "Sessions::fairing::<(CartSession, AuthSession)>()", "session.destroy()"]
    {
        assert!(program.contains(line), "{line}");
    }
    for command in ["cargo run --example cart", "tests/run"] {
        assert!(readme.contains(command), "{command}");
    }
}

/// Every cargo feature, every setting and every attribute has its line in the README.
#[test]
fn everything_a_user_can_set_is_in_the_readme() {
    let readme = read("README.md");
    let features = read("session-runtime/Cargo.toml");
    let features = features.split("[features]").nth(1).unwrap().split("\n[").next().unwrap();
    for name in features
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .filter(|name| *name != "default")
    {
        assert!(readme.contains(&format!("`{name}`")), "feature {name}");
    }
    let settings = [
        "store",
        "cookie",
        "idle",
        "absolute",
        "remember",
        "touch_every",
        "renew_every",
        "renew_grace",
        "deadline",
        "on_save_error",
        "limits",
        "server.connections",
        "server.connect_timeout",
        "server.back_off",
        "server.namespace",
        "cache",
        "keys",
    ];
    let attributes = [
        "key",
        "version",
        "lazy",
        "on_invalid",
        "crate",
        "default",
        "rename",
        "accessor",
        "merge",
        "renew",
        "transient",
        "redact",
    ];
    for name in settings.iter().chain(&attributes) {
        assert!(readme.contains(&format!("`{name}")), "{name}");
    }
}

/// Nothing is left open, and files stay small enough to be read.
#[test]
fn nothing_is_left_open() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    assert!(files.len() > 50);
    for path in files.iter().filter(|path| !path.ends_with("tests/tidy/main.rs")) {
        let text = std::fs::read_to_string(path).unwrap();
        for word in ["todo!(", "unimplemented!(", "FIXME", "TODO", "#[ignore"] {
            assert!(!text.contains(word), "{word} in {}", path.display());
        }
        assert!(text.lines().count() <= 600, "{} is too long", path.display());
    }
}

/// The stated `rust-version` is true of everything that an application compiles.
#[test]
fn no_dependency_needs_a_newer_compiler() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |text: &str| -> (u32, u32) {
        let mut parts = text.split('.').map(|part| part.parse().unwrap());
        (parts.next().unwrap(), parts.next().unwrap())
    };
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    for package in packages {
        if let Some(needs) = package["rust_version"].as_str() {
            assert!(number(needs) <= (1, 89), "{} needs {needs}", package["name"]);
        }
    }
}
