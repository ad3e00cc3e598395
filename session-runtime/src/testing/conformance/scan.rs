//! Rules about `scan`. A store may lack the operation but must not fake it.

use std::collections::HashSet;

use super::trial::{Broken, HOUR, Trial, ensure, removing, rule, setting, texts};
use super::{Rule, Verdict};
use crate::id::SessionKey;
use crate::record::{Head, Record};
use crate::store::{Cursor, Page, StoreErrorKind};

pub(super) const RULES: &[Rule] = &[
    rule!(scan_lists_every_record, "A scan lists all records with their heads, names and texts, or is unsupported."),
    rule!(scan_lists_large_records, "A scan lists records with many keys and with long texts as a whole."),
    rule!(scan_lists_each_once, "A scan of records that do not change lists each of them once."),
    rule!(scan_keeps_to_its_limit, "A page has at most as many records as its limit; 0 counts as 1."),
    rule!(
        a_short_page_is_not_the_last,
        "A page with fewer records than its limit is followed by the pages with the other records."
    ),
    rule!(scan_ends, "The last page has no cursor, and each earlier cursor leads to a later page."),
    rule!(
        scan_survives_changes,
        "A record that stays is listed, whatever other records are created and deleted between two pages."
    ),
    rule!(scan_shows_the_present, "A scan lists the records that are stored now, not those of an earlier scan."),
    rule!(a_cursor_can_be_used_again, "A cursor that is written as text and read back returns the same page again."),
    rule!(a_foreign_cursor_is_refused, "A cursor that another store made is an error, not the beginning."),
    rule!(scan_leaves_the_expired_out, "A scan lists no record that has expired."),
];

/// Number of consecutive empty pages after which a scan counts as endless.
const MOST_EMPTY_PAGES: usize = 1_000_000;

/// Result of a scan over all pages.
struct FullScan {
    sessions: Vec<(SessionKey, Record)>,
    /// True if the scan came to a page without a cursor.
    has_ended: bool,
}

impl FullScan {
    fn times(&self, key: SessionKey) -> usize {
        self.sessions.iter().filter(|(listed, _)| *listed == key).count()
    }

    fn lists(&self, key: SessionKey) -> bool {
        self.times(key) > 0
    }

    fn must_list(&self, keys: &[SessionKey]) -> Verdict {
        let listed = keys.iter().filter(|key| self.lists(**key)).count();
        ensure!(listed == keys.len(), "{listed} of {} records were listed", keys.len());
        Ok(())
    }

    fn must_hold(&self, key: SessionKey, values: &[(&str, &str)], head: &Head) -> Verdict {
        let found = self.sessions.iter().find(|(listed, _)| *listed == key);
        let Some((_, record)) = found else { return Err(Broken("a record was left out".into())) };
        ensure!(record.values == texts(values), "a record was listed with other values");
        ensure!(record.head == *head, "a record was listed with another head");
        Ok(())
    }
}

/// Returns one page; `None` if the store does not support scans.
async fn page(trial: &Trial, from: Option<&Cursor>, limit: usize) -> Result<Option<Page>, Broken> {
    match trial.store.scan(from, limit, trial.now).await {
        Err(error) if error.kind() == StoreErrorKind::Unsupported && from.is_none() => Ok(None),
        page => Ok(Some(page?)),
    }
}

/// Scans all pages, each of at most `limit` records; `None` if the store does not support scans.
async fn scan_all(trial: &Trial, limit: usize) -> Result<Option<FullScan>, Broken> {
    let Some(first) = page(trial, None, limit).await? else { return Ok(None) };
    remaining_pages(trial, first, limit).await.map(Some)
}

/// Collects the given page and all later ones, until there is no cursor, a cursor repeats, or too many pages are empty.
async fn remaining_pages(trial: &Trial, first: Page, limit: usize) -> Result<FullScan, Broken> {
    let (mut sessions, mut next) = (first.sessions, first.next);
    let (mut met, mut empty) = (HashSet::new(), 0);
    while let Some(from) = next {
        if empty > MOST_EMPTY_PAGES || !met.insert(from.clone()) {
            return Ok(FullScan { sessions, has_ended: false });
        }
        let Page { sessions: more, next: behind, .. } = trial.store.scan(Some(&from), limit, trial.now).await?;
        empty = if more.is_empty() { empty + 1 } else { 0 };
        sessions.extend(more);
        next = behind;
    }
    Ok(FullScan { sessions, has_ended: true })
}

