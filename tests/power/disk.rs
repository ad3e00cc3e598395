//! A folder under watch: what happens to its files, in order, and operations that are to fail.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rusqlite::ffi;

use crate::vfs;

/// One operation of the disk. Files have numbers, since a name may stand for another file later.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Link {
        name: String,
        file: usize,
    },
    Unlink {
        name: String,
    },
    /// The entries of the folder survive a power cut.
    SyncFolder,
    Write {
        file: usize,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: usize,
        size: usize,
    },
    Sync {
        file: usize,
    },
    /// Data that was not synced before is lost for good: a system may drop it after it has reported the failure.
    FailedSync {
        file: usize,
    },
}

/// The kind of an operation, if it may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Open,
    Read,
    Write,
    Truncate,
    Sync,
    Delete,
}

/// A failure of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Writes of which only the first half finds room.
    Full,
    /// Every kind of operation, without effect.
    Error,
}

/// The number of the operation that fails, counted from the plan on, and whether later ones fail as well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) fault: Fault,
    pub(crate) at: usize,
    pub(crate) stays: bool,
}

/// The decision about an operation.
pub(crate) enum Verdict {
    Go,
    Fail(c_int),
    /// Writes this many bytes and then fails.
    Partly(usize, c_int),
}

static DISKS: Mutex<Vec<Weak<Disk>>> = Mutex::new(Vec::new());

pub(crate) struct Disk {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    log: Vec<Op>,
    names: BTreeMap<String, usize>,
    files: usize,
    plan: Option<Plan>,
    /// Operations since the plan was made that could have failed by it.
    counted: usize,
    failed: usize,
}

/// An open file of a disk.
#[derive(Clone)]
pub(crate) struct Handle {
    disk: Arc<Disk>,
    file: usize,
    /// The system's file system syncs the folder when a journal that it opened is first synced.
    syncs_folder: bool,
}

impl Disk {
    /// Watches an empty folder from now on, until the disk is dropped.
    pub(crate) fn on(folder: &Path) -> Arc<Self> {
        vfs::register();
        let folder = folder.canonicalize().unwrap();
        assert_eq!(folder.read_dir().unwrap().count(), 0, "earlier files are not in the log");
        let disk = Arc::new(Self { folder, state: Mutex::default() });
        let mut disks = lock(&DISKS);
        disks.retain(|other| other.strong_count() > 0);
        disks.push(Arc::downgrade(&disk));
        disk
    }

    /// The disk that this file is on, if it is watched.
    pub(crate) fn of(path: &Path) -> Option<Arc<Self>> {
        let folder = path.parent()?;
        lock(&DISKS).iter().filter_map(Weak::upgrade).find(|disk| disk.folder == folder)
    }

    pub(crate) fn log(&self) -> Vec<Op> {
        lock(&self.state).log.clone()
    }

    /// The number of operations so far.
    pub(crate) fn position(&self) -> usize {
        lock(&self.state).log.len()
    }

    pub(crate) fn plan(&self, plan: Plan) {
        let mut state = lock(&self.state);
        (state.plan, state.counted, state.failed) = (Some(plan), 0, 0);
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self) {
        lock(&self.state).plan = None;
    }

    /// The number of operations that failed by the last plan.
    pub(crate) fn failed(&self) -> usize {
        lock(&self.state).failed
    }

    pub(crate) fn may_open(&self) -> Verdict {
        lock(&self.state).verdict(Kind::Open)
    }

    /// A file was opened, and made if it was not there.
    pub(crate) fn open(self: &Arc<Self>, path: &Path, is_journal: bool) -> Handle {
        let file = lock(&self.state).link(name(path));
        Handle { disk: Arc::clone(self), file, syncs_folder: is_journal }
    }

    /// A file is to be deleted.
    pub(crate) fn delete(&self, path: &Path, syncs_folder: bool) -> Verdict {
        let mut state = lock(&self.state);
        let verdict = state.verdict(Kind::Delete);
        if matches!(verdict, Verdict::Go) {
            state.unlink(name(path));
            state.log.extend(syncs_folder.then_some(Op::SyncFolder));
        }
        verdict
    }
}

impl Handle {
    pub(crate) fn read(&self) -> Verdict {
        lock(&self.disk.state).verdict(Kind::Read)
    }

    pub(crate) fn write(&self, at: usize, bytes: &[u8]) -> Verdict {
        let mut state = lock(&self.disk.state);
        let verdict = match state.verdict(Kind::Write) {
            Verdict::Fail(ffi::SQLITE_FULL) => Verdict::Partly(bytes.len() / 2, ffi::SQLITE_FULL),
            verdict => verdict,
        };
        let length = match verdict {
            Verdict::Go => bytes.len(),
            Verdict::Partly(length, _) => length,
            Verdict::Fail(_) => 0,
        };
        if length > 0 {
            state.log.push(Op::Write { file: self.file, at, bytes: bytes[..length].to_vec() });
        }
        verdict
    }

    pub(crate) fn truncate(&self, size: usize) -> Verdict {
        let mut state = lock(&self.disk.state);
        let verdict = state.verdict(Kind::Truncate);
        if matches!(verdict, Verdict::Go) {
            state.log.push(Op::Truncate { file: self.file, size });
        }
        verdict
    }

    pub(crate) fn sync(&mut self) -> Verdict {
        let mut state = lock(&self.disk.state);
        let verdict = state.verdict(Kind::Sync);
        if matches!(verdict, Verdict::Go) {
            state.log.push(Op::Sync { file: self.file });
            state.log.extend(std::mem::take(&mut self.syncs_folder).then_some(Op::SyncFolder));
        } else {
            state.log.push(Op::FailedSync { file: self.file });
        }
        verdict
    }
}

impl State {
    /// Counts the operation and decides whether it fails.
    fn verdict(&mut self, kind: Kind) -> Verdict {
        let Some(Plan { fault, at, stays }) = self.plan else { return Verdict::Go };
        if fault == Fault::Full && kind != Kind::Write {
            return Verdict::Go;
        }
        let place = self.counted;
        self.counted += 1;
        if place < at || (place > at && !stays) {
            return Verdict::Go;
        }
        self.failed += 1;
        Verdict::Fail(code(fault, kind))
    }

    fn link(&mut self, name: String) -> usize {
        if let Some(file) = self.names.get(&name) {
            return *file;
        }
        let file = self.files;
        self.files += 1;
        self.names.insert(name.clone(), file);
        self.log.push(Op::Link { name, file });
        file
    }

    fn unlink(&mut self, name: String) {
        if self.names.remove(&name).is_some() {
            self.log.push(Op::Unlink { name });
        }
    }
}

const fn code(fault: Fault, kind: Kind) -> c_int {
    match (fault, kind) {
        (Fault::Full, _) => ffi::SQLITE_FULL,
        (Fault::Error, Kind::Open) => ffi::SQLITE_CANTOPEN,
        (Fault::Error, Kind::Read) => ffi::SQLITE_IOERR_READ,
        (Fault::Error, Kind::Write) => ffi::SQLITE_IOERR_WRITE,
        (Fault::Error, Kind::Truncate) => ffi::SQLITE_IOERR_TRUNCATE,
        (Fault::Error, Kind::Sync) => ffi::SQLITE_IOERR_FSYNC,
        (Fault::Error, Kind::Delete) => ffi::SQLITE_IOERR_DELETE,
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// A test that failed while it held the lock must not hide its reason behind those of the others.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
