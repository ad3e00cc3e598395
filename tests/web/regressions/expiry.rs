//! Deadlines: the requests that move them, the reported time, and the choice that a new session takes over.

use std::time::Duration;

use session_runtime::expiry::TouchEvery;
use session_runtime::{CookieConfig, Expiry};

use super::Web;
use crate::app::{Auth, Browser, Cart, patient};

const HOUR: Duration = Duration::from_secs(3600);

/// If two reads would move the deadline, the second one moves nothing and sends no cookie.
#[rocket::async_test]
async fn a_dropped_touch_sends_no_cookie() {
    let config = patient().idle(HOUR).cookie(CookieConfig::new().persistent(true));
    let (web, browser) = Web::with(config).with_visitor().await;
    web.clock.advance(HOUR / 2);
    let slow = web.open(&browser);
    slow.read::<Cart>().await.unwrap();
    web.clock.advance(Duration::from_secs(1));
    let fast = web.open(&browser);
    fast.read::<Cart>().await.unwrap();
    assert!(fast.finish(200).await.cookie.header().is_some());
    assert_eq!(slow.finish(200).await.cookie.header(), None);
}

/// If only writes move the deadline, a read that renews the id does not.
#[rocket::async_test]
async fn a_periodic_renewal_by_a_read_does_not_move_the_deadline() {
    let config = patient().idle(HOUR).touch_every(TouchEvery::Off).renew_every(HOUR / 4);
    let (web, mut browser) = Web::with(config).with_visitor().await;
    for _ in 0..3 {
        web.clock.advance(HOUR / 4);
        let visit = web.open(&browser);
        visit.read::<Cart>().await.unwrap();
        assert_eq!(web.close(visit, &mut browser).await, None);
    }
    web.clock.advance(HOUR / 4);
    assert_eq!(web.coupon(&browser).await, None, "an hour after the last write");
}

/// A login that found another one and got a session of its own keeps the expiry that had been chosen.
#[rocket::async_test]
async fn a_session_of_its_own_keeps_the_chosen_expiry() {
    let (web, mut browser) = (Web::new(), Browser::default());
    let visit = web.open(&browser);
    visit.write::<Cart>().await.unwrap().set_coupon("A".into());
    visit.set_expiry(Expiry::After(Duration::from_secs(60)));
    assert_eq!(web.close(visit, &mut browser).await, None);
    let slow = web.open(&browser);
    slow.write::<Auth>().await.unwrap().set_user("ada".into());
    web.log_in(&mut browser.clone(), "bob").await;
    assert_eq!(web.close(slow, &mut browser).await, None);
    assert_eq!(web.user(&browser).await.as_deref(), Some("ada"));
    web.clock.advance(Duration::from_secs(61));
    assert_eq!(web.user(&browser).await, None, "a minute was chosen");
}
