//! Many sessions of one value. A lookup reads them page by page, so it takes no more memory for more of them.

use std::fs;

use session_tests::random::number_from;
use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;

use super::node::{Node, Order};

/// Sessions of one user, unless `SESSION_LOOKUPS` is set.
const SESSIONS: u64 = 10_000;
/// Kilobytes that a lookup may take. It took at most 264 with 10,000 sessions, and with 100,000.
const MOST_MEMORY: u64 = 512;

/// Runs a lookup. Returns its number of sessions, and the kilobytes by which the memory of this process has grown meanwhile
/// at most.
pub(super) async fn peak(lookup: impl Future<Output = u64>) -> (u64, u64) {
    // Makes the kernel forget the peak so far.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = kilobytes("VmRSS:");
    let number = lookup.await;
    (number, kilobytes("VmHWM:").saturating_sub(before))
}

fn kilobytes(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn lists_and_ends_in_pages(store: &str) {
    let sessions = number_from("SESSION_LOOKUPS").unwrap_or(SESSIONS);
    let mut node = Node::start(store, 0);
    node.ask::<()>(&Order::Fill(usize::try_from(sessions).unwrap()));
    // Fills the caches of connections.
    assert_eq!(node.ask::<u64>(&Order::Count), sessions);
    let (listed, list_memory) = node.ask::<(u64, u64)>(&Order::List(10));
    let (ended, end_memory) = node.ask::<(u64, u64)>(&Order::EndAll);
    println!("lookups: {sessions} sessions, {list_memory} kB for a list, {end_memory} kB to end them");
    assert_eq!((listed, ended), (10, sessions));
    assert_eq!(node.ask::<u64>(&Order::Count), 0);
    assert!(list_memory <= MOST_MEMORY && end_memory <= MOST_MEMORY, "{list_memory} kB, {end_memory} kB");
}

/// C124
#[test]
fn sessions_of_a_user_in_memory_are_ended_in_pages() {
    lists_and_ends_in_pages("memory");
}

/// C124
#[test]
fn sessions_of_a_user_in_sqlite_are_ended_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    lists_and_ends_in_pages(&format!("sqlite:{}", folder.path().join("sessions.db").display()));
}

/// C124
#[test]
fn sessions_of_a_user_in_postgresql_are_ended_in_pages() {
    let server = Postgres::start("");
    lists_and_ends_in_pages(&server.url());
}

/// C124
#[test]
fn sessions_of_a_user_in_redis_are_ended_in_pages() {
    let server = Redis::start();
    lists_and_ends_in_pages(&server.url());
}
