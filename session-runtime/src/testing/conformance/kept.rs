//! Rules about the parts of a record that a patch leaves as they are, and about exact storage of those that it writes.

use std::time::Duration;

use super::create::{VALUES, unusual_head};
use super::trial::{HOUR, Trial, ensure, expecting, fresh_key, hash, rule, setting, unexpected, with_hint};
use super::{Rule, Verdict};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::expiry::StoredExpiry;
use crate::record::patch::{Deadline, NewSecret, Patch, Patched, Precondition};
use crate::record::{Head, PreviousSecret};

pub(super) const RULES: &[Rule] = &[
    rule!(the_rest_of_the_head_stays, "A patch changes only the parts of the head that it names."),
    rule!(moments_are_kept_to_the_millisecond, "Times that a patch writes are loaded to the millisecond."),
    rule!(counters_are_kept_exactly, "Generation and revision are compared and raised as whole numbers of 64 bits."),
    rule!(
        patched_texts_come_back,
        "Names and texts that a patch sets are returned byte for byte, by loads and by conflicts, however long they are."
    ),
    rule!(the_later_of_two_changes_counts, "Of two texts for one name, the later counts; a removal overrides both."),
    rule!(session_keys_are_bytes, "Session keys are compared byte by byte: letter case and padding make them differ."),
    rule!(a_touch_never_brings_back, "A patch that only touches answers gone for an absent or expired record."),
];

fn seconds(trial: &Trial, seconds: u64) -> Timestamp {
    trial.now.after(Duration::from_secs(seconds))
}

/// Heads in which every part has a value that a store might lose.
fn heads(trial: &Trial) -> [Head; 4] {
    let head = unusual_head(trial);
    let at = StoredExpiry::At(trial.now.after(Duration::from_millis(3_600_017)));
    let accepted = Some(PreviousSecret { hash: hash(3), until: None });
    [
        Head { previous: accepted, ..head.clone() },
        Head { expiry: at, ..head.clone() },
        Head { expiry: StoredExpiry::BrowserClose, previous: None, generation_since: None, ..head.clone() },
        head,
    ]
}

/// One patch of each kind for a record with this head.
fn patches(trial: &Trial, head: &Head) -> Vec<Patch> {
    let on = || Patch::on_generation(head.generation);
    let deadline = |deadline| Patch { deadline: Some(deadline), ..on() };
    let secret = |secret| Patch { secret: Some(secret), ..on() };
    let (touched, expires, seen) = (seconds(trial, 17), seconds(trial, 7_200), head.idle_deadline);
    let (hash, at) = (hash(9), seconds(trial, 19));
    vec![
        on(),
        Patch { set: setting(&[("cart.a", "2")]).set, ..on() },
        Patch { remove: vec!["cart.a".into()], ..on() },
        deadline(Deadline::Touch { seen, touched, expires }),
        deadline(Deadline::Choose { expiry: StoredExpiry::After { millis: 7_200_000 }, touched, expires }),
        secret(NewSecret::Raise { hash, at }),
        secret(NewSecret::Periodic { seen: head.secret, seen_expires: seen, hash, at }),
        secret(NewSecret::Presented { seen: head.secret, until: seconds(trial, 29) }),
    ]
}

async fn the_rest_of_the_head_stays(trial: Trial) -> Verdict {
    for head in heads(&trial) {
        for patch in patches(&trial, &head) {
            for has_hint in [false, true] {
                let key = trial.stored_with(head.clone(), &[("cart.a", "1")]).await?;
                let patch = if has_hint { with_hint(patch.clone(), &trial.load(key).await?) } else { patch.clone() };
                must_become(&trial, key, &head, patch).await?;
            }
        }
    }
    Ok(())
}

/// Applies the patch and requires the head that [`Patch::apply_head`] computes.
async fn must_become(trial: &Trial, key: SessionKey, head: &Head, patch: Patch) -> Verdict {
    let mut expected = head.clone();
    patch.apply_head(&mut expected);
    let shown = format!("{patch:?}");
    let done = trial.done(key, patch).await?;
    ensure!(done == expected, "after {shown} the head is {done:?}, not {expected:?}");
    Ok(())
}

async fn moments_are_kept_to_the_millisecond(trial: Trial) -> Verdict {
    let at = |millis| trial.now.after(Duration::from_millis(millis));
    let head = trial.head();
    let (seen, touched, expires) = (head.idle_deadline, at(1_001), at(7_200_003));
    let expiry = StoredExpiry::At(at(7_200_007));
    let deadlines = [Deadline::Touch { seen, touched, expires }, Deadline::Choose { expiry, touched, expires }];
    for deadline in deadlines {
        let key = trial.stored(&[]).await?;
        must_become(&trial, key, &head, Patch { deadline: Some(deadline), ..Patch::on_generation(0) }).await?;
        ensure!(trial.load_at(key, at(7_200_002)).await?.is_some(), "the record was absent a millisecond too early");
        ensure!(trial.load_at(key, expires).await?.is_none(), "the record was loaded at its deadline");
    }
    let previous = Some(PreviousSecret { hash: hash(3), until: None });
    let head = Head { previous, ..head };
    let secrets = [
        NewSecret::Raise { hash: hash(9), at: at(1_003) },
        NewSecret::Periodic { seen: head.secret, seen_expires: seen, hash: hash(9), at: at(1_007) },
        NewSecret::Presented { seen: head.secret, until: at(1_009) },
    ];
    for secret in secrets {
        let key = trial.stored_with(head.clone(), &[]).await?;
        must_become(&trial, key, &head, Patch { secret: Some(secret), ..Patch::on_generation(0) }).await?;
    }
    Ok(())
}

