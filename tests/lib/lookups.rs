//! Visitors with an indexed user, on several nodes over one store, and the races that a lookup must survive.
//!
//! | race | what must hold |
//! |---|---|
//! | [`races`] | after `destroy_all`, no session exists that held the value when the call began, whatever else its visitors did |

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use session_runtime::clock::Clock;
use session_runtime::{ErrorKind, Session, SessionConfig, SessionKey, Sessions, Store, Visit};
use tokio::sync::Barrier;

/// The visitor's data.
#[derive(Session)]
#[session(key = "cart", version = 1)]
pub struct Cart {
    #[session(merge = sum)]
    pub count: i64,
}

/// The logged-in user.
#[derive(Session)]
#[session(key = "auth", version = 1)]
pub struct Auth {
    #[session(renew, index)]
    pub user: Option<String>,
    #[session(index, default = 0)]
    pub tenant: u32,
}

/// The system's clock, ahead or behind.
#[derive(Clone, Copy, Debug)]
pub struct ClockAhead(pub i64);

impl Clock for ClockAhead {
    fn now(&self) -> SystemTime {
        let difference = Duration::from_secs(self.0.unsigned_abs());
        if self.0 < 0 { SystemTime::now() - difference } else { SystemTime::now() + difference }
    }
}

/// A node over this store, with this clock.
pub fn node(store: impl Store, clock: impl Clock) -> Sessions {
    node_with(store, clock, config())
}

/// Settings with time enough for a busy machine, so that giving up is a failure.
pub fn config() -> SessionConfig {
    SessionConfig::new().deadline(Duration::from_secs(50))
}

/// A node with settings of its own.
pub fn node_with(store: impl Store, clock: impl Clock, config: SessionConfig) -> Sessions {
    let builder = Sessions::builder().store(store).config(config).clock(clock);
    builder.schemas::<(Cart, Auth)>().build().unwrap()
}

/// A browser, reduced to its session cookie.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Browser(Option<String>);

impl Browser {
    pub fn open(&self, node: &Sessions) -> Visit {
        let line = self.0.as_ref().map(|id| format!("{}={id}", node.cookie_name()));
        node.open(line.as_deref())
    }

    pub async fn close(&mut self, visit: &Visit) -> Result<(), ErrorKind> {
        let finished = visit.finish(200).await;
        if let Some(header) = finished.cookie.header() {
            let pair = header.split(';').next().unwrap_or_default();
            self.0 = pair.split_once('=').map(|(_, value)| value.to_owned()).filter(|value| !value.is_empty());
        }
        finished.error.map_or(Ok(()), |error| Err(error.kind()))
    }

    /// Logs a user in.
    pub async fn log_in(&mut self, node: &Sessions, user: &str) -> Result<(), ErrorKind> {
        let visit = self.open(node);
        let mut auth = visit.write::<Auth>().await.map_err(|error| error.kind())?;
        auth.set_user(user.to_owned());
        drop(auth);
        self.close(&visit).await
    }

    /// Adds to the cart.
    pub async fn add(&mut self, node: &Sessions) -> Result<(), ErrorKind> {
        let visit = self.open(node);
        let mut cart = visit.write::<Cart>().await.map_err(|error| error.kind())?;
        *cart.count_mut() += 1;
        tokio::task::yield_now().await;
        drop(cart);
        self.close(&visit).await
    }

    /// Logs the user out; the session starts over.
    pub async fn log_out(&mut self, node: &Sessions) -> Result<(), ErrorKind> {
        let visit = self.open(node);
        let mut auth = visit.write::<Auth>().await.map_err(|error| error.kind())?;
        auth.clear_user();
        drop(auth);
        self.close(&visit).await
    }

    pub async fn renew(&mut self, node: &Sessions) -> Result<(), ErrorKind> {
        let visit = self.open(node);
        visit.renew();
        self.close(&visit).await
    }

    pub async fn read(&mut self, node: &Sessions) -> Result<Option<String>, ErrorKind> {
        let visit = self.open(node);
        let user = visit.read::<Auth>().await.map_err(|error| error.kind())?.user().clone();
        self.close(&visit).await.map(|()| user)
    }
}

