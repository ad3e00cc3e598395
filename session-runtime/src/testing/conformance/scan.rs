//! Rules about `scan` and `find`, which a store may lack but must not feign.

use super::trial::{Broken, HOUR, Trial, ensure, rule, texts};
use super::{Rule, Verdict};
use crate::id::SessionKey;
use crate::record::{Head, Record};
use crate::store::StoreErrorKind;

pub(super) const RULES: &[Rule] = &[
    rule!(
        scan_lists_every_record,
        "A scan lists all records in the order of their keys, once each, or is unsupported."
    ),
    rule!(
        scan_resumes,
        "A scan that is resumed after its last key goes on there, and never gives more than its limit."
    ),
    rule!(scan_leaves_the_expired_out, "A scan lists no record that has expired."),
    rule!(find_is_honest, "A look-up in an index that nobody set up is unsupported, not empty."),
];

/// What a scan gives, page by page; `None` if the store has none.
async fn scanned(trial: &Trial, page: usize) -> Result<Option<Vec<(SessionKey, Record)>>, Broken> {
    let mut all: Vec<(SessionKey, Record)> = Vec::new();
    loop {
        let from = all.last().map(|(key, _)| *key);
        match trial.store.scan(from, page, trial.now).await {
            Err(error) if error.kind() == StoreErrorKind::Unsupported && all.is_empty() => return Ok(None),
            Ok(records) if records.is_empty() => return Ok(Some(all)),
            Ok(records) => {
                ensure!(records.len() <= page, "a page of {page} held {} records", records.len());
                let ordered = from.into_iter().chain(records.iter().map(|(key, _)| *key)).is_sorted_by(|a, b| a < b);
                ensure!(ordered, "the keys were not strictly ascending");
                all.extend(records);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn scan_lists_every_record(trial: Trial) -> Verdict {
    let mut keys = Vec::new();
    for n in 0..20 {
        keys.push(trial.stored(&[("cart", "{}"), ("cart.n", &n.to_string())]).await?);
    }
    let Some(all) = scanned(&trial, 1_000).await? else { return Ok(()) };
    for (n, key) in keys.iter().enumerate() {
        let Some((_, record)) = all.iter().find(|(have, _)| have == key) else {
            return Err(Broken("a record was left out".into()));
        };
        let values = texts(&[("cart", "{}"), ("cart.n", &n.to_string())]);
        ensure!(record.values == values && record.head == trial.head(), "a record was listed with other contents");
    }
    Ok(())
}

async fn scan_resumes(trial: Trial) -> Verdict {
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(trial.stored(&[("cart", "{}")]).await?);
    }
    let Some(all) = scanned(&trial, 7).await? else { return Ok(()) };
    let listed = keys.iter().filter(|key| all.iter().any(|(have, _)| have == *key)).count();
    ensure!(listed == keys.len(), "{listed} of {} records were listed", keys.len());
    ensure!(trial.store.scan(None, 0, trial.now).await?.is_empty(), "a scan of none listed some");
    Ok(())
}

async fn scan_leaves_the_expired_out(trial: Trial) -> Verdict {
    let expired = Head { expires: trial.now, ..trial.head() };
    let long_ago = Head { expires: trial.now.before(HOUR), ..trial.head() };
    let keys = [trial.stored_with(expired, &[]).await?, trial.stored_with(long_ago, &[]).await?];
    let Some(all) = scanned(&trial, 1_000).await? else { return Ok(()) };
    ensure!(!all.iter().any(|(key, _)| keys.contains(key)), "a record that has expired was listed");
    Ok(())
}

async fn find_is_honest(trial: Trial) -> Verdict {
    match trial.store.find("an index that nobody set up", "value", trial.now).await {
        Err(error) => ensure!(error.kind() == StoreErrorKind::Unsupported, "it answered {error}"),
        Ok(keys) => return Err(Broken(format!("it listed {} sessions", keys.len()))),
    }
    Ok(())
}
