//! `tests/install` beside other installations, with a package manager of the test's own.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use crate::root;

/// Runs `tests/install` with an `apt-get` that does this.
fn install(apt_get: &str) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let (program, calls) = (folder.path().join("apt-get"), folder.path().join("calls"));
    std::fs::write(&program, format!("#!/bin/sh\necho \"$@\" >> {}\n{apt_get}\n", calls.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    // `sudo` is not to be asked for by a test.
    std::os::unix::fs::symlink("/usr/bin/env", folder.path().join("sudo")).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output = Command::new(root().join("tests/install")).arg("nginx-light").env("PATH", path).output().unwrap();
    (output, std::fs::read_to_string(calls).unwrap())
}

/// Another installation held the lock of the package lists, and `tests/run` failed at once.
#[test]
fn an_installation_waits_for_another_one() {
    const HELD: &str = "[ \"$1\" = install ] || [ $(wc -l < \"${0%/*}/calls\") -gt 2 ] || {
        echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7' >&2; exit 100; }";
    let (output, calls) = install(HELD);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("waiting"), "{output:?}");
    let calls: Vec<&str> = calls.lines().collect();
    assert_eq!(calls.len(), 4, "{calls:?}");
    assert_eq!(calls[3], "install -y -qq -o DPkg::Lock::Timeout=600 nginx-light");
}

#[test]
fn an_installation_that_fails_otherwise_is_not_tried_again() {
    let (output, calls) = install("echo 'E: Could not resolve the host' >&2; exit 100");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("resolve"), "{output:?}");
    assert_eq!(calls.lines().count(), 1, "{calls}");
}
