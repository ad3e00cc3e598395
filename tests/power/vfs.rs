//! The functions that `SQLite` calls for its files: the system's own, each asking the file's disk first where something is
//! changed, opened or read.
//!
//! No file object of ours: an opened file is the system's, with its table of functions replaced by a copy in which some
//! entries are ours. So locks, shared memory and all else are the system's, untouched.
//!
//! Nothing is handed to the real disk for good: no test here cuts the power of the machine that it runs on.
#![allow(unsafe_code, reason = "SQLite's file system is a table of C functions")]

use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, Once};

use rusqlite::ffi::{
    self, SQLITE_OK, SQLITE_OPEN_CREATE, SQLITE_OPEN_MAIN_JOURNAL, SQLITE_OPEN_WAL, sqlite3_file, sqlite3_io_methods,
    sqlite3_vfs,
};

use crate::disk::{Disk, Handle, Verdict, lock};

/// The system's file system; set once, before ours is known to `SQLite`, and never freed.
static SYSTEM: AtomicPtr<sqlite3_vfs> = AtomicPtr::new(std::ptr::null_mut());
/// The open files by address, which is theirs alone until they are closed.
static FILES: Mutex<BTreeMap<usize, File>> = Mutex::new(BTreeMap::new());

#[derive(Clone)]
struct File {
    /// The functions that the system gave this file.
    system: &'static sqlite3_io_methods,
    /// `None` for a file that no test watches.
    handle: Option<Handle>,
}

/// Makes ours the default of this process.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: null asks for the default; SQLite initialises itself first.
        let system = unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) };
        SYSTEM.store(system, Ordering::SeqCst);
        // SAFETY: the default exists on every system that this file compiles for, and is never freed or changed.
        let mut ours = unsafe { *system };
        ours.zName = c"watched".as_ptr();
        ours.pNext = std::ptr::null_mut();
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        // SAFETY: it lives as long as the process, and its functions are those of the system or keep to their contract.
        let code = unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 1) };
        assert_eq!(code, SQLITE_OK);
    });
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes null, for a file without a name, or text that lives during the call.
    let path = unsafe { path(name) };
    let disk = path.and_then(Disk::of);
    if let Some(Verdict::Fail(code)) = disk.as_ref().map(|disk| disk.may_open()) {
        // SAFETY: the memory is ours to fill; without functions SQLite does not close it.
        unsafe { (*file).pMethods = std::ptr::null() };
        return code;
    }
    let system = SYSTEM.load(Ordering::SeqCst);
    // SAFETY: see `register`.
    let system_open = unsafe { (*system).xOpen }.unwrap();
    // SAFETY: SQLite's own arguments, and memory of the size that the system asked for, since ours has the same.
    let code = unsafe { system_open(system, name, file, flags, out) };
    if code == SQLITE_OK {
        let is_journal = flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL) != 0 && flags & SQLITE_OPEN_CREATE != 0;
        let handle = disk.zip(path).map(|(disk, path)| disk.open(path, is_journal));
        // SAFETY: the file was opened, so the system has set its functions, which are constants of SQLite.
        unsafe { watch(file, handle) };
    }
    code
}

/// # Safety
///
/// The file is open, and its functions live as long as the process.
unsafe fn watch(file: *mut sqlite3_file, handle: Option<Handle>) {
    // SAFETY: as the caller promises.
    let methods = unsafe { (*file).pMethods };
    // SAFETY: as the caller promises.
    let system = unsafe { &*methods };
    lock(&FILES).insert(file as usize, File { system, handle });
    // SAFETY: as the caller promises; what is set lives as long as the process.
    unsafe { (*file).pMethods = watched(system) };
}

