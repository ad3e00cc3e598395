//! Work beside the requests: a check of the schemas at the start, sweeps, and the wait for saves at the end.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::error::{ErrorKind, SessionError};
use crate::request::backend::Backend;
use crate::schema::{SchemaSpec, Schemas};
use crate::sessions::Sessions;

/// Pause between two sweeps of expired sessions.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

impl Sessions {
    /// Checks that the application has these schemas: one, or a tuple of up to sixteen. For the start of a program whose
    /// routes cannot be checked, as with axum.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownSchema`], which names the schemas to add.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[derive(Session)]
    /// # #[session(key = "auth", version = 1)]
    /// # struct Auth { #[session(renew)] user: Option<String> }
    /// let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// assert!(sessions.require::<Cart>().is_ok());
    /// assert!(sessions.require::<(Cart, Auth)>().is_err());
    /// # Ok::<(), session_runtime::SessionError>(())
    /// ```
    pub fn require<S: Schemas>(&self) -> Result<(), SessionError> {
        let is_known =
            |schema: &SchemaSpec| self.core.schemas().iter().any(|known| (known.type_id)() == (schema.type_id)());
        let missing = S::SPECS.iter().filter(|schema| !is_known(schema)).map(|schema| format!("`{}`", schema.name));
        match &missing.collect::<Vec<_>>()[..] {
            [] => Ok(()),
            missing => Err(SessionError::with(ErrorKind::UnknownSchema, format!("add {}", missing.join(", ")))),
        }
    }

    /// Removes expired sessions once a minute, in [small steps](Self::sweep), until `shutdown` completes. Does nothing for
    /// sessions in cookies. The Rocket fairing does this on its own.
    ///
    /// A sweep that fails is one line in the log, and does not prevent the next one.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// let sessions = Sessions::builder().store(MemoryStore::new()).build()?;
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// sessions.sweep_in_background(stopped);
    /// drop(stop);
    /// # Ok(()) }
    /// ```
    pub fn sweep_in_background(&self, shutdown: impl Future<Output: Send> + Send + 'static) {
        if matches!(self.core.backend, Backend::Cookie(_)) {
            return;
        }
        let sessions = self.clone();
        tokio::spawn(async move {
            let (mut sweeps, mut shutdown) = (pin!(sessions.sweep_forever()), pin!(shutdown));
            let either = |context: &mut Context<'_>| match shutdown.as_mut().poll(context) {
                Poll::Ready(_) => Poll::Ready(()),
                Poll::Pending => sweeps.as_mut().poll(context),
            };
            poll_fn(either).await;
        });
    }

    /// Removes expired sessions. A failed run is logged and does not prevent the next one.
    async fn sweep_forever(&self) {
        loop {
            if let Err(error) = self.sweep().await {
                tracing::warn!("expired sessions could not be swept: {}", error.chain());
            }
            tokio::time::sleep(SWEEP_EVERY).await;
        }
    }

    /// Waits until no save of a request is running, for the end of a program: a save that has begun runs to its end,
    /// although its client has left.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// let sessions = Sessions::builder().store(MemoryStore::new()).build()?;
    /// // The server has stopped.
    /// sessions.settled().await;
    /// # Ok(()) }
    /// ```
    pub async fn settled(&self) {
        self.core.saves.settled().await;
    }
}
