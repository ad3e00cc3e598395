//! Several nodes over one store, and the races that each of them must survive: the same figures for every store.
//!
//! Takes a store per node (handles of one engine, caches in front of one) and one more to see by what is stored; gives
//! figures to print, and fails where something is lost. Needs a runtime with several threads. Deliberately absent:
//! processes and faults, which are `servers`' matter.
//!
//! | race | what must hold |
//! |---|---|
//! | [`increments`](Fleet::increments) | 2,000 of them are 2,000 |
//! | [`mixed_writes`](Fleet::mixed_writes) | sums, entries, lists and plain fields at once: nothing is lost |
//! | [`logouts`](Fleet::logouts) | writers on all nodes and a logout: the session is gone |
//! | [`logins`](Fleet::logins) | several logins of one session at once: one keeps it, the old id opens nothing, no login sees another's session |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use session_runtime::{ErrorKind, Schema, Session, SessionConfig, SessionKey, Sessions, Store, Visit};
use tokio::sync::Barrier;

/// The visitor's data.
#[derive(Session)]
#[session(key = "cart", version = 1)]
pub struct Cart {
    #[session(merge = sum)]
    count: i64,
    #[session(merge = keys)]
    items: BTreeMap<u32, u32>,
    /// The last write wins.
    list: Vec<u32>,
    note: Option<String>,
}

/// The logged-in user.
#[derive(Session)]
#[session(key = "auth", version = 1)]
pub struct Auth {
    #[session(renew)]
    user: Option<String>,
}

/// A browser, reduced to the value of the session cookie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Browser(pub Option<String>);

/// One node: what a process of a fleet has.
#[derive(Clone, Debug)]
pub struct Node(Sessions);

impl Node {
    /// A node over this store.
    ///
    /// # Panics
    ///
    /// If the store is refused.
    #[must_use]
    pub fn over(store: Arc<dyn Store>) -> Self {
        // Time enough for a busy machine, so that giving up is a failure.
        let config = SessionConfig::new().deadline(Duration::from_secs(60));
        let sessions = Sessions::builder().store(store).config(config).schemas::<(Cart, Auth)>().build();
        Self(sessions.expect("settings that are right"))
    }

    fn open(&self, browser: &Browser) -> Visit {
        let line = browser.0.as_ref().map(|id| format!("{}={id}", self.0.cookie_name()));
        self.0.open(line.as_deref())
    }

    async fn close(visit: Visit, browser: &mut Browser) -> Result<(), ErrorKind> {
        let finished = visit.finish(200).await;
        if let Some(header) = finished.cookie.header() {
            let pair = header.split(';').next().unwrap_or_default();
            browser.0 = pair.split_once('=').map(|(_, value)| value.to_owned()).filter(|value| !value.is_empty());
        }
        finished.error.map_or(Ok(()), |error| Err(error.kind()))
    }

    /// A request that reads a schema and then edits it.
    async fn edit<S: Schema>(&self, browser: &mut Browser, edit: impl FnOnce(&mut S::Mut)) -> Result<(), ErrorKind> {
        let visit = self.open(browser);
        visit.read::<S>().await.map_err(|error| error.kind())?;
        // So that others come between the look and the write, and between the write and the save.
        tokio::task::yield_now().await;
        edit(&mut *visit.write::<S>().await.map_err(|error| error.kind())?);
        tokio::task::yield_now().await;
        Self::close(visit, browser).await
    }

    async fn push(&self, browser: &mut Browser, n: u32) {
        let visit = self.open(browser);
        let mut cart = visit.write::<Cart>().await.expect("a store that answers");
        cart.update_now(|cart| cart.list_mut().push(n)).await.expect("a session that is there");
        drop(cart);
        Self::close(visit, browser).await.expect("nothing is left to save");
    }

    async fn log_out(&self, browser: &mut Browser) {
        let visit = self.open(browser);
        visit.destroy();
        Self::close(visit, browser).await.expect("a store that answers");
    }

    /// The session that the browser has, and what stands in it.
    async fn look<S: Schema>(&self, browser: &Browser) -> Option<(SessionKey, S)> {
        let visit = self.open(browser);
        visit.load().await.expect("a store that answers");
        let key = visit.key()?;
        let value = self.0.read::<S>(&key).await.expect("a store that answers");
        value.map(|value| (key, value))
    }
}

/// Nodes over one store.
#[derive(Debug)]
pub struct Fleet {
    nodes: Vec<Node>,
    /// The node without a cache, with which the tests read the stored data.
    direct: Node,
}

const TASKS: usize = 16;

impl Fleet {
    /// A node over each of these, and one to see by what is stored.
    #[must_use]
    pub fn new(stores: impl IntoIterator<Item = Arc<dyn Store>>, direct: Arc<dyn Store>) -> Self {
        Self { nodes: stores.into_iter().map(Node::over).collect(), direct: Node::over(direct) }
    }

