//! Requests that last longer than their session, and choices of requests that fail.
#![allow(clippy::float_cmp, clippy::unchecked_time_subtraction, reason = "the figures are exact")]

use std::time::Duration;

use session_runtime::{CookieConfig, Expiry};

use super::{Account, Basket, Site};
use crate::app::{Browser, patient};

const HOUR: Duration = Duration::from_secs(3600);

async fn visitor(site: &Site) -> Browser {
    let mut browser = Browser::default();
    site.edit::<Basket>(&mut browser, |basket| basket.set_remark("first".into())).await;
    browser
}

/// An upload that lasts longer than `idle`: the session has expired meanwhile, and no cookie extends it.
#[rocket::async_test]
async fn a_request_that_outlasts_its_session_sends_no_cookie_for_it() {
    let config = patient().idle(HOUR).absolute(9 * HOUR).cookie(CookieConfig::new().persistent(true));
    for site in Site::both_with(&config) {
        for (write, renew) in [(true, false), (false, true), (true, true), (false, false)] {
            let browser = visitor(&site).await;
            site.clock.advance(HOUR / 2);
            let visit = site.open(&browser);
            visit.read::<Basket>().await.unwrap();
            if write {
                visit.write::<Basket>().await.unwrap().set_remark("late".into());
            }
            if renew {
                visit.renew();
            }
            site.clock.advance(HOUR);
            let finished = visit.finish(200).await;
            assert_eq!((finished.cookie.header(), finished.error.is_none()), (None, true), "{write} {renew}");
        }
    }
}

/// A long request of a session that lives: its deadline counts from the save, and so does `Max-Age`.
#[rocket::async_test]
async fn a_deadline_counts_from_the_save() {
    let config = patient().idle(HOUR).absolute(9 * HOUR).cookie(CookieConfig::new().persistent(true));
    for site in Site::both_with(&config) {
        let mut browser = visitor(&site).await;
        let visit = site.open(&browser);
        visit.write::<Basket>().await.unwrap().set_remark("second".into());
        site.clock.advance(HOUR / 2);
        let finished = visit.finish(200).await;
        let cookie = finished.cookie.header().unwrap().to_owned();
        assert!(cookie.contains("Max-Age=3600"), "{cookie}");
        let line = cookie.split(';').next().unwrap().split_once('=').unwrap().1;
        browser.0 = Some(line.to_owned());
        site.clock.advance(HOUR - Duration::from_secs(1));
        let visit = site.open(&browser);
        assert_eq!(visit.read::<Basket>().await.unwrap().remark(), "second");
    }
}

/// A session that a long request begins has the whole of its time before it, and its absolute deadline counts from
/// then.
#[rocket::async_test]
async fn a_session_begins_when_it_is_stored() {
    let config = patient().idle(HOUR).absolute(2 * HOUR);
    for site in Site::both_with(&config) {
        let mut browser = Browser::default();
        let visit = site.open(&browser);
        visit.write::<Account>().await.unwrap().set_user("ada".into());
        site.clock.advance(3 * HOUR);
        assert_eq!(site.close(visit, &mut browser).await, None);
        site.clock.advance(HOUR - Duration::from_secs(1));
        assert_eq!(site.user(&browser).await.as_deref(), Some("ada"));
    }
}

/// An expiry chosen by a request that answers 5xx is discarded with its writes.
#[rocket::async_test]
async fn an_expiry_chosen_by_a_request_that_fails_is_discarded() {
    let config = patient().idle(HOUR);
    for site in Site::both_with(&config) {
        let mut browser = visitor(&site).await;
        let visit = site.open(&browser);
        visit.set_expiry(Expiry::After(HOUR * 24));
        assert_eq!(site.close_as(500, visit, &mut browser).await, None);
        let visit = site.open(&browser);
        visit.set_expiry(Expiry::After(Duration::from_secs(1)));
        visit.renew();
        assert_eq!(site.close_as(503, visit, &mut browser).await, None);
        site.clock.advance(HOUR - Duration::from_secs(1));
        assert_eq!(site.open(&browser).read::<Basket>().await.unwrap().remark(), "first");
        site.clock.advance(Duration::from_secs(1));
        assert_eq!(site.open(&browser).read::<Basket>().await.unwrap().remark(), "");
    }
}
