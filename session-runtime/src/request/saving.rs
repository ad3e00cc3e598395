//! Saves that have begun and not ended, counted for the end of a program.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Number of saves that have begun and not ended.
#[derive(Default)]
pub(crate) struct Saves {
    running: AtomicUsize,
    settled: Notify,
}

/// A save, which ends with this.
pub(super) struct Running<'s>(&'s Saves);

impl Saves {
    pub(super) fn begin(&self) -> Running<'_> {
        self.running.fetch_add(1, Ordering::AcqRel);
        Running(self)
    }

    /// Waits until no save is running.
    pub(crate) async fn settled(&self) {
        loop {
            // Created before the check: it completes if the last save ends between the two.
            let settled = self.settled.notified();
            if self.running.load(Ordering::Acquire) == 0 {
                return;
            }
            settled.await;
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.settled.notify_waiters();
        }
    }
}
