//! Another user is another session, and the newest id is the one that the browser has shown.

use std::time::Duration;

use super::{Member, Web, add};
use crate::app::{Auth, AuthMut, Browser, Cart, patient};

/// A save that starts over under another open guard: the new session holds what this request wrote and no more.
#[rocket::async_test]
async fn a_start_over_by_save_carries_no_data_of_an_open_guard() {
    let (web, mut browser) = Web::of_cart(add(42, 9)).await;
    web.log_in(&mut browser, "ada").await;
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    let mut auth = visit.write::<Auth>().await.unwrap();
    auth.set_user("bob".into());
    auth.save().await.unwrap();
    cart.items_mut().insert(1, 1);
    drop((cart, auth));
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(web.user(&browser).await.as_deref(), Some("bob"));
    assert_eq!(web.stored(&browser, "cart.items/1").await.as_deref(), Some("1"));
    assert_eq!(web.stored(&browser, "cart.items/42").await, None);
}

/// A request that starts over ends the session that it had loaded, and not one that was logged in meanwhile.
#[rocket::async_test]
async fn starting_over_leaves_a_later_login_alone() {
    let (web, mut browser) = (Web::new(), Browser::default());
    web.log_in(&mut browser, "ada").await;
    let mut other = browser.clone();
    let slow = web.open(&browser);
    slow.write::<Auth>().await.unwrap().set_user("bob".into());
    web.edit::<Auth>(&mut other, AuthMut::clear_user).await;
    web.log_in(&mut other, "carol").await;
    web.close(slow, &mut browser).await;
    assert_eq!(web.user(&other).await.as_deref(), Some("carol"));
}

/// A login where the stored user does not decode is a login of a visitor, whose cart stays.
#[rocket::async_test]
async fn a_login_from_an_undecodable_user_is_a_login() {
    let (web, mut browser) = Web::of_visitor().await;
    web.plant(&browser, &[("member", r#"{"v":1}"#), ("member.name", "7")]).await;
    assert_eq!(web.open(&browser).read::<Member>().await.unwrap().name(), &None);
    web.edit::<Member>(&mut browser, |member| member.set_name("ada".into())).await;
    assert_eq!(web.open(&browser).read::<Member>().await.unwrap().name().as_deref(), Some("ada"));
    assert_eq!(web.coupon(&browser).await.as_deref(), Some("A"));
}

/// A periodic renewal saved by hand: the id before it is accepted until the browser has shown the new one.
#[rocket::async_test]
async fn a_save_does_not_count_as_showing_the_new_id() {
    let hour = Duration::from_secs(3600);
    let (web, browser) = Web::with(patient().renew_every(hour)).with_visitor().await;
    web.clock.advance(hour);
    let visit = web.open(&browser);
    let mut cart = visit.write::<Cart>().await.unwrap();
    cart.set_coupon("B".into());
    cart.save().await.unwrap();
    drop(cart);
    let mut lost = browser.clone();
    assert_eq!(web.close(visit, &mut lost).await, None);
    assert_ne!(lost, browser, "the new id never reaches the browser");
    web.clock.advance(Duration::from_secs(60));
    assert_eq!(web.coupon(&browser).await.as_deref(), Some("B"));
}

/// The grace of an id counts from when the next one was shown, a further renewal or not.
#[rocket::async_test]
async fn the_grace_outlives_the_next_periodic_renewal() {
    let seconds = Duration::from_secs;
    let config = patient().renew_every(seconds(5)).renew_grace(seconds(10));
    let (web, mut browser) = Web::with(config).with_visitor().await;
    let old = browser.clone();
    for pause in [5, 1, 5] {
        web.clock.advance(seconds(pause));
        let visit = web.open(&browser);
        visit.read::<Cart>().await.unwrap();
        assert_eq!(web.close(visit, &mut browser).await, None);
    }
    assert_eq!(web.coupon(&old).await.as_deref(), Some("A"), "five seconds after the next id was shown");
}

/// A periodic renewal waits for the end of the grace before it, and no longer.
#[rocket::async_test]
async fn a_periodic_renewal_that_is_due_comes_at_the_end_of_the_grace() {
    let milli = Duration::from_millis(1);
    let config = patient().renew_every(5_000 * milli).renew_grace(10_000 * milli);
    let (web, mut browser) = Web::with(config).with_visitor().await;
    let mut ids = vec![browser.clone()];
    for pause in [5_000, 1_000, 9_999, 1] {
        web.clock.advance(pause * milli);
        let visit = web.open(&browser);
        visit.read::<Cart>().await.unwrap();
        assert_eq!(web.close(visit, &mut browser).await, None);
        ids.push(browser.clone());
    }
    let is_new: Vec<bool> = ids.windows(2).map(|ids| ids[0] != ids[1]).collect();
    assert_eq!(is_new, [true, false, false, true]);
}