    /// Tasks on all nodes that begin at the same time, each with the same cookie. What they give comes back in order.
    async fn together<T, F>(&self, browser: &Browser, work: impl Fn(usize, Node, Browser) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let start = Arc::new(Barrier::new(TASKS));
        let tasks = (0..TASKS).map(|task| {
            let work = work(task, self.nodes[task % self.nodes.len()].clone(), browser.clone());
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                work.await
            })
        });
        let (tasks, mut results): (Vec<_>, Vec<_>) = (tasks.collect(), Vec::new());
        for task in tasks {
            results.push(task.await.expect("a task that does not panic"));
        }
        results
    }

    /// A visitor whose session every node has read.
    async fn visitor(&self) -> Browser {
        let mut browser = Browser::default();
        for node in &self.nodes {
            node.edit::<Cart>(&mut browser, |cart| *cart.count_mut() += 1).await.expect("a store that answers");
        }
        browser
    }

    async fn cart(&self, browser: &Browser) -> Cart {
        self.direct.look::<Cart>(browser).await.expect("a session that is there").1
    }

    /// 2,000 increments of one session by 16 tasks. Gives how many there are.
    ///
    /// # Panics
    ///
    /// If that is not how many there were.
    pub async fn increments(&self) -> i64 {
        const EACH: usize = 125;
        let browser = self.visitor().await;
        let before = *self.cart(&browser).await.count();
        self.together(&browser, |_, node, mut browser| async move {
            for _ in 0..EACH {
                node.edit::<Cart>(&mut browser, |cart| *cart.count_mut() += 1).await.expect("a sum merges");
            }
        })
        .await;
        let found = *self.cart(&browser).await.count() - before;
        assert_eq!(usize::try_from(found), Ok(EACH * TASKS), "increments");
        found
    }

    /// Four kinds of writes to one session by 16 tasks. Gives how many requests there were.
    ///
    /// # Panics
    ///
    /// If one of them is lost.
    pub async fn mixed_writes(&self) -> usize {
        const ROUNDS: u32 = 25;
        let browser = self.visitor().await;
        let before = *self.cart(&browser).await.count();
        self.together(&browser, |task, node, mut browser| async move {
            let task = u32::try_from(task).unwrap_or(0);
            for n in (0..ROUNDS).map(|round| task * 1_000 + round) {
                node.edit::<Cart>(&mut browser, |cart| *cart.count_mut() += 1).await.expect("a sum merges");
                node.edit::<Cart>(&mut browser, |cart| cart.items_mut().extend([(n, 1)])).await.expect("entries merge");
                node.push(&mut browser, n).await;
                node.edit::<Cart>(&mut browser, |cart| cart.set_note(n.to_string())).await.expect("the last one wins");
            }
        })
        .await;
        let all = TASKS * ROUNDS as usize;
        let cart = self.cart(&browser).await;
        assert_eq!(usize::try_from(cart.count() - before), Ok(all), "increments");
        assert_eq!(cart.items().len(), all, "entries");
        let once: BTreeSet<_> = cart.list().iter().collect();
        assert_eq!((once.len(), cart.list().len()), (all, all), "every pushed number, each once");
        let note = cart.note().as_deref().and_then(|note| note.parse::<u32>().ok());
        assert!(note.is_some_and(|note| once.contains(&note)), "the note is one of those that were set");
        4 * all
    }

    /// Twenty times: writers on all nodes and a logout in the middle of them. Gives how many writes were late.
    ///
    /// # Panics
    ///
    /// If a session is there after its logout.
    pub async fn logouts(&self) -> usize {
        const ROUNDS: usize = 20;
        let mut late = 0;
        for round in 0..ROUNDS {
            let browser = self.visitor().await;
            let key = self.direct.look::<Cart>(&browser).await.expect("a session that is there").0;
            let kept = self.together(&browser, |task, node, mut browser| async move {
                let before = browser.clone();
                if task == round % TASKS {
                    node.log_out(&mut browser).await;
                    return false;
                }
                node.edit::<Cart>(&mut browser, |cart| cart.set_note("late".into())).await.expect("dropped or stored");
                browser == before
            });
            late += kept.await.into_iter().filter(|kept| *kept).count();
            assert!(self.direct.look::<Cart>(&browser).await.is_none(), "the session is gone");
            let record = self.direct.0.read::<Cart>(&key).await.expect("a store that answers");
            assert!(record.is_none(), "and so is its record");
        }
        late
    }

    /// Twenty times: sixteen logins of one anonymous session at once, on all nodes. Gives how many got a session of
    /// their own.
    ///
    /// # Panics
    ///
    /// If the old id opens anything, two logins share a session, or one finds another's user in its own.
    pub async fn logins(&self) -> usize {
        const ROUNDS: usize = 20;
        let mut own = 0;
        for _ in 0..ROUNDS {
            let old = self.visitor().await;
            let key = self.direct.look::<Cart>(&old).await.expect("a session that is there").0;
            let logged_in = self.together(&old, |task, node, mut browser| async move {
                let done = node.edit::<Auth>(&mut browser, |auth| auth.set_user(task.to_string())).await;
                (done, browser)
            });
            let mut keys = BTreeSet::new();
            for (task, (done, browser)) in logged_in.await.into_iter().enumerate() {
                if done == Err(ErrorKind::Renewed) {
                    // It had read the session before the other one's login, and so may not go on.
                    assert_eq!(browser, old, "a refused login gets no cookie");
                    continue;
                }
                done.expect("logged in or refused");
                let (key, auth) = self.direct.look::<Auth>(&browser).await.expect("a session that is there");
                assert_eq!(auth.user().as_deref(), Some(&*task.to_string()), "its own user");
                assert!(keys.insert(key), "two logins share a session");
            }
            assert!(self.direct.look::<Cart>(&old).await.is_none(), "the old id is dead");
            assert!(keys.remove(&key), "one of them keeps the session");
            own += keys.len();
        }
        own
    }
}
