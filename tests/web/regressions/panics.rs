//! A panic discards what the request wrote before it, wherever it happens.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rocket::futures::FutureExt;

use super::{Bombs, Odd, Trap, Web};
use crate::app::{Auth, Cart};

/// A panic of a value's encoding as its guard ends discards the guard's other changes too, a catcher's answer or not.
#[rocket::async_test]
async fn a_panic_while_encoding_discards_all() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    let mut odd = visit.write::<Odd>().await.unwrap();
    odd.set_first(1);
    odd.set_trap(Trap::Panics);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(odd))).is_err());
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(web.stored(&browser, "odd.first").await, None);
}

/// A catcher that reads after a panic under a guard reads what is stored.
#[rocket::async_test]
async fn a_catcher_reads_the_stored_values_after_a_panic() {
    let (web, browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    visit.write::<Cart>().await.unwrap().set_coupon("B".into());
    assert_eq!(visit.read::<Cart>().await.unwrap().coupon().as_deref(), Some("B"));
    let auth = visit.write::<Auth>().await.unwrap();
    let handler = AssertUnwindSafe(move || {
        let _auth = auth;
        panic!("the handler panics")
    });
    assert!(catch_unwind(handler).is_err());
    assert_eq!(visit.read::<Cart>().await.unwrap().coupon().as_deref(), Some("A"));
}

/// A guard that was never handed out, because a value's decoding panicked, is not open.
#[rocket::async_test]
async fn a_panic_while_decoding_leaves_no_guard_open() {
    let (web, mut browser) = Web::of_visitor().await;
    web.plant(&browser, &[("bombs", r#"{"v":1}"#), ("bombs.bomb", "null")]).await;
    let visit = web.open(&browser);
    assert!(AssertUnwindSafe(visit.write::<Bombs>()).catch_unwind().await.is_err());
    assert_eq!(web.close_as(404, visit, &mut browser).await, None);
}
