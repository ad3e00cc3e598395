//! A save in flight, or given up: what it was to store is neither lost nor hidden.

use std::time::Duration;

use session_runtime::ErrorKind;
use session_runtime::config::OnSaveError;
use session_runtime::testing::{Fault, RecordingStore};

use super::{Web, add, give_up};
use crate::app::{Auth, Cart, History, patient};

/// A save after one that was given up cannot pass for both.
#[rocket::async_test]
async fn a_save_that_was_given_up_is_not_forgotten_by_the_next() {
    let (web, mut browser) = Web::of_cart(|cart| cart.set_visits(5)).await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    *cart.visits_mut() += 1;
    web.store.fail_next(RecordingStore::WRITE, Fault::Hangs);
    give_up(cart.save()).await;
    let again = cart.save().await.map_err(|error| error.kind());
    drop(cart);
    let end = web.close(visit, &mut browser).await;
    let stored = web.stored(&browser, "cart.visits").await;
    assert!(stored.as_deref() == Some("6") || again.is_err() || end.is_some(), "{again:?} {end:?} {stored:?}");
}

/// Destroying takes effect, whatever became of the save that was to do it.
#[rocket::async_test]
async fn a_destroy_that_was_given_up_is_done_at_the_end() {
    let (web, mut browser) = Web::of_visitor().await;
    let key = web.key(&browser).await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    visit.destroy();
    web.store.fail("delete", Fault::Hangs);
    give_up(cart.save()).await;
    web.store.recover();
    drop(cart);
    let end = web.close(visit, &mut browser).await;
    assert!(web.store.record(key).await.is_none(), "still there, {end:?}, {browser:?}");
}

/// `on_save_error = "log"` lets no logout pass that did not happen.
#[rocket::async_test]
async fn a_destroy_that_was_given_up_is_never_only_logged() {
    let (web, mut browser) = Web::with(patient().on_save_error(OnSaveError::Log)).with_visitor().await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    visit.destroy();
    web.store.fail("delete", Fault::Hangs);
    give_up(cart.save()).await;
    web.store.recover();
    drop(cart);
    let end = web.close(visit, &mut browser).await;
    assert_eq!((end.is_some(), web.coupon(&browser).await), (true, None));
}

/// The request sees the changes of its explicit save in flight.
#[rocket::async_test]
async fn a_guard_opened_during_a_save_sees_the_changes_in_flight() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    visit.write::<History>().await.unwrap().pages_mut().push("one".into());
    let mut auth = visit.write::<Auth>().await.unwrap();
    let (saved, read) = web
        .store
        .before_write(auth.save(), async {
            let read = visit.read::<History>().await.unwrap().pages().clone();
            visit.write::<History>().await.unwrap().pages_mut().push("two".into());
            read
        })
        .await;
    saved.unwrap();
    drop(auth);
    assert_eq!(web.close(visit, &mut browser).await, None);
    let stored = web.stored(&browser, "history.pages").await;
    assert_eq!((read, stored.as_deref()), (vec!["one".to_owned()], Some(r#"["one","two"]"#)));
}

/// Going back to the stored value while another is being saved is a change.
#[rocket::async_test]
async fn a_change_back_during_a_save_is_a_change() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    visit.write::<Cart>().await.unwrap().set_coupon("B".into());
    let mut cart = visit.write::<Cart>().await.unwrap();
    let mut auth = visit.write::<Auth>().await.unwrap();
    let (saved, ()) = web
        .store
        .before_write(auth.save(), async {
            cart.set_coupon("A".into());
            drop(cart);
        })
        .await;
    saved.unwrap();
    drop(auth);
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(web.coupon(&browser).await.as_deref(), Some("A"));
}

/// Removing an entry while it is being saved is a change.
#[rocket::async_test]
async fn an_entry_removed_during_a_save_stays_removed() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    add(7, 3)(&mut visit.write::<Cart>().await.unwrap());
    let mut cart = visit.write::<Cart>().await.unwrap();
    let mut auth = visit.write::<Auth>().await.unwrap();
    let (saved, ()) = web
        .store
        .before_write(auth.save(), async {
            cart.items_mut().remove(&7);
            drop(cart);
        })
        .await;
    saved.unwrap();
    drop(auth);
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(web.stored(&browser, "cart.items/7").await, None);
}

