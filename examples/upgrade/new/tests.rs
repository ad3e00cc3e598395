//! The old program and the new one on one store, without their routes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../old/session.rs"]
mod old;

use std::sync::Arc;

use session_runtime::{ErrorKind, MemoryStore, Schemas, SessionConfig, Sessions, Visit};

use crate::session::CartSession;

fn program<S: Schemas>(store: &Arc<MemoryStore>, config: SessionConfig) -> Sessions {
    Sessions::builder().store(Arc::clone(store)).config(config).schemas::<S>().build().unwrap()
}

fn old(store: &Arc<MemoryStore>) -> Sessions {
    program::<old::CartSession>(store, SessionConfig::new())
}

fn new(store: &Arc<MemoryStore>) -> Sessions {
    program::<CartSession>(store, SessionConfig::new())
}

fn held(store: &Arc<MemoryStore>) -> Sessions {
    program::<CartSession>(store, SessionConfig::new().hold("cart", 2))
}

/// Finishes the visit; returns the cookie line that a browser sends from then on.
async fn finish(visit: Visit) -> String {
    let finished = visit.finish(200).await;
    assert!(finished.error.is_none(), "{:?}", finished.error);
    finished.cookie.header().unwrap_or_default().split(';').next().unwrap().to_owned()
}

/// Creates a visitor of the old program, with a mug and a coupon; returns the cookie line.
async fn visitor(store: &Arc<MemoryStore>) -> String {
    let visit = old(store).open([]);
    {
        let mut cart = visit.write::<old::CartSession>().await.unwrap();
        cart.items_mut().insert(7, 1);
        cart.apply("SPRING".to_owned());
    }
    finish(visit).await
}

#[rocket::async_test]
async fn the_new_program_takes_over_the_sessions_of_the_old_one() {
    let store = Arc::default();
    let cookie = visitor(&store).await;
    let visit = new(&store).open([cookie.as_str()]);
    let cart = visit.read::<CartSession>().await.unwrap();
    assert_eq!(cart.items(), &[(7, 1)].into());
    assert_eq!(cart.extras(), r#"coupons ["SPRING"], gift false"#);
    finish(visit).await;
    let visit = old(&store).open([cookie.as_str()]);
    assert_eq!(visit.read::<old::CartSession>().await.unwrap().extras(), r#"coupon Some("SPRING")"#);
}

#[rocket::async_test]
async fn after_a_write_of_the_new_program_the_old_one_answers_503() {
    let store = Arc::default();
    let cookie = visitor(&store).await;
    let visit = new(&store).open([cookie.as_str()]);
    visit.write::<CartSession>().await.unwrap().apply("FRIENDS".to_owned());
    finish(visit).await;
    let visit = old(&store).open([cookie.as_str()]);
    let error = visit.read::<old::CartSession>().await.err().unwrap();
    assert_eq!((error.kind(), error.kind().status()), (ErrorKind::Newer, 503));
}

#[rocket::async_test]
async fn on_hold_both_programs_write() {
    let store = Arc::default();
    let cookie = visitor(&store).await;
    let visit = held(&store).open([cookie.as_str()]);
    *visit.write::<CartSession>().await.unwrap().items_mut().entry(7).or_default() += 1;
    finish(visit).await;
    let visit = old(&store).open([cookie.as_str()]);
    visit.write::<old::CartSession>().await.unwrap().items_mut().insert(8, 1);
    finish(visit).await;
    let visit = held(&store).open([cookie.as_str()]);
    let cart = visit.read::<CartSession>().await.unwrap();
    assert_eq!(cart.items(), &[(7, 2), (8, 1)].into());
}

#[rocket::async_test]
async fn on_hold_nothing_is_lost_that_version_2_has_no_room_for() {
    let store = Arc::default();
    let cookie = visitor(&store).await;
    let visit = held(&store).open([cookie.as_str()]);
    visit.write::<CartSession>().await.unwrap().set_gift(true);
    assert_eq!(visit.finish(200).await.error.unwrap().kind(), ErrorKind::Upgrade);
    let visit = new(&store).open([cookie.as_str()]);
    visit.write::<CartSession>().await.unwrap().set_gift(true);
    finish(visit).await;
    // Data stored as version 3 stays at version 3, whatever is on hold.
    let visit = held(&store).open([cookie.as_str()]);
    visit.write::<CartSession>().await.unwrap().apply("FRIENDS".to_owned());
    finish(visit).await;
    let visit = new(&store).open([cookie.as_str()]);
    let cart = visit.read::<CartSession>().await.unwrap();
    assert_eq!(cart.extras(), r#"coupons ["SPRING", "FRIENDS"], gift true"#);
}
