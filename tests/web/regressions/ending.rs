//! `destroy` takes effect, and what the request writes afterwards is dropped.

use session_runtime::{ErrorKind, Visit};

use super::{Odd, Trap, Web};
use crate::app::{Browser, Cart};

/// A visitor's request that has ended its session.
async fn destroyed() -> (Web, Browser, Visit) {
    let (web, browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    visit.load().await.unwrap();
    visit.destroy();
    (web, browser, visit)
}

/// A logout while the store works on a save of the same request ends the session.
#[rocket::async_test]
async fn a_destroy_during_a_save_takes_effect() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    cart.set_coupon("B".into());
    let (saved, ()) = web.store.before_write(cart.save(), async { visit.destroy() }).await;
    saved.unwrap();
    drop(cart);
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!((web.store.records().await, browser), (0, Browser(None)));
}

/// A request that has logged out creates no session, not even after a save that had nothing to store.
#[rocket::async_test]
async fn a_save_after_a_destroy_lets_nothing_be_created() {
    let (web, mut browser) = (Web::new(), Browser::default());
    let visit = web.open(&browser);
    visit.destroy();
    let mut cart = visit.write::<Cart>().await.unwrap();
    cart.save().await.unwrap();
    cart.set_coupon("A".into());
    drop(cart);
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!((web.store.records().await, browser), (0, Browser(None)));
}

/// B29: a write that is dropped because the session has ended is not encoded, so it cannot fail.
#[rocket::async_test]
async fn a_write_after_a_destroy_is_dropped_even_if_it_cannot_be_encoded() {
    let (web, mut browser, visit) = destroyed().await;
    visit.write::<Odd>().await.unwrap().set_trap(Trap::Fails);
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!((web.store.records().await, browser), (0, Browser(None)));
}

/// A save of a write that is dropped does not report success.
#[rocket::async_test]
async fn a_save_of_a_dropped_write_is_no_success() {
    let (_web, _browser, visit) = destroyed().await;
    let mut cart = visit.write::<Cart>().await.unwrap();
    cart.set_coupon("B".into());
    assert_eq!(cart.save().await.map_err(|error| error.kind()), Err(ErrorKind::Gone));
}

/// A request whose save another request's logout has refused.
async fn ended_elsewhere() -> (Web, Browser, Visit) {
    let (web, browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    cart.set_coupon("B".into());
    let logout = web.open(&browser);
    logout.destroy();
    assert_eq!(web.close(logout, &mut browser.clone()).await, None);
    assert_eq!(cart.save().await.map_err(|error| error.kind()), Err(ErrorKind::Gone));
    drop(cart);
    (web, browser, visit)
}

/// After a refused save the request still does not bring the session back.
#[rocket::async_test]
async fn a_write_after_a_refused_save_creates_no_session() {
    let (web, mut browser, visit) = ended_elsewhere().await;
    let before = browser.clone();
    visit.write::<Cart>().await.unwrap().set_coupon("C".into());
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!((web.store.records().await, browser), (0, before));
}

/// A refused save is reported once: nothing is left to be saved.
#[rocket::async_test]
async fn a_save_of_nothing_after_a_refused_save_is_no_error() {
    let (_web, _browser, visit) = ended_elsewhere().await;
    visit.write::<Cart>().await.unwrap().save().await.unwrap();
}

/// A restart begins a session although another request has ended the one before.
#[rocket::async_test]
async fn a_restart_after_a_refused_save_begins_a_session() {
    let (web, mut browser, visit) = ended_elsewhere().await;
    visit.restart();
    visit.write::<Cart>().await.unwrap().set_coupon("C".into());
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(web.coupon(&browser).await.as_deref(), Some("C"));
}
