//! The file at the path: whether it is still the one that is open.
//!
//! A file that is removed, renamed or replaced under a running program stays open, and writes to it succeed; they are lost
//! with the last connection. So each group of writes looks at the path after its commit and before its answer. `SQLite`
//! keeps what was committed last in a log beside the file, with an index of its own, so these count too.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

/// The files as they were opened.
pub(super) struct OpenFile {
    files: [PathBuf; 3],
    identities: [Option<Identity>; 3],
}

/// What has become of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// There is no file.
    Removed,
    /// There is another file.
    Replaced,
    /// The log or its index is gone or another one; the file itself is the same.
    OtherLog {
        /// Nobody has made a new log yet, so what stands in the old one may be written to the file.
        is_free: bool,
    },
}

impl OpenFile {
    /// The file at this path, the log and its index, which are there once a connection has read.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        // `SQLite` names the two others after the file that links lead to.
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

    /// `None`: all is as it was opened.
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

/// Tells a file from all others, for as long as it is open.
pub(super) type Identity = (u64, u64);

pub(super) fn identity(path: &Path) -> Option<Identity> {
    std::fs::metadata(path).ok().map(|file| of(&file))
}

#[cfg(unix)]
fn of(file: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (file.dev(), file.ino())
}

/// An open file cannot be removed there.
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