/// The system's functions, with ours in between. Kept for ever, like the system's, of which there are a handful.
fn watched(system: &'static sqlite3_io_methods) -> &'static sqlite3_io_methods {
    static TABLES: Mutex<BTreeMap<usize, &'static sqlite3_io_methods>> = Mutex::new(BTreeMap::new());
    lock(&TABLES).entry(std::ptr::from_ref(system) as usize).or_insert_with(|| {
        Box::leak(Box::new(sqlite3_io_methods {
            xClose: Some(close),
            xRead: Some(read),
            xWrite: Some(write),
            xTruncate: Some(truncate),
            xSync: Some(sync),
            ..*system
        }))
    })
}

fn file_at(file: *mut sqlite3_file) -> File {
    lock(&FILES).get(&(file as usize)).cloned().expect("SQLite uses a file that it opened and did not close")
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let File { system, .. } = lock(&FILES).remove(&(file as usize)).expect("SQLite closes each open file once");
    // SAFETY: the file is open; it gets back what the system gave it.
    unsafe { (*file).pMethods = system };
    // SAFETY: SQLite's own argument.
    unsafe { system.xClose.unwrap()(file) }
}

unsafe extern "C" fn read(file: *mut sqlite3_file, into: *mut c_void, amount: c_int, at: i64) -> c_int {
    let File { system, handle } = file_at(file);
    if let Some(Verdict::Fail(code)) = handle.map(|handle| handle.read()) {
        return code;
    }
    // SAFETY: SQLite's own arguments.
    unsafe { system.xRead.unwrap()(file, into, amount, at) }
}

unsafe extern "C" fn write(file: *mut sqlite3_file, from: *const c_void, amount: c_int, at: i64) -> c_int {
    let File { system, handle } = file_at(file);
    // SAFETY: SQLite passes so many bytes, which live and stay the same during the call.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), usize::try_from(amount).unwrap()) };
    let verdict = handle.map_or(Verdict::Go, |handle| handle.write(usize::try_from(at).unwrap(), bytes));
    let (amount, code) = match verdict {
        Verdict::Go => (amount, SQLITE_OK),
        Verdict::Partly(length, code) => (c_int::try_from(length).unwrap(), code),
        Verdict::Fail(code) => return code,
    };
    // SAFETY: SQLite's own arguments, or less of its bytes.
    let written = unsafe { system.xWrite.unwrap()(file, from, amount, at) };
    if written == SQLITE_OK { code } else { written }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: i64) -> c_int {
    let File { system, handle } = file_at(file);
    if let Some(Verdict::Fail(code)) = handle.map(|handle| handle.truncate(usize::try_from(size).unwrap())) {
        return code;
    }
    // SAFETY: SQLite's own arguments.
    unsafe { system.xTruncate.unwrap()(file, size) }
}

/// The system is not asked: see the module.
unsafe extern "C" fn sync(file: *mut sqlite3_file, _: c_int) -> c_int {
    let mut files = lock(&FILES);
    let handle = files.get_mut(&(file as usize)).and_then(|file| file.handle.as_mut());
    match handle.map(Handle::sync) {
        Some(Verdict::Fail(code)) => code,
        _ => SQLITE_OK,
    }
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, syncs_folder: c_int) -> c_int {
    // SAFETY: SQLite passes a name that lives during the call.
    let path = unsafe { path(name) };
    let verdict = path.and_then(|path| Some(Disk::of(path)?.delete(path, syncs_folder != 0)));
    if let Some(Verdict::Fail(code)) = verdict {
        return code;
    }
    let system = SYSTEM.load(Ordering::SeqCst);
    // SAFETY: see `register`.
    let system_delete = unsafe { (*system).xDelete }.unwrap();
    // SAFETY: SQLite's own arguments, but for the sync that the disk has noted.
    unsafe { system_delete(system, name, 0) }
}

/// # Safety
///
/// `name` is null, or text that ends in a zero and lives as long as `'n`.
unsafe fn path<'n>(name: *const c_char) -> Option<&'n Path> {
    if name.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    let name = unsafe { CStr::from_ptr(name) };
    Some(Path::new(OsStr::from_bytes(name.to_bytes())))
}
