//! Requests on one node and on two, one after the other, with the bound moved past by hand.

use std::time::Duration;

use session_runtime::testing::{Fault, ManualClock, RecordingStore};
use session_runtime::{CachedStore, ErrorKind, Schema, Session, SessionConfig, Sessions, Visit};
use tokio::time::advance;

#[derive(Session)]
#[session(key = "cart", version = 1)]
pub(crate) struct Cart {
    #[session(merge = sum)]
    pub(crate) count: i64,
    /// The last write wins.
    pub(crate) list: Vec<u32>,
}

#[derive(Session)]
#[session(key = "auth", version = 1)]
pub(crate) struct Auth {
    #[session(renew)]
    pub(crate) user: Option<String>,
}

#[derive(Session)]
#[session(key = "history", version = 1, lazy)]
pub(crate) struct History {
    pub(crate) pages: Vec<u32>,
}

/// A bound that passes only by moving the clock by hand.
pub(crate) const BOUND: Duration = Duration::from_secs(60 * 60);

/// One process of a fleet.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) sessions: Sessions,
    pub(crate) store: RecordingStore,
    /// The clock that judges deadlines.
    clock: ManualClock,
}

/// Processes with one store behind them.
pub(crate) fn fleet<const NODES: usize>() -> [Node; NODES] {
    let (store, clock) = (RecordingStore::default(), ManualClock::new());
    let config = SessionConfig::new().deadline(Duration::from_secs(60));
    std::array::from_fn(|_| {
        let cached = std::sync::Arc::new(CachedStore::new(store.clone()).bound(BOUND));
        let builder = Sessions::builder().store(cached).config(config.clone()).clock(clock.clone());
        let sessions = builder.schemas::<(Cart, Auth, History)>().build().unwrap();
        Node { sessions, store: store.clone(), clock: clock.clone() }
    })
}

/// A browser, reduced to the value of the session cookie.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Browser(pub(crate) Option<String>);

impl Node {
    pub(crate) fn open(&self, browser: &Browser) -> Visit {
        let line = browser.0.as_ref().map(|id| format!("{}={id}", self.sessions.cookie_name()));
        self.sessions.open(line.as_deref())
    }

    pub(crate) async fn close(&self, visit: Visit, browser: &mut Browser) -> Result<(), ErrorKind> {
        let finished = visit.finish(200).await;
        if let Some(header) = finished.cookie.header() {
            let value = header.split(';').next().unwrap().split_once('=').unwrap().1;
            browser.0 = Some(value.to_owned()).filter(|value| !value.is_empty());
        }
        finished.error.map_or(Ok(()), |error| Err(error.kind()))
    }

    /// A request that edits one schema and reads nothing else.
    pub(crate) async fn edit<S: Schema>(
        &self,
        browser: &mut Browser,
        edit: impl FnOnce(&mut S::Mut),
    ) -> Result<(), ErrorKind> {
        let visit = self.open(browser);
        edit(&mut *visit.write::<S>().await.map_err(|error| error.kind())?);
        self.close(visit, browser).await
    }

    /// A request that reads one schema and goes by it.
    pub(crate) async fn read<S: Schema, R>(&self, browser: &Browser, look: impl FnOnce(&S) -> R) -> R {
        let (visit, mut browser) = (self.open(browser), browser.clone());
        let found = look(visit.read::<S>().await.unwrap());
        self.close(visit, &mut browser).await.unwrap();
        found
    }

    pub(crate) async fn count(&self, browser: &Browser) -> i64 {
        self.read::<Cart, _>(browser, |cart| *cart.count()).await
    }

    pub(crate) async fn log_out(&self, browser: &mut Browser) {
        let visit = self.open(browser);
        visit.destroy();
        self.close(visit, browser).await.unwrap();
    }
}

/// A visitor whose session every node has read.
pub(crate) async fn visitor(nodes: &[Node]) -> Browser {
    let mut browser = Browser::default();
    nodes[0].edit::<Cart>(&mut browser, |cart| cart.set_count(1)).await.unwrap();
    for node in nodes {
        assert_eq!(node.count(&browser).await, 1);
    }
    nodes[0].store.total_calls();
    browser
}

fn push(cart: &mut <Cart as Schema>::Mut, n: u32) {
    cart.list_mut().push(n);
}

