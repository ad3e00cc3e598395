//! Rules about `sweep`. They create a record under the same key to distinguish a removed record from an expired one.

use std::time::Duration;

use super::trial::{Broken, HOUR, Trial, ensure, rule, setting, texts, together};
use super::{Rule, Verdict};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::Record;
use crate::record::expiry::StoredExpiry;
use crate::record::patch::{Deadline, Patch, Patched};
use crate::store::{Created, SWEEP_GRACE};

pub(super) const RULES: &[Rule] = &[
    rule!(
        sweep_spares_the_living,
        "A sweep leaves records that have not expired, or that expired less than a minute ago."
    ),
    rule!(
        sweep_spares_what_was_touched,
        "A sweep leaves a record that was touched, although its earlier deadline has passed."
    ),
    rule!(
        sweep_goes_by_the_present_deadline,
        "A sweep uses the deadline that a choice of expiry has set, and not an earlier one."
    ),
    rule!(
        sweep_removes_the_expired,
        "A sweep removes and counts the records that expired a minute ago or earlier, each as a whole."
    ),
    rule!(sweep_removes_no_more_than_its_limit, "A sweep removes at most as many records as its limit allows."),
    rule!(sweep_removes_each_once, "Of two concurrent sweeps, exactly one counts each expired record."),
    rule!(sweep_never_undoes_a_touch, "A touch that is acknowledged while a sweep runs is kept."),
];

const MILLISECOND: Duration = Duration::from_millis(1);
const BATCH: usize = 1_000;

/// Maximum number of calls in which a store must find a few expired records.
const MOST_CALLS: usize = 64;

/// Removes the records that other rules left, so that the counts belong to this rule.
async fn emptied(trial: &Trial, now: Timestamp) -> Verdict {
    while trial.store.sweep(BATCH, now).await? > 0 {}
    Ok(())
}

async fn vacant(trial: &Trial, keys: &[SessionKey]) -> Result<usize, Broken> {
    let mut vacant = 0;
    for key in keys {
        vacant += usize::from(trial.is_vacant(*key).await?);
    }
    Ok(vacant)
}

async fn sweep_spares_the_living(trial: Trial) -> Verdict {
    let deadline = trial.head().idle_deadline;
    let late = trial.expiring(deadline, 1).await?;
    let living = trial.expiring(deadline.after(HOUR), 1).await?;
    emptied(&trial, deadline.after(SWEEP_GRACE).before(MILLISECOND)).await?;
    ensure!(vacant(&trial, &late).await? == 0, "a record was removed less than a minute after its deadline");
    ensure!(vacant(&trial, &living).await? == 0, "a living record was removed");
    trial.must_hold(living[0], &[("cart", "{}")]).await
}

async fn sweep_spares_what_was_touched(trial: Trial) -> Verdict {
    let seen = trial.head().idle_deadline;
    let key = trial.stored(&[("cart.a", "1")]).await?;
    trial.done(key, touching(&trial, seen)).await?;
    emptied(&trial, seen.after(SWEEP_GRACE)).await?;
    trial.must_hold(key, &[("cart.a", "1")]).await
}

fn touching(trial: &Trial, seen: Timestamp) -> Patch {
    let deadline = Some(Deadline::Touch { seen, touched: trial.now, expires: seen.after(HOUR) });
    Patch { deadline, ..Patch::on_generation(0) }
}

async fn sweep_goes_by_the_present_deadline(trial: Trial) -> Verdict {
    let first = trial.head().idle_deadline;
    let (earlier, later) = (trial.now.after(Duration::from_secs(1)), first.after(HOUR));
    let (short, long) = (trial.stored(&[("cart.a", "1")]).await?, trial.stored(&[("cart.a", "1")]).await?);
    for (key, expires) in [(short, earlier), (long, later)] {
        let deadline = Deadline::Choose { expiry: StoredExpiry::At(expires), touched: trial.now, expires };
        trial.done(key, Patch { deadline: Some(deadline), ..Patch::on_generation(0) }).await?;
    }
    emptied(&trial, earlier.after(SWEEP_GRACE)).await?;
    ensure!(trial.is_vacant(short).await?, "a record stayed that was chosen to expire earlier");
    emptied(&trial, first.after(SWEEP_GRACE)).await?;
    trial.must_hold(long, &[("cart.a", "1")]).await
}

