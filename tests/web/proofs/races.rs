//! Proofs of requests that another request has overtaken.

use super::{app, proven, record};
use crate::app::Browser;

/// Two logins at once: the late one gets a session of its own, with a proof of its own.
#[rocket::async_test]
async fn a_login_that_lost_a_race_has_its_own_proof() {
    let (app, mut browser) = (app().await, Browser::default());
    app.post(&mut browser, "/visit").await;
    let mut other = browser.clone();
    let slow = app.post(&mut browser, "/login/ann");
    let meanwhile = app.post(&mut other, "/login/bob?remembered=before");
    let (late, early) = app.store.before_write(slow, meanwhile).await;
    assert_eq!((late.status, early.status), (200, 200));
    assert_eq!(app.store.records().await, 2);
    assert_eq!(proven(&app, &browser).await, Some(app.clock.timestamp()));
    assert_eq!(proven(&app, &other).await, None);
}

/// A login from a token that lost the race against a login with a password does not get the other's proof.
#[rocket::async_test]
async fn a_remembered_login_that_lost_a_race_has_no_proof() {
    let (app, mut browser) = (app().await, Browser::default());
    app.post(&mut browser, "/visit").await;
    let mut other = browser.clone();
    let slow = app.post(&mut browser, "/login/ann?remembered=before");
    let (late, early) = app.store.before_write(slow, app.post(&mut other, "/login/bob")).await;
    assert_eq!((late.status, early.status), (200, 200));
    assert_eq!(proven(&app, &browser).await, None);
    assert_eq!(proven(&app, &other).await, Some(app.clock.timestamp()));
}

/// A password that is given while another request logs in belongs to no session that it knows: 409.
#[rocket::async_test]
async fn a_proof_for_a_session_that_was_logged_in_meanwhile_is_refused() {
    let (app, mut browser) = (app().await, Browser::default());
    app.post(&mut browser, "/visit").await;
    let (mut old, mut other) = (browser.clone(), browser.clone());
    let slow = app.post(&mut browser, "/password");
    let (late, _) = app.store.before_write(slow, app.post(&mut other, "/login/bob?remembered=after")).await;
    assert_eq!((late.status, late.set_cookie.len()), (409, 0));
    let stale = app.post(&mut old, "/password").await;
    assert_eq!((stale.status, stale.set_cookie.len()), (409, 0), "with an id from before the login");
    assert_eq!(proven(&app, &other).await, None);
    assert_eq!(record(&app).await.values.get(super::PROOF), None);
}