/// Uses numbers that a float or a signed number would round to a neighbour.
async fn counters_are_kept_exactly(trial: Trial) -> Verdict {
    let (generation, revision) = ((1 << 53) + 1, (1 << 63) + 1);
    let head = Head { generation, revision, ..trial.head() };
    let key = trial.stored_with(head.clone(), &[("cart.a", "1")]).await?;
    let on = |generation, revision| Patch {
        generation,
        precondition: Precondition::Revision(revision),
        ..setting(&[("cart.a", "2")])
    };
    for other in [generation - 1, generation + 1, 1] {
        let answer = trial.patch(key, on(other, revision)).await?;
        ensure!(matches!(answer, Patched::Renewed), "{}", unexpected("renewed", &answer).0);
    }
    for other in [revision - 1, revision + 1, 1] {
        trial.must_conflict(key, on(generation, other)).await?;
    }
    must_become(&trial, key, &head, on(generation, revision)).await?;
    let raised = Head { revision: revision + 1, ..head };
    let raise = NewSecret::Raise { hash: hash(9), at: trial.now };
    must_become(&trial, key, &raised, Patch { secret: Some(raise), ..Patch::on_generation(generation) }).await
}

async fn patched_texts_come_back(trial: Trial) -> Verdict {
    let (long, longer) = (format!("\"{}\"", "long … ".repeat(8 << 10)), format!("\"{}\"", "x".repeat(300_000)));
    let name = format!("cart.items/{}", "n".repeat(1_000));
    let mut values = VALUES.to_vec();
    values.extend([("cart.long", &*long), ("cart.longer", &longer), (&name, "1")]);
    let at_once = trial.stored(&[("cart", "[]")]).await?;
    trial.done(at_once, setting(&values)).await?;
    trial.must_hold(at_once, &values).await?;
    // A few at a time, as a request sends them whose record is unchanged since its load.
    let in_turn = trial.stored(&[("cart", "[]")]).await?;
    for few in values.chunks(3) {
        let patch = with_hint(setting(few), &trial.load(in_turn).await?);
        trial.done(in_turn, patch).await?;
    }
    trial.must_hold(in_turn, &values).await?;
    for name in ["cart.long", "cart.longer"] {
        let current =
            trial.must_conflict(at_once, expecting(setting(&[(name, "1")]), &[(name, Some("\"x\""))])).await?;
        let stored = values.iter().find(|(one, _)| *one == name).map(|(_, text)| *text);
        ensure!(current.values.get(name) == stored, "a conflict answered another text than the one that is stored");
    }
    Ok(())
}

async fn the_later_of_two_changes_counts(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart.a", "1"), ("cart.b", "1")]).await?;
    let set = setting(&[("cart.a", "2"), ("cart.b", "2"), ("cart.c", "2"), ("cart.a", "3"), ("cart.c", "3")]);
    let head = trial.done(key, Patch { remove: vec!["cart.b".into(), "cart.c".into()], ..set }).await?;
    ensure!(head.revision == 1, "one patch raised the revision to {}", head.revision);
    trial.must_hold(key, &[("cart.a", "3")]).await
}

/// Uses keys that begin with `A` or `a` in base64url, and that end with bytes used to pad columns of a fixed length.
async fn session_keys_are_bytes(trial: Trial) -> Verdict {
    let mut keys = Vec::new();
    for (first, last) in [(0, 0), (26 << 2, 0), (0, b' '), (26 << 2, b' '), (0, b'0')] {
        let mut bytes = *keys.first().map_or_else(fresh_key, |key: &SessionKey| *key).as_bytes();
        (bytes[0], bytes[15]) = (first, last);
        keys.push(SessionKey::from_bytes(bytes));
    }
    for (n, key) in keys.iter().enumerate() {
        ensure!(trial.is_vacant(*key).await?, "two session keys were taken for one");
        let record =
            crate::record::Record { head: trial.head(), values: super::trial::texts(&[("cart.n", &n.to_string())]) };
        trial.store.create(*key, record).await?;
    }
    for (n, key) in keys.iter().enumerate() {
        trial.must_hold(*key, &[("cart.n", &n.to_string())]).await?;
        trial.store.delete(*key).await?;
        trial.must_be_gone(*key).await?;
    }
    Ok(())
}

async fn a_touch_never_brings_back(trial: Trial) -> Verdict {
    let (seen, expires) = (trial.head().idle_deadline, trial.head().idle_deadline.after(HOUR));
    let touch =
        || Patch { deadline: Some(Deadline::Touch { seen, touched: trial.now, expires }), ..Patch::on_generation(0) };
    let (absent, deleted) = (fresh_key(), trial.stored(&[("cart.a", "1")]).await?);
    trial.store.delete(deleted).await?;
    for key in [absent, deleted] {
        let answer = trial.patch(key, touch()).await?;
        ensure!(matches!(answer, Patched::Gone), "{}", unexpected("gone", &answer).0);
        trial.must_be_gone(key).await?;
        ensure!(trial.is_vacant(key).await?, "the touch created a record");
    }
    let expired = trial.stored(&[("cart.a", "1")]).await?;
    let answer = trial.store.patch(expired, touch(), seen).await?;
    ensure!(matches!(answer, Patched::Gone), "{}", unexpected("gone", &answer).0);
    ensure!(trial.load_at(expired, seen).await?.is_none(), "the touch brought an expired record back");
    trial.must_hold(expired, &[("cart.a", "1")]).await
}
