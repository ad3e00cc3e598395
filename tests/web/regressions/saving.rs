//! Explicit saves: each stores its changes, with any other activity of the request and of others.

use std::time::Duration;

use session_runtime::testing::{Fault, RecordingStore};
use session_runtime::{ErrorKind, Expiry, SessionConfig};

use super::{Odd, Trap, Web, give_up};
use crate::app::{Auth, Browser, Cart, History, Prefs, PrefsMut};

fn prefer(name: &str) -> impl FnOnce(&mut PrefsMut) {
    move |prefs| *prefs.values_mut().entry(name.to_owned()).or_default() += 1
}

/// Entries of a guard that stays open during a save survive, and so do those that another request stored.
#[rocket::async_test]
async fn a_save_under_another_open_guard_loses_nothing() {
    let (web, mut browser) = Web::of_cart(|cart| cart.set_visits(1)).await;
    let visit = web.open(&browser);
    let mut prefs = visit.write::<Prefs>().await.unwrap();
    let mut cart = visit.write::<Cart>().await.unwrap();
    web.edit_elsewhere::<Prefs>(&browser, prefer("theirs")).await;
    cart.set_coupon("A".into());
    cart.save().await.unwrap();
    prefer("ours")(&mut prefs);
    drop((prefs, cart));
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(web.stored(&browser, "prefs.values/ours").await.as_deref(), Some("1"));
    assert_eq!(web.stored(&browser, "prefs.values/theirs").await.as_deref(), Some("1"));
}

/// Changes of a guard that ends while the store works on another guard's save are stored by the request's end.
#[rocket::async_test]
async fn a_guard_that_ends_during_a_save_is_not_lost() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    let mut prefs = visit.write::<Prefs>().await.unwrap();
    cart.set_coupon("B".into());
    let meanwhile = async move {
        prefer("late")(&mut prefs);
    };
    let (saved, ()) = web.store.before_write(cart.save(), meanwhile).await;
    saved.unwrap();
    drop(cart);
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(web.stored(&browser, "prefs.values/late").await.as_deref(), Some("1"));
}

/// A save that failed because of one value succeeds once that value is replaced.
#[rocket::async_test]
async fn an_unencodable_value_can_be_replaced() {
    let (web, mut browser) = (Web::new(), Browser::default());
    let visit = web.open(&browser);
    let mut odd = visit.write::<Odd>().await.unwrap();
    odd.set_trap(Trap::Fails);
    assert_eq!(odd.save().await.unwrap_err().kind(), ErrorKind::Unencodable);
    odd.set_trap(Trap::Fine);
    odd.set_first(1);
    odd.save().await.unwrap();
    drop(odd);
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(web.stored(&browser, "odd.first").await.as_deref(), Some("1"));
}

/// An expiry that was chosen counts when the session is created, although a save before that had nothing to store.
#[rocket::async_test]
async fn a_chosen_expiry_survives_a_save_that_stores_nothing() {
    let web = Web::new();
    let visit = web.open(&Browser::default());
    visit.set_expiry(Expiry::After(Duration::from_secs(60)));
    let mut cart = visit.write::<Cart>().await.unwrap();
    cart.save().await.unwrap();
    cart.set_coupon("A".into());
    drop(cart);
    let cookie = visit.finish(200).await.cookie;
    assert!(cookie.header().unwrap().contains("Max-Age=60"));
}

/// A request that keeps a begun save is answered within its deadline, as one whose store does not answer.
#[rocket::async_test]
async fn a_save_that_is_kept_does_not_block_the_answer() {
    let web = Web::with(SessionConfig::new().deadline(Duration::from_millis(300)));
    let visit = web.open(&Browser::default());
    let mut cart = visit.write::<Cart>().await.unwrap();
    cart.set_coupon("A".into());
    web.store.fail_next(RecordingStore::WRITE, Fault::Hangs);
    let mut save = Box::pin(cart.save());
    give_up(&mut save).await;
    let finished = tokio::time::timeout(Duration::from_secs(1), visit.finish(200)).await;
    let finished = finished.expect("an answer within the deadline");
    assert_eq!(finished.error.map(|error| error.kind()), Some(ErrorKind::Unavailable));
}

/// After a failed start-over, a lazy guard reads the values that the session still holds.
#[rocket::async_test]
async fn a_failed_start_over_keeps_the_loaded_values() {
    let (web, mut browser) = (Web::new(), Browser::default());
    web.log_in(&mut browser, "ada").await;
    web.edit::<History>(&mut browser, |history| history.pages_mut().push("first".into())).await;
    let visit = web.open(&browser);
    let mut auth = visit.write::<Auth>().await.unwrap();
    auth.set_user("bob".into());
    web.store.fail("patch", Fault::Down);
    auth.save().await.unwrap_err();
    assert_eq!(visit.read::<History>().await.unwrap().pages(), &["first"]);
}

/// The stored values are the base of later changes, even if the session cannot be read again after the save.
#[rocket::async_test]
async fn a_save_that_cannot_be_read_again_is_counted_once() {
    let (web, mut browser) = Web::of_cart(|cart| cart.set_visits(1)).await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    *cart.visits_mut() += 10;
    web.store.fail("load", Fault::Down);
    cart.save().await.unwrap();
    web.store.recover();
    assert_eq!(*visit.read::<Cart>().await.unwrap().visits(), 11);
    *cart.visits_mut() += 100;
    drop(cart);
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(web.stored(&browser, "cart.visits").await.as_deref(), Some("111"));
}
