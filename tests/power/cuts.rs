//! The power fails after each operation on the disk in turn: the store opens by itself, and holds what it promised.

use std::ops::RangeInclusive;

use session_runtime::store::Durability;

use crate::disk::{Disk, Op};
use crate::image::{Image, Survival};
use crate::random::Random;
use crate::work::{self, KEYS, LONG, State, Step, wait};

/// A run over all steps, as the disk saw it.
struct History {
    log: Vec<Op>,
    /// Before the first step, and after each.
    states: Vec<State>,
    /// The length of the log at the answer of each step.
    answered: Vec<usize>,
}

impl History {
    fn of(steps: &[Step], durability: Durability) -> Self {
        let (states, answers) = work::expected(steps);
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::on(folder.path());
        let path = work::database(&folder);
        let mut store = work::open(&path, durability).unwrap();
        let mut answered = Vec::new();
        for (step, answer) in steps.iter().zip(answers) {
            match step {
                Step::Checkpoint => work::checkpoint(&path),
                Step::Reopen => {
                    drop(store);
                    store = work::open(&path, durability).unwrap();
                }
                step => assert_eq!(wait(work::apply(*step, &store)).unwrap(), answer),
            }
            answered.push(disk.position());
        }
        drop(store);
        Self { log: disk.log(), states, answered }
    }

    /// The states that may be found after a cut there: from the last promised one to that of the step in flight.
    fn promised(&self, cut: usize, durability: Durability) -> RangeInclusive<usize> {
        let answered = |end: usize| self.answered.iter().filter(|place| **place <= end).count();
        let last_sync = self.log[..cut].iter().rposition(|op| matches!(op, Op::Sync { .. })).unwrap_or_default();
        let least = match durability {
            Durability::Power => answered(cut),
            Durability::Process => answered(last_sync),
            other => panic!("no promise is known for {other:?}"),
        };
        least..=(answered(cut) + 1).min(self.states.len() - 1)
    }
}

/// Counts over all cuts.
#[derive(Debug, Default)]
struct Seen {
    images: usize,
    /// Images from which something written was missing.
    damaged: usize,
    /// Images without something that had been acknowledged.
    forgetful: usize,
    /// Images with the current step already done.
    early: usize,
}

fn cut_everywhere(durability: Durability, test: &str) -> Seen {
    let mut random = Random::seeded(test);
    let history = History::of(LONG, durability);
    let mut seen = Seen::default();
    for cut in 0..=history.log.len() {
        for survival in [Survival::Nothing, Survival::Everything, Survival::Torn, Survival::Scattered] {
            let image = Image::after(&history.log[..cut], survival, &mut random);
            let found = open_again(&image, durability);
            let promised = history.promised(cut, durability);
            let place = promised.clone().find(|place| history.states[*place] == found);
            let Some(place) = place else {
                let anywhere = history.states.iter().position(|state| *state == found);
                panic!("cut {cut}, {survival:?}: promised one of {promised:?}, found {anywhere:?}");
            };
            let answered = history.answered.iter().filter(|end| **end <= cut).count();
            let steady = history.states[answered] == found;
            seen.images += 1;
            seen.damaged += usize::from(image.undone > 0);
            seen.forgetful += usize::from(place < answered && !steady);
            seen.early += usize::from(place > answered && !steady);
        }
    }
    println!("{test}: {} operations, {seen:?}", history.log.len());
    seen
}

/// Opens the store on such a disk and returns its contents. It opens without help, is sound, and works.
pub(crate) fn open_again(image: &Image, durability: Durability) -> State {
    let folder = tempfile::tempdir().unwrap();
    image.write_to(folder.path());
    let path = work::database(&folder);
    let store = work::open(&path, durability).unwrap();
    let found = wait(work::state(&store)).unwrap();
    work::assert_works(&store);
    drop(store);
    work::assert_sound(&path);
    found
}

/// C71b: with `Durability::Power`, nothing that was acknowledged is ever lost.
#[test]
fn with_durability_power_a_cut_loses_nothing_acknowledged() {
    let seen = cut_everywhere(Durability::Power, "with_durability_power_a_cut_loses_nothing_acknowledged");
    assert!(seen.damaged > seen.images / 4, "the cuts should damage something");
    assert!(seen.forgetful == 0 && seen.early > 0);
}

