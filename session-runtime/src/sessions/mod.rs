//! [`Sessions`]: the store, the settings and the schemas of one application, without a web framework.
//!
//! Opens a [`Visit`] for the cookie of a request, and works on sessions outside requests: read, update, destroy, sweep.
//! An adapter to a framework needs only [`Sessions::open`] and [`Visit::finish`].

use std::sync::Arc;

use crate::cookie::Found;
use crate::error::SessionError;
use crate::request::core::Core;
use crate::request::visit::Visit;
use crate::schema::Schema;

mod background;
mod builder;
pub mod bulk;
pub(crate) mod in_flight;
#[cfg(any(feature = "rocket", feature = "axum"))]
pub(crate) mod incoming;
mod jobs;
mod lookup;

pub use lookup::{List, SessionInfo};

pub use builder::SessionsBuilder;

/// The sessions of an application: creates the fairing, and gives access outside requests.
///
/// Cheap to clone; all clones share one state. With Rocket it is managed state: take `&State<Sessions>` in a handler,
/// or [`Sessions::fetch`] anywhere else.
///
/// # Examples
///
/// ```
/// use session_runtime::{Session, Sessions, store::MemoryStore};
///
/// #[derive(Session)]
/// #[session(key = "cart", version = 1)]
/// struct Cart {
///     coupon: Option<String>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
/// let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
/// assert_eq!(sessions.sweep().await?, 0);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Sessions {
    pub(crate) core: Arc<Core>,
}

impl Sessions {
    /// Returns a builder, for programs without Rocket and for jobs.
    #[must_use]
    pub fn builder() -> SessionsBuilder {
        SessionsBuilder::default()
    }

    /// Opens the visit of one request. `lines` are the unchanged values of its `Cookie` headers, or of its
    /// `Authorization` headers with the transport [`Bearer`](crate::config::Transport::Bearer).
    ///
    /// Loads nothing until a guard needs it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Session, Sessions, store::MemoryStore};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open(["theme=dark"]);
    /// assert_eq!(visit.read::<Cart>().await?.coupon(), &None);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn open<'h>(&self, lines: impl IntoIterator<Item = &'h str>) -> Visit {
        self.open_found(self.core.transport.find(lines.into_iter()))
    }

    /// Opens the visit of one request with all its headers, as names and bytes.
    ///
    /// A header that carries the id and is not UTF-8 counts as malformed: the request then has no session.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open_headers([("accept", &b"text/html"[..]), ("cookie", b"theme=dark")]);
    /// assert_eq!(visit.read::<Cart>().await?.coupon(), &None);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn open_headers<'h>(&self, headers: impl IntoIterator<Item = (&'h str, &'h [u8])>) -> Visit {
        let name = self.core.transport.transport().request_header();
        let lines = headers.into_iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let lines: Result<Vec<&str>, _> = lines.map(|(_, line)| std::str::from_utf8(line)).collect();
        // A line that cannot be read may hold another id.
        self.open_found(lines.map_or(Found::Several, |lines| self.core.transport.find(lines.into_iter())))
    }

    fn open_found(&self, found: Found<'_>) -> Visit {
        let now = self.core.now();
        let (presented, request_store) = self.core.backend.open_request(found, now);
        Visit::new(self.core.clone(), presented, request_store, now)
    }

    /// Returns whether the schema belongs to this application.
    #[must_use]
    pub fn knows<S: Schema>(&self) -> bool {
        self.core.index_of::<S>().is_ok()
    }

    /// Returns the name of the session cookie; empty with the transport
    /// [`Bearer`](crate::config::Transport::Bearer).
    #[must_use]
    pub fn cookie_name(&self) -> &str {
        self.core.transport.cookie().map_or("", |rules| &rules.name)
    }

    /// Connects to the store and sets up anything that is missing there, so that a fault shows at the start of the
    /// program. The fairing does this at launch.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) or [`Unavailable`](crate::ErrorKind::Unavailable), with the reason.
    pub async fn prepare(&self) -> Result<(), SessionError> {
        self.core.store().prepare().await.map_err(|error| {
            let store = self.core.store().describe();
            SessionError::with(error.kind().into(), store).because(error)
        })
    }
}

/// Shows the keys of the schemas only.
impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<&str> = self.core.schemas.iter().map(|schema| schema.key).collect();
        f.debug_struct("Sessions").field("schemas", &keys).finish_non_exhaustive()
    }
}