/// The browser of a user who has just logged in, and the key of the session.
pub async fn visitor(node: &Sessions, user: &str) -> (Browser, SessionKey) {
    let mut browser = Browser::default();
    browser.log_in(node, user).await.unwrap();
    let key = browser.key(node).await.unwrap();
    (browser, key)
}

impl Browser {
    /// The key of the session, if there is one.
    pub async fn key(&self, node: &Sessions) -> Option<SessionKey> {
        let visit = self.open(node);
        visit.load().await.unwrap();
        visit.key()
    }
}

/// Works of a visitor beside a `destroy_all`. Those that start over have even numbers, so that they run on the node of the
/// call: a cache of another node may keep a copy of a session that starts over, for its bound.
pub const WORKS: usize = 8;

async fn work(number: usize, browser: &mut Browser, node: &Sessions) -> Result<(), ErrorKind> {
    match number % WORKS {
        0 => browser.add(node).await,
        1 => browser.renew(node).await,
        2 => browser.log_in(node, "bob").await,
        3 => browser.read(node).await.map(drop),
        4 => browser.log_out(node).await,
        5 => browser.log_in(node, "ann").await,
        6 => visitor_of(node, "ann").await,
        _ => visitor_of(node, "cleo").await,
    }
}

async fn visitor_of(node: &Sessions, user: &str) -> Result<(), ErrorKind> {
    Browser::default().log_in(node, user).await
}

/// Does a work three times. The session may end meanwhile.
pub async fn works(number: usize, browser: &mut Browser, node: &Sessions) {
    for _ in 0..3 {
        match work(number, browser, node).await {
            Ok(()) | Err(ErrorKind::Gone | ErrorKind::Renewed | ErrorKind::Rejected) => {}
            Err(kind) => panic!("{kind:?}"),
        }
    }
}

/// The users of the races.
pub const USERS: [&str; 4] = ["ann", "bob", "cleo", "dora"];

/// Runs rounds of a `destroy_all` on one node beside visitors on all of them.
pub async fn races(nodes: &[Sessions], rounds: usize) {
    for round in 0..rounds {
        race(nodes, round).await;
    }
}

async fn race(nodes: &[Sessions], round: usize) {
    let mut visitors = Vec::new();
    for number in 0..WORKS {
        visitors.push(visitor(&nodes[number % nodes.len()], "ann").await);
    }
    let (_, dora) = visitor(&nodes[0], "dora").await;
    let keys: Vec<SessionKey> = visitors.iter().map(|(_, key)| *key).collect();
    let start = Arc::new(Barrier::new(WORKS + 1));
    let works = visitors.into_iter().enumerate().map(|(number, (mut browser, _))| {
        let (start, node) = (Arc::clone(&start), nodes[(number + round) % nodes.len()].clone());
        tokio::spawn(async move {
            start.wait().await;
            works(number, &mut browser, &node).await;
        })
    });
    let works: Vec<_> = works.collect();
    start.wait().await;
    let ended = nodes[round % nodes.len()].destroy_all(Auth::by_user("ann")).await.unwrap();
    let (mut left, mut reader) = (0, nodes[0].clone());
    for key in &keys {
        left += usize::from(reader.read::<Auth>(key).await.unwrap().is_some());
    }
    assert_eq!(left, 0, "round {round}: {left} of {} sessions are left of {ended} ended", keys.len());
    for work in works {
        work.await.unwrap();
    }
    reader = nodes[round % nodes.len()].clone();
    for key in &keys {
        assert!(reader.read::<Auth>(key).await.unwrap().is_none(), "round {round}: a session came back");
    }
    assert!(reader.read::<Auth>(&dora).await.unwrap().is_some(), "round {round}: another user's session ended");
    clean_up(nodes).await;
}

/// Ends all sessions, by the index: what it does not find stays and fails the next round.
async fn clean_up(nodes: &[Sessions]) {
    for user in USERS {
        nodes[0].destroy_all(Auth::by_user(user)).await.unwrap();
        for node in nodes {
            assert_eq!(node.count(Auth::by_user(user)).await.unwrap(), 0, "{user}");
        }
    }
}
