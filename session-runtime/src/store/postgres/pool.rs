//! The store's own connections, opened when first needed and replaced when they end. Each has its own task.
//!
//! A request takes the first connection on which it will not wait long behind others: queued statements cost the server
//! and this program less than statements sent one by one. While commits are slow or another transaction holds a lock, a
//! short queue already exceeds that wait, and the next connection is taken. If none is open, a request waits for an
//! attempt in progress. If all pause after a failed attempt, it fails at once with the cause of that failure.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::ready;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, yield_now};
use tokio::time::{sleep, timeout};
use tokio_postgres::config::Host;
use tokio_postgres::{Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::{Link, Mode, simple};
use super::fault::Fault;
use super::load_estimate::LoadEstimate;
use super::pooler;
use super::sql::SET_UP;

/// Longest expected wait behind other requests before the next connection is tried.
const SHORT_WAIT: Duration = Duration::from_millis(1);

/// Settings of a connection attempt.
pub(super) struct Connector {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
    pub(super) connect_timeout: Duration,
    pub(super) back_off: Duration,
    pub(super) back_off_max: Duration,
}

pub(super) struct Links {
    connector: Arc<Connector>,
    slots: Box<[Slot]>,
}

struct Slot {
    state: Arc<watch::Sender<State>>,
    keeper: Mutex<Option<AbortHandle>>,
}

#[derive(Clone)]
enum State {
    /// No task keeps this connection open: none was started, or its runtime has ended.
    Idle,
    Connecting,
    Open(Arc<Link>),
    /// The state until the next attempt.
    Failed(Fault),
}

impl State {
    fn link(&self) -> Option<&Arc<Link>> {
        match self {
            Self::Open(link) if link.is_open() => Some(link),
            _ => None,
        }
    }
}

impl Links {
    pub(super) fn new(connector: Connector, connections: usize) -> Self {
        let slot = || Slot { state: Arc::new(watch::Sender::new(State::Idle)), keeper: Mutex::default() };
        let slots = std::iter::repeat_with(slot).take(connections.max(1)).collect();
        Self { connector: Arc::new(connector), slots }
    }

    /// Hosts and ports or sockets, and the database.
    pub(super) fn place(&self) -> String {
        let config = &self.connector.config;
        let ports = config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| match host {
            Host::Tcp(host) => format!("{host}:{}", port(at)),
            #[cfg(unix)]
            Host::Unix(folder) => folder.join(format!(".s.PGSQL.{}", port(at))).display().to_string(),
        });
        let hosts = hosts.collect::<Vec<_>>().join(", ");
        config.get_dbname().map_or(hosts.clone(), |database| format!("{hosts}/{database}"))
    }

    /// Returns an open connection.
    pub(super) async fn link(&self) -> Result<Arc<Link>, Fault> {
        let mut best: Option<(Duration, Arc<Link>)> = None;
        for slot in &self.slots {
            slot.start(&self.connector);
            let Some(link) = slot.state.borrow().link().cloned() else { continue };
            let wait = link.wait();
            if wait <= SHORT_WAIT {
                return Ok(link);
            }
            if best.as_ref().is_none_or(|(shortest, _)| wait < *shortest) {
                best = Some((wait, link));
            }
        }
        if let Some((_, link)) = best {
            return Ok(link);
        }
        // The failure of a paused slot does not apply to another that is connecting.
        let opening = self.slots.iter().find(|slot| !matches!(*slot.state.borrow(), State::Failed(_)));
        opening.unwrap_or(&self.slots[0]).opened().await
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        for slot in &self.slots {
            if let Some(keeper) = slot.keeper().take() {
                keeper.abort();
            }
        }
    }
}

impl Slot {
    /// Starts the task that opens the connection and keeps it open, unless one is running.
    fn start(&self, connector: &Arc<Connector>) {
        if !matches!(*self.state.borrow(), State::Idle) {
            return;
        }
        let mut keeper = self.keeper();
        if matches!(*self.state.borrow(), State::Idle) {
            self.state.send_replace(State::Connecting);
            let kept = Kept(Arc::clone(&self.state));
            *keeper = Some(tokio::spawn(keep(kept, Arc::clone(connector))).abort_handle());
        }
    }

    fn keeper(&self) -> std::sync::MutexGuard<'_, Option<AbortHandle>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the connection to open; returns the fault if it does not.
    async fn opened(&self) -> Result<Arc<Link>, Fault> {
        let mut state = self.state.subscribe();
        let is_decided = |state: &State| state.link().is_some() || matches!(state, State::Failed(_) | State::Idle);
        let decided = state.wait_for(is_decided).await.map(|state| state.clone());
        match decided {
            Ok(State::Open(link)) => Ok(link),
            Ok(State::Failed(fault)) => Err(fault),
            _ => Err(Fault::Lost("the runtime that kept the connection has ended")),
        }
    }
}

/// State of a connection that a task keeps open. Reset to `Idle` when the task ends with its runtime.
struct Kept(Arc<watch::Sender<State>>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.send_replace(State::Idle);
    }
}

async fn keep(kept: Kept, connector: Arc<Connector>) {
    let mut pause = connector.back_off;
    loop {
        let state = match connector.connect().await {
            Ok(link) => {
                let (link, opened) = (Arc::new(link), Instant::now());
                kept.0.send_replace(State::Open(Arc::clone(&link)));
                link.ended.notified().await;
                // A connection that was never used is no evidence against the server, unless it ended at once.
                let was_idle = !link.is_retired() && opened.elapsed() > connector.back_off_max;
                if link.has_answered() || was_idle {
                    pause = connector.back_off;
                    kept.0.send_replace(State::Connecting);
                    continue;
                }
                State::Failed(Fault::Lost("the server does not answer"))
            }
            Err(fault) => State::Failed(fault),
        };
        kept.0.send_replace(state);
        sleep(pause).await;
        pause = (pause * 2).min(connector.back_off_max);
        kept.0.send_replace(State::Connecting);
    }
}

/// Drives a connection. While several requests wait, it first yields to all tasks that are ready to send, so that their
/// statements share a packet. A packet costs more than a statement, here and at the server.
async fn gathering(connection: impl Future<Output = Result<(), Error>>, line: &LoadEstimate) {
    let (mut connection, mut others) = (pin!(connection), pin!(yield_now()));
    let ended = poll_fn(|context| {
        if line.is_crowded() {
            ready!(others.as_mut().poll(context));
            others.set(yield_now());
        }
        connection.as_mut().poll(context)
    })
    .await;
    if let Err(error) = ended {
        // Before the waiting requests fail.
        line.note(&Fault::from(error));
    }
}

impl Connector {
    async fn connect(&self) -> Result<Link, Fault> {
        let connect = async {
            let (client, connection) = self.config.connect(self.tls.clone()).await?;
            let ended = Arc::new(Notify::new());
            let line = Arc::new(LoadEstimate::default());
            let (at_end, those_who_wait) = (Arc::clone(&ended), Arc::clone(&line));
            let task = tokio::spawn(async move {
                // Waiting requests receive the error; no other code needs it.
                gathering(connection, &those_who_wait).await;
                at_end.notify_one();
            });
            // If this fails, dropping the client ends the connection.
            let mode = pooler::mode(&client).await?;
            if mode == Mode::Prepared {
                simple(&client, SET_UP).await?;
            }
            Ok(Link::new(client, mode, line, ended, task.abort_handle()))
        };
        timeout(self.connect_timeout, connect).await.unwrap_or(Err(Fault::Lost("connecting took too long")))
    }
}