/// C71b: with `Durability::Process`, the last moments may be gone, as a whole and not beyond the last sync.
#[test]
fn with_durability_process_a_cut_leaves_an_earlier_state() {
    let seen = cut_everywhere(Durability::Process, "with_durability_process_a_cut_leaves_an_earlier_state");
    assert!(seen.damaged > seen.images / 4, "the cuts should damage something");
    // So the cuts do take what was not synced, and the other test would see it.
    assert!(seen.forgetful > seen.images / 10);
}

/// C71b: a power cut while the file is made leaves one that opens. Once it left a journal whose header was on the disk
/// and whose content was not, and rolling that back made the file no database at all.
#[test]
fn a_cut_while_the_file_is_made_leaves_one_that_opens() {
    let history = History::of(LONG, Durability::Process);
    let mut images = 0;
    for cut in 0..=history.answered[0] {
        for lost in 0.. {
            let image = Image::after(&history.log[..cut], Survival::AllBut(lost), &mut Random::from(0));
            if image.undone == 0 {
                break;
            }
            open_again(&image, Durability::Process);
            images += 1;
        }
    }
    println!("{images} images, each without one sector, all open");
    assert!(images > 50, "the cuts should damage something");
}

/// Values grow by round, so that no state looks like another.
const ROUNDS: [usize; 5] = [5, 700, 20, 3_000, 1];

/// Writes at once share transactions: of each session, what was answered is there, and nothing by half.
#[test]
fn with_durability_power_a_cut_loses_nothing_of_a_group_of_writes() {
    let mut random = Random::seeded("with_durability_power_a_cut_loses_nothing_of_a_group_of_writes");
    let (begun, answered, log) = write_in_groups();
    let states = states_of_groups();
    let mut damaged = 0;
    for cut in begun..=log.len() {
        for survival in [Survival::Nothing, Survival::Everything, Survival::Torn, Survival::Scattered] {
            let image = Image::after(&log[..cut], survival, &mut random);
            damaged += usize::from(image.undone > 0);
            let found = open_again(&image, Durability::Power);
            for (n, found) in found.iter().enumerate() {
                let answered = answered[n].iter().filter(|place| **place <= cut).count();
                let may_be = answered..=(answered + 1).min(ROUNDS.len());
                assert!(
                    may_be.into_iter().any(|round| states[round][n] == *found),
                    "cut {cut}, {survival:?}, session {n}"
                );
            }
        }
    }
    let groups = log[begun..].iter().filter(|op| matches!(op, Op::Sync { .. })).count();
    println!("{} writes in at most {groups} groups, {damaged} damaged images", ROUNDS.len() * usize::from(KEYS));
    assert!(groups < ROUNDS.len() * usize::from(KEYS) && damaged > 0);
}

/// The length of the log when the writes began, the lengths at the answers of each session, and the log.
fn write_in_groups() -> (usize, Vec<Vec<usize>>, Vec<Op>) {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::on(folder.path());
    let store = work::open(&work::database(&folder), Durability::Power).unwrap();
    wait(async {
        for n in 0..KEYS {
            work::apply(Step::Create(n), &store).await.unwrap();
        }
    });
    let begun = disk.position();
    let mut answered = vec![Vec::new(); usize::from(KEYS)];
    for size in ROUNDS {
        let write = async |n| {
            work::apply(Step::Patch(n, size), &store).await.unwrap();
            disk.position()
        };
        let ends = wait(async { tokio::join!(write(0), write(1), write(2), write(3), write(4), write(5)) });
        for (answered, end) in answered.iter_mut().zip(<[usize; KEYS as usize]>::from(ends)) {
            answered.push(end);
        }
    }
    (begun, answered, disk.log())
}

/// Before the first round, and after each.
fn states_of_groups() -> Vec<State> {
    let create = (0..KEYS).map(Step::Create);
    let patch = ROUNDS.into_iter().flat_map(|size| (0..KEYS).map(move |n| Step::Patch(n, size)));
    let steps: Vec<Step> = create.chain(patch).collect();
    work::expected(&steps).0.into_iter().skip(KEYS.into()).step_by(KEYS.into()).collect()
}
