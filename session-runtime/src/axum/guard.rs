//! Extractors: `Read<S>`, `Session<S>`, `Peek<S>`, `SessionHandle` and `Recent<MINUTES>`. They own their values, since a
//! handler of axum borrows nothing from its request.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use ::axum::extract::{FromRequestParts, OptionalFromRequestParts};
use ::axum::http::request::Parts;

use super::slot;
use crate::error::{ErrorKind, SessionError};
use crate::request::guard::Guard;
use crate::request::handle::SessionHandle;
use crate::request::recent::Recent;
use crate::request::to_end::run_to_end;
use crate::request::visit::Visit;
use crate::schema::{Newest, Schema};

/// Extractor of the values of a schema, as they stand when the handler is called.
///
/// Dereferences to `S`. Without a session it reads defaults. `Option<Read<S>>` is `None` if nothing of the schema is
/// stored; an error of the store stays an error.
///
/// # Examples
///
/// ```
/// use session_runtime::axum::{Read, Session};
///
/// #[derive(Session)]
/// #[session(key = "auth", version = 1)]
/// struct AuthSession {
///     #[session(renew)]
///     user: Option<String>,
/// }
///
/// async fn who(auth: Option<Read<AuthSession>>) -> String {
///     auth.and_then(|auth| auth.user().clone()).unwrap_or_else(|| "a visitor".into())
/// }
/// ```
pub struct Read<S>(Arc<S>);

/// Extractor of the values of a schema that does not count as a use of the session, as [`Peek`](crate::Peek) of Rocket.
///
/// If all extractors of a request are `Peek`, the request moves no deadline, so a page that polls does not keep the session
/// of an absent visitor.
///
/// # Examples
///
/// ```
/// use session_runtime::axum::{Peek, Session};
///
/// #[derive(Session)]
/// #[session(key = "inbox", version = 1)]
/// struct Inbox {
///     unread: u32,
/// }
///
/// /// The page asks for this every ten seconds.
/// async fn unread(inbox: Peek<Inbox>) -> String {
///     inbox.unread().to_string()
/// }
/// ```
pub struct Peek<S>(Arc<S>);

/// Extractor of exclusive, writable access to the values of one schema. Its changes are recorded when it is dropped, and
/// saved with the response.
///
/// Dereferences to [`S::Mut`](Schema::Mut), and that to `S`. A second one of the same schema in one request is an error.
/// A guard that outlives the handler, as in a stream, is an error too: [`save`](Self::save) and drop it first.
///
/// # Examples
///
/// ```
/// use session_runtime::axum::Session;
///
/// #[derive(Session)]
/// #[session(key = "cart", version = 1)]
/// struct Cart {
///     coupon: Option<String>,
/// }
///
/// async fn coupon(mut cart: Session<Cart>) {
///     cart.set_coupon("SPRING".into());
/// }
/// ```
pub struct Session<S: Schema>(Guard<Arc<Visit>, S>);

impl<S: Schema> Session<S> {
    /// Stores the changes of the request now, including those of other finished guards. The guard then holds the stored
    /// values, and the cookie goes out whatever follows.
    ///
    /// A save that has begun runs to its end, even if the client leaves and the handler is dropped.
    ///
    /// # Errors
    ///
    /// The errors of [`Session::save`](crate::Session::save) of Rocket's guard.
    pub async fn save(&mut self) -> Result<(), SessionError> {
        self.0.record()?;
        let visit = Arc::clone(self.0.visit());
        run_to_end(async move { visit.save_now().await }).await?;
        self.0.refresh();
        Ok(())
    }

    /// Applies the changes of the request to a fresh load, runs `work`, and stores the result. Repeats this whenever the
    /// record has changed meanwhile. For logic that no merge can express; see
    /// [`Session::update_now`](crate::Session::update_now) of Rocket's guard.
    ///
    /// If the client leaves and the handler is dropped, the patch that was sent last is stored or not, as a whole.
    ///
    /// # Errors
    ///
    /// The errors of [`save`](Self::save).
    pub async fn update_now<R>(&mut self, work: impl FnMut(&mut S::Mut) -> R) -> Result<R, SessionError> {
        self.0.update_now(work).await
    }
}

