//! Detects whether the file at the path is still the one that is open.
//!
//! A file that is removed, renamed or replaced under a running program stays open, and writes to it succeed; they are
//! lost when the last connection closes. So each group of writes checks the path after its commit and before its
//! answer. `SQLite` keeps the latest commits in a log beside the file, which has an index in another file, so these two
//! are checked too.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

/// Paths of the files, and their identities when they were opened.
pub(super) struct OpenFile {
    files: [PathBuf; 3],
    identities: [Option<Identity>; 3],
}

/// Change of the files at the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The file is missing.
    Removed,
    /// Another file is at the path.
    Replaced,
    /// The log or its index is missing or has been replaced; the file itself is the same.
    OtherLog {
        /// True if there is no new log yet, so the content of the old one may be written to the file.
        is_free: bool,
    },
}

impl OpenFile {
    /// Records the file at this path, the log and its index. The latter two exist once a connection has read.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        // `SQLite` derives the names of the other two from the target of symbolic links.
        let target = path.canonicalize()?;
        let beside = |end: &str| {
            let mut name = target.clone().into_os_string();
            name.push(end);
            PathBuf::from(name)
        };
        let files = [path.to_owned(), beside("-wal"), beside("-shm")];
        let identities = [0, 1, 2].map(|at: usize| identity(&files[at]));
        Ok(Self { files, identities })
    }

    pub(super) fn is(&self, file: Option<Identity>) -> bool {
        self.identities[0] == file
    }

    /// Returns the change since the files were opened, if any.
    pub(super) fn change(&self) -> Option<Change> {
        let now = [0, 1, 2].map(|at: usize| identity(&self.files[at]));
        if now == self.identities {
            return None;
        }
        Some(match now {
            [None, ..] => Change::Removed,
            [file, ..] if file != self.identities[0] => Change::Replaced,
            [_, log, _] => Change::OtherLog { is_free: log.is_none() || log == self.identities[1] },
        })
    }
}

/// Identity of a file, unique as long as the file is open.
pub(super) type Identity = (u64, u64);

pub(super) fn identity(path: &Path) -> Option<Identity> {
    std::fs::metadata(path).ok().map(|file| of(&file))
}

#[cfg(unix)]
fn of(file: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (file.dev(), file.ino())
}

/// Always the same identity, since an open file cannot be removed on these systems.
#[cfg(not(unix))]
fn of(_file: &Metadata) -> Identity {
    (0, 0)
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_way_to_lose_a_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let make = |name: &str| fs::write(file(name), "").unwrap();
        for name in ["a", "a-wal", "a-shm", "b"] {
            make(name);
        }
        std::os::unix::fs::symlink(file("a"), file("link")).unwrap();
        let (open, linked) = (OpenFile::at(&file("a")).unwrap(), OpenFile::at(&file("link")).unwrap());
        let changes = || (open.change(), linked.change());
        assert_eq!(changes(), (None, None));
        fs::rename(file("a-shm"), file("kept")).unwrap();
        assert_eq!(changes().0, Some(Change::OtherLog { is_free: true }));
        fs::rename(file("kept"), file("a-shm")).unwrap();
        fs::rename(file("a-wal"), file("kept")).unwrap();
        assert_eq!(changes().1, Some(Change::OtherLog { is_free: true }));
        make("a-wal");
        assert_eq!(changes().1, Some(Change::OtherLog { is_free: false }));
        fs::rename(file("kept"), file("a-wal")).unwrap();
        assert_eq!(changes(), (None, None));
        fs::remove_file(file("link")).unwrap();
        std::os::unix::fs::symlink(file("b"), file("link")).unwrap();
        assert_eq!(changes(), (None, Some(Change::Replaced)));
        fs::remove_file(file("a")).unwrap();
        assert_eq!(changes().0, Some(Change::Removed));
    }
}
