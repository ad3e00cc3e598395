//! List of the watched sessions: futures that wait for the end of a session.
//!
//! Takes the ends that this process causes, and the heads that a check of the store has read; gives each future its
//! reason. Deliberately absent: the check of the store, and the task that runs it.

use std::collections::BTreeMap;
use std::ops::{RangeBounds, RangeInclusive};
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::Head;
use crate::store::LoadedHead;
use crate::sync::{Mutex, MutexGuard};

/// Reason why a session has ended: the output of the future [`Ended`](crate::Ended).
///
/// # Examples
///
/// ```
/// use session_runtime::EndReason;
///
/// fn farewell(reason: EndReason) -> &'static str {
///     match reason {
///         EndReason::LoggedOut => "You are logged out.",
///         EndReason::Expired => "Your session has expired.",
///         EndReason::Over => "Your session has ended.",
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The session was destroyed, has started over, or is missing in the store.
    Over,
    /// Since the request that called `ended`, another login has happened in the session, or its id has been renewed other
    /// than by `renew_every`.
    LoggedOut,
    /// The last known deadline has passed and the store no longer has the session, or the absolute deadline has passed.
    Expired,
}

/// The watched sessions of an application.
pub(crate) struct Watches {
    /// Time between two checks of the store.
    pub(super) every: Duration,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    watches: BTreeMap<Id, Watch>,
    /// Number of the next watch.
    next: u64,
    /// Task that checks the store, while any session is watched.
    task: Option<JoinHandle<()>>,
}

/// Session and number of a watch.
pub(super) type Id = (SessionKey, u64);

struct Watch {
    /// Login generation of the request.
    generation: u64,
    /// Idle deadline at the last check.
    idle_deadline: Timestamp,
    absolute_deadline: Timestamp,
    sender: oneshot::Sender<EndReason>,
}

impl Watches {
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, list: Mutex::new(List::default()) }
    }

    /// Adds a watch. `start` starts the task that checks the store, unless it runs already.
    pub(super) fn add(
        &self,
        key: SessionKey,
        head: &Head,
        start: impl FnOnce() -> JoinHandle<()>,
    ) -> (Id, oneshot::Receiver<EndReason>) {
        let (sender, receiver) = oneshot::channel();
        let Head { generation, idle_deadline, absolute_deadline, .. } = *head;
        let mut list = self.list();
        // A task ends by itself only with its runtime.
        if list.task.as_ref().is_none_or(JoinHandle::is_finished) {
            list.task = Some(start());
        }
        let id = (key, list.next);
        list.next += 1;
        list.watches.insert(id, Watch { generation, idle_deadline, absolute_deadline, sender });
        (id, receiver)
    }

    /// Removes a watch whose future was dropped.
    pub(super) fn remove(&self, id: Id) {
        let mut list = self.list();
        list.watches.remove(&id);
        list.stop_if_empty();
    }

    /// Ends all watches of a session that this process has destroyed or replaced.
    pub(crate) fn over(&self, key: SessionKey) {
        self.end(all_of(key), |_| Some(EndReason::Over));
    }

    /// Ends the watches of other login generations of a session.
    pub(super) fn logged_out(&self, key: SessionKey, generation: u64) {
        self.end(all_of(key), |watch| (watch.generation != generation).then_some(EndReason::LoggedOut));
    }

    /// Ends the watches whose absolute deadline has passed.
    pub(super) fn expire(&self, now: Timestamp) {
        let all = (SessionKey::from_bytes([0; 16]), 0)..=(SessionKey::from_bytes([u8::MAX; 16]), u64::MAX);
        self.end(all, |watch| (now >= watch.absolute_deadline).then_some(EndReason::Expired));
    }

    /// Returns the keys of all watched sessions, each once and in order, and the number of the next watch.
    pub(super) fn watched(&self) -> (Vec<SessionKey>, u64) {
        let list = self.list();
        let mut keys: Vec<SessionKey> = list.watches.keys().map(|(key, _)| *key).collect();
        keys.dedup();
        (keys, list.next)
    }

    /// Judges the watches of a session by the head that a check has read. Watches that are as new as `next` began after
    /// the check, and may be those of a later login.
    pub(super) fn judge(&self, key: SessionKey, next: u64, found: &LoadedHead, now: Timestamp) {
        self.end((key, 0)..(key, next), |watch| watch.judge(found, now));
    }

    /// Ends the watches for which there is a reason.
    fn end(&self, ids: impl RangeBounds<Id>, mut reason: impl FnMut(&mut Watch) -> Option<EndReason>) {
        let mut list = self.list();
        let ended = list.watches.range_mut(ids).filter_map(|(id, watch)| Some((*id, reason(watch)?)));
        let ended: Vec<_> = ended.collect();
        if ended.is_empty() {
            return;
        }
        let senders = ended.into_iter().filter_map(|(id, reason)| Some((list.watches.remove(&id)?.sender, reason)));
        let senders: Vec<_> = senders.collect();
        list.stop_if_empty();
        // A future that is woken may take the lock.
        drop(list);
        for (sender, reason) in senders {
            // Fails if the future was dropped meanwhile, which is fine.
            let _ = sender.send(reason);
        }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        // Each change under this lock is complete before anything can panic.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    /// Ends the task if no session is watched.
    fn stop_if_empty(&mut self) {
        if self.watches.is_empty()
            && let Some(task) = self.task.take()
        {
            task.abort();
        }
    }
}

impl Watch {
    /// Returns the reason for the end of the session that has this head. A head that cannot be read ends nothing.
    fn judge(&mut self, found: &LoadedHead, now: Timestamp) -> Option<EndReason> {
        match found {
            LoadedHead::Alive(head) if head.generation != self.generation => Some(EndReason::LoggedOut),
            LoadedHead::Alive(head) => {
                self.idle_deadline = head.idle_deadline;
                None
            }
            LoadedHead::Absent if now >= self.idle_deadline => Some(EndReason::Expired),
            LoadedHead::Absent => Some(EndReason::Over),
            LoadedHead::Unreadable => None,
        }
    }
}

fn all_of(key: SessionKey) -> RangeInclusive<Id> {
    (key, 0)..=(key, u64::MAX)
}
