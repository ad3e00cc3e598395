//! Answers that save, the headers that go out with them, and saves in the middle of a request.

use std::time::Duration;

use rocket::fairing::AdHoc;
use rocket::local::asynchronous::Client;
use session_runtime::testing::Fault;
use session_runtime::{CookieConfig, Session, Sessions};

use crate::app::{Answer, App, Browser, Cart, patient};
use crate::store::{checking_store, recording_store};

async fn visits(app: &App, browser: &Browser) -> i64 {
    let key = app.key(browser).await;
    app.store.record(key).await.unwrap().values.get("cart.visits").map_or(0, |text| text.parse().unwrap())
}

/// B48, B49, C44, C47: one cookie with the right attributes, and headers for caches.
#[rocket::async_test]
async fn a_new_session_sets_one_cookie() {
    let app = App::new().await;
    let mut browser = Browser::default();
    let answer = app.post(&mut browser, "/add/7").await;
    assert_eq!(answer.set_cookie.len(), 1);
    let (value, attributes) = answer.set_cookie[0].split_once(';').unwrap();
    assert_eq!(value.len(), "id=".len() + 43);
    assert_eq!(attributes, " Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(answer.header("vary"), ["Cookie"]);
    assert_eq!(answer.header("cache-control"), ["no-store"]);
}

/// B1, B49, C46: reading sends no cookie and varies once, merged with the application's `Vary` header.
#[rocket::async_test]
async fn a_read_varies_on_the_cookie() {
    let app = App::new().await;
    let mut browser = Browser::default();
    let anonymous = app.get(&mut browser, "/cart").await;
    assert_eq!(anonymous.header("vary"), ["Cookie"]);
    app.post(&mut browser, "/add/7").await;
    let read = app.get(&mut browser, "/varied").await;
    assert_eq!(read.header("vary"), ["Accept-Encoding, Cookie"]);
    assert_eq!(read.header("cache-control"), ["max-age=60"]);
    assert!(read.set_cookie.is_empty());
    assert!(app.get(&mut browser, "/ping").await.header("vary").is_empty());
}

/// B50: a 5xx answer discards what was written, and sets no cookie.
#[rocket::async_test]
async fn a_failed_answer_saves_nothing() {
    let app = App::new().await;
    let mut browser = Browser::default();
    assert!(app.post(&mut browser, "/visit-and/500").await.set_cookie.is_empty());
    assert_eq!(app.store.records().await, 0);
    app.post(&mut browser, "/visit-and/200").await;
    for path in ["/visit-and/500", "/visit-and/503", "/panic"] {
        assert!(app.post(&mut browser, path).await.status >= 500);
    }
    assert_eq!(visits(&app, &browser).await, 1);
}

/// B51, C30: any other answer saves, a catcher's too; record and cookie go out together.
#[rocket::async_test]
async fn a_catchers_answer_saves() {
    let app = App::new().await;
    for path in ["/visit-and/400", "/visit-and/404", "/err", "/forward", "/visit-and/202"] {
        let mut browser = Browser::default();
        let answer = app.post(&mut browser, path).await;
        assert_eq!(answer.set_cookie.len(), 1, "{path}: {answer:?}");
        assert_eq!(visits(&app, &browser).await, 1, "{path}");
    }
}

/// B56: a catcher sees the session of its request, finished writes included.
#[rocket::async_test]
async fn a_catcher_reads_the_same_session() {
    let app = App::new().await;
    let mut browser = Browser::default();
    assert_eq!(app.post(&mut browser, "/err").await.body, "visits Some(1)");
}

/// B25, B26, B29, C19, C30: `destroy` ends the session, removes the cookie, and takes effect whatever the answer.
#[rocket::async_test]
async fn destroy_takes_effect_whatever_the_answer() {
    let app = App::new().await;
    for status in [204, 400, 404, 500, 503] {
        let mut browser = Browser::default();
        app.post(&mut browser, "/add/7").await;
        let answer = app.post(&mut browser, &format!("/destroy?status={status}&write=true")).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.set_cookie, ["id=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"]);
        assert_eq!(app.store.records().await, 0, "{status}: the session is gone and stays gone");
    }
}

