//! Lookups by an indexed field: the sessions in which it has a value are listed, counted or ended.
//!
//! A lookup reads the store page by page. The index of a store names candidates only, so each of them is loaded from the
//! store itself and compared. `destroy_all` treats a session as alive until [`SWEEP_GRACE`] after its deadline, because
//! the clock of another node may be behind.

use std::pin::Pin;
use std::time::SystemTime;

use crate::clock::Timestamp;
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionKey;
use crate::schema::lookup::Lookup;
use crate::sessions::Sessions;
use crate::sessions::in_flight::InFlight;
use crate::store::SWEEP_GRACE;

mod newest;
mod search;

use newest::{Newest, Rank};
use search::{Candidate, Search};

/// Number of sessions that are ended at the same time.
const ENDED_AT_ONCE: usize = 16;

impl Sessions {
    /// Lists the sessions of a lookup: await it, or set a [limit](List::limit) first. The newest login comes first, and
    /// of logins at the same time, the session with the lower key.
    ///
    /// The list is read in pages of 500 sessions. [`deadline`](crate::SessionConfig::deadline) applies to each page.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Unavailable`]: the store is unavailable, or too slow for a page.
    /// - [`ErrorKind::UnknownSchema`]: the schema is not one of this application's.
    /// - [`ErrorKind::Unencodable`]: the field cannot have the value, such as a `&str` for a number.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "auth", version = 1)]
    /// # struct Auth { #[session(renew, index)] user: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Auth>().build()?;
    /// # let visit = sessions.open([]);
    /// # visit.write::<Auth>().await?.set_user("ann".into());
    /// # visit.finish(200).await;
    /// for session in sessions.list(Auth::by_user("ann")).limit(20).await? {
    ///     println!("{}: last used {:?}", session.key(), session.last_used_at());
    /// }
    /// # assert_eq!(sessions.list(Auth::by_user("ann")).await?.len(), 1);
    /// # Ok(()) }
    /// ```
    pub const fn list(&self, lookup: Lookup) -> List<'_> {
        List { sessions: self, lookup, limit: usize::MAX }
    }

    /// Returns the number of sessions of a lookup.
    ///
    /// # Errors
    ///
    /// The errors of [`list`](Self::list).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "auth", version = 1)]
    /// # struct Auth { #[session(renew, index)] user: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Auth>().build()?;
    /// assert_eq!(sessions.count(Auth::by_user("ann")).await?, 0);
    /// # Ok(()) }
    /// ```
    pub async fn count(&self, lookup: Lookup) -> Result<u64, SessionError> {
        let mut search = Search::new(&self.core, &lookup)?;
        let (now, mut newest, mut count) = (self.core.now(), Newest::new(lookup.newest), 0);
        while let Some(page) = search.next_page(now).await? {
            let readable = page.into_iter().filter_map(Candidate::info);
            let old = readable.filter_map(|info| newest.push(info.rank(), info));
            count += old.filter(|info| !lookup.except.contains(&info.key)).count() as u64;
        }
        Ok(count)
    }

    /// Ends the sessions of a lookup, and returns their number.
    ///
    /// After the call, every session that held the value when the call began is gone, even if one of its requests was
    /// saving it or renewing its id. This includes every login that was acknowledged before the call. It does not include
    /// a login in flight: [the guide](crate::guide::logging_in#a-new-password) shows a check that does.
    ///
    /// If another login happens in a session during the call, the session is loaded again and ends only if it still holds
    /// the value. A session whose indexed value cannot be read ends as well. A value with `expires_after` counts until its
    /// deadline by the clock of this node.
    ///
    /// # Errors
    ///
    /// The errors of [`list`](Self::list). The message states how many sessions have ended; the call can be repeated.
    /// [`deadline`](crate::SessionConfig::deadline) applies to each page of 500 sessions and to the end of each session,
    /// so the whole call may take longer.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, SessionKey, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "auth", version = 1)]
    /// # struct Auth { #[session(renew, index)] user: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Auth>().build()?;
    /// # let this = SessionKey::from_bytes([0; 16]);
    /// // After a new password, all other sessions of the user end.
    /// sessions.destroy_all(Auth::by_user("ann").except(&this)).await?;
    /// // At most five sessions for each user.
    /// sessions.destroy_all(Auth::by_user("ann").except_newest(5)).await?;
    /// # Ok(()) }
    /// ```
    pub async fn destroy_all(&self, lookup: Lookup) -> Result<u64, SessionError> {
        let mut ended = 0;
        let outcome = self.end_all(&lookup, &mut ended).await;
        outcome.map(|()| ended).map_err(|error| unfinished(ended, error))
    }

    /// Ends the sessions page by page, and counts them. A session is held back while it may be one of the newest.
    async fn end_all(&self, lookup: &Lookup, ended: &mut u64) -> Result<(), SessionError> {
        let mut search = Search::new(&self.core, lookup)?;
        let mut newest = Newest::new(lookup.newest);
        loop {
            let now = self.core.now();
            let Some(page) = search.next_page(now.before(SWEEP_GRACE)).await? else { return Ok(()) };
            let old = page.into_iter().filter_map(|candidate| match candidate.rank(now) {
                Some(rank) => newest.push(rank, candidate),
                None => Some(candidate),
            });
            let doomed = old.filter(|candidate| !lookup.except.contains(&candidate.key()));
            end_page(&search, doomed.collect(), ended).await?;
        }
    }
}

