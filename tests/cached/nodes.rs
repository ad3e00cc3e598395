//! Many requests of one session at once, on two nodes whose copies never grow old: nothing is right because it was
//! forgotten in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Barrier;

use crate::visitors::{Browser, Cart, Node, fleet, visitor};

const TASKS: usize = 16;

/// Runs `work` in this many tasks, half of them on each node, and waits for all of them.
async fn together<F: Future<Output = ()> + Send + 'static>(
    nodes: &[Node; 2],
    browser: &Browser,
    work: impl Fn(usize, Node, Browser) -> F,
) {
    let tasks: Vec<_> =
        (0..TASKS).map(|task| tokio::spawn(work(task, nodes[task % 2].clone(), browser.clone()))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// A request that reads, and then adds to what it read.
async fn add(node: &Node, browser: &mut Browser) {
    let visit = node.open(browser);
    visit.read::<Cart>().await.unwrap();
    // So that others come between the look and the write.
    tokio::task::yield_now().await;
    *visit.write::<Cart>().await.unwrap().count_mut() += 1;
    tokio::task::yield_now().await;
    node.close(visit, browser).await.unwrap();
}

/// The same where nothing is merged: it is run again after each conflict.
async fn add_to_list(node: &Node, browser: &mut Browser, n: u32) {
    let visit = node.open(browser);
    visit.read::<Cart>().await.unwrap();
    let mut cart = visit.write::<Cart>().await.unwrap();
    cart.update_now(|cart| cart.list_mut().push(n)).await.unwrap();
    drop(cart);
    node.close(visit, browser).await.unwrap();
}

/// C55: 2,000 increments from two nodes are 2,000.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_thousand_increments_are_exact() {
    let nodes: [Node; 2] = fleet();
    let browser = visitor(&nodes).await;
    together(&nodes, &browser, |_, node, mut browser| async move {
        for _ in 0..125 {
            add(&node, &mut browser).await;
        }
    })
    .await;
    let patches = nodes[0].behind.calls("patch");
    println!("2,000 increments: {patches} patches, {} loads", nodes[0].behind.calls("load"));
    assert!(patches > 2_000, "some conflicted");
    assert_eq!(*nodes[0].stored(&browser).await.unwrap().count(), 2_001);
}

/// C55: sums, entries, lists and plain fields at once: each as its merge says, nothing lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mixed_writes_lose_nothing() {
    const ROUNDS: u32 = 25;
    let nodes: [Node; 2] = fleet();
    let browser = visitor(&nodes).await;
    together(&nodes, &browser, |task, node, mut browser| async move {
        let task = u32::try_from(task).unwrap();
        for round in 0..ROUNDS {
            let n = task * 1_000 + round;
            add(&node, &mut browser).await;
            node.edit::<Cart>(&mut browser, |cart| cart.items_mut().extend([(n, 1)])).await.unwrap();
            add_to_list(&node, &mut browser, n).await;
            node.edit::<Cart>(&mut browser, |cart| cart.set_note(n.to_string())).await.unwrap();
        }
    })
    .await;
    let all = TASKS * usize::try_from(ROUNDS).unwrap();
    let cart = nodes[0].stored(&browser).await.unwrap();
    assert_eq!((usize::try_from(*cart.count()).unwrap(), cart.items().len()), (all + 1, all));
    let mut list = cart.list().clone();
    list.sort_unstable();
    list.dedup();
    assert_eq!((list.len(), cart.list().len()), (all, all), "each once");
    let note = cart.note().as_deref().unwrap();
    assert!(list.binary_search(&note.parse().unwrap()).is_ok(), "one of those that were set");
}

/// C20: writers on two nodes, and a logout in the middle of them: the session stays ended everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_wins_against_writers_of_two_nodes() {
    const ROUNDS: usize = 20;
    let late = Arc::new(AtomicUsize::new(0));
    for _ in 0..ROUNDS {
        let nodes: [Node; 2] = fleet();
        let browser = visitor(&nodes).await;
        let start = Arc::new(Barrier::new(TASKS));
        together(&nodes, &browser, |task, node, mut browser| {
            let (start, late) = (Arc::clone(&start), Arc::clone(&late));
            async move {
                start.wait().await;
                if task == 0 {
                    return node.log_out(&mut browser).await;
                }
                let visit = node.open(&browser);
                let known = *visit.read::<Cart>().await.unwrap().count() > 0;
                visit.write::<Cart>().await.unwrap().set_count(9);
                let before = browser.clone();
                node.close(visit, &mut browser).await.unwrap();
                late.fetch_add(usize::from(known && browser == before), Ordering::Relaxed);
            }
        })
        .await;
        assert!(nodes[0].stored(&browser).await.is_none(), "the session is gone from the store");
        assert_eq!(nodes[0].count(&browser).await, 0, "and not in the cache of its node");
    }
    println!("{} writes went by the session that was ended", late.load(Ordering::Relaxed));
}