/// The changes of a refused save are saved together with the later changes on top of them.
#[rocket::async_test]
async fn a_refused_save_is_put_back_under_later_changes() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    visit.write::<Cart>().await.unwrap().update(|cart| {
        cart.items.insert(7, 1);
        cart.address = Some("ours".into());
    });
    let mut cart = visit.write::<Cart>().await.unwrap();
    let mut auth = visit.write::<Auth>().await.unwrap();
    let (saved, ()) = web
        .store
        .before_write(auth.save(), async {
            web.edit_elsewhere::<Cart>(&browser, |cart| cart.set_address("theirs".into())).await;
            add(7, 1)(&mut cart);
            drop(cart);
        })
        .await;
    assert_eq!(saved.unwrap_err().kind(), ErrorKind::Rejected);
    drop(auth);
    visit.write::<Cart>().await.unwrap().clear_address();
    let end = web.close(visit, &mut browser).await;
    let stored = web.stored(&browser, "cart.items/7").await;
    assert!(end.is_some() || stored.as_deref() == Some("2"), "{end:?} {stored:?}");
}

/// `on_save_error = "log"` lets no login pass that was not stored.
#[rocket::async_test]
async fn a_lost_login_is_never_only_logged() {
    let (web, mut browser) = Web::with(patient().on_save_error(OnSaveError::Log)).with_visitor().await;
    let visit = web.open(&browser);
    let mut auth = visit.write::<Auth>().await.unwrap();
    auth.set_user("alice".into());
    web.store.fail("patch", Fault::Down);
    let _ = auth.save().await;
    drop(auth);
    let end = web.close(visit, &mut browser).await;
    assert_eq!(end, Some(ErrorKind::Unavailable));
}

/// Nor a renewal.
#[rocket::async_test]
async fn a_lost_renewal_is_never_only_logged() {
    let (web, mut browser) = Web::with(patient().on_save_error(OnSaveError::Log)).with_visitor().await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    visit.renew();
    web.store.fail("patch", Fault::Down);
    let _ = cart.save().await;
    drop(cart);
    let end = web.close(visit, &mut browser).await;
    assert_eq!(end, Some(ErrorKind::Unavailable));
}

/// A save that is kept without ending costs the others a part of their time, not all.
#[rocket::async_test]
async fn a_kept_turn_does_not_stop_the_session() {
    let (web, browser) = Web::of_cart(add(7, 1)).await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    add(7, 1)(&mut cart);
    let mut save = Box::pin(cart.save());
    let held = web.store.before_write(tokio::time::timeout(Duration::from_millis(300), &mut save), async {
        web.edit_elsewhere::<Cart>(&browser, add(7, 1)).await;
        web.store.fail_next(RecordingStore::WRITE, Fault::Hangs);
    });
    assert!(held.await.0.is_err());
    // Another request, another field, a store that answers.
    let other = web.open(&browser);
    other.write::<History>().await.unwrap().pages_mut().push("x".into());
    assert_eq!(web.close(other, &mut browser.clone()).await, None);
}

/// A renewal that is stored cannot be lost, so the loss of a later change is only logged.
#[rocket::async_test]
async fn a_change_that_is_lost_after_a_stored_renewal_is_only_logged() {
    let (web, mut browser) = Web::with(patient().on_save_error(OnSaveError::Log)).with_visitor().await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    visit.renew();
    cart.save().await.unwrap();
    cart.set_coupon("B".into());
    drop(cart);
    web.store.fail("patch", Fault::Down);
    assert_eq!(web.close(visit, &mut browser).await, None);
}

/// A restart whose save failed counts for reads, and the end of the request ends the session.
#[rocket::async_test]
async fn a_restart_whose_save_failed_takes_effect_at_the_end() {
    let (web, mut browser) = Web::of_visitor().await;
    let before = browser.clone();
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    visit.restart();
    web.store.fail("delete", Fault::Down);
    assert_eq!(cart.save().await.unwrap_err().kind(), ErrorKind::Unavailable);
    web.store.recover();
    drop(cart);
    assert_eq!(visit.read::<Cart>().await.unwrap().coupon(), &None);
    assert_eq!(web.close(visit, &mut browser).await, Some(ErrorKind::Unavailable));
    assert_eq!((web.store.records().await, web.coupon(&before).await), (0, None));
}
