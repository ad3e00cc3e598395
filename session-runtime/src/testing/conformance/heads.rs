//! Rules about `heads`.

use std::time::Duration;

use super::create::unusual_head;
use super::trial::{Broken, Trial, ensure, fresh_key, hash, rule, setting};
use super::{Rule, Verdict};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::Head;
use crate::record::patch::{Deadline, NewSecret, Patch};
use crate::store::LoadedHead;

pub(super) const RULES: &[Rule] = &[
    rule!(
        heads_come_in_the_order_of_the_keys,
        "There is one result for each key, in the order of the keys, also for an absent record and for a key that occurs \
         twice."
    ),
    rule!(many_heads_are_read, "The heads of 500 keys are read in one call."),
    rule!(
        expired_heads_are_absent,
        "A head is absent from its deadline on, and present until one millisecond before it."
    ),
    rule!(heads_are_those_of_now, "A head includes every change that was acknowledged before the call."),
    rule!(heads_change_nothing, "Reading a head moves no deadline, changes no record and creates none."),
];

/// Number of keys that a program passes at most.
const MANY: usize = 500;

async fn heads_at(trial: &Trial, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, Broken> {
    let heads = trial.store.heads(keys, now).await?;
    ensure!(heads.len() == keys.len(), "{} keys gave {} results", keys.len(), heads.len());
    Ok(heads)
}

/// Requires these records to have these heads; `None` means absent.
async fn must_have(trial: &Trial, records: &[(SessionKey, Option<Head>)], now: Timestamp) -> Verdict {
    let keys: Vec<_> = records.iter().map(|(key, _)| *key).collect();
    let heads = heads_at(trial, &keys, now).await?;
    for ((_, wanted), found) in records.iter().zip(heads) {
        let wanted = wanted.clone().map_or(LoadedHead::Absent, LoadedHead::Alive);
        ensure!(found == wanted, "a head was read as {found:?}, not as {wanted:?}");
    }
    Ok(())
}

async fn heads_come_in_the_order_of_the_keys(trial: Trial) -> Verdict {
    must_have(&trial, &[], trial.now).await?;
    let mut records = Vec::new();
    for number in 0..9 {
        let head = Head { generation: number, ..trial.head() };
        records.push((trial.stored_with(head.clone(), &[("cart", "{}")]).await?, Some(head)));
        records.push((fresh_key(), None));
    }
    let unusual = unusual_head(&trial);
    records.push((trial.stored_with(unusual.clone(), &[("cart.n", "1")]).await?, Some(unusual)));
    must_have(&trial, &records, trial.now).await?;
    records.extend_from_within(3..6);
    records.reverse();
    must_have(&trial, &records, trial.now).await
}

async fn many_heads_are_read(trial: Trial) -> Verdict {
    let mut records = Vec::with_capacity(MANY);
    for _ in 0..MANY {
        records.push((trial.stored(&[]).await?, Some(trial.head())));
    }
    must_have(&trial, &records, trial.now).await
}

async fn expired_heads_are_absent(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart", "{}")]).await?;
    let deadline = trial.head().idle_deadline;
    must_have(&trial, &[(key, Some(trial.head()))], deadline.before(Duration::from_millis(1))).await?;
    must_have(&trial, &[(key, None)], deadline).await
}

async fn heads_are_those_of_now(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart.n", "1")]).await?;
    let Head { idle_deadline: seen, .. } = trial.head();
    let (touched, expires) = (trial.now, seen.after(Duration::from_secs(60)));
    let touch = Patch { deadline: Some(Deadline::Touch { seen, touched, expires }), ..Patch::on_generation(0) };
    let login = Patch { secret: Some(NewSecret::Raise { hash: hash(9), at: trial.now }), ..Patch::on_generation(0) };
    must_have(&trial, &[(key, Some(trial.head()))], trial.now).await?;
    for patch in [setting(&[("cart.n", "2")]), touch, login] {
        let head = trial.done(key, patch).await?;
        must_have(&trial, &[(key, Some(head))], trial.now).await?;
    }
    trial.store.delete(key).await?;
    must_have(&trial, &[(key, None)], trial.now).await
}

async fn heads_change_nothing(trial: Trial) -> Verdict {
    let (key, absent) = (trial.stored(&[("cart.n", "1")]).await?, fresh_key());
    heads_at(&trial, &[key, absent], trial.now.after(Duration::from_secs(60))).await?;
    ensure!(trial.load(key).await?.record.head == trial.head(), "the head is another one after it was read");
    trial.must_hold(key, &[("cart.n", "1")]).await?;
    ensure!(trial.is_vacant(absent).await?, "reading a head created a record");
    Ok(())
}