/// B81: a request that reads costs nothing, one that writes what it costs without the cache.
#[tokio::test(start_paused = true)]
async fn reads_cost_no_call_and_writes_the_usual_two() {
    let [node] = fleet();
    let mut browser = visitor(std::slice::from_ref(&node)).await;
    for _ in 0..10 {
        assert_eq!(node.count(&browser).await, 1);
    }
    assert_eq!(node.store.total_calls(), 0);
    node.edit::<Cart>(&mut browser, |cart| cart.set_count(2)).await.unwrap();
    assert_eq!((node.store.calls("load"), node.store.calls("patch")), (1, 1));
    assert_eq!(node.count(&browser).await, 2);
    assert_eq!(node.store.total_calls(), 0, "its own write is known here");
}

/// A lazy schema has a copy of its own beside the others.
#[tokio::test(start_paused = true)]
async fn a_lazy_schema_is_a_hit_too() {
    let [node] = fleet();
    let mut browser = visitor(std::slice::from_ref(&node)).await;
    node.edit::<History>(&mut browser, |history| history.pages_mut().push(3)).await.unwrap();
    node.store.total_calls();
    for _ in 0..3 {
        assert_eq!(node.read::<History, _>(&browser, |history| history.pages().clone()).await, [3]);
        assert_eq!(node.count(&browser).await, 1);
    }
    assert_eq!(node.store.total_calls(), 0);
}

/// C75: a visitor whose requests go from node to node loses nothing, also in fields where the last write wins.
#[tokio::test(start_paused = true)]
async fn writes_that_go_from_node_to_node_all_stay() {
    let nodes: [Node; 2] = fleet();
    let mut browser = visitor(&nodes).await;
    for n in 0..20 {
        for node in &nodes {
            node.edit::<Cart>(&mut browser, |cart| push(cart, n)).await.unwrap();
        }
    }
    let expected: Vec<u32> = (0..20).flat_map(|n| [n, n]).collect();
    assert_eq!(nodes[1].read::<Cart, _>(&browser, |cart| cart.list().clone()).await, expected);
}

/// The same in requests that have read from the cache before they write.
#[tokio::test(start_paused = true)]
async fn a_write_reads_again_even_after_a_cached_read() {
    let nodes: [Node; 2] = fleet();
    let mut browser = visitor(&nodes).await;
    nodes[0].edit::<Cart>(&mut browser, |cart| push(cart, 1)).await.unwrap();
    let visit = nodes[1].open(&browser);
    let before = visit.read::<Cart>().await.unwrap();
    assert!(before.list().is_empty(), "a copy from before");
    nodes[1].store.total_calls();
    let mut cart = visit.write::<Cart>().await.unwrap();
    assert_eq!(visit.read::<Cart>().await.unwrap().list(), &[1]);
    push(&mut cart, 2);
    drop(cart);
    assert_eq!(visit.read::<Cart>().await.unwrap().list(), &[1, 2]);
    assert!(before.list().is_empty(), "a value that was handed out stays");
    nodes[1].close(visit, &mut browser).await.unwrap();
    assert_eq!((nodes[1].store.calls("load"), nodes[1].store.calls("patch")), (1, 1));
    assert_eq!(nodes[1].read::<Cart, _>(&browser, |cart| cart.list().clone()).await, [1, 2]);
}

/// `update_now` runs on what is stored now, whatever its request has loaded.
#[tokio::test(start_paused = true)]
async fn an_update_runs_on_the_stored_values() {
    let nodes: [Node; 2] = fleet();
    let mut browser = visitor(&nodes).await;
    let visit = nodes[1].open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    nodes[0].edit::<Cart>(&mut browser, |cart| push(cart, 1)).await.unwrap();
    assert_eq!(cart.update_now(|cart| cart.list().clone()).await.unwrap(), [1]);
}

/// A write moves the deadline that is stored, not the one of the copy that was read before it.
#[tokio::test(start_paused = true)]
async fn a_write_after_a_copy_moves_the_deadline() {
    let nodes: [Node; 2] = fleet();
    let mut browser = visitor(&nodes).await;
    let day = Duration::from_secs(24 * 60 * 60);
    nodes[0].clock.advance(2 * day);
    nodes[0].edit::<Cart>(&mut browser, |cart| cart.set_count(2)).await.unwrap();
    nodes[0].clock.advance(2 * day);
    let visit = nodes[1].open(&browser);
    assert_eq!(*visit.read::<Cart>().await.unwrap().count(), 1, "a copy from before");
    visit.write::<Cart>().await.unwrap().set_count(3);
    nodes[1].close(visit, &mut browser).await.unwrap();
    nodes[0].clock.advance(13 * day);
    assert_eq!(nodes[0].count(&browser).await, 3, "the idle deadline is fourteen days after the last write");
}

