//! Synchronization primitives for the state that requests share, in one place so that they can be replaced.
//!
//! Under `--cfg shuttle` they come from a scheduler that runs one program in thousands of interleavings
//! (`tests/shuttle.rs`). Primitives that are atomic steps to that scheduler are not replaced: the shards of the memory
//! store, `Arc`, and the locks of other crates.

#[cfg(not(shuttle))]
pub(crate) use self::real::*;

#[cfg(shuttle)]
pub(crate) use self::tried::*;

#[cfg(not(shuttle))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize};
    pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock};
    pub(crate) use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard, OwnedMutexGuard};
    pub(crate) use tokio::time::{Instant, sleep, timeout};

    use std::time::Duration;

    /// Completes `time` after `since`; never, if that instant overflows.
    pub(crate) async fn deadline(since: Instant, time: Duration) {
        match since.checked_add(time) {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(shuttle)]
mod tried {
    use std::sync::Arc;
    use std::time::Duration;
    pub(crate) use std::time::Instant;

    use shuttle::future::batch_semaphore::{BatchSemaphore, Fairness};
    pub(crate) use shuttle::sync::atomic::{AtomicU64, AtomicUsize};
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};

    /// Replacement for `OnceLock`, which the scheduler does not have. Tasks may switch before each use.
    pub(crate) struct OnceLock<T> {
        once: std::sync::OnceLock<T>,
        point: AtomicUsize,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self { once: std::sync::OnceLock::new(), point: AtomicUsize::new(0) }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            self.change();
            self.once.get()
        }

        pub(crate) fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
            self.change();
            self.once.get_or_init(init)
        }

        fn change(&self) {
            self.point.load(std::sync::atomic::Ordering::SeqCst);
        }
    }

    impl<T> Default for OnceLock<T> {
        fn default() -> Self {
            Self::new()
        }
    }

    /// Fair, like tokio's; a waiting task lets others run. The value is never accessed.
    pub(crate) struct AsyncMutex<T> {
        free: BatchSemaphore,
        _value: T,
    }

    pub(crate) struct AsyncMutexGuard<'m, T>(&'m AsyncMutex<T>);

    pub(crate) struct OwnedMutexGuard<T>(Arc<AsyncMutex<T>>);

    impl<T> AsyncMutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self { free: BatchSemaphore::new(1, Fairness::StrictlyFair), _value: value }
        }

        pub(crate) async fn lock(&self) -> AsyncMutexGuard<'_, T> {
            self.take().await;
            AsyncMutexGuard(self)
        }

        pub(crate) fn try_lock(&self) -> Result<AsyncMutexGuard<'_, T>, ()> {
            self.free.try_acquire(1).map(|()| AsyncMutexGuard(self)).map_err(drop)
        }

        pub(crate) async fn lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
            self.take().await;
            OwnedMutexGuard(self)
        }

        async fn take(&self) {
            self.free.acquire(1).await.expect("the semaphore is never closed");
        }
    }

    impl<T: Default> Default for AsyncMutex<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }

    impl<T> Drop for AsyncMutexGuard<'_, T> {
        fn drop(&mut self) {
            self.0.free.release(1);
        }
    }

    impl<T> Drop for OwnedMutexGuard<T> {
        fn drop(&mut self) {
            self.0.free.release(1);
        }
    }

    /// Never completes, because the scheduler has no time. A task that waits forever is a deadlock, which the scheduler
    /// reports.
    pub(crate) async fn deadline(_: Instant, _: Duration) {
        std::future::pending().await
    }

    pub(crate) async fn timeout<T>(_: Duration, work: impl Future<Output = T>) -> Result<T, ()> {
        Ok(work.await)
    }

    pub(crate) async fn sleep(_: Duration) {
        shuttle::future::yield_now().await;
    }
}
