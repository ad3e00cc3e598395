//! Writes whose outcome is unknown, because the handler gave up waiting or the store's answer was lost.

use session_runtime::ErrorKind;
use session_runtime::testing::{Fault, RecordingStore};

use super::{Web, add, give_up};
use crate::app::Cart;

/// A save that was given up may have taken effect. It is sent once, and the answer states that its outcome is unknown.
#[rocket::async_test]
async fn a_save_given_up_is_not_sent_again() {
    let (web, mut browser) = Web::of_cart(|cart| cart.set_visits(5)).await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    *cart.visits_mut() += 1;
    web.store.take_calls();
    web.store.fail_next(RecordingStore::WRITE, Fault::HangsAfterwards);
    give_up(cart.save()).await;
    drop(cart);
    assert_eq!(web.close(visit, &mut browser).await, Some(ErrorKind::Unavailable));
    assert_eq!(web.store.take_calls()["patch"], 1);
    assert_eq!(web.stored(&browser, "cart.visits").await.as_deref(), Some("6"));
}

/// A save that was given up when it was stored already counts once.
#[rocket::async_test]
async fn a_save_given_up_after_it_was_stored_counts_once() {
    let (web, mut browser) = Web::of_cart(add(7, 1)).await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    add(7, 1)(&mut cart);
    web.edit_elsewhere::<Cart>(&browser, add(7, 10)).await;
    web.store.fail("load", Fault::Hangs);
    give_up(cart.save()).await;
    web.store.recover();
    drop(cart);
    web.close(visit, &mut browser).await;
    assert_eq!(web.stored(&browser, "cart.items/7").await.as_deref(), Some("12"));
}

/// Changes of an `update_now` that was given up rest on a record that may have changed: the request's end leaves them
/// out.
#[rocket::async_test]
async fn an_update_now_given_up_is_not_saved_without_its_revision() {
    let (web, mut browser) = Web::of_cart(|cart| cart.set_luck(1)).await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    web.store.fail_next(RecordingStore::WRITE, Fault::Hangs);
    give_up(cart.update_now(|cart| *cart.luck_mut() -= 1)).await;
    drop(cart);
    web.edit_elsewhere::<Cart>(&browser, |cart| cart.set_luck(100)).await;
    web.close(visit, &mut browser).await;
    assert_eq!(web.stored(&browser, "cart.luck").await.as_deref(), Some("100"));
}

/// Asks for a new id and saves, and the store's answer is lost; how often it was sent and what the request answers.
async fn lost_renewal() -> (usize, u16) {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    visit.renew();
    web.store.take_calls();
    web.store.fail("patch", Fault::ReplyLost);
    let status = cart.save().await.unwrap_err().kind().status();
    web.store.recover();
    drop(cart);
    let replaced = web.close_as(status, visit, &mut browser).await;
    (web.store.take_calls()["patch"], replaced.map_or(status, ErrorKind::status))
}

/// A renewal whose outcome is unknown is not sent a second time.
#[rocket::async_test]
async fn a_lost_renewal_is_not_sent_again() {
    assert_eq!(lost_renewal().await.0, 1);
}

/// A renewal whose outcome is unknown is answered as unavailable, and not as a session that is gone.
#[rocket::async_test]
async fn a_lost_renewal_stays_unavailable() {
    assert_eq!(lost_renewal().await.1, 503);
}
