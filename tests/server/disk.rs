//! Disks that are full or read-only: real ones, small file systems in memory that only the server sees.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use session_tests::cookie::Cookie;
use session_tests::http::Request;

use crate::process::{Host, Profile, Shop, Storage};

const SMALL: &str = r#"mount -t tmpfs -o size=512k tmpfs "$1""#;
const FULL: &str = r#"mount -t tmpfs -o size=64k tmpfs "$1"; if cat /dev/zero > "$1/ballast"; then exit 1; fi"#;
/// Filled with what stands in the folder `before`, beside the disk.
const READ_ONLY: &str = r#"
    mount -t tmpfs tmpfs "$1"
    cp -r "$1/../before/." "$1"
    mount -o remount,bind,ro "$1"
    if touch "$1/x"; then exit 1; fi
"#;

/// Takes all room that is left, and proves it.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("ballast");
    let mut ballast = OpenOptions::new().create_new(true).append(true).open(&path).unwrap();
    for size in [65_536, 4_096, 512, 1] {
        while ballast.write_all(&vec![0; size]).is_ok() {}
    }
    assert_eq!(ballast.write(&[0]).unwrap_err().kind(), ErrorKind::StorageFull, "the disk should be full");
    path
}

/// Adds to this cart until the disk refuses, since the log's last page may have had room. Gives the last quantity.
fn add_until_refused(shop: &Shop, visitor: &Cookie, mut quantity: u32) -> u32 {
    for _ in 0..100 {
        let answer = shop.post("/cart/add/7", visitor);
        if answer.status != 200 {
            answer.expect_unavailable();
            return quantity;
        }
        quantity += 1;
        assert_eq!(answer.expect_silent(200).json::<u32>(), quantity);
    }
    panic!("the disk is full, and every write succeeds");
}

/// Every session keeps its data. Changes are refused. Pages without a session are not affected.
fn assert_reads_only(shop: &Shop, visitor: &Cookie, cart: &str, anna: &Cookie) {
    assert_eq!(shop.cart(visitor), cart);
    assert_eq!(shop.user(anna).as_deref(), Some("anna"));
    assert_eq!(shop.ask(&Request::get("/ping")).expect_silent(200).text(), "ok");
    for path in ["/cart/add/8", "/prefs/lang/de", "/login/otto", "/logout"] {
        shop.post(path, visitor).expect_unavailable();
    }
    shop.ask(&Request::post("/cart/add/7")).expect_unavailable();
    assert_eq!(shop.cart(visitor), cart, "a refused write left something behind");
}

/// A disk that fills up while the server runs: 503 for writes and nothing lost; with room again, the same process goes
/// on.
#[test]
fn a_disk_that_fills_up_refuses_writes_until_there_is_room() {
    let host = Host::mounting(SMALL);
    let mut shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    let anna = shop.post("/login/anna", &shop.visitor(9)).expect(204).new_cookie();
    let mut quantity = 1;
    for _ in 0..3 {
        let ballast = fill(&shop.sees(&host.disk()));
        quantity = add_until_refused(&shop, &visitor, quantity);
        let cart = format!("{{\"7\":{quantity}}}");
        assert_reads_only(&shop, &visitor, &cart, &anna);
        fs::remove_file(ballast).unwrap();

        assert_eq!(shop.cart(&visitor), cart);
        quantity += 1;
        assert_eq!(shop.post("/cart/add/7", &visitor).expect_silent(200).json::<u32>(), quantity);
        let late = shop.visitor(1);
        shop.post("/logout", &late).expect(204);
        shop.assert_anonymous(&late);
        shop.assert_unharmed();
    }
    assert_sound(&shop, &host);
}

/// The server's files, copied while no writer is active, are sound.
fn assert_sound(shop: &Shop, host: &Host) {
    let copy = tempfile::tempdir().unwrap();
    for name in ["sessions.db", "sessions.db-wal"] {
        fs::copy(shop.sees(&host.disk()).join(name), copy.path().join(name)).unwrap();
    }
    let database = rusqlite::Connection::open(copy.path().join("sessions.db")).unwrap();
    let verdict: String = database.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

/// On a disk without room no file can be created. The launch reports that.
#[test]
fn a_launch_on_a_full_disk_is_refused() {
    let host = Host::mounting(FULL);
    let output = host.refusal(Profile::Debug, &host.sqlite(""));
    assert!(output.contains("cat: "), "the disk should be full before the launch:\n{output}");
    assert!(output.contains("disk is full"), "the reason should be the full disk:\n{output}");
}

/// A read-only disk, empty, or with a file closed in good order, or with one that a killed server left.
#[test]
fn a_launch_on_a_read_only_disk_is_refused() {
    for (files, reason) in
        [(Files::None, "cannot be created"), (Files::Closed, "read-only"), (Files::Killed, "read-only")]
    {
        let host = Host::mounting(READ_ONLY);
        files.make(&host.disk().with_file_name("before"));
        let output = host.refusal(Profile::Debug, &host.sqlite(""));
        let file = host.database().display().to_string();
        assert!(
            output.contains(&file) && output.contains(reason),
            "{files:?} should be refused as {reason}:\n{output}"
        );
        // The script has tried to write there itself, before the server did.
        assert!(output.contains("touch: "), "{output}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Files {
    None,
    Closed,
    Killed,
}

impl Files {
    fn make(self, folder: &Path) {
        fs::create_dir(folder).unwrap();
        let host = Host::new();
        let mut shop = host.open(Profile::Debug, Storage::Sqlite);
        shop.visitor(7);
        match self {
            Self::None => return,
            Self::Closed => shop.stop(),
            Self::Killed => assert!(!shop.kill().success()),
        }
        for path in host.database_files() {
            fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
        }
    }
}
