//! Work that runs again until nothing else has changed, and those who wait for it.

use std::time::Duration;

use session_runtime::config::Limits;
use session_runtime::testing::{Fault, RecordingStore};
use session_runtime::{ErrorKind, SessionKey};

use super::{Odd, Web, add};
use crate::app::{Browser, Cart, CartMut, patient};

fn small_records() -> Web {
    Web::with(patient().limits(Limits { record_bytes: 2_000, record_keys: 100 }))
}

/// A job that makes a record too large is refused, as a request would be.
#[rocket::async_test]
async fn a_job_obeys_the_limits() {
    let (web, browser) = small_records().with_visitor().await;
    let key = web.key(&browser).await;
    let done = web.sessions.update::<Cart, _>(&key, |cart| cart.set_note("x".repeat(3_000))).await;
    assert_eq!(done.map_err(|error| error.kind()), Err(ErrorKind::TooLarge));
    assert_eq!(web.stored(&browser, "cart.note").await, None);
}

/// After an `update_now` that was refused, the guard's own changes merge with what others stored meanwhile.
#[rocket::async_test]
async fn a_failed_update_now_loses_nothing() {
    let (web, mut browser) = small_records().with_cart(add(7, 1)).await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    add(7, 1)(&mut cart);
    let both = |cart: &mut CartMut| {
        add(7, 1)(cart);
        add(8, 1)(cart);
    };
    web.edit_elsewhere::<Cart>(&browser, both).await;
    let error = cart.update_now(|cart| cart.set_note("x".repeat(3_000))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    drop(cart);
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(web.stored(&browser, "cart.items/7").await.as_deref(), Some("3"));
    assert_eq!(web.stored(&browser, "cart.items/8").await.as_deref(), Some("1"));
}

/// An `update_now` that found a newer version of the schema leaves nothing behind that is written over it.
#[rocket::async_test]
async fn a_failed_update_now_does_not_write_over_an_upgrade() {
    let (web, mut browser) = Web::of_cart(add(7, 1)).await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    cart.set_coupon("old".into());
    web.plant(&browser, &[("cart", r#"{"v":2}"#)]).await;
    assert_eq!(cart.update_now(|_| ()).await.unwrap_err().kind(), ErrorKind::Newer);
    drop(cart);
    assert_eq!(web.close(visit, &mut browser).await, Some(ErrorKind::Newer));
    assert_eq!(web.stored(&browser, "cart.coupon").await, None);
}

/// Work that runs again begins with the transient values that the first run began with.
#[rocket::async_test]
async fn a_second_run_does_not_see_the_first_ones_transient_value() {
    let (web, browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    let mut odd = visit.write::<Odd>().await.unwrap();
    let work = odd.update_now(|odd| {
        *odd.runs_mut() += 1;
        *odd.first_mut() += 1;
        *odd.runs()
    });
    let meanwhile = web.edit_elsewhere::<Cart>(&browser, |cart| cart.set_coupon("B".into()));
    let (seen, ()) = web.store.before_write(work, meanwhile).await;
    assert_eq!(seen.unwrap(), 1);
}

/// A visitor whose key begins as the given one.
async fn stranger_of(web: &Web, key: SessionKey) -> Browser {
    loop {
        let mut browser = Browser::default();
        web.edit::<Cart>(&mut browser, |cart| cart.set_visits(1)).await;
        if web.key(&browser).await.as_bytes()[0] == key.as_bytes()[0] {
            return browser;
        }
    }
}

/// Saves of one session may wait for each other; those of another session wait for none of them.
#[rocket::async_test]
async fn a_slow_save_of_one_session_does_not_block_another_session() {
    let (web, browser) = Web::of_cart(|cart| cart.set_visits(1)).await;
    let mut stranger = stranger_of(&web, web.key(&browser).await).await;
    let slow = web.open(&browser);
    *slow.write::<Cart>().await.unwrap().visits_mut() += 1;
    let conflict = async {
        web.edit_elsewhere::<Cart>(&browser, |cart| *cart.visits_mut() += 1).await;
        web.store.fail_next(RecordingStore::WRITE, Fault::Hangs);
    };
    let meanwhile = async {
        web.store.hung().await;
        let edit = web.edit::<Cart>(&mut stranger, |cart| *cart.visits_mut() += 1);
        tokio::time::timeout(Duration::from_secs(1), edit).await.expect("a save that does not wait");
    };
    tokio::select! {
        _ = web.store.before_write(slow.finish(200), conflict) => panic!("the slow save ended first"),
        () = meanwhile => (),
    }
}