/// Returns the newest values of a schema that is loaded.
fn newest<S: Schema>(visit: &Visit) -> Result<Arc<S>, SessionError> {
    visit.newest_value::<S>(visit.core.index_of::<S>()?).cloned()
}

/// Records that an extractor of a schema has failed.
fn failed<S: Schema>(visit: &Visit, error: SessionError) -> SessionError {
    let error = match error.kind() {
        ErrorKind::UnknownSchema => error.detailed(format!(
            "add `{}` to the `schemas` of the `Sessions` that the `SessionLayer` was made with",
            S::NAME
        )),
        _ => error,
    };
    visit.guard_failed(error)
}

async fn read<S: Schema>(visit: &Visit) -> Result<Arc<S>, SessionError> {
    visit.read::<S>().await?;
    newest(visit)
}

async fn peek<S: Schema>(visit: &Visit) -> Result<Arc<S>, SessionError> {
    visit.peek::<S>().await?;
    newest(visit)
}

/// Returns the values, unless nothing of the schema is stored.
fn held<S: Schema>(visit: &Visit, values: Arc<S>) -> Result<Option<Arc<S>>, SessionError> {
    Ok(visit.holds::<S>()?.then_some(values))
}

impl<S: Schema<Role: Newest<S>>, A: Sync> FromRequestParts<A> for Read<S> {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, _: &A) -> Result<Self, SessionError> {
        let visit = slot::visit(parts)?;
        read(&visit).await.map(Self).map_err(|error| failed::<S>(&visit, error))
    }
}

impl<S: Schema<Role: Newest<S>>, A: Sync> OptionalFromRequestParts<A> for Read<S> {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, _: &A) -> Result<Option<Self>, SessionError> {
        let visit = slot::visit(parts)?;
        let held = read(&visit).await.and_then(|values| held::<S>(&visit, values));
        held.map(|values| values.map(Self)).map_err(|error| failed::<S>(&visit, error))
    }
}

impl<S: Schema<Role: Newest<S>>, A: Sync> FromRequestParts<A> for Peek<S> {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, _: &A) -> Result<Self, SessionError> {
        let visit = slot::visit(parts)?;
        peek(&visit).await.map(Self).map_err(|error| failed::<S>(&visit, error))
    }
}

impl<S: Schema<Role: Newest<S>>, A: Sync> OptionalFromRequestParts<A> for Peek<S> {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, _: &A) -> Result<Option<Self>, SessionError> {
        let visit = slot::visit(parts)?;
        let held = peek(&visit).await.and_then(|values| held::<S>(&visit, values));
        held.map(|values| values.map(Self)).map_err(|error| failed::<S>(&visit, error))
    }
}

impl<S: Schema<Role: Newest<S>>, A: Sync> FromRequestParts<A> for Session<S> {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, _: &A) -> Result<Self, SessionError> {
        let visit = slot::visit(parts)?;
        Guard::open(Arc::clone(&visit)).await.map(Self).map_err(|error| failed::<S>(&visit, error))
    }
}

impl<A: Sync> FromRequestParts<A> for SessionHandle {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, _: &A) -> Result<Self, SessionError> {
        let visit = slot::visit(parts)?;
        match visit.load().await {
            Ok(()) => Ok(Self { visit }),
            Err(error) => Err(visit.guard_failed(error)),
        }
    }
}

impl<const MINUTES: u32, A: Sync> FromRequestParts<A> for Recent<MINUTES> {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, _: &A) -> Result<Self, SessionError> {
        let () = Self::CHECKED;
        let visit = slot::visit(parts)?;
        Self::check(&visit).await.map_err(|error| visit.guard_failed(error))
    }
}

impl<S> Deref for Read<S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S> Deref for Peek<S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S: Schema> Deref for Session<S> {
    type Target = S::Mut;

    #[inline]
    fn deref(&self) -> &S::Mut {
        &self.0.tracked
    }
}

impl<S: Schema> DerefMut for Session<S> {
    #[inline]
    fn deref_mut(&mut self) -> &mut S::Mut {
        &mut self.0.tracked
    }
}

impl<S> Clone for Read<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Clone for Peek<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: fmt::Debug> fmt::Debug for Read<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<S: fmt::Debug> fmt::Debug for Peek<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<S: Schema<Mut: fmt::Debug>> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.tracked.fmt(f)
    }
}