async fn twenty(trial: &Trial) -> Result<Vec<SessionKey>, Broken> {
    let mut keys = Vec::new();
    for n in 0..20 {
        keys.push(trial.stored(&[("cart", "{}"), ("cart.n", &n.to_string())]).await?);
    }
    Ok(keys)
}

async fn scan_lists_every_record(trial: Trial) -> Verdict {
    let keys = twenty(&trial).await?;
    let unusual = super::create::unusual_head(&trial);
    let other = trial.stored_with(unusual.clone(), &[("cart.items/", ""), ("unknown/ü", "null")]).await?;
    let Some(all) = scan_all(&trial, 1_000).await? else { return Ok(()) };
    for (n, key) in keys.iter().enumerate() {
        all.must_hold(*key, &[("cart", "{}"), ("cart.n", &n.to_string())], &trial.head())?;
    }
    all.must_hold(other, &[("cart.items/", ""), ("unknown/ü", "null")], &unusual)
}

async fn scan_lists_large_records(trial: Trial) -> Verdict {
    let long = format!("\"{}\"", "x".repeat(300_000));
    let names: Vec<_> = (0..5_000).map(|n| format!("cart.items/{n:04}")).collect();
    let many: Vec<_> = names.iter().map(|name| (&**name, "1")).collect();
    let (one, other) = (trial.stored(&[("cart.long", &long)]).await?, trial.stored(&many).await?);
    let small = trial.stored(&[("cart", "{}")]).await?;
    for limit in [1_000, 2] {
        let Some(all) = scan_all(&trial, limit).await? else { return Ok(()) };
        all.must_hold(one, &[("cart.long", &long)], &trial.head())?;
        all.must_hold(other, &many, &trial.head())?;
        all.must_hold(small, &[("cart", "{}")], &trial.head())?;
    }
    // Later scans of the kit need not read these records again.
    trial.store.delete(one).await?;
    trial.store.delete(other).await?;
    Ok(())
}

async fn scan_lists_each_once(trial: Trial) -> Verdict {
    let keys = twenty(&trial).await?;
    for limit in [7, 1_000] {
        let Some(all) = scan_all(&trial, limit).await? else { return Ok(()) };
        let again = keys.iter().map(|key| all.times(*key)).max().unwrap_or_default();
        ensure!(again <= 1, "pages of {limit} listed a record {again} times");
        all.must_list(&keys)?;
    }
    Ok(())
}

async fn scan_keeps_to_its_limit(trial: Trial) -> Verdict {
    twenty(&trial).await?;
    for limit in [0, 1, 2, 7, 19] {
        let Some(mut one) = page(&trial, None, limit).await? else { return Ok(()) };
        for _ in 0..20 {
            let held = one.sessions.len();
            ensure!(held <= limit.max(1), "a page of {limit} held {held} records");
            let Some(from) = one.next else { break };
            one = trial.store.scan(Some(&from), limit, trial.now).await?;
        }
    }
    Ok(())
}

/// Stores two expired records for each live one, so that nearly every page is short and some are empty.
async fn a_short_page_is_not_the_last(trial: Trial) -> Verdict {
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(trial.stored(&[("cart", "{}")]).await?);
        trial.expiring(trial.now, 2).await?;
    }
    for limit in [3, 5, 50] {
        let Some(all) = scan_all(&trial, limit).await? else { return Ok(()) };
        all.must_list(&keys)?;
    }
    Ok(())
}

async fn scan_ends(trial: Trial) -> Verdict {
    twenty(&trial).await?;
    for limit in [5, 1_000] {
        let Some(all) = scan_all(&trial, limit).await? else { return Ok(()) };
        ensure!(all.has_ended, "pages of {limit} went on for ever");
    }
    Ok(())
}

