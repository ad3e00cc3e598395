//! Rules about concurrent operations.

use super::trial::{Broken, Trial, ensure, expecting, rule, setting, together, unexpected, with_hint};
use super::{Rule, Verdict};
use crate::id::SessionKey;
use crate::record::patch::{Patch, Patched, Precondition};

pub(super) const RULES: &[Rule] = &[
    rule!(different_keys_all_survive, "Concurrent patches of different keys are all kept."),
    rule!(one_of_many_on_one_base_wins, "Of many concurrent patches with the same expected text, exactly one is done."),
    rule!(
        one_of_many_on_one_revision_wins,
        "Of many concurrent patches with the same revision as precondition, exactly one is done."
    ),
    rule!(increments_are_exact, "Increments that are repeated after each conflict add up."),
    rule!(
        half_a_patch_is_never_seen,
        "A load returns the keys of a patch either all from before it or all from after it."
    ),
    rule!(delete_wins_every_race, "A record deleted while it is patched is gone afterwards."),
];

async fn different_keys_all_survive(trial: Trial) -> Verdict {
    const TASKS: usize = 64;
    let key = trial.stored(&[]).await?;
    let names: Vec<_> = (0..TASKS).map(|n| format!("cart.items/{n}")).collect();
    let tasks = names.iter().map(|name| {
        let (trial, patch) = (trial.clone(), expecting(setting(&[(name, "1")]), &[(name, None)]));
        async move { trial.patch(key, patch).await }
    });
    for answer in together(tasks).await? {
        let answer = answer?;
        ensure!(matches!(answer, Patched::Done(_)), "{}", unexpected("done", &answer).0);
    }
    let values: Vec<_> = names.iter().map(|name| (&**name, "1")).collect();
    trial.must_hold(key, &values).await?;
    let revision = trial.load(key).await?.record.head.revision;
    ensure!(revision == TASKS as u64, "the revision is {revision} after {TASKS} patches");
    Ok(())
}

async fn one_of_many_on_one_base_wins(trial: Trial) -> Verdict {
    one_wins(&trial, |text| expecting(setting(&[("cart.a", text), ("cart.b", text)]), &[("cart.a", Some("\"base\""))]))
        .await
}

async fn one_of_many_on_one_revision_wins(trial: Trial) -> Verdict {
    let on_revision = |text: &str| setting(&[("cart.a", text), ("cart.b", text)]);
    one_wins(&trial, |text| Patch { precondition: Precondition::Revision(0), ..on_revision(text) }).await
}

async fn one_wins(trial: &Trial, patch: impl Fn(&str) -> Patch) -> Verdict {
    const TASKS: usize = 32;
    let key = trial.stored(&[("cart.a", "\"base\"")]).await?;
    let tasks = (0..TASKS).map(|n| {
        let (trial, patch) = (trial.clone(), patch(&n.to_string()));
        async move { trial.patch(key, patch).await }
    });
    let answers = together(tasks).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let winners: Vec<_> = (0..TASKS).filter(|n| matches!(answers[*n], Patched::Done(_))).collect();
    ensure!(winners.len() == 1, "{} of {TASKS} patches were done", winners.len());
    let text = winners[0].to_string();
    trial.must_hold(key, &[("cart.a", &text), ("cart.b", &text)]).await
}

async fn increments_are_exact(trial: Trial) -> Verdict {
    const TASKS: u32 = 16;
    const INCREMENTS: u32 = 25;
    let key = trial.stored(&[("cart.count", "0")]).await?;
    let tasks = (0..TASKS).map(|_| {
        let trial = trial.clone();
        async move {
            for _ in 0..INCREMENTS {
                increment(&trial, key).await?;
            }
            Ok(())
        }
    });
    together(tasks).await?.into_iter().collect::<Verdict>()?;
    trial.must_hold(key, &[("cart.count", &(TASKS * INCREMENTS).to_string())]).await
}

/// Adds one to the stored counter as the runtime does: after a conflict it starts from the values that came with it.
async fn increment(trial: &Trial, key: SessionKey) -> Verdict {
    const TRIES: usize = 10_000;
    let loaded = trial.load(key).await?;
    let mut values = loaded.record.values.clone();
    for tries in 0..TRIES {
        // On a single thread too, other tasks must run between the load and the patch.
        tokio::task::yield_now().await;
        let base = values.get("cart.count").ok_or_else(|| Broken("the counter is gone".into()))?;
        let next = base.parse::<u32>().map_err(|_| Broken(format!("the counter is {base:?}")))? + 1;
        let patch = expecting(setting(&[("cart.count", &next.to_string())]), &[("cart.count", Some(base))]);
        let patch = if tries == 0 { with_hint(patch, &loaded) } else { patch };
        match trial.patch(key, patch).await? {
            Patched::Done(_) => return Ok(()),
            Patched::Conflict(record) => values = record.values,
            answer => return Err(unexpected("done or a conflict", &answer)),
        }
    }
    Err(Broken(format!("an increment met {TRIES} conflicts")))
}

async fn half_a_patch_is_never_seen(trial: Trial) -> Verdict {
    const WRITES: usize = 50;
    let key = trial.stored(&[("cart.a", "0"), ("cart.z", "0")]).await?;
    let task = |writes: bool| {
        let trial = trial.clone();
        async move {
            for n in 0..WRITES {
                if writes {
                    write_both(&trial, key, n).await?;
                } else {
                    read_both(&trial, key).await?;
                }
                tokio::task::yield_now().await;
            }
            Ok(())
        }
    };
    together([true, false, true, false].map(task)).await?.into_iter().collect()
}

async fn write_both(trial: &Trial, key: SessionKey, n: usize) -> Verdict {
    let text = n.to_string();
    let answer = trial.patch(key, setting(&[("cart.a", &text), ("cart.z", &text)])).await?;
    ensure!(matches!(answer, Patched::Done(_)), "{}", unexpected("done", &answer).0);
    Ok(())
}

async fn read_both(trial: &Trial, key: SessionKey) -> Verdict {
    let values = trial.load(key).await?.record.values;
    let (a, z) = (values.get("cart.a"), values.get("cart.z"));
    ensure!(a.is_some() && a == z, "a load saw one key as {a:?} and the other as {z:?}");
    Ok(())
}

async fn delete_wins_every_race(trial: Trial) -> Verdict {
    const ROUNDS: usize = 32;
    for round in 0..ROUNDS {
        let key = trial.stored(&[("cart.a", "1")]).await?;
        let task = |deletes: bool| {
            let trial = trial.clone();
            async move {
                if deletes {
                    return trial.store.delete(key).await.map_err(Broken::from);
                }
                let answer = trial.patch(key, setting(&[("cart.a", "2"), ("cart.b", "3")])).await?;
                let fits = matches!(answer, Patched::Done(_) | Patched::Gone);
                ensure!(fits, "{}", unexpected("done or gone", &answer).0);
                Ok(())
            }
        };
        // Covers both orders of arrival.
        together([round % 2 == 0, round % 2 == 1, false].map(task)).await?.into_iter().collect::<Verdict>()?;
        trial.must_be_gone(key).await?;
        ensure!(trial.is_vacant(key).await?, "something is still stored under the key");
    }
    Ok(())
}
