//! A connection that many requests share, reopened in the background when it ends.
//!
//! ```text
//! idle ──first use──▶ connecting ──▶ up ──it ends──▶ connecting
//!                      │      ▲
//!                      ▼      │ after a pause
//!                      down ──┘
//! ```
//!
//! Requests wait while it connects, within their own deadline, and fail at once while it is down. Nothing is sent
//! again: a command in flight when the connection ended has an unknown outcome.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::fault::Fault;
use super::target::{Connection, Target};
use crate::config::ServerConfig;

/// Handle of the shared connection.
pub(super) struct Link(Arc<Shared>);

struct Shared {
    phase: watch::Sender<Phase>,
    /// `None` for the application's own connection, which reconnects by itself.
    dialing: Option<Dialing>,
}

/// Settings for connecting.
pub(super) struct Dialing {
    pub(super) target: Arc<Target>,
    pub(super) back_off: Duration,
    pub(super) back_off_max: Duration,
}

enum Phase {
    Idle,
    Connecting,
    Up(Connection, Number),
    Down(Fault),
}

/// Number that distinguishes a connection from earlier ones.
type Number = u64;

impl Dialing {
    pub(super) fn new(target: Arc<Target>, server: &ServerConfig) -> Self {
        let ServerConfig { back_off, back_off_max, .. } = *server;
        Self { target, back_off, back_off_max: back_off_max.max(back_off) }
    }
}

impl Link {
    pub(super) fn new(dialing: Dialing) -> Self {
        Self(Arc::new(Shared { phase: watch::Sender::new(Phase::Idle), dialing: Some(dialing) }))
    }

    pub(super) fn over(connection: Connection) -> Self {
        Self(Arc::new(Shared { phase: watch::Sender::new(Phase::Up(connection, 0)), dialing: None }))
    }

    /// Returns the connection and its number, if it is up.
    pub(super) fn up(&self) -> Option<(Connection, Number)> {
        match &*self.0.phase.borrow() {
            Phase::Up(connection, number) => Some((connection.clone(), *number)),
            _ => None,
        }
    }

    /// Returns the connection and its number, and connects first if necessary.
    pub(super) async fn connection(&self) -> Result<(Connection, Number), Fault> {
        self.0.wake();
        let mut phase = self.0.phase.subscribe();
        let phase = phase.wait_for(|phase| !matches!(phase, Phase::Connecting)).await;
        match phase.as_deref() {
            Ok(Phase::Up(connection, number)) => Ok((connection.clone(), *number)),
            Ok(Phase::Down(fault)) => Err(fault.clone()),
            _ => Err(Fault::unavailable("the runtime that connected has ended")),
        }
    }

    /// Reports that the connection of this number has ended.
    pub(super) fn lost(&self, number: Number) {
        self.0.lost(number);
    }
}

impl Shared {
    fn wake(self: &Arc<Self>) {
        self.connect_if(|phase| matches!(phase, Phase::Idle), 1);
    }

    fn lost(self: &Arc<Self>, number: Number) {
        self.connect_if(|phase| matches!(phase, Phase::Up(_, up) if *up == number), number + 1);
    }

    /// Starts to connect if `applies` holds for the phase. Concurrent callers start only once.
    fn connect_if(self: &Arc<Self>, applies: impl Fn(&Phase) -> bool, number: Number) {
        let begun = self.dialing.is_some()
            && self.phase.send_if_modified(|phase| {
                let begins = applies(phase);
                if begins {
                    *phase = Phase::Connecting;
                }
                begins
            });
        if begun {
            tokio::spawn(connect(Unfinished(Arc::downgrade(self)), number));
        }
    }
}

/// Connects, and retries until it succeeds or no handle is left.
async fn connect(mut link: Unfinished, mut number: Number) {
    let mut failures = 0;
    while let Some(shared) = link.0.upgrade() {
        let Some(dialing) = &shared.dialing else { return };
        let weak = link.0.clone();
        let lost = move || {
            if let Some(shared) = weak.upgrade() {
                shared.lost(number);
            }
        };
        let dialed = tokio::time::timeout(dialing.target.patience(), dialing.target.connect(lost)).await;
        match dialed.unwrap_or(Err(Fault::unavailable("the server did not take the connection in time"))) {
            Ok(connection) => {
                // Detached: later attempts to connect belong to other tasks.
                link.0 = Weak::new();
                shared.phase.send_replace(Phase::Up(connection, number));
                return;
            }
            Err(fault) => shared.phase.send_replace(Phase::Down(fault)),
        };
        let pause = pause(dialing, failures);
        failures += 1;
        // Late notifications of this attempt do not apply to the next one.
        number += 1;
        drop(shared);
        tokio::time::sleep(pause).await;
    }
}

fn pause(dialing: &Dialing, failures: u32) -> Duration {
    dialing.back_off.saturating_mul(1 << failures.min(16)).min(dialing.back_off_max)
}

/// A link while it connects. If the runtime ends meanwhile, the next use starts again.
struct Unfinished(Weak<Shared>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.phase.send_if_modified(|phase| {
                let unfinished = !matches!(phase, Phase::Up(..));
                if unfinished {
                    *phase = Phase::Idle;
                }
                unfinished
            });
        }
    }
}
