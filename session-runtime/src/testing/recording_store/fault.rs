//! Failures of a [`RecordingStore`], and the points at which its calls wait.

use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::{RecordingStore, lock};
use crate::store::{StoreError, StoreErrorKind};

/// Failure of one call of a [`RecordingStore`].
///
/// # Examples
///
/// ```
/// use session_runtime::testing::{Fault, RecordingStore};
/// use std::time::Duration;
///
/// let store = RecordingStore::default();
/// store.fail("load", Fault::Slow(Duration::from_millis(300)));
/// store.fail_next("patch", Fault::ReplyLost);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The call fails without effect, as [`Unavailable`](StoreErrorKind::Unavailable).
    Down,
    /// The call fails without effect, as [`Setup`](StoreErrorKind::Setup): the password of the store has changed.
    LockedOut,
    /// The call has its effect and fails.
    ReplyLost,
    /// The call has no effect and never ends.
    Hangs,
    /// The call has its effect and never ends.
    HangsAfterwards,
    /// The call takes this much longer, in two steps.
    Slow(Duration),
    /// The call panics.
    Panics,
    /// The call fails as [`Corrupt`](StoreErrorKind::Corrupt).
    Corrupt,
}

/// Point at which a call waits.
#[derive(Default)]
pub(super) struct Hold {
    operation: Mutex<Option<&'static str>>,
    reached: Notify,
    released: Notify,
}

impl Hold {
    pub(super) fn set(&self, operation: &'static str) {
        *lock(&self.operation) = Some(operation);
    }

    /// Waits here once, if the hold is set for this operation.
    async fn pass(&self, operation: &str) {
        if lock(&self.operation).take_if(|held| is_of(held, operation)).is_some() {
            self.reached.notify_one();
            self.released.notified().await;
        }
    }

    /// Runs `meanwhile` while `slow` waits here.
    pub(super) async fn during<A, B>(
        &self,
        slow: impl Future<Output = A>,
        meanwhile: impl Future<Output = B>,
    ) -> (A, B) {
        let slow = async {
            let output = slow.await;
            let missed = lock(&self.operation).take();
            assert!(missed.is_none(), "the held work ended without a call of `{}`", missed.unwrap_or_default());
            output
        };
        let meanwhile = async {
            self.reached.notified().await;
            let output = meanwhile.await;
            self.released.notify_one();
            output
        };
        tokio::join!(slow, meanwhile)
    }
}

/// True if `named` is this operation, or [`RecordingStore::WRITE`] and this operation is a write.
pub(super) fn is_of(named: &str, operation: &str) -> bool {
    named == operation || (named == RecordingStore::WRITE && matches!(operation, "create" | "patch"))
}

impl RecordingStore {
    pub(super) fn next_fault(&self, operation: &str) -> Option<Fault> {
        let mut next = lock(&self.0.next_faults);
        let at = next.iter().position(|(named, _)| is_of(named, operation))?;
        Some(next.remove(at).1)
    }

    pub(super) fn fault(&self, operation: &str) -> Option<Fault> {
        let faults = lock(&self.0.faults);
        let of_writes = || faults.get(Self::WRITE).filter(|_| is_of(Self::WRITE, operation));
        faults.get(operation).or_else(of_writes).copied()
    }

    /// Counts a call and begins its fault.
    pub(super) async fn enter(&self, operation: &'static str) -> Result<Option<Fault>, StoreError> {
        // Memory answers at once. Without this, requests at the same time would not meet in the store.
        yield_now().await;
        *lock(&self.0.calls).entry(operation).or_default() += 1;
        let next = self.next_fault(operation);
        self.0.before_write.pass(operation).await;
        let fault = next.or_else(|| self.fault(operation));
        self.begin(operation, fault).await?;
        Ok(fault)
    }

    pub(super) async fn begin(&self, operation: &'static str, fault: Option<Fault>) -> Result<(), StoreError> {
        let failed = |kind| StoreError::new(kind, operation);
        match fault {
            Some(Fault::Down) => Err(failed(StoreErrorKind::Unavailable).because(Self::CAUSE)),
            Some(Fault::LockedOut) => Err(failed(StoreErrorKind::Setup).because(Self::CAUSE)),
            Some(Fault::Corrupt) => Err(failed(StoreErrorKind::Corrupt)),
            Some(Fault::Panics) => panic!("the store panics"),
            Some(Fault::Hangs) => self.hang().await,
            Some(Fault::Slow(time)) => {
                sleep(time / 2).await;
                sleep(time / 2).await;
                Ok(())
            }
            Some(Fault::ReplyLost | Fault::HangsAfterwards) | None => Ok(()),
        }
    }

    async fn hang<T>(&self) -> T {
        self.0.hung.notify_one();
        pending().await
    }

    /// Ends a call that had its effect.
    pub(super) async fn leave<T>(
        &self,
        fault: Option<Fault>,
        operation: &'static str,
        answer: T,
    ) -> Result<T, StoreError> {
        // Other requests come between the effect and the response.
        yield_now().await;
        self.0.before_answer.pass(operation).await;
        match fault {
            Some(Fault::ReplyLost) => Err(StoreError::new(StoreErrorKind::Unavailable, operation)),
            Some(Fault::HangsAfterwards) => self.hang().await,
            _ => Ok(answer),
        }
    }
}
