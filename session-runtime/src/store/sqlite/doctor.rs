//! Findings about a file: its permissions, its log and its disk.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::fault::Fault;
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::store::operable::{Finding, Limits, MOST_UNSWEPT, Operable, UNSWEPT, Verdict, unswept};

/// Types of file systems over a network, as the kernel names them. The locks of `SQLite` are not reliable there.
const NETWORKS: [&str; 9] = ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "glusterfs", "afs"];

#[async_trait]
impl Operable for SqliteStore {
    async fn findings(&self, limits: Limits) -> Vec<Finding> {
        let path = PathBuf::from(&*self.path);
        let mut findings = vec![
            Verdict::Ok.on("version", format!("SQLite {}", rusqlite::version())),
            mode(&path),
            log_size(&path, limits.log),
            file_system(&path),
        ];
        let content = self.readers.on_a_thread("doctor", |reader| content(&reader.connection)).await;
        match content {
            Ok(content) => findings.extend(content),
            Err(error) => findings.push(Verdict::Wrong.on("content", error.to_string())),
        }
        findings.push(Verdict::Ok.on(
            "durability",
            "set by each program: `Durability::Power` survives a loss of power, the default a killed process",
        ));
        findings
    }
}

/// Findings about the content of the file.
fn content(connection: &Connection) -> Result<Vec<Finding>, Fault> {
    let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let journal = match journal.as_str() {
        "wal" => Verdict::Ok.on("journal", "a write-ahead log"),
        other => {
            let detail =
                format!("`{other}` instead of a write-ahead log; the next launch of the application changes it");
            Verdict::Wrong.on("journal", detail)
        }
    };
    Ok(vec![journal, indexes(connection)?, size(connection)?, overdue(connection)?])
}

fn indexes(connection: &Connection) -> Result<Finding, Fault> {
    let mut select = connection.prepare(
        "SELECT substr(name, 10) FROM sqlite_schema WHERE type = 'index' AND name GLOB 'entry_by_*' ORDER BY name",
    )?;
    let names = select.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    // A capital letter is marked.
    let names = names.join(", ").replace('^', "");
    let detail = if names.is_empty() { "none: no field is looked up" } else { &names };
    Ok(Verdict::Ok.on("indexes", detail))
}

fn size(connection: &Connection) -> Result<Finding, Fault> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (pages, free, page) = (number("page_count")?, number("freelist_count")?, number("page_size")?);
    let mebibytes = |pages: i64| pages.saturating_mul(page) >> 20;
    Ok(Verdict::Ok
        .on("size", format!("{} MiB, {} MiB of them free for new sessions", mebibytes(pages), mebibytes(free))))
}

fn overdue(connection: &Connection) -> Result<Finding, Fault> {
    let before = Timestamp::from(SystemClock.now()).before(UNSWEPT).as_millis();
    let sql = "SELECT count(*) FROM (SELECT 1 FROM entry WHERE expires <= ?1 LIMIT ?2)";
    Ok(unswept(connection.query_row(sql, params![before, MOST_UNSWEPT], |row| row.get(0))?))
}

/// Path of a file beside the database.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(end);
    name.into()
}

/// Finding about the access of other users to the file and its log.
fn mode(path: &Path) -> Finding {
    let files = [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")];
    let modes = files.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|file| permissions(&file));
    let mode = modes.fold(0, |all, mode| all | mode);
    let detail = format!("{mode:04o}");
    match mode {
        _ if mode & 0o007 != 0 => {
            Verdict::Wrong.on("file mode", format!("{detail}: every user of the machine has access; chmod 600"))
        }
        _ if mode & 0o070 != 0 => Verdict::Warning.on("file mode", format!("{detail}: the group has access")),
        _ => Verdict::Ok.on("file mode", format!("{detail}: the owner alone has access")),
    }
}

#[cfg(unix)]
fn permissions(file: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    file.permissions().mode() & 0o777
}

/// Other systems have no such permissions.
#[cfg(not(unix))]
fn permissions(_file: &Metadata) -> u32 {
    0
}

fn log_size(path: &Path, most: u64) -> Finding {
    let bytes = std::fs::metadata(beside(path, "-wal")).map_or(0, |file| file.len());
    let detail = format!("{} MiB", bytes >> 20);
    if bytes < most {
        return Verdict::Ok.on("log size", detail);
    }
    Verdict::Warning.on("log size", format!("{detail}: a program reads for long, or keeps a transaction open"))
}

/// Finding about the file system, as Linux lists it.
fn file_system(path: &Path) -> Finding {
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mounts") else {
        return Verdict::Unknown.on("file system", "needs /proc/self/mounts");
    };
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match kind_of(&mounts, &path) {
        Some(kind) if NETWORKS.contains(&kind) => {
            Verdict::Wrong.on("file system", format!("{kind}: locks over a network are not reliable; use a local disk"))
        }
        Some(kind) => Verdict::Ok.on("file system", kind),
        None => Verdict::Unknown.on("file system", "needs /proc/self/mounts"),
    }
}

/// Returns the type of the file system of a path. The last of the longest mount points is the one in use.
fn kind_of<'m>(mounts: &'m str, path: &Path) -> Option<&'m str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut parts = line.split(' ').skip(1);
        Some((parts.next()?, parts.next()?))
    });
    let around = mounts.filter(|(point, _)| path.starts_with(point.replace("\\040", " ")));
    around.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_counts() {
        let mounts = "/dev/sda1 / ext4 rw 0 0\nserver:/x /data nfs4 rw 0 0\n/dev/b /data/my\\040disk xfs rw 0 0\n";
        let kind = |path: &str| kind_of(mounts, Path::new(path));
        assert_eq!(kind("/var/sessions.db"), Some("ext4"));
        assert_eq!(kind("/data/sessions.db"), Some("nfs4"));
        assert_eq!(kind("/data/my disk/sessions.db"), Some("xfs"));
        assert_eq!(kind("/database/sessions.db"), Some("ext4"));
        assert_eq!(kind_of("", Path::new("/a")), None);
    }
}
