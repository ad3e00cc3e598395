//! The examples and the command line as programs, built anew if missing or older than their sources.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{fs, io};

/// The sources of every example.
const LIBRARY: [&str; 2] = ["session-runtime/src", "session-derive/src"];

/// Returns the folder with these examples: each with its name and the folder of its sources.
///
/// A test that finds one missing or stale builds them all. `SESSION_TESTS_PROFILE=release` takes the release build.
pub fn examples(examples: &[(&str, &str)]) -> PathBuf {
    let release = std::env::var("SESSION_TESTS_PROFILE").is_ok_and(|profile| profile == "release");
    // A test is `<target>/<profile>/deps/server-…`.
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let built = if release { profile.with_file_name("release") } else { profile.to_owned() };
    let folder = built.join("examples");
    if examples.iter().any(|(name, sources)| is_stale(&folder.join(name), &[sources])) {
        build(examples, profile.parent().unwrap(), release);
    }
    folder
}

/// True if the program is missing, or older than the library or than these folders.
pub fn is_stale(program: &Path, sources: &[&str]) -> bool {
    let Ok(built) = fs::metadata(program).and_then(|data| data.modified()) else { return true };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = LIBRARY.iter().chain(sources);
    folders.filter_map(|folder| newest(&workspace.join(folder)).ok()).any(|changed| changed > built)
}

fn newest(folder: &Path) -> io::Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let changed =
            if entry.file_type()?.is_dir() { self::newest(&entry.path())? } else { entry.metadata()?.modified()? };
        newest = newest.max(changed);
    }
    Ok(newest)
}

fn build(examples: &[(&str, &str)], target: &Path, release: bool) {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--package", "session-examples", "--features", "fleet"]);
    for (name, _) in examples {
        command.args(["--example", name]);
    }
    if release {
        command.arg("--release");
    }
    let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", target).status().unwrap();
    assert!(status.success(), "the examples do not build");
}
