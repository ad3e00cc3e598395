//! Scan of all sessions page by page, in no order. Each page is a few steps of `SCAN`.
//!
//! A cursor contains the slots in progress, the run of the server that has them, that server's own cursor, and the
//! sessions that a step returned beyond the limit of its page. So no state is kept between two pages, and any process
//! can continue.
//!
//! `SCAN` returns every name that exists from its start to its end, some of them twice while the server shrinks its
//! table. Its cursor is meaningless to another server process. If a master was restarted or replaced by a replica, its
//! slots are scanned again from the start, and sessions of earlier pages are returned again. A session of a slot that a
//! cluster moves during the scan may be missing, since each of the two masters may be queried while the session is on
//! the other.
//!
//! A step is a script, since the client library sends a command without a key to any node while the node with the slot
//! is unavailable. A script with a key is refused by every node but that one.

use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::join_all;

use super::AT_ONCE;
use super::RedisStore;
use super::fault::Fault;
use super::scan_step::{self, Names, STEP};
use super::slots::{self, SLOTS, Slots};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::{Text, key};
use crate::store::{Cursor, Damage, Loaded, Page, Wanted};

/// Maximum number of steps per page. If most names belong to other programs, pages are short.
const MOST_STEPS: usize = 8;

/// Pause before another read of a part of a session that a cluster may be moving.
const PART_PAUSE: Duration = Duration::from_millis(100);

impl RedisStore {
    pub(super) async fn page(&self, mut position: ScanPosition, limit: usize, now: Timestamp) -> Result<Page, Fault> {
        let slots = slots::slots(&self.servers).await?;
        let mut keys = std::mem::take(&mut position.found);
        for _ in 0..MOST_STEPS {
            if keys.len() >= limit || position.is_over(&slots) {
                break;
            }
            keys.extend(self.step(&mut position, &slots, (limit - keys.len()).min(STEP)).await?);
            keys.sort_unstable();
            keys.dedup();
        }
        position.found = keys.split_off(limit.min(keys.len()));
        let mut page = self.records(&keys, now).await?;
        page.next = (!position.is_over(&slots) || !position.found.is_empty()).then(|| position.cursor());
        Ok(page)
    }

    /// Returns the sessions among about `count` names, and advances the scan.
    async fn step(&self, position: &mut ScanPosition, slots: &Slots, count: usize) -> Result<Vec<SessionKey>, Fault> {
        let Some(range) = slots.from(position.slot) else { return Ok(Vec::new()) };
        let from = (&*position.run, position.at);
        let Names { run, mut keys, next } =
            scan_step::names(&self.servers, &self.namespace, range, from, count).await?;
        position.continue_in(range.first, range.last, run);
        keys.retain(|key| slots.is_of(*key, position.slot..=position.last, range));
        position.at = next;
        if position.at == 0 {
            position.finish_range();
        }
        Ok(keys)
    }

    /// Returns the live records of these keys, and the keys of unreadable ones.
    async fn records(&self, keys: &[SessionKey], now: Timestamp) -> Result<Page, Fault> {
        let mut page = Page::default();
        self.read_into(&mut page, keys, now).await?;
        let is_missing = |(_, damage): &mut (SessionKey, Damage)| *damage == Damage::Missing;
        if page.unreadable.iter_mut().any(is_missing) && self.servers.is_cluster() {
            tokio::time::sleep(PART_PAUSE).await;
            let again: Vec<_> = page.unreadable.extract_if(.., is_missing).map(|(key, _)| key).collect();
            self.read_into(&mut page, &again, now).await?;
        }
        Ok(page)
    }

    async fn read_into(&self, page: &mut Page, keys: &[SessionKey], now: Timestamp) -> Result<(), Fault> {
        let all = Wanted::all();
        for keys in keys.chunks(AT_ONCE) {
            let found = join_all(keys.iter().map(|key| self.read_once(*key, &all, now))).await;
            for (key, found) in keys.iter().zip(found) {
                match found {
                    Ok(None) => {}
                    Ok(Some(loaded)) => match damage(&loaded) {
                        None => page.sessions.push((*key, loaded.record)),
                        Some(damage) => page.unreadable.push((*key, damage)),
                    },
                    Err(fault) => page.unreadable.push((*key, fault.damage()?)),
                }
            }
        }
        Ok(())
    }
}

