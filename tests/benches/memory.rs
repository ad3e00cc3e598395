//! A million sessions of one cart line each: their resident memory, and how long a request waits while they are swept.

use std::env;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use rocket::tokio;
use session_runtime::{MemoryStore, SessionConfig, Sessions};

use crate::app::Cart;
use crate::client::block_on;
use crate::table::{Goal, Table};

const SESSIONS: u32 = 1_000_000;
const IDLE: Duration = Duration::from_secs(600);

pub(crate) fn measure(table: &mut Table) {
    let output = Command::new(env::current_exe().expect("the path of this program")).arg("memory-child").output();
    let output = output.expect("a process of its own for the sessions");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "the sessions could not be measured: {}", String::from_utf8_lossy(&output.stderr));
    let figures: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [bytes, swept, longest, undisturbed] = figures[..] else { panic!("four figures, not {text:?}") };
    table.line("memory: resident bytes a session, of 1,000,000", bytes, 0, Goal::AtMost(500.0));
    table.line("memory: sessions swept", swept, 0, Goal::AtLeast(f64::from(SESSIONS)));
    table.line("memory: longest request meanwhile, ms", longest, 2, Goal::AtMost(5.0));
    table.line("memory: longest request with nothing to sweep, ms", undisturbed, 2, Goal::None);
}

/// The process that is measured.
pub(crate) fn run() {
    let clock = Arc::new(AtomicI64::new(0));
    let now = clock.clone();
    let now = move || UNIX_EPOCH + Duration::from_secs(now.load(Ordering::Relaxed).unsigned_abs());
    let config = SessionConfig::new().idle(IDLE);
    let sessions = Sessions::builder().store(MemoryStore::new()).config(config).clock(now).schemas::<Cart>();
    let sessions = sessions.build().expect("sessions");
    let before = resident();
    block_on(fill(&sessions));
    let bytes = (resident() - before) / f64::from(SESSIONS);
    let undisturbed = longest_request(&sessions, || std::thread::sleep(Duration::from_secs(1)));
    clock.fetch_add(7_200, Ordering::Relaxed);
    let mut swept = 0;
    let longest = longest_request(&sessions, || swept = block_on(sessions.sweep()).expect("a sweep"));
    println!("{bytes} {swept} {} {}", millis(longest), millis(undisturbed));
}

async fn fill(sessions: &Sessions) {
    for _ in 0..SESSIONS {
        create(sessions).await;
    }
}

async fn create(sessions: &Sessions) -> String {
    let visit = sessions.open([]);
    visit.write::<Cart>().await.expect("a cart").items_mut().insert(7, 1);
    let finished = visit.finish(200).await;
    finished.cookie.header().and_then(|header| header.split(';').next()).expect("a cookie").to_owned()
}

/// The longest of the requests that another thread makes for as long as `work` takes: reads of one session, and new ones.
fn longest_request(sessions: &Sessions, work: impl FnOnce()) -> Duration {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let requests = scope.spawn(|| block_on(requests(sessions, &over)));
        work();
        over.store(true, Ordering::Relaxed);
        requests.join().expect("requests that succeed")
    })
}

async fn requests(sessions: &Sessions, over: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    let mut cookie = create(sessions).await;
    while !over.load(Ordering::Relaxed) {
        let started = Instant::now();
        let visit = sessions.open([cookie.as_str()]);
        assert_eq!(visit.read::<Cart>().await.expect("a cart").items().get(&7), Some(&1));
        drop(visit.finish(200).await);
        cookie = create(sessions).await;
        longest = longest.max(started.elapsed());
        tokio::task::yield_now().await;
    }
    longest
}

fn resident() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    kilobytes.map_or(0.0, |kilobytes: f64| kilobytes * 1024.0)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
