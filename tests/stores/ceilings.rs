//! The line in the log about an expiry that exceeds its ceiling.

use std::time::Duration;

use session_runtime::{Expiry, MemoryStore, Session, SessionConfig, Sessions};
use session_tests::log::Log;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    coupon: Option<String>,
}

/// Chooses an expiry in a request. Returns the cookie of the session.
async fn choose(sessions: &Sessions, cookie: Option<&str>, time: Duration) -> Option<String> {
    let visit = sessions.open(cookie);
    visit.write::<Cart>().await.unwrap().set_coupon("SPRING".to_owned());
    visit.load().await.unwrap();
    visit.set_expiry(Expiry::After(time));
    let finished = visit.finish(200).await;
    assert!(finished.error.is_none());
    finished.cookie.header().map(|header| header.split(';').next().unwrap().to_owned())
}

#[tokio::test]
async fn a_chosen_expiry_was_cut_without_a_line_in_the_log() {
    let log = Log::listen();
    let config = SessionConfig::new().remember(90 * DAY);
    let clock = || std::time::UNIX_EPOCH + 400 * DAY;
    let sessions = Sessions::builder().store(MemoryStore::new()).config(config).clock(clock).schemas::<Cart>();
    let sessions = sessions.build().unwrap();
    let lines =
        |before: usize| log.here().split_off(before).iter().filter(|line| line.contains("is cut to 90d")).count();
    for (days, cut) in [(30, 0), (90, 0), (91, 1)] {
        let before = log.here().len();
        let cookie = choose(&sessions, None, days * DAY).await;
        assert_eq!(lines(before), cut, "{days} days, in a new session");
        let before = log.here().len();
        choose(&sessions, cookie.as_deref(), days * DAY + DAY / 2).await;
        assert_eq!(lines(before), usize::from(days >= 90), "{days} days and a half, in the same session");
    }
}