async fn scan_survives_changes(trial: Trial) -> Verdict {
    let mut keys = twenty(&trial).await?;
    let Some(mut one) = page(&trial, None, 3).await? else { return Ok(()) };
    let (mut sessions, mut before, mut deleted) = (Vec::new(), None, 0);
    loop {
        let listed = keys.iter().position(|key| one.sessions.iter().any(|(one, _)| one == key));
        sessions.append(&mut one.sessions);
        // The same cursor again would break another rule.
        let Some(from) = one.next.filter(|next| before.as_ref() != Some(next)) else { break };
        if let Some(at) = listed.filter(|_| deleted < 6) {
            trial.store.delete(keys.swap_remove(at)).await?;
            deleted += 1;
            if deleted > 2 {
                trial.stored(&[("cart", "{}")]).await?;
            }
        }
        one = trial.store.scan(Some(&from), 3, trial.now).await?;
        before = Some(from);
    }
    FullScan { sessions, has_ended: true }.must_list(&keys)
}

async fn scan_shows_the_present(trial: Trial) -> Verdict {
    let (key, doomed) = (trial.stored(&[("cart.a", "1"), ("cart.b", "1")]).await?, trial.stored(&[]).await?);
    let Some(before) = scan_all(&trial, 1_000).await? else { return Ok(()) };
    before.must_list(&[key, doomed])?;
    let late = trial.stored(&[("cart", "{}")]).await?;
    trial.done(key, setting(&[("cart.a", "2")])).await?;
    let head = trial.done(key, removing(&["cart.b"])).await?;
    trial.store.delete(doomed).await?;
    let Some(now) = scan_all(&trial, 1_000).await? else { return Ok(()) };
    ensure!(now.lists(late), "a record that was created after an earlier scan was left out");
    ensure!(!now.lists(doomed), "a record that was deleted after an earlier scan was listed");
    now.must_hold(key, &[("cart.a", "2")], &head)
}

async fn a_cursor_can_be_used_again(trial: Trial) -> Verdict {
    let keys = twenty(&trial).await?;
    let Some(first) = page(&trial, None, 5).await? else { return Ok(()) };
    let Some(cursor) = first.next else { return Ok(()) };
    let mut seen = Vec::new();
    for _ in 0..2 {
        let read: Cursor = cursor.to_string().parse().unwrap_or_else(|never| match never {});
        let second = trial.store.scan(Some(&read), 5, trial.now).await?;
        let all = remaining_pages(&trial, second, 5).await?;
        let first_ones = first.sessions.iter().map(|(key, _)| *key);
        let left: Vec<_> = keys.iter().copied().filter(|key| !first_ones.clone().any(|one| one == *key)).collect();
        all.must_list(&left)?;
        seen.push(all.sessions.into_iter().map(|(key, _)| key).collect::<HashSet<_>>());
    }
    ensure!(seen[0] == seen[1], "the same cursor gave other records the second time");
    Ok(())
}

async fn a_foreign_cursor_is_refused(trial: Trial) -> Verdict {
    twenty(&trial).await?;
    if page(&trial, None, 1).await?.is_none() {
        return Ok(());
    }
    for text in ["", "!", "of another store: 7 \u{fc}", "18446744073709551616"] {
        let answer = trial.store.scan(Some(&Cursor::new(text)), 5, trial.now).await;
        ensure!(answer.is_err(), "the cursor {text:?} gave a page");
    }
    Ok(())
}

async fn scan_leaves_the_expired_out(trial: Trial) -> Verdict {
    let expired = Head { idle_deadline: trial.now, ..trial.head() };
    let long_ago = Head { idle_deadline: trial.now.before(HOUR), ..trial.head() };
    let keys = [trial.stored_with(expired, &[]).await?, trial.stored_with(long_ago, &[]).await?];
    let Some(all) = scan_all(&trial, 1_000).await? else { return Ok(()) };
    ensure!(!keys.iter().any(|key| all.lists(*key)), "a record that has expired was listed");
    Ok(())
}
