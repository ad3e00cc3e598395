//! Rules about `find` and `delete_if`. A store may lack both but must not fake them.

use std::collections::HashSet;

use super::trial::{Broken, Trial, ensure, fresh_key, hash, removing, rule, setting, together};
use super::{Rule, Verdict};
use crate::id::SessionKey;
use crate::record::patch::{NewSecret, Patch};
use crate::record::{Head, Text};
use crate::store::{Capability, Cursor, Found, SWEEP_GRACE, StoreErrorKind};

pub(super) const RULES: &[Rule] = &[
    rule!(
        find_lists_every_record,
        "A lookup lists all records that were created or patched with the text, or is unsupported."
    ),
    rule!(find_compares_whole_texts, "A lookup lists no record that never held exactly this text under this key."),
    rule!(find_takes_long_texts, "A lookup finds a text of many kilobytes."),
    rule!(find_keeps_to_its_limit, "A page of a lookup has at most as many sessions as its limit; 0 counts as 1."),
    rule!(
        find_survives_changes,
        "A record that stays is found, whatever other records are created and deleted between two pages."
    ),
    rule!(find_lists_the_late, "A record that expired less than a minute ago is found."),
    rule!(find_follows_writes, "A record is found as soon as its write is acknowledged, beside other writes."),
    rule!(find_refuses_other_keys, "A lookup by a key that is not indexed is unsupported, not an empty list."),
    rule!(find_refuses_foreign_cursors, "A cursor of a lookup that another store made is an error, not the beginning."),
    rule!(delete_if_needs_the_generation, "A record is deleted if it has the given generation, and stays otherwise."),
    rule!(capabilities_are_real, "A store supports a capability if and only if its operations work."),
];

/// Indexed keys of the rules.
const USER: &str = "kit.user";
const TENANT: &str = "kit.tenant";

/// Number of pages after which a lookup counts as endless.
const MOST_PAGES: usize = 10_000;

/// Text that no other rule uses.
fn fresh_text() -> String {
    format!("\"{}\"", fresh_key())
}

/// Has the keys of the rules indexed. Returns false if the store does not support it.
async fn has_index(trial: &Trial) -> Result<bool, Broken> {
    trial.store.set_indexed_keys(&[Text::from(USER), Text::from(TENANT)]);
    match trial.store.find(USER, "0", None, 1).await {
        Err(error) if error.kind() == StoreErrorKind::Unsupported => Ok(false),
        found => Ok(found.map(|_| true)?),
    }
}

async fn page(trial: &Trial, text: &str, from: Option<&Cursor>, limit: usize) -> Result<Found, Broken> {
    Ok(trial.store.find(USER, text, from, limit).await?)
}

/// Reads all pages after this cursor, or all.
async fn find_all(
    trial: &Trial,
    text: &str,
    mut from: Option<Cursor>,
    limit: usize,
) -> Result<HashSet<SessionKey>, Broken> {
    let mut found = HashSet::new();
    for _ in 0..MOST_PAGES {
        let Found { keys, next } = page(trial, text, from.as_ref(), limit).await?;
        found.extend(keys);
        if next.is_none() {
            return Ok(found);
        }
        from = next;
    }
    Err(Broken("a lookup does not end".into()))
}

async fn must_find(trial: &Trial, text: &str, keys: &[SessionKey]) -> Verdict {
    let found = find_all(trial, text, None, 2).await?;
    let listed = keys.iter().filter(|key| found.contains(key)).count();
    ensure!(listed == keys.len(), "{listed} of {} records were found", keys.len());
    Ok(())
}

async fn find_lists_every_record(trial: Trial) -> Verdict {
    if !has_index(&trial).await? {
        return Ok(());
    }
    let text = fresh_text();
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(trial.stored(&[("kit", "{}"), (USER, &text)]).await?);
        let patched = trial.stored(&[("kit", "{}")]).await?;
        trial.done(patched, setting(&[(USER, &text)])).await?;
        let changed = trial.stored(&[("kit", "{}"), (USER, "\"x\"")]).await?;
        trial.done(changed, removing(&[USER])).await?;
        trial.done(changed, setting(&[(USER, &text), ("kit.other", "1")])).await?;
        keys.extend([patched, changed]);
    }
    must_find(&trial, &text, &keys).await
}

async fn find_compares_whole_texts(trial: Trial) -> Verdict {
    if !has_index(&trial).await? {
        return Ok(());
    }
    let text = fresh_text();
    let longer = format!("{text} ");
    let others = [
        trial.stored(&[(USER, &longer)]).await?,
        trial.stored(&[(USER, &text.to_uppercase())]).await?,
        trial.stored(&[(USER, &text[..text.len() - 1])]).await?,
        trial.stored(&[(TENANT, &text)]).await?,
    ];
    let key = trial.stored(&[(USER, &text)]).await?;
    let found = find_all(&trial, &text, None, 10).await?;
    ensure!(others.iter().all(|other| !found.contains(other)), "a record with another text was found");
    ensure!(found.contains(&key), "the record with the text was not found");
    Ok(())
}

async fn find_takes_long_texts(trial: Trial) -> Verdict {
    if !has_index(&trial).await? {
        return Ok(());
    }
    for length in [599, 600, 601, 3_000, 50_000] {
        let text = format!("\"{}{}\"", fresh_key(), "x".repeat(length - 24));
        let key = trial.stored(&[("kit", "{}"), (USER, &text)]).await?;
        let patched = trial.stored(&[("kit", "{}")]).await?;
        trial.done(patched, setting(&[(USER, &text)])).await?;
        must_find(&trial, &text, &[key, patched]).await?;
    }
    Ok(())
}

