//! A value that cannot be stored stays refused, and a value that is stored is no error.

use std::time::Duration;

use session_runtime::ErrorKind;
use session_runtime::testing::{Fault, RecordingStore};

use super::{Odd, Trap, Web};
use crate::app::{Auth, Cart, History};

/// A rejected change is not forgotten by the next save of its guard.
#[rocket::async_test]
async fn a_rejected_change_is_refused_until_taken_back() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    let mut auth = visit.write::<Auth>().await.unwrap();
    web.edit_elsewhere::<Cart>(&browser, |cart| cart.set_address("theirs".into())).await;
    auth.roles_mut().push("a".into());
    auth.save().await.unwrap();
    cart.set_address("ours".into());
    cart.set_luck(1);
    assert_eq!(cart.save().await.unwrap_err().kind(), ErrorKind::Rejected);
    *cart.visits_mut() += 1;
    let again = cart.save().await.map_err(|error| error.kind());
    drop((cart, auth));
    let end = web.close(visit, &mut browser).await;
    let stored = (web.stored(&browser, "cart.address").await, web.stored(&browser, "cart.luck").await);
    assert!(again.is_err() || end.is_some(), "{again:?} {end:?} {stored:?}");
}

/// Nor by a later guard of the schema.
#[rocket::async_test]
async fn a_rejected_change_is_refused_at_the_end() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    let mut auth = visit.write::<Auth>().await.unwrap();
    web.edit_elsewhere::<Cart>(&browser, |cart| cart.set_address("theirs".into())).await;
    auth.roles_mut().push("a".into());
    auth.save().await.unwrap();
    cart.set_address("ours".into());
    cart.set_luck(1);
    drop((cart, auth));
    *visit.write::<Cart>().await.unwrap().visits_mut() += 1;
    let end = web.close(visit, &mut browser).await;
    let stored = (web.stored(&browser, "cart.address").await, web.stored(&browser, "cart.luck").await);
    assert_eq!(end, Some(ErrorKind::Rejected), "{stored:?}");
}

/// Nor by `update_now`.
#[rocket::async_test]
async fn a_rejected_change_is_refused_by_update_now() {
    let (web, browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    let mut auth = visit.write::<Auth>().await.unwrap();
    web.edit_elsewhere::<Cart>(&browser, |cart| cart.set_address("theirs".into())).await;
    auth.roles_mut().push("a".into());
    auth.save().await.unwrap();
    cart.set_address("ours".into());
    let now = cart.update_now(|cart| *cart.visits_mut() += 1).await.map_err(|error| error.kind());
    assert_eq!(now, Err(ErrorKind::Rejected));
}

/// A save of unknown outcome stays so, whatever is mended later.
#[rocket::async_test]
async fn an_unknown_outcome_is_not_forgotten() {
    let (web, mut browser) = Web::of_cart(|cart| cart.set_visits(5)).await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    *cart.visits_mut() += 1;
    web.store.fail("patch", Fault::Down);
    assert!(cart.save().await.is_err());
    web.store.recover();
    cart.weights_mut().insert("apple".into(), f64::NAN);
    assert!(cart.save().await.is_err());
    cart.weights_mut().clear();
    let again = cart.save().await.map_err(|error| error.kind());
    drop(cart);
    let end = web.close(visit, &mut browser).await;
    let stored = web.stored(&browser, "cart.visits").await;
    assert!(again.is_err() || end.is_some() || stored.as_deref() == Some("6"), "{again:?} {end:?} {stored:?}");
}

/// Two schemas that cannot be stored are two mistakes.
#[rocket::async_test]
async fn a_mended_schema_does_not_hide_another_broken_one() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    visit.write::<Odd>().await.unwrap().update(|odd| (odd.first, odd.trap) = (1, Trap::Fails));
    visit.write::<Cart>().await.unwrap().weights_mut().insert("apple".into(), f64::NAN);
    visit.write::<Cart>().await.unwrap().weights_mut().insert("apple".into(), 1.0);
    let end = web.close(visit, &mut browser).await;
    let stored = web.stored(&browser, "odd.first").await;
    assert!(end.is_some() || stored.as_deref() == Some("1"), "{end:?} {stored:?}");
}

/// A guard that ended with what cannot be stored is not made good by the next.
#[rocket::async_test]
async fn a_later_guard_does_not_hide_a_broken_one() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    visit.write::<Odd>().await.unwrap().update(|odd| (odd.first, odd.trap) = (1, Trap::Fails));
    visit.write::<Odd>().await.unwrap().set_price(2.0);
    let end = web.close(visit, &mut browser).await;
    let stored = web.stored(&browser, "odd.first").await;
    assert!(end.is_some() || stored.as_deref() == Some("1"), "{end:?} {stored:?}");
}

/// Nor by its own `update_now`.
#[rocket::async_test]
async fn update_now_does_not_hide_a_value_that_cannot_be_stored() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    let mut odd = visit.write::<Odd>().await.unwrap();
    odd.update(|odd| (odd.first, odd.trap) = (1, Trap::Fails));
    let now = odd.update_now(|odd| odd.set_price(2.0)).await.map_err(|error| error.kind());
    drop(odd);
    let end = web.close(visit, &mut browser).await;
    let stored = web.stored(&browser, "odd.first").await;
    assert!(now.is_err() || end.is_some() || stored.as_deref() == Some("1"), "{now:?} {end:?} {stored:?}");
}

/// A guard waits no longer than the deadline for a save that never ends.
#[rocket::async_test]
async fn a_lazy_guard_beside_a_kept_save_gets_an_answer() {
    let (web, browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    cart.set_luck(1);
    web.store.fail_next(RecordingStore::WRITE, Fault::Hangs);
    let mut save = std::pin::pin!(cart.save());
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut save).await.is_err());
    let read = tokio::time::timeout(Duration::from_secs(10), visit.read::<History>()).await;
    assert!(read.is_ok(), "the guard waits for ever");
}

/// A change that another request stored meanwhile is no failure of this save.
#[rocket::async_test]
async fn a_save_that_is_stored_is_no_error() {
    let (web, browser) = Web::of_cart(|cart| cart.set_visits(5)).await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    web.plant(&browser, &[("cart.luck", r#""x""#)]).await;
    cart.set_coupon("B".into());
    let saved = cart.save().await.map_err(|error| error.kind());
    let stored = web.stored(&browser, "cart.coupon").await;
    assert_eq!((saved.is_ok(), stored.is_some()), (true, true), "{saved:?} {stored:?}");
}
