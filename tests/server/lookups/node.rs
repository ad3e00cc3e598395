//! A node in a process of its own, which obeys one order a line.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rocket::futures::future::join_all;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use session_runtime::clock::Timestamp;
use session_runtime::record::{Record, expiry::TouchEvery};
use session_runtime::store::Created;
use session_runtime::testing::head_at;
use session_runtime::{MemoryStore, PostgresStore, RedisStore, SessionKey, Sessions, SqliteStore, Store};
use session_tests::lookups::{Auth, Browser, ClockAhead, USERS, config, node_with, visitor, works};
use session_tests::stores::PATIENT_ADMISSION;

use super::pages::peak;

const STORE: &str = "SESSION_LOOKUPS_STORE";
const CLOCK: &str = "SESSION_LOOKUPS_CLOCK";
/// Begins the answer in a line that may have words of the test harness before it.
const MARK: &str = "answer: ";
/// Sessions that are stored at once.
const AT_ONCE: usize = 64;

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Logs users in, each in a browser of its own. Answer: the browsers and the keys of their sessions.
    LogIn(Vec<String>),
    /// Does works of visitors at once, by their numbers. If there are keys, ends all sessions of `ann` meanwhile. Answer:
    /// [`Raced`].
    Race { works: Vec<(usize, Browser)>, ends: Option<Vec<SessionKey>>, pause_us: u64 },
    /// Answer: the number of these sessions that exist.
    Existing(Vec<SessionKey>),
    /// Ends the sessions of all users.
    CleanUp,
    /// Answer: the number of sessions of all users.
    Count,
    /// Stores so many sessions of `ann`.
    Fill(usize),
    /// Lists the newest sessions of `ann`. Answer: their number, and the kilobytes of memory that it took at most.
    List(usize),
    /// Ends all sessions of `ann`. Answer: their number, and the kilobytes of memory that it took at most.
    EndAll,
}

/// The outcome of an [`Order::Race`] on one node.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Raced {
    /// The time of the works.
    pub(super) worked: Span,
    pub(super) ended: Option<EndedAll>,
}

/// The outcome of a `destroy_all`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EndedAll {
    pub(super) during: Span,
    pub(super) ended: u64,
    /// Number of the given sessions that still exist.
    pub(super) left: usize,
}

/// Two moments of the system's clock, which all processes share.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Span(Duration, Duration);

impl Span {
    async fn of<T>(work: impl Future<Output = T>) -> (Self, T) {
        let now = || SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let begun = now();
        let outcome = work.await;
        (Self(begun, now()), outcome)
    }

    pub(super) fn meets(self, other: Self) -> bool {
        self.0 < other.1 && other.0 < self.1
    }
}

/// A running node.
pub(super) struct Node {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Node {
    /// A node over this store (`memory`, `sqlite:` and a path, or the URL of a server) whose clock is ahead by so many
    /// seconds.
    pub(super) fn start(store: &str, clock: i64) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "lookups::node::obeys_when_asked_to", "--nocapture"]);
        command.env(STORE, store).env(CLOCK, clock.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (orders, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, orders, answers: BufReader::new(answers).lines() }
    }

    pub(super) fn send(&mut self, order: &Order) {
        let order = serde_json::to_string(order).unwrap();
        writeln!(self.orders, "{order}").unwrap();
    }

    pub(super) fn answer<T: DeserializeOwned>(&mut self) -> T {
        for line in self.answers.by_ref() {
            if let Some((_, answer)) = line.unwrap().split_once(MARK) {
                return serde_json::from_str(answer).unwrap();
            }
        }
        panic!("the node has ended");
    }

    pub(super) fn ask<T: DeserializeOwned>(&mut self, order: &Order) -> T {
        self.send(order);
        self.answer()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Both fail only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// No test but the node itself: without the variable it ends at once.
#[test]
fn obeys_when_asked_to() {
    let Ok(store) = std::env::var(STORE) else { return };
    let clock = std::env::var(CLOCK).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(&store);
        // Each use of a session moves its deadline.
        let config = config().touch_every(TouchEvery::Period(Duration::from_millis(1)));
        let node = node_with(Arc::clone(&store), ClockAhead(clock), config);
        node.prepare().await.unwrap();
        for line in std::io::stdin().lines() {
            let answer = obey(&node, &store, serde_json::from_str(&line.unwrap()).unwrap()).await;
            println!("{MARK}{answer}");
        }
    });
}