/// A lazy part is read again on its own.
#[tokio::test(start_paused = true)]
async fn each_group_is_read_again_before_its_first_write() {
    let nodes: [Node; 2] = fleet();
    let mut browser = visitor(&nodes).await;
    nodes[1].read::<History, _>(&browser, |history| assert!(history.pages().is_empty())).await;
    nodes[0].edit::<History>(&mut browser, |history| history.pages_mut().push(1)).await.unwrap();
    nodes[0].edit::<Cart>(&mut browser, |cart| push(cart, 1)).await.unwrap();
    let visit = nodes[1].open(&browser);
    assert!(visit.read::<Cart>().await.unwrap().list().is_empty(), "a copy from before");
    visit.write::<History>().await.unwrap().pages_mut().push(2);
    push(&mut visit.write::<Cart>().await.unwrap(), 2);
    nodes[1].close(visit, &mut browser).await.unwrap();
    assert_eq!(nodes[1].read::<Cart, _>(&browser, |cart| cart.list().clone()).await, [1, 2]);
    assert_eq!(nodes[1].read::<History, _>(&browser, |history| history.pages().clone()).await, [1, 2]);
}

/// A write of another node is seen when the bound is over.
#[tokio::test(start_paused = true)]
async fn another_nodes_write_is_seen_within_the_bound() {
    let nodes: [Node; 2] = fleet();
    let mut browser = visitor(&nodes).await;
    nodes[0].edit::<Cart>(&mut browser, |cart| cart.set_count(5)).await.unwrap();
    assert_eq!(nodes[0].count(&browser).await, 5);
    assert_eq!(nodes[1].count(&browser).await, 1, "a copy from before");
    advance(BOUND).await;
    assert_eq!(nodes[1].count(&browser).await, 5);
}

/// B88: jobs that write do not go by copies.
#[tokio::test(start_paused = true)]
async fn a_job_writes_on_the_stored_values() {
    let nodes: [Node; 2] = fleet();
    let mut browser = visitor(&nodes).await;
    let key = nodes[0].open(&browser);
    key.load().await.unwrap();
    let key = key.key().unwrap();
    nodes[0].edit::<Cart>(&mut browser, |cart| push(cart, 1)).await.unwrap();
    assert!(nodes[1].sessions.read::<Cart>(&key).await.unwrap().unwrap().list().is_empty(), "a copy from before");
    nodes[1].store.total_calls();
    let seen = nodes[1].sessions.update::<Cart, _>(&key, |cart| {
        push(cart, 2);
        cart.list().len()
    });
    assert_eq!(seen.await.unwrap(), Some(2));
    assert_eq!((nodes[1].store.calls("load"), nodes[1].store.calls("patch")), (1, 1));
}

/// C19: a logout is final on its node at once, and on every other one within the bound.
#[tokio::test(start_paused = true)]
async fn a_logout_is_seen_within_the_bound() {
    let nodes: [Node; 2] = fleet();
    let mut browser = visitor(&nodes).await;
    let old = browser.clone();
    nodes[0].log_out(&mut browser).await;
    assert_eq!(browser, Browser::default());
    assert_eq!(nodes[0].count(&old).await, 0, "at once");
    assert_eq!(nodes[1].count(&old).await, 1, "a copy from before");
    advance(BOUND).await;
    assert_eq!(nodes[1].count(&old).await, 0);
}

/// C20: within the bound, too, nothing is written to a session that another node has ended.
#[tokio::test(start_paused = true)]
async fn a_copy_does_not_bring_a_session_back() {
    let nodes: [Node; 2] = fleet();
    let mut browser = visitor(&nodes).await;
    let old = browser.clone();
    nodes[0].log_out(&mut browser).await;

    let mut late = old.clone();
    let visit = nodes[1].open(&late);
    assert_eq!(*visit.read::<Cart>().await.unwrap().count(), 1, "a copy from before");
    visit.write::<Cart>().await.unwrap().set_count(7);
    nodes[1].close(visit, &mut late).await.unwrap();
    assert_eq!(late, old, "a write based on a copy of an ended session is dropped as any late write");
    assert_eq!(nodes[1].count(&old).await, 0, "and the copy is gone");

    nodes[1].edit::<Cart>(&mut late, |cart| cart.set_count(7)).await.unwrap();
    assert_ne!(late, old, "a write without a load begins a session of its own");
    assert_eq!(nodes[1].count(&late).await, 7);
}

/// C12: a login on one node: the new id opens the session on every node at once.
#[tokio::test(start_paused = true)]
async fn a_new_id_is_good_on_every_node_at_once() {
    let nodes: [Node; 2] = fleet();
    let mut browser = visitor(&nodes).await;
    let old = browser.clone();
    nodes[0].edit::<Auth>(&mut browser, |auth| auth.set_user("ada".into())).await.unwrap();
    assert_ne!(browser, old);
    let user = async |node: &Node, browser: &Browser| node.read::<Auth, _>(browser, |auth| auth.user().clone()).await;
    assert_eq!(user(&nodes[1], &browser).await.as_deref(), Some("ada"));
    assert_eq!(user(&nodes[0], &browser).await.as_deref(), Some("ada"));
    assert_eq!(user(&nodes[0], &old).await, None);
}