async fn find_keeps_to_its_limit(trial: Trial) -> Verdict {
    if !has_index(&trial).await? {
        return Ok(());
    }
    let text = fresh_text();
    for _ in 0..5 {
        trial.stored(&[(USER, &text)]).await?;
    }
    for limit in [0, 1, 2, 4] {
        let keys = page(&trial, &text, None, limit).await?.keys.len();
        ensure!(keys <= limit.max(1), "a page for {limit} sessions has {keys}");
    }
    Ok(())
}

async fn find_survives_changes(trial: Trial) -> Verdict {
    if !has_index(&trial).await? {
        return Ok(());
    }
    let text = fresh_text();
    let mut staying = Vec::new();
    for _ in 0..12 {
        staying.push(trial.stored(&[(USER, &text)]).await?);
    }
    let (mut found, mut from) = (HashSet::new(), None);
    for _ in 0..MOST_PAGES {
        let Found { keys, next } = page(&trial, &text, from.as_ref(), 2).await?;
        for key in &keys {
            trial.store.delete(*key).await?;
        }
        trial.stored(&[(USER, &text)]).await?;
        found.extend(keys);
        from = next;
        if from.is_none() {
            let listed = staying.iter().filter(|key| found.contains(key)).count();
            ensure!(listed == staying.len(), "{listed} of {} records were found", staying.len());
            return Ok(());
        }
    }
    Err(Broken("a lookup does not end".into()))
}

async fn find_lists_the_late(trial: Trial) -> Verdict {
    if !has_index(&trial).await? {
        return Ok(());
    }
    let text = fresh_text();
    let idle_deadline = trial.now.before(SWEEP_GRACE / 2);
    let key = trial.stored_with(Head { idle_deadline, ..trial.head() }, &[(USER, &text)]).await?;
    must_find(&trial, &text, &[key]).await
}

async fn find_follows_writes(trial: Trial) -> Verdict {
    if !has_index(&trial).await? {
        return Ok(());
    }
    let text = fresh_text();
    let write = |number: usize| {
        let (trial, text) = (trial.clone(), text.clone());
        async move {
            let key = trial.stored(&[("kit", "{}")]).await?;
            trial.done(key, setting(&[(USER, &text)])).await?;
            must_find(&trial, &text, &[key]).await?;
            if number.is_multiple_of(2) {
                trial.store.delete(key).await?;
            }
            Ok::<_, Broken>((key, number))
        }
    };
    let written: Vec<(SessionKey, usize)> =
        together((0..16).map(write)).await?.into_iter().collect::<Result<_, Broken>>()?;
    let staying: Vec<_> = written.into_iter().filter(|(_, number)| number % 2 == 1).map(|(key, _)| key).collect();
    must_find(&trial, &text, &staying).await
}

async fn find_refuses_other_keys(trial: Trial) -> Verdict {
    if !has_index(&trial).await? {
        return Ok(());
    }
    let refused = trial.store.find("kit.unknown", "0", None, 1).await.err().map(|error| error.kind());
    ensure!(refused == Some(StoreErrorKind::Unsupported), "the lookup returned {refused:?}");
    Ok(())
}

async fn find_refuses_foreign_cursors(trial: Trial) -> Verdict {
    if !has_index(&trial).await? {
        return Ok(());
    }
    let refused = trial.store.find(USER, "0", Some(&Cursor::new("another store's")), 1).await;
    let refused = refused.err().map(|error| error.kind());
    ensure!(refused == Some(StoreErrorKind::Unsupported), "the lookup returned {refused:?}");
    Ok(())
}

async fn delete_if_needs_the_generation(trial: Trial) -> Verdict {
    if !has_index(&trial).await? {
        return Ok(());
    }
    let key = trial.stored(&[("kit", "{}"), ("kit.a", "1")]).await?;
    let secret = NewSecret::Raise { hash: hash(7), at: trial.now };
    let generation = trial.done(key, Patch::on_generation(0).secret(secret)).await?.generation;
    for other in [0, generation + 1, u64::MAX] {
        ensure!(!trial.store.delete_if(key, other).await?, "another generation was deleted");
        trial.must_hold(key, &[("kit", "{}"), ("kit.a", "1")]).await?;
    }
    ensure!(trial.store.delete_if(key, generation).await?, "the generation of the record was not deleted");
    trial.must_be_gone(key).await?;
    ensure!(trial.is_vacant(key).await?, "something is still stored under the key");
    ensure!(!trial.store.delete_if(key, generation).await?, "an absent record was deleted");
    let expired = Head { idle_deadline: trial.now.before(SWEEP_GRACE / 2), ..trial.head() };
    let key = trial.stored_with(expired, &[("kit", "{}")]).await?;
    ensure!(trial.store.delete_if(key, 0).await?, "an expired record was not deleted");
    Ok(())
}

async fn capabilities_are_real(trial: Trial) -> Verdict {
    let has_index = has_index(&trial).await?;
    let supported = trial.store.supports(Capability::Index);
    ensure!(supported == has_index, "`supports(Index)` returns {supported}, and `find` works: {has_index}");
    let has_scan = trial.store.scan(None, 1, trial.now).await.is_ok();
    let supported = trial.store.supports(Capability::Scan);
    ensure!(supported == has_scan, "`supports(Scan)` returns {supported}, and `scan` works: {has_scan}");
    Ok(())
}