fn open(store: &str) -> Arc<dyn Store> {
    if store == "memory" {
        Arc::new(MemoryStore::new())
    } else if let Some(path) = store.strip_prefix("sqlite:") {
        Arc::new(SqliteStore::builder(path).admission(PATIENT_ADMISSION).open().unwrap())
    } else if store.starts_with("redis:") {
        Arc::new(RedisStore::builder(store).admission(PATIENT_ADMISSION).open().unwrap())
    } else {
        Arc::new(PostgresStore::builder(store).admission(PATIENT_ADMISSION).open().unwrap())
    }
}

async fn obey(node: &Sessions, store: &Arc<dyn Store>, order: Order) -> Value {
    match order {
        Order::LogIn(users) => {
            let visitors = join_all(users.iter().map(|user| visitor(node, user))).await;
            json!(visitors)
        }
        Order::Race { works, ends, pause_us } => json!(race(node, works, ends, pause_us).await),
        Order::Existing(keys) => json!(existing(node, &keys).await),
        Order::CleanUp => {
            for user in USERS {
                node.destroy_all(Auth::by_user(user)).await.unwrap();
            }
            Value::Null
        }
        Order::Count => {
            let counts = join_all(USERS.map(|user| node.count(Auth::by_user(user)))).await;
            json!(counts.into_iter().map(Result::unwrap).sum::<u64>())
        }
        Order::Fill(number) => {
            fill(store, number).await;
            Value::Null
        }
        Order::List(most) => {
            let list = async { node.list(Auth::by_user("ann")).limit(most).await.unwrap().len() as u64 };
            json!(peak(list).await)
        }
        Order::EndAll => json!(peak(async { node.destroy_all(Auth::by_user("ann")).await.unwrap() }).await),
    }
}

async fn race(node: &Sessions, visitors: Vec<(usize, Browser)>, ends: Option<Vec<SessionKey>>, pause_us: u64) -> Raced {
    let visitors = visitors.into_iter().map(|(number, mut browser)| {
        let node = node.clone();
        async move { works(number, &mut browser, &node).await }
    });
    let visitors: Vec<_> = visitors.map(tokio::spawn).collect();
    let visitors = tokio::spawn(Span::of(join_all(visitors)));
    let ended = match ends {
        Some(keys) => {
            tokio::time::sleep(Duration::from_micros(pause_us)).await;
            Some(end_all(node, &keys).await)
        }
        None => None,
    };
    let (worked, visitors) = visitors.await.unwrap();
    visitors.into_iter().for_each(Result::unwrap);
    Raced { worked, ended }
}

async fn end_all(node: &Sessions, keys: &[SessionKey]) -> EndedAll {
    let (during, ended) = Span::of(node.destroy_all(Auth::by_user("ann"))).await;
    EndedAll { during, ended: ended.unwrap(), left: existing(node, keys).await }
}

async fn existing(node: &Sessions, keys: &[SessionKey]) -> usize {
    let sessions = join_all(keys.iter().map(|key| node.read::<Auth>(key))).await;
    sessions.into_iter().filter(|session| session.as_ref().unwrap().is_some()).count()
}

async fn fill(store: &Arc<dyn Store>, number: usize) {
    let now = Timestamp::from(SystemTime::now()).as_millis();
    let numbers: Vec<usize> = (0..number).collect();
    for numbers in numbers.chunks(AT_ONCE) {
        let created = join_all(numbers.iter().map(|number| store.create(key(*number), record(now)))).await;
        for created in created {
            assert_eq!(created.unwrap(), Created::Done);
        }
    }
}

/// Spread as random keys are.
fn key(number: usize) -> SessionKey {
    let key = (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    SessionKey::from_bytes(key.to_be_bytes())
}

fn record(now: i64) -> Record {
    let values = [("auth".into(), r#"{"v":1}"#.into()), ("auth.user".into(), r#""ann""#.into())];
    Record::new(head_at(now), values.into_iter().collect())
}
