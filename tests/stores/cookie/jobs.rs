//! Operations outside the cookie store's reach fail as *unsupported*, and never report an absent session.

use session_runtime::{CookieStore, ErrorKind, MemoryStore, SessionConfig, SessionKey, Sessions};
use session_tests::log::Log;

use super::routes::{All, Cart};
use super::site::{Plan, key};

#[test]
fn work_outside_a_request_is_unsupported() {
    let site = Plan::new(&[&key()]).launch();
    let mut visitor = site.browser();
    let unsupported: Vec<String> = vec!["Unsupported".into(); 6];
    assert_eq!(visitor.get("/jobs").expect(200).json::<Vec<String>>(), unsupported);
    visitor.post("/add/7").expect(200);
    assert_eq!(visitor.get("/jobs").expect(200).json::<Vec<String>>(), unsupported);
    assert_eq!(visitor.shown().0, r#"{"7":1}"#);
    assert!(site.log_lines().iter().all(|line| !line.contains("swept")), "no sweep is tried");
}

/// The launch logs once that sessions cannot be revoked.
#[test]
fn the_launch_warns_that_nothing_can_be_revoked() {
    let site = Plan::new(&[&key()]).launch();
    site.browser().post("/add/7").expect(200);
    let warnings: Vec<String> = Log::listen().with("Nothing can be revoked");
    assert!(!warnings.is_empty() && warnings.iter().all(|line| line.starts_with("WARN")), "{warnings:?}");
}

/// The same without Rocket; of two stores the one given last counts.
#[tokio::test]
async fn it_works_without_rocket() {
    let keys = [key()];
    let config = SessionConfig::new().store("cookie:shop").keys(&keys);
    let by_url = Sessions::builder().config(config).schemas::<All>().build().unwrap();
    let by_hand = CookieStore::new(&keys).unwrap().application("shop");
    let by_hand = Sessions::builder().cookie_store(by_hand).schemas::<All>().build().unwrap();
    let visit = by_url.open([]);
    visit.write::<Cart>().await.unwrap().items_mut().insert(7, 2);
    let finished = visit.finish(200).await;
    let line = finished.cookie.header().unwrap().split(';').next().unwrap();
    for sessions in [&by_url, &by_hand] {
        let visit = sessions.open([line]);
        assert_eq!(visit.read::<Cart>().await.unwrap().items().get(&7), Some(&2));
        assert!(visit.key().is_some());
    }
    let stranger = SessionKey::from_bytes([7; 16]);
    assert_eq!(by_url.read::<Cart>(&stranger).await.map(drop).unwrap_err().kind(), ErrorKind::Unsupported);
    let store = || CookieStore::new(&keys).unwrap();
    let later = Sessions::builder().cookie_store(store()).store(MemoryStore::new()).build().unwrap();
    assert_eq!(later.sweep().await.unwrap(), 0);
    let later = Sessions::builder().store(MemoryStore::new()).cookie_store(store()).build().unwrap();
    assert_eq!(later.sweep().await.unwrap_err().kind(), ErrorKind::Unsupported);
}
