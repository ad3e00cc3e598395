//! Rules of the repository, as plain tests.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on has failed")]

mod cases;
mod install;
mod prose;
mod wings;

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

/// The fields of a struct in a source file, without their types.
fn fields(text: &str, name: &str) -> Vec<String> {
    let body = text.split(&format!("struct {name} {{\n")).nth(1).unwrap().split("\n}").next().unwrap();
    body.lines().filter_map(|line| line.trim().split_once(": ")).map(|(field, _)| field.to_owned()).collect()
}

/// The texts in a constant list of a source file.
fn listed(text: &str, name: &str) -> Vec<String> {
    let list = text.split(&format!("const {name}: &[&str]")).nth(1).unwrap().split("];").next().unwrap();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every setting of `Rocket.toml`, as the code reads it: `idle`, `server.connections`, ….
fn settings() -> Vec<String> {
    let text = read("session-runtime/src/config/settings/table.rs");
    let tables = [("cookie", "CookieTable"), ("limits", "LimitsTable"), ("server", "ServerTable")];
    let mut names = fields(&text, "Table");
    for (table, name) in tables {
        names.retain(|name| name != table);
        names.extend(fields(&text, name).iter().map(|field| format!("{table}.{field}")));
    }
    names
}

/// Every attribute and every merge of the derive, as the code knows them.
fn attributes() -> Vec<String> {
    let attributes = read("session-derive/src/attr.rs");
    let merges = read("session-derive/src/attr/merge.rs");
    [listed(&attributes, "STRUCT"), listed(&attributes, "FIELD"), listed(&merges, "MODES")].concat()
}

/// Every cargo feature, every setting and every attribute stands in a table of the README.
#[test]
fn everything_a_user_can_set_is_in_the_readme() {
    let readme = read("README.md");
    let tables: String = readme.lines().filter(|line| line.starts_with('|')).collect();
    let features = read("session-runtime/Cargo.toml");
    let features = features.split("[features]").nth(1).unwrap().split("\n[").next().unwrap();
    for name in features
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .filter(|name| *name != "default")
    {
        assert!(tables.contains(&format!("`{name}`")), "feature {name}");
    }
    let (settings, attributes) = (settings(), attributes());
    assert!(settings.len() >= 25 && attributes.len() >= 32, "{settings:?} {attributes:?}");
    for name in settings.iter().chain(&attributes) {
        // The whole name: a value, a table's key or the closing mark may follow it.
        let found = ["`", " = ", ".<"].iter().any(|end| tables.contains(&format!("`{name}{end}")));
        assert!(found, "{name}");
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
