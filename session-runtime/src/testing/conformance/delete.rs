//! Rules about `delete`.

use super::trial::{Trial, ensure, fresh_key, rule, setting, texts, unexpected};
use super::{Rule, Verdict};
use crate::record::Record;
use crate::record::patch::Patched;
use crate::store::Created;

pub(super) const RULES: &[Rule] = &[
    rule!(delete_is_idempotent, "A delete of an absent record succeeds, however often it is repeated."),
    rule!(delete_is_final, "After a delete a patch answers gone, and the record stays gone."),
    rule!(delete_is_complete, "A record created under the key of a deleted one contains nothing of it."),
    rule!(delete_takes_every_part_along, "Keys of a deleted record do not come back with later keys of their schema."),
    rule!(delete_leaves_others_alone, "A delete removes one record."),
];

async fn delete_is_idempotent(trial: Trial) -> Verdict {
    let absent = fresh_key();
    let key = trial.stored(&[("cart.a", "1")]).await?;
    for key in [absent, key, key, absent] {
        trial.store.delete(key).await?;
        trial.must_be_gone(key).await?;
    }
    Ok(())
}

async fn delete_is_final(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart.a", "1")]).await?;
    trial.store.delete(key).await?;
    let answer = trial.patch(key, setting(&[("cart.a", "2")])).await?;
    ensure!(matches!(answer, Patched::Gone), "{}", unexpected("gone", &answer).0);
    trial.must_be_gone(key).await?;
    ensure!(trial.is_vacant(key).await?, "something is still stored under the key");
    Ok(())
}

async fn delete_is_complete(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart.a", "1"), ("cart.b", "2")]).await?;
    trial.store.delete(key).await?;
    let record = Record { head: trial.head(), values: texts(&[("cart.b", "3")]) };
    ensure!(trial.store.create(key, record).await? == Created::Done, "the key is still taken");
    trial.must_hold(key, &[("cart.b", "3")]).await
}

async fn delete_takes_every_part_along(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart", "{}"), ("cart.a", "1"), ("prefs", "{}"), ("prefs.a", "1")]).await?;
    trial.done(key, setting(&[("cart.b", "2"), ("late.a", "1")])).await?;
    trial.store.delete(key).await?;
    let record = Record { head: trial.head(), values: texts(&[("other.a", "3")]) };
    ensure!(trial.store.create(key, record).await? == Created::Done, "the key is still taken");
    trial.must_hold(key, &[("other.a", "3")]).await?;
    trial.done(key, setting(&[("cart.c", "4"), ("late.b", "4"), ("prefs.c", "4")])).await?;
    trial.must_hold(key, &[("cart.c", "4"), ("late.b", "4"), ("other.a", "3"), ("prefs.c", "4")]).await
}

async fn delete_leaves_others_alone(trial: Trial) -> Verdict {
    let (key, other) = (trial.stored(&[("cart.a", "1")]).await?, trial.stored(&[("cart.a", "2")]).await?);
    trial.store.delete(key).await?;
    trial.must_hold(other, &[("cart.a", "2")]).await
}