/// C51: an anonymous visitor's logout stores nothing and sends no cookie.
#[rocket::async_test]
async fn destroying_nothing_does_nothing() {
    let app = App::new().await;
    let mut browser = Browser(Some("A".repeat(43)));
    let answer = app.post(&mut browser, "/destroy").await;
    assert_eq!((answer.status, answer.set_cookie.len(), app.store.records().await), (204, 0, 0));
}

/// `save` makes durable now, and its cookie goes out whatever follows.
#[rocket::async_test]
async fn an_explicit_save_outlives_a_failed_answer() {
    let app = App::new().await;
    let mut browser = Browser::default();
    let answer = app.post(&mut browser, "/save/visit?then=500&more=visit").await;
    assert_eq!((answer.status, answer.set_cookie.len()), (500, 1));
    assert_eq!(visits(&app, &browser).await, 1, "a write after the save is discarded");
    assert_eq!(app.post(&mut browser, "/save/visit?then=204&more=visit").await.status, 204);
    assert_eq!(visits(&app, &browser).await, 3);
}

/// After a save the guard holds what is stored, other requests' writes included.
#[rocket::async_test]
async fn after_a_save_the_guard_holds_the_stored_values() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/do/add=7").await;
    let mut other = browser.clone();
    let slow = app.post(&mut browser, "/slow-save/add=7");
    let meanwhile = async {
        app.post(&mut other, "/do/add=7").await;
        app.post(&mut other, "/do/coupon=B").await;
    };
    let (answer, ()) = app.barrier.during(slow, meanwhile).await;
    assert_eq!(answer.body, r#"{7: 3} Some("B")"#);
}

/// `SessionHandle::save` stores finished guards' changes, and refuses while a writable guard is open.
#[rocket::async_test]
async fn the_handle_saves_the_changes_of_finished_guards() {
    let app = App::new().await;
    let mut browser = Browser::default();
    let answer = app.post(&mut browser, "/handle-save").await;
    assert_eq!((answer.status, answer.set_cookie.len()), (200, 1));
    assert_eq!(visits(&app, &browser).await, 1);
    assert_eq!(app.post(&mut browser, "/handle-save?open=true").await.status, 500);
}

/// `update_now` carries the request's own changes, and runs again until nothing else has changed.
#[rocket::async_test]
async fn update_now_runs_again_on_any_change() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/do/luck=5").await;
    assert_eq!(app.post(&mut browser, "/update-now").await.body, "4 in 1");
    let mut other = browser.clone();
    let slow = app.post(&mut browser, "/update-now");
    let meanwhile = async {
        app.post(&mut other, "/do/coupon=B").await;
    };
    let (answer, ()) = app.store.before_write(slow, meanwhile).await;
    assert_eq!(answer.body, "3 in 2", "another field changed between load and save");
    assert_eq!(visits(&app, &browser).await, 2, "the changes from before went along, once");
    let mut stranger = Browser::default();
    assert_eq!(app.post(&mut stranger, "/update-now").await.body, "6 in 1");
    assert!(stranger.0.is_some());
}

/// C47: every answer with a cookie forbids storing and varies on the cookie, with any cache headers of the handler: a
/// touch, a periodic renewal, a removal.
#[rocket::async_test]
async fn every_cookie_forbids_storing_the_answer() {
    let (hour, cookie) = (Duration::from_secs(3600), CookieConfig::new().persistent(true));
    let rolling = patient().idle(hour).cookie(cookie.clone());
    let renewing = patient().renew_every(hour);
    for config in [rolling, renewing] {
        let app = App::with(config).await;
        let mut browser = Browser::default();
        app.post(&mut browser, "/add/7").await;
        app.clock.advance(Duration::from_secs(3599));
        app.get(&mut browser, "/cart").await;
        app.clock.advance(hour / 2);
        let answer = app.get(&mut browser, "/varied").await;
        assert_eq!((answer.status, answer.set_cookie.len()), (200, 1));
        assert_eq!(answer.header("cache-control"), ["no-store"], "not the handler's max-age");
        assert_eq!(answer.header("vary"), ["Accept-Encoding, Cookie"]);
        let removal = app.post(&mut browser, "/destroy").await;
        assert_eq!((removal.header("cache-control"), removal.header("vary")), (vec!["no-store"], vec!["Cookie"]));
    }
}

