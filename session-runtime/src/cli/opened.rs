//! The store that a command works on, and all its sessions page by page.

use std::pin::pin;
use std::sync::Arc;

use super::exit::Failure;
use crate::clock::Timestamp;
use crate::config::SessionConfig;
use crate::error::SessionError;
use crate::id::SessionKey;
use crate::pace::Pace;
use crate::request::budget::Budget;
use crate::request::core::Core;
use crate::sessions::Sessions;
use crate::store::{Cursor, Loaded, Operable, Page, StoreError, Wanted, open_existing};
use crate::sync::Instant;

/// Moment at which no session has expired: with it, a store returns expired sessions too.
pub(super) const NONE_EXPIRED: Timestamp = Timestamp::from_millis(i64::MIN);

/// Maximum number of sessions of a page.
const PAGE: usize = 500;

/// An open store.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Operable>,
    sessions: Sessions,
}

impl Opened {
    /// Opens the store of these settings, and connects to it.
    pub(super) async fn open(config: SessionConfig) -> Result<Self, Failure> {
        let url = config.store.clone().unwrap_or_default();
        let store = open_existing(&url, &config)?;
        let sessions = Sessions::builder().store(Arc::clone(&store)).config(config).build()?;
        sessions.prepare().await?;
        Ok(Self { store, sessions })
    }

    pub(super) fn core(&self) -> &Core {
        &self.sessions.core
    }

    pub(super) fn now(&self) -> Timestamp {
        self.core().now()
    }

    /// Runs one operation of the store within its time limit.
    pub(super) async fn run<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, SessionError> {
        self.core().run(&Budget::new(self.core().deadline), pin!(work)).await
    }

    /// Loads a whole session, unless it has expired at `now`.
    pub(super) async fn load(&self, key: SessionKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        self.store.load(key, &Wanted::all().fresh(), now).await
    }

    /// Reads all sessions that have not expired at `now`.
    pub(super) fn pages(&self, now: Timestamp) -> Pages<'_> {
        Pages { opened: self, now, pace: Pace::of_bulk(PAGE), from: None, is_over: false }
    }
}

/// All sessions, page by page, with pauses that leave the store to requests.
pub(super) struct Pages<'o> {
    opened: &'o Opened,
    now: Timestamp,
    pace: Pace,
    from: Option<Cursor>,
    is_over: bool,
}

impl Pages<'_> {
    /// Reads the next page; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Page>, SessionError> {
        if self.is_over {
            return Ok(None);
        }
        let started = Instant::now();
        let scan = self.opened.store.scan(self.from.as_ref(), self.pace.size(), self.now);
        let page = self.opened.core().run_in_steps(scan).await?;
        self.from.clone_from(&page.next);
        self.is_over = page.next.is_none();
        if !self.is_over {
            self.pace.pause_after(started.elapsed()).await;
        }
        Ok(Some(page))
    }
}

/// Returns the part of the keys that a cursor has passed, from 0 to 1; `None` if the store has no order of keys. Keys are
/// random, so that is also the part of the sessions.
pub(super) fn fraction(cursor: Option<&Cursor>) -> Option<f64> {
    let first = cursor?.key().ok()?.as_bytes().first_chunk().copied()?;
    Some(f64::from(u32::from_be_bytes(first)) / f64::from(u32::MAX))
}