async fn sweep_removes_the_expired(trial: Trial) -> Verdict {
    let deadline = trial.head().idle_deadline;
    emptied(&trial, deadline.after(SWEEP_GRACE)).await?;
    let keys = trial.expiring(deadline, 5).await?;
    let removed = trial.store.sweep(BATCH, deadline.after(SWEEP_GRACE)).await?;
    ensure!(removed == keys.len(), "it counted {removed} of {}", keys.len());
    let record = Record { head: trial.head(), values: texts(&[("cart.b", "2")]) };
    ensure!(trial.store.create(keys[0], record).await? == Created::Done, "a removed record still takes its key");
    trial.must_hold(keys[0], &[("cart.b", "2")]).await?;
    ensure!(vacant(&trial, &keys[1..]).await? == keys.len() - 1, "a record that was counted is still there");
    Ok(())
}

async fn sweep_removes_no_more_than_its_limit(trial: Trial) -> Verdict {
    let (deadline, limit) = (trial.head().idle_deadline, 3);
    let now = deadline.after(SWEEP_GRACE);
    emptied(&trial, now).await?;
    let keys = trial.expiring(deadline, 7).await?;
    ensure!(trial.store.sweep(0, now).await? == 0, "a sweep of none removed some");
    let mut counts = Vec::new();
    // A call may find fewer than its limit: a store may search only a part of its names in each.
    while counts.len() < MOST_CALLS && counts.iter().sum::<usize>() < keys.len() {
        counts.push(trial.store.sweep(limit, now).await?);
    }
    ensure!(counts.iter().all(|count| *count <= limit), "sweeps of {limit} counted {counts:?}");
    ensure!(counts.iter().sum::<usize>() == keys.len(), "sweeps of {limit} counted {counts:?} of {}", keys.len());
    ensure!(trial.store.sweep(limit, now).await? == 0, "a sweep counted a record again");
    ensure!(vacant(&trial, &keys).await? == keys.len(), "a record that was counted is still there");
    Ok(())
}

async fn sweep_removes_each_once(trial: Trial) -> Verdict {
    let deadline = trial.head().idle_deadline;
    let now = deadline.after(SWEEP_GRACE);
    emptied(&trial, now).await?;
    let keys = trial.expiring(deadline, 40).await?;
    let sweep = |_| {
        let trial = trial.clone();
        async move { trial.store.sweep(BATCH, now).await }
    };
    let counts = together([0, 1, 2, 3].map(sweep)).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    ensure!(counts.iter().sum::<usize>() == keys.len(), "sweeps at once counted {counts:?} of {}", keys.len());
    ensure!(vacant(&trial, &keys).await? == keys.len(), "a record that was counted is still there");
    Ok(())
}

async fn sweep_never_undoes_a_touch(trial: Trial) -> Verdict {
    let seen = trial.head().idle_deadline;
    let late = seen.after(SWEEP_GRACE);
    for _ in 0..16 {
        let key = trial.stored(&[("cart.a", "1")]).await?;
        // The clock of the touch is behind that of the sweep.
        let (toucher, sweeper) = (trial.clone(), trial.clone());
        let patch = Patch { deadline: touching(&trial, seen).deadline, ..setting(&[("cart.a", "2")]) };
        let touch = tokio::spawn(async move { toucher.patch(key, patch).await });
        let sweep = tokio::spawn(async move { sweeper.store.sweep(BATCH, late).await });
        let stopped = |_| Broken("the store panicked".into());
        let (answer, _) = (touch.await.map_err(stopped)??, sweep.await.map_err(stopped)??);
        match answer {
            Patched::Done(_) => trial.must_hold(key, &[("cart.a", "2")]).await?,
            _ => trial.must_be_gone(key).await?,
        }
    }
    Ok(())
}