/// B56: response fairings on both sides of ours see the request's session, and the one before it may still read what
/// the handler wrote.
#[rocket::async_test]
async fn other_fairings_see_the_same_session() {
    fn reads(name: &'static str) -> AdHoc {
        AdHoc::on_response(name, move |request, response| {
            Box::pin(async move {
                let cart = request.guard::<&Cart>().await.succeeded().unwrap();
                response.adjoin_raw_header("X-Seen", format!("{name} {:?}", cart.items()));
            })
        })
    }
    #[rocket::post("/")]
    fn add(mut cart: Session<Cart>) {
        *cart.items_mut().entry(7).or_default() += 1;
    }
    let rocket = rocket::custom(rocket::Config::figment().merge(("log_level", "off")))
        .attach(reads("before"))
        .attach(Sessions::fairing::<Cart>().store(recording_store()))
        .attach(reads("after"))
        .mount("/", rocket::routes![add]);
    let client = Client::untracked(rocket).await.unwrap();
    let answer = Answer::of(client.post("/").dispatch().await).await;
    assert_eq!(answer.header("x-seen"), ["before {7: 1}", "after {7: 1}"]);
    assert_eq!(answer.set_cookie.len(), 1);
}

/// B61: what another request stored between a load and a save is not known after the save, if it cannot be read again:
/// the next save must not take the record for what this request knows.
#[rocket::async_test]
async fn a_save_that_cannot_be_read_again_does_not_hide_changes_of_others() {
    let store = recording_store();
    let sessions = Sessions::builder().store(store.clone()).schemas::<Cart>().build().unwrap();
    let first = sessions.open([]);
    *first.write::<Cart>().await.unwrap().visits_mut() = 1;
    let cookie = first.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();

    let visit = sessions.open([&*cookie]);
    let mut cart = visit.write::<Cart>().await.unwrap();
    sessions.update::<Cart, _>(&first.key().unwrap(), |cart| *cart.visits_mut() += 10).await.unwrap().unwrap();
    cart.set_coupon("A".into());
    store.fail("load", Fault::Down);
    cart.save().await.unwrap();
    store.recover();
    *cart.visits_mut() += 100;
    drop(cart);
    assert!(visit.finish(200).await.error.is_none());
    let stored = sessions.read::<Cart>(&first.key().unwrap()).await.unwrap().unwrap();
    assert_eq!((*stored.visits(), stored.coupon().as_deref()), (111, Some("A")));
}

/// A save describes the unchanged record to the store, so that a store across a network need not look at each base.
/// After a conflict the save describes none.
#[rocket::async_test]
async fn a_save_describes_the_unchanged_record_to_the_store() {
    let store = checking_store();
    let sessions = Sessions::builder().store(store.clone()).schemas::<Cart>().build().unwrap();
    let first = sessions.open([]);
    *first.write::<Cart>().await.unwrap().visits_mut() = 1;
    let cookie = first.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    let [one, overtaken] = [(); 2].map(|()| sessions.open([&*cookie]));
    *overtaken.write::<Cart>().await.unwrap().visits_mut() += 10;
    *one.write::<Cart>().await.unwrap().visits_mut() += 100;
    for (visit, hints) in [(one, 1), (overtaken, 2)] {
        assert!(visit.finish(200).await.error.is_none());
        assert_eq!(store.hints(), hints);
    }
    assert_eq!(*sessions.read::<Cart>(&first.key().unwrap()).await.unwrap().unwrap().visits(), 111);
}
