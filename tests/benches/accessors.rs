//! Generated accessors beside plain fields, and one block of SHA-256: counted in a process of their own.

use std::collections::BTreeMap;
use std::hint::black_box;

use session_runtime::{MemoryStore, Sessions};
use sha2::{Digest, Sha256};

use crate::app::{Cart, callgrind_mark};
use crate::client::block_on;
use crate::server::{callgrind, total};
use crate::table::{Goal, Table};

const TIMES: u32 = 10_000;

/// The counted cases, in this order.
const NOTHING: usize = 0;
const FIELD: usize = 1;
const READ: usize = 2;
const FIELD_MUT: usize = 3;
const EDIT: usize = 4;
const HASH: usize = 5;

pub(crate) fn measure(table: &mut Table) {
    let counted = counts();
    let [field, read, field_mut, edit] = [FIELD, READ, FIELD_MUT, EDIT].map(|at| counted[at]);
    table.line("`items()`: instructions more than the plain field", read - field, 1, Goal::AtMost(0.0));
    table.line("`items_mut()`: instructions more than the plain field", edit - field_mut, 1, Goal::AtMost(2.0));
}

/// Instructions of one block of SHA-256 where the processor does not help.
pub(crate) fn sha256_block() -> f64 {
    let counted = counts();
    counted[HASH] - counted[NOTHING]
}

fn counts() -> Vec<f64> {
    let folder = tempfile::tempdir().expect("a folder for the counts");
    let out = folder.path().join("callgrind.out");
    let status = callgrind(&out).arg("accessors-child").status().expect("valgrind, which counts instructions");
    assert!(status.success(), "the counted program failed");
    // What comes before the first mark is start-up.
    (NOTHING..=HASH).map(|at| total(&out, at + 2) / f64::from(TIMES)).collect()
}

/// The plain struct that a schema is compared with.
struct Plain {
    items: BTreeMap<u32, u32>,
}

/// The process that is counted.
pub(crate) fn run() {
    let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build().expect("sessions");
    let visit = sessions.open([]);
    let cart = block_on(visit.read::<Cart>()).expect("a cart");
    let mut edited = block_on(visit.write::<Cart>()).expect("a cart to edit");
    let edited = &mut *edited;
    let mut plain = Plain { items: BTreeMap::new() };
    callgrind_mark();
    repeat(|| ());
    repeat(|| black_box(&black_box(&plain).items).len());
    repeat(|| black_box(black_box(cart).items()).len());
    repeat(|| black_box(&mut black_box(&mut plain).items).len());
    repeat(|| black_box(black_box(&mut *edited).items_mut()).len());
    repeat(|| Sha256::digest(black_box([7_u8; 48])));
}

fn repeat<T>(mut work: impl FnMut() -> T) {
    for _ in 0..TIMES {
        black_box(work());
    }
    callgrind_mark();
}