/// Returns the damage of a record. A schema of which only the bare name is unreadable has lost its hash.
fn damage(loaded: &Loaded) -> Option<Damage> {
    let is_lost = |name: &Text| key::is_metadata(name) && loaded.record.values.of_schema(name).next().is_none();
    let kind = |lost| if lost { Damage::Missing } else { Damage::Value };
    (!loaded.unreadable.is_empty()).then(|| kind(loaded.unreadable.iter().any(is_lost)))
}

/// Position in the scan of all sessions.
#[derive(Default)]
pub(super) struct ScanPosition {
    /// First slot that is not finished.
    slot: u16,
    /// Last slot of the range that `at` belongs to.
    last: u16,
    /// Run of the server that `at` belongs to.
    run: String,
    /// Cursor of the server; 0 at the start of a range.
    at: u64,
    /// Sessions that are not on any page yet.
    found: Vec<SessionKey>,
}

impl ScanPosition {
    /// Parses a cursor; `None` if another store made it.
    pub(super) fn parse(cursor: &Cursor) -> Option<Self> {
        let mut parts = cursor.as_str().split(':');
        let mut next = || parts.next();
        let (slot, last) = (next()?.parse().ok()?, next()?.parse().ok()?);
        let (run, at) = (next()?, next()?.parse().ok()?);
        let keys = next()?.split(',').filter(|key| !key.is_empty());
        let found = keys.map(|key| key.parse().ok()).collect::<Option<_>>()?;
        let is_ours = slot <= SLOTS && last < SLOTS && is_run(run) && next().is_none();
        is_ours.then(|| Self { slot, last, run: run.to_owned(), at, found })
    }

    fn cursor(&self) -> Cursor {
        let Self { slot, last, run, at, .. } = self;
        let mut text = format!("{slot}:{last}:{run}:{at}:");
        for key in &self.found {
            // Writing into a `String` cannot fail.
            let _ = write!(text, "{key},");
        }
        Cursor::new(text)
    }

    fn is_over(&self, slots: &Slots) -> bool {
        slots.from(self.slot).is_none()
    }

    /// Starts a range, or continues it if the run of the server is still the same.
    fn continue_in(&mut self, first: u16, last: u16, run: String) {
        if self.at == 0 || self.run != run {
            (self.slot, self.last, self.run) = (self.slot.max(first), last, run);
        }
        // Fewer slots than at the start of the range: another master has the rest.
        self.last = self.last.min(last);
    }

    /// Ends the range.
    fn finish_range(&mut self) {
        *self = Self { slot: self.last + 1, found: std::mem::take(&mut self.found), ..Self::default() };
    }
}

/// True for the identifier of a run, or an empty text.
fn is_run(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_back_from_its_cursor() {
        let found = vec![SessionKey::from_bytes([7; 16]), SessionKey::from_bytes([0xfb; 16])];
        let position = ScanPosition { slot: 5, last: 9, run: "ab12".to_owned(), at: u64::MAX, found };
        let back = ScanPosition::parse(&position.cursor()).unwrap();
        assert_eq!((back.slot, back.last, &*back.run, back.at), (5, 9, "ab12", u64::MAX));
        assert!(back.found == position.found);
    }

    #[test]
    fn a_cursor_of_another_store_is_no_position() {
        let key = SessionKey::from_bytes([7; 16]).to_string();
        for text in
            ["", "1", "0:0::0", "0:0::0:x", "0:0::0::", "0:0:a-b:0:", "16385:0::0:", "0:16384::0:", "0:0::-1:", &key]
        {
            assert!(ScanPosition::parse(&Cursor::new(text)).is_none(), "{text}");
        }
        assert!(ScanPosition::parse(&Cursor::new(format!("0:0::0:{key},"))).is_some());
    }

    /// Progress belongs to one run of a server. Slots that moved to another master are scanned there.
    #[test]
    fn a_scan_keeps_to_the_slots_that_it_has_begun() {
        let gone_on = |run: &str, last| {
            let mut position =
                ScanPosition { slot: 5, last: 9, run: "a".to_owned(), at: 77, ..ScanPosition::default() };
            position.continue_in(2, last, run.to_owned());
            (position.slot, position.last, position.run)
        };
        assert_eq!(gone_on("a", 12), (5, 9, "a".to_owned()));
        assert_eq!(gone_on("a", 7), (5, 7, "a".to_owned()));
        assert_eq!(gone_on("b", 12), (5, 12, "b".to_owned()));
    }
}