/// Ends the sessions of a page, several at the same time. After an error, starts no further session, and returns once
/// those in flight are finished.
async fn end_page(search: &Search<'_>, doomed: Vec<Candidate>, ended: &mut u64) -> Result<(), SessionError> {
    let (mut waiting, mut in_flight, mut outcome) = (doomed.into_iter(), InFlight::default(), Ok(()));
    loop {
        let free = if outcome.is_ok() { ENDED_AT_ONCE - in_flight.len() } else { 0 };
        for candidate in waiting.by_ref().take(free) {
            in_flight.push(search.end(candidate));
        }
        match in_flight.next().await {
            None => return outcome,
            Some(Ok(is_ended)) => *ended += u64::from(is_ended),
            Some(Err(error)) => outcome = outcome.and(Err(error)),
        }
    }
}

fn unfinished(ended: u64, error: SessionError) -> SessionError {
    SessionError::with(error.kind(), format!("{ended} sessions have ended before this failure")).because(error)
}

/// List of sessions that is read when it is awaited; returned by [`Sessions::list`].
#[must_use = "nothing is read before the list is awaited"]
pub struct List<'s> {
    sessions: &'s Sessions,
    lookup: Lookup,
    limit: usize,
}

impl List<'_> {
    /// Sets the maximum number of sessions; the newest logins stay. Default: no limit.
    ///
    /// All sessions of the lookup are read in any case, but only this number is kept in memory.
    pub const fn limit(mut self, sessions: usize) -> Self {
        self.limit = sessions;
        self
    }

    async fn read(self) -> Result<Vec<SessionInfo>, SessionError> {
        let Self { sessions, lookup, limit } = self;
        let mut search = Search::new(&sessions.core, &lookup)?;
        let (now, mut found) = (sessions.core.now(), Vec::new());
        let most = limit.saturating_add(lookup.newest).saturating_add(lookup.except.len());
        while let Some(page) = search.next_page(now).await? {
            found.extend(page.into_iter().filter_map(Candidate::info));
            found.sort_unstable_by_key(SessionInfo::rank);
            found.truncate(most);
        }
        let old = found.into_iter().skip(lookup.newest);
        Ok(old.filter(|info| !lookup.except.contains(&info.key)).take(limit).collect())
    }
}

impl<'s> IntoFuture for List<'s> {
    type Output = Result<Vec<SessionInfo>, SessionError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 's>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.read())
    }
}

impl std::fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("List").field("lookup", &self.lookup).field("limit", &self.limit).finish()
    }
}

/// A session in a [list](Sessions::list).
///
/// Anything else to show, such as the browser or the place, belongs in a schema of the application: read it by
/// [`key`](Self::key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    key: SessionKey,
    created: Timestamp,
    touched: Timestamp,
    expires: Timestamp,
    /// Last proof of identity, if it still counts.
    proved: Option<Timestamp>,
    /// Time of the login, as far as it is known.
    login: Timestamp,
    is_unreadable: bool,
}

impl SessionInfo {
    /// Returns the key of the session, as [`Sessions::destroy`] and [`Sessions::read`] take it.
    #[must_use]
    pub const fn key(&self) -> SessionKey {
        self.key
    }

    /// Returns when the session was created.
    #[must_use]
    pub fn created_at(&self) -> SystemTime {
        self.created.into()
    }

    /// Returns when the session was last used, accurate to [`touch_every`](crate::SessionConfig::touch_every).
    #[must_use]
    pub fn last_used_at(&self) -> SystemTime {
        self.touched.into()
    }

    /// Returns when the session expires unless it is used again.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.expires.into()
    }

    /// Returns when the visitor last proved their identity in this session. `None` for a
    /// [remembered](crate::Visit::remembered) login, and once the id has been renewed other than by `renew_every`.
    #[must_use]
    pub fn authenticated_at(&self) -> Option<SystemTime> {
        self.proved.map(Into::into)
    }

    /// True if this program cannot read the schema of the indexed field in this session: it is damaged, or was stored by
    /// a newer version or with another layout.
    #[must_use]
    pub const fn is_unreadable(&self) -> bool {
        self.is_unreadable
    }

    fn rank(&self) -> Rank {
        Rank::new(self.login, self.key)
    }
}

/// Refuses a lookup by a schema of another application.
fn check_schema(core: &crate::request::core::Core, lookup: &Lookup) -> Result<(), SessionError> {
    let id = (lookup.schema.type_id)();
    if core.schemas.iter().any(|schema| (schema.type_id)() == id) {
        return Ok(());
    }
    Err(SessionError::at_schema(ErrorKind::UnknownSchema, lookup.schema))
}
