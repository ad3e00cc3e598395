//! Features that another crate of the application switches on: cargo unites them.
//!
//! The program in `tests/united` is no member of the workspace, so that each feature is seen by itself. It lies in the
//! workspace's target folder; only the first run builds what it depends on.

use std::path::Path;
use std::process::Command;

fn run(features: &str) {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("united/Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("united");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--locked", "--offline", "--features", features, "--manifest-path"]).arg(manifest);
    let run = cargo.env("CARGO_TARGET_DIR", target).output().unwrap();
    let shown = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && run.stdout == b"all values came back\n", "with `{features}`: {shown}");
}

/// One after the other: they share a folder.
#[test]
fn values_come_back_whatever_features_another_crate_switches_on() {
    for features in ["arbitrary_precision", "serde_float", "both", "harmless"] {
        run(features);
    }
}