/// C12: the old id reads what was stored before, on other nodes and within the bound; it writes nothing.
#[tokio::test(start_paused = true)]
async fn an_old_id_is_good_within_the_bound_for_reading_only() {
    let nodes: [Node; 2] = fleet();
    let mut browser = visitor(&nodes).await;
    let mut old = browser.clone();
    nodes[0].edit::<Auth>(&mut browser, |auth| auth.set_user("ada".into())).await.unwrap();
    assert_eq!(nodes[0].count(&old).await, 0, "at once");
    assert_eq!(nodes[1].count(&old).await, 1, "a copy from before");
    assert_eq!(nodes[1].read::<Auth, _>(&old, |auth| auth.user().clone()).await, None);
    let visit = nodes[1].open(&old);
    assert_eq!(*visit.read::<Cart>().await.unwrap().count(), 1, "a copy from before");
    let refused = visit.write::<Cart>().await.map(|_| ()).map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::Renewed));
    drop(visit);
    let refused = nodes[1].edit::<Cart>(&mut old, |cart| cart.set_count(9)).await;
    assert_eq!(refused, Err(ErrorKind::Renewed));
    assert_eq!(nodes[1].count(&old).await, 0, "that the node has learnt, it knows");
    advance(BOUND).await;
    assert_eq!(nodes[1].count(&old).await, 0);
    assert_eq!(nodes[1].count(&browser).await, 1);
}

/// C12: nor does the old id end the session that the new one opens.
#[tokio::test(start_paused = true)]
async fn an_old_id_does_not_log_out_the_new_one() {
    let nodes: [Node; 2] = fleet();
    let mut browser = visitor(&nodes).await;
    let mut old = browser.clone();
    nodes[0].edit::<Auth>(&mut browser, |auth| auth.set_user("ada".into())).await.unwrap();
    let visit = nodes[1].open(&old);
    assert_eq!(*visit.read::<Cart>().await.unwrap().count(), 1, "a copy from before");
    visit.destroy();
    assert_eq!(nodes[1].close(visit, &mut old).await, Err(ErrorKind::Renewed));
    for node in &nodes {
        assert_eq!(node.read::<Auth, _>(&browser, |auth| auth.user().clone()).await.as_deref(), Some("ada"));
    }
}

/// A logout after a read of the copy ends the session, as any logout.
#[tokio::test(start_paused = true)]
async fn a_logout_after_a_read_ends_the_session() {
    let nodes: [Node; 2] = fleet();
    let mut browser = visitor(&nodes).await;
    let old = browser.clone();
    let visit = nodes[1].open(&browser);
    visit.read::<Cart>().await.unwrap();
    visit.destroy();
    nodes[1].close(visit, &mut browser).await.unwrap();
    assert_eq!(browser, Browser::default(), "the cookie is removed");
    assert_eq!(nodes[1].count(&old).await, 0);
    assert_eq!((nodes[1].store.calls("load"), nodes[1].store.calls("delete")), (2, 1), "checked, ended, looked for");
}

/// A renewal that is asked for on a copy is refused if another node was first.
#[tokio::test(start_paused = true)]
async fn a_renewal_on_an_old_copy_is_refused() {
    let nodes: [Node; 2] = fleet();
    let mut browser = visitor(&nodes).await;
    let mut old = browser.clone();
    nodes[0].edit::<Auth>(&mut browser, |auth| auth.set_user("ada".into())).await.unwrap();
    let visit = nodes[1].open(&old);
    visit.read::<Cart>().await.unwrap();
    visit.renew();
    assert_eq!(nodes[1].close(visit, &mut old).await, Err(ErrorKind::Renewed));
    assert_eq!(nodes[0].count(&browser).await, 1, "the other one's session is as it was");
}

/// C61b: after a save of unknown outcome the next request reads what is stored.
#[tokio::test(start_paused = true)]
async fn a_save_of_unknown_outcome_is_looked_up() {
    let [node] = fleet();
    let mut browser = visitor(std::slice::from_ref(&node)).await;
    node.store.fail_next("patch", Fault::ReplyLost);
    let failed = node.edit::<Cart>(&mut browser, |cart| cart.set_count(5)).await;
    assert_eq!(failed, Err(ErrorKind::Unavailable));
    assert_eq!(node.count(&browser).await, 5);
}
