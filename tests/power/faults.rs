//! Every operation on the disk fails in turn. The caller gets the error, no acknowledged change is lost, and the same
//! store works again as soon as the disk does.

use std::path::PathBuf;
use std::sync::Arc;

use session_runtime::store::{Durability, StoreErrorKind};
use session_runtime::{SqliteStore, Store};
use tempfile::TempDir;

use crate::cuts::open_again;
use crate::disk::{Disk, Fault, Plan};
use crate::image::{Image, Survival};
use crate::random::Random;
use crate::work::{self, SHORT, State, Step, wait};

/// One run over all steps, on a disk with a fault.
struct Run {
    _folder: TempDir,
    disk: Arc<Disk>,
    path: PathBuf,
    durability: Durability,
    /// Errors that a caller got.
    told: usize,
}

impl Run {
    fn new(durability: Durability, plan: Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::on(folder.path());
        disk.plan(plan);
        let path = work::database(&folder);
        Self { _folder: folder, disk, path, durability, told: 0 }
    }

    /// All steps; gives the number of operations that failed.
    fn go(&mut self, states: &[State], answers: &[String]) -> usize {
        let mut store = self.open();
        for (at, step) in SHORT.iter().enumerate() {
            match step {
                Step::Checkpoint => work::checkpoint(&self.path),
                Step::Reopen => {
                    drop(store);
                    store = self.open();
                }
                step => self.change(&store, *step, &states[at], &states[at + 1], &answers[at]),
            }
            self.look(&store, &states[at + 1]);
        }
        self.disk.heal();
        work::assert_works(&store);
        self.cut(states.last().unwrap());
        drop(store);
        assert_eq!(wait(work::state(&self.open())).unwrap(), *states.last().unwrap());
        work::assert_sound(&self.path);
        self.disk.failed()
    }

    fn open(&mut self) -> SqliteStore {
        let failed = self.disk.failed();
        work::open(&self.path, self.durability).unwrap_or_else(|error| {
            self.tell(failed, &error, &[StoreErrorKind::Setup, StoreErrorKind::Unavailable]);
            self.disk.heal();
            work::open(&self.path, self.durability).unwrap()
        })
    }

    /// Does the step, again if it failed and is found not done.
    fn change(&mut self, store: &SqliteStore, step: Step, before: &State, after: &State, answer: &str) {
        let failed = self.disk.failed();
        match wait(work::apply(step, store)) {
            Ok(found) => assert_eq!(found, answer),
            Err(error) => {
                self.tell(failed, &error, &[StoreErrorKind::Unavailable]);
                self.try_in_vain(store);
                self.disk.heal();
                let found = wait(work::state(store)).unwrap();
                if found != *after {
                    assert!(found == *before, "half of {step:?} is stored");
                    assert_eq!(wait(work::apply(step, store)).unwrap(), answer);
                }
            }
        }
    }

    /// During the fault every call succeeds or fails, and comes to an end.
    fn try_in_vain(&mut self, store: &SqliteStore) {
        for _ in 0..3 {
            let failed = self.disk.failed();
            let outcomes = wait(async { (work::state(store).await.err(), store.delete(work::FREE).await.err()) });
            for error in [outcomes.0, outcomes.1].into_iter().flatten() {
                self.tell(failed, &error, &[StoreErrorKind::Unavailable]);
            }
        }
    }

    fn look(&mut self, store: &SqliteStore, expected: &State) {
        let failed = self.disk.failed();
        let found = wait(work::state(store)).unwrap_or_else(|error| {
            self.tell(failed, &error, &[StoreErrorKind::Unavailable]);
            self.disk.heal();
            wait(work::state(store)).unwrap()
        });
        assert!(found == *expected, "an acknowledged change is missing");
    }

    /// An error has its reason in the disk.
    fn tell(&mut self, failed_before: usize, error: &session_runtime::store::StoreError, kinds: &[StoreErrorKind]) {
        assert!(self.disk.failed() > failed_before, "an error although nothing failed: {error}");
        work::assert_typed(error, kinds);
        self.told += 1;
    }

    /// If the power fails on top of it, what was promised holds.
    fn cut(&self, expected: &State) {
        if self.durability == Durability::Power {
            let image = Image::after(&self.disk.log(), Survival::Nothing, &mut Random::from(0));
            assert!(open_again(&image, self.durability) == *expected, "a power cut after the fault lost something");
        }
    }
}

/// Has each operation fail in a run of its own.
fn fail_everywhere(durability: Durability, fault: Fault, stays: bool) {
    let (states, answers) = work::expected(SHORT);
    let (mut runs, mut failures, mut told) = (0, 0, 0);
    loop {
        let mut run = Run::new(durability, Plan { fault, at: runs, stays });
        let failed = run.go(&states, &answers);
        if failed == 0 {
            break;
        }
        assert!(stays || failed == 1);
        runs += 1;
        failures += failed;
        told += usize::from(run.told > 0);
    }
    println!(
        "{durability:?}, {fault:?}, {}: {runs} places, {failures} operations failed; the caller was told in {told} runs",
        if stays { "until it is mended" } else { "once" }
    );
    // The others are in checkpoints. No caller waits for a checkpoint, and the next one repeats it.
    assert!(runs > 20 && told > runs / 2);
}

/// C71b: an operation that fails, and works again at the next try.
#[test]
fn an_operation_that_fails_once_is_reported_and_loses_nothing() {
    fail_everywhere(Durability::Power, Fault::Error, false);
}

#[test]
fn an_operation_that_fails_once_is_reported_and_loses_nothing_with_durability_process() {
    fail_everywhere(Durability::Process, Fault::Error, false);
}

#[test]
fn a_disk_that_fails_until_it_is_mended_is_reported_and_loses_nothing() {
    fail_everywhere(Durability::Power, Fault::Error, true);
}

#[test]
fn a_write_that_finds_room_for_its_first_half_is_reported_and_loses_nothing() {
    fail_everywhere(Durability::Power, Fault::Full, false);
}

#[test]
fn a_disk_that_is_full_until_it_is_mended_is_reported_and_loses_nothing() {
    fail_everywhere(Durability::Power, Fault::Full, true);
}
