//! A server in a mount namespace of its own: it can have a small or read-only disk that no other process sees.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const NOT_POSSIBLE: &str = "this test mounts a small file system for its server, and this system lets it not: it needs \
     `unshare` and `mount` (packages util-linux and mount) and unprivileged user namespaces (sysctl \
     user.max_user_namespaces above 0; where they exist, kernel.unprivileged_userns_clone=1 and \
     kernel.apparmor_restrict_unprivileged_userns=0), or root with the right to mount";

/// The program, once the script has mounted something at `folder`, which it knows as `$1`.
pub(crate) fn command(script: &str, folder: &Path, program: &Path) -> Command {
    let mut command = Command::new("unshare");
    let script = format!("set -e\n{script}\nexec \"$2\"");
    command.args(options()).args(["sh", "-c", &script, "sh"]).arg(folder).arg(program);
    command
}

/// A namespace of a user's own if there can be one; else root's right to mount.
fn options() -> &'static [&'static str] {
    static OPTIONS: OnceLock<&[&str]> = OnceLock::new();
    let ways: [&[&str]; 2] = [&["--map-root-user", "--mount"], &["--mount"]];
    OPTIONS.get_or_init(|| ways.into_iter().find(|way| can_mount(way)).expect(NOT_POSSIBLE))
}

fn can_mount(options: &[&str]) -> bool {
    let mount = ["mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    let status = Command::new("unshare").args(options).args(mount).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
