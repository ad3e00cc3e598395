//! The files as a power cut leaves them: what was synced, and some of what was not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::disk::Op;
use crate::random::Random;

/// A disk writes a sector as a whole or not at all.
const SECTOR_BYTES: usize = 512;

/// The fate of operations that no sync has made safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survival {
    Nothing,
    Everything,
    /// Everything, but of the last write only a first part, which may end within a sector.
    Torn,
    /// Sectors at random, whatever their order was.
    Scattered,
    /// Everything but the sector of this number, of each file.
    AllBut(usize),
}

/// The files' names and bytes.
pub(crate) struct Image {
    files: BTreeMap<String, Vec<u8>>,
    /// Unsynced operations that the power cut undid, at least in part.
    pub(crate) undone: usize,
}

#[derive(Default)]
struct Platter {
    files: BTreeMap<usize, File>,
    names: BTreeMap<String, usize>,
    /// Links and unlinks that the folder may forget.
    unsynced: Vec<(String, Option<usize>)>,
}

#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Image {
    pub(crate) fn after(log: &[Op], survival: Survival, random: &mut Random) -> Self {
        let mut platter = Platter::default();
        for op in log {
            platter.apply(op);
        }
        platter.lose_power(survival, random)
    }

    /// Into an empty folder.
    pub(crate) fn write_to(&self, folder: &Path) {
        for (name, bytes) in &self.files {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

impl Platter {
    fn apply(&mut self, op: &Op) {
        match op.clone() {
            Op::Link { name, file } => self.unsynced.push((name, Some(file))),
            Op::Unlink { name } => self.unsynced.push((name, None)),
            Op::SyncFolder => {
                for (name, file) in std::mem::take(&mut self.unsynced) {
                    self.put(name, file);
                }
            }
            Op::Write { file, at, bytes } => self.file(file).unsynced.push(Change::Write(at, bytes)),
            Op::Truncate { file, size } => self.file(file).unsynced.push(Change::Truncate(size)),
            Op::Sync { file } => self.file(file).sync(),
            Op::FailedSync { file } => self.file(file).unsynced.clear(),
        }
    }

    fn file(&mut self, file: usize) -> &mut File {
        self.files.entry(file).or_default()
    }

    fn put(&mut self, name: String, file: Option<usize>) {
        match file {
            Some(file) => self.names.insert(name, file),
            None => self.names.remove(&name),
        };
    }

    fn lose_power(mut self, survival: Survival, random: &mut Random) -> Image {
        let mut undone = 0;
        for (name, file) in std::mem::take(&mut self.unsynced) {
            if survives(survival, random) {
                self.put(name, file);
            } else {
                undone += 1;
            }
        }
        let mut files = BTreeMap::new();
        for (name, file) in self.names {
            let mut file = self.files.remove(&file).unwrap_or_default();
            undone += file.lose_power(survival, random);
            files.insert(name, file.bytes);
        }
        Image { files, undone }
    }
}

impl File {
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            self.apply(&change);
        }
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Truncate(size) => self.bytes.truncate(*size),
            Change::Write(at, bytes) => {
                let end = at + bytes.len();
                self.bytes.resize(self.bytes.len().max(end), 0);
                self.bytes[*at..end].copy_from_slice(bytes);
            }
        }
    }

    /// Undoes changes or pieces of them, and returns their number.
    fn lose_power(&mut self, survival: Survival, random: &mut Random) -> usize {
        let mut changes = std::mem::take(&mut self.unsynced);
        let undone = match survival {
            Survival::Everything => 0,
            Survival::Nothing => std::mem::take(&mut changes).len(),
            Survival::Torn => tear(&mut changes, random),
            Survival::AllBut(lost) => {
                changes = changes.iter().flat_map(Change::sectors).collect();
                let is_there = lost < changes.len();
                if is_there {
                    changes.remove(lost);
                }
                usize::from(is_there)
            }
            Survival::Scattered => {
                changes = changes.iter().flat_map(Change::sectors).collect();
                let all = changes.len();
                changes.retain(|_| survives(survival, random));
                all - changes.len()
            }
        };
        for change in &changes {
            self.apply(change);
        }
        undone
    }
}

fn survives(survival: Survival, random: &mut Random) -> bool {
    match survival {
        Survival::Nothing => false,
        Survival::Everything | Survival::Torn | Survival::AllBut(_) => true,
        Survival::Scattered => random.below(2) == 0,
    }
}

fn tear(changes: &mut [Change], random: &mut Random) -> usize {
    let last = changes.iter_mut().rev().find_map(|change| match change {
        Change::Write(_, bytes) => Some(bytes),
        Change::Truncate(_) => None,
    });
    last.map_or(0, |bytes| {
        let length = random.below(bytes.len() as u64);
        bytes.truncate(usize::try_from(length).unwrap());
        1
    })
}

impl Change {
    fn sectors(&self) -> Vec<Self> {
        let Self::Write(at, bytes) = self else { return vec![self.clone()] };
        let mut sectors = Vec::new();
        let mut start = 0;
        while start < bytes.len() {
            let room = SECTOR_BYTES - (at + start) % SECTOR_BYTES;
            let end = bytes.len().min(start + room);
            sectors.push(Self::Write(at + start, bytes[start..end].to_vec()));
            start = end;
        }
        sectors
    }
}
