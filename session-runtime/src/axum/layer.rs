//! The layer: gives each request an empty slot, and finishes the session that an extractor has opened in it.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use ::axum::http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::answer::finish;
use super::body::Body;
use super::slot::Slot;
use crate::request::commit::End;
use crate::request::to_end::run_to_end;
use crate::request::visit::Visit;
use crate::sessions::Sessions;

/// Loads and saves the sessions of a router: `.layer(SessionLayer::new(sessions))`.
///
/// It belongs inside of every layer that may answer in place of the handler; see [the order of
/// layers](crate::axum#the-order-of-layers). A request whose route has no extractor of this crate costs one insert into its
/// extensions.
///
/// # Examples
///
/// ```
/// use axum::Router;
/// use session_runtime::axum::SessionLayer;
/// use session_runtime::{MemoryStore, Sessions};
///
/// let sessions = Sessions::builder().store(MemoryStore::new()).build()?;
/// let app: Router = Router::new().layer(SessionLayer::new(sessions));
/// # Ok::<(), session_runtime::SessionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionLayer {
    sessions: Sessions,
}

impl SessionLayer {
    /// Creates the layer for these sessions. All layers of one [`Sessions`] are one: of two around a route, the outer one
    /// loads and saves.
    #[must_use]
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService { inner, sessions: self.sessions.clone() }
    }
}

/// Service of a [`SessionLayer`].
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    sessions: Sessions,
}

type Caught<T> = Result<T, Box<dyn Any + Send>>;

impl<S, Incoming, Outgoing> Service<Request<Incoming>> for SessionService<S>
where
    S: Service<Request<Incoming>, Response = Response<Outgoing>, Error: Send + 'static, Future: Send + 'static>,
    Outgoing: Send + 'static,
{
    type Response = Response<Body<Outgoing>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        let Some(slot) = Slot::insert(&self.sessions, request.extensions_mut()) else {
            let answer = self.inner.call(request);
            return Box::pin(async { answer.await.map(|response| response.map(Body::of_handler)) });
        };
        let answer = catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        Box::pin(serve(answer, slot))
    }
}

/// Runs the handler, and then finishes the session if it was opened.
async fn serve<T, E>(
    answer: Caught<impl Future<Output = Result<Response<T>, E>>>,
    slot: Slot,
) -> Result<Response<Body<T>>, E> {
    let answer = match answer {
        Ok(answer) => caught(answer).await,
        Err(panic) => Err(panic),
    };
    match (answer, slot.opened()) {
        (Ok(Ok(response)), Some(visit)) => Ok(finish(visit, response).await),
        (Ok(Ok(response)), None) => Ok(response.map(Body::of_handler)),
        (Ok(Err(error)), visit) => {
            abandon(visit).await;
            Err(error)
        }
        (Err(panic), visit) => {
            abandon(visit).await;
            resume_unwind(panic)
        }
    }
}

/// Finishes a session without a response.
async fn abandon(visit: Option<Arc<Visit>>) {
    if let Some(visit) = visit {
        run_to_end(async move { drop(visit.finish_as(End::Lost, 500).await) }).await;
    }
}

/// Catches a panic of the handler, and drops what is left of it, with its guards, before the session is finished.
async fn caught<F: Future>(answer: F) -> Caught<F::Output> {
    let mut answer = pin!(answer);
    let poll = |context: &mut Context<'_>| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    };
    poll_fn(poll).await
}
