//! Schemas that a request loads: those that it asks for, and those that requests like it have asked for.

use rocket::http::Header;
use rocket::local::asynchronous::Client;
use rocket::{get, routes};
use session_runtime::testing::RecordingStore;
use session_runtime::{Sessions, Visit};

use crate::app::{All, Auth, Cart, Prefs};
use crate::store::recording_store;

/// Sessions over a store, and the cookie of one that holds a value of each schema.
async fn filled() -> (Sessions, RecordingStore, String) {
    let store = recording_store();
    let sessions = || Sessions::builder().store(store.clone()).schemas::<All>().build().unwrap();
    let visit = sessions().open([]);
    visit.write::<Cart>().await.unwrap().set_coupon("SPRING".into());
    visit.write::<Prefs>().await.unwrap().set_language("de".into());
    let cookie = finish(&visit).await.unwrap();
    store.take_calls();
    (sessions(), store, cookie)
}

/// Ends a request, and returns its cookie if it sets one.
async fn finish(visit: &Visit) -> Option<String> {
    let finished = visit.finish(200).await;
    assert!(finished.error.is_none(), "{:?}", finished.error);
    Some(finished.cookie.header()?.split(';').next()?.to_owned())
}

fn language(prefs: Option<&Prefs>) -> Option<&str> {
    prefs.and_then(|prefs| prefs.language().as_deref())
}

/// Runs a request that reads the cart and then perhaps the preferences. Returns the number of its loads.
async fn loads(sessions: &Sessions, store: &RecordingStore, cookie: &str, prefs: bool) -> usize {
    let visit = sessions.open([cookie]);
    assert_eq!(visit.read::<Cart>().await.unwrap().coupon().as_deref(), Some("SPRING"));
    if prefs {
        assert_eq!(language(visit.read::<Prefs>().await.ok()), Some("de"));
    }
    finish(&visit).await;
    store.calls("load")
}

#[rocket::async_test]
async fn a_schema_that_no_request_of_a_kind_asked_for_is_not_loaded() {
    let (sessions, store, cookie) = filled().await;
    assert_eq!(loads(&sessions, &store, &cookie, false).await, 1);
    for known in [None, Some("de")] {
        let visit = sessions.open([&*cookie]);
        visit.read::<Cart>().await.unwrap();
        // `loaded` asks for it too: the next request has it.
        assert_eq!(language(visit.loaded::<Prefs>()), known);
        finish(&visit).await;
        assert_eq!(store.calls("load"), 1);
    }
}

#[rocket::async_test]
async fn the_first_request_of_a_kind_loads_all_at_once() {
    let (sessions, store, cookie) = filled().await;
    assert_eq!(loads(&sessions, &store, &cookie, true).await, 1);
    assert_eq!(loads(&sessions, &store, &cookie, true).await, 1);
}

#[rocket::async_test]
async fn a_schema_that_is_asked_for_later_costs_one_load_once() {
    let (sessions, store, cookie) = filled().await;
    assert_eq!(loads(&sessions, &store, &cookie, false).await, 1);
    let loads_of_others =
        [loads(&sessions, &store, &cookie, true).await, loads(&sessions, &store, &cookie, true).await];
    assert_eq!(loads_of_others, [2, 1]);
}

/// If another request logs in meanwhile, a login gets a session of its own with the values that were loaded.
#[rocket::async_test]
async fn a_login_that_another_one_overtakes_keeps_all_schemas() {
    let (sessions, store, cookie) = filled().await;
    loads(&sessions, &store, &cookie, false).await;
    let [slow, fast] = [0; 2].map(|_| sessions.open([&*cookie]));
    slow.read::<Cart>().await.unwrap();
    slow.write::<Auth>().await.unwrap().set_user("ada".into());
    fast.write::<Auth>().await.unwrap().set_user("bob".into());
    finish(&fast).await.unwrap();
    let own = finish(&slow).await.unwrap();
    let visit = sessions.open([&*own]);
    assert_eq!(visit.read::<Auth>().await.unwrap().user().as_deref(), Some("ada"));
    assert_eq!(language(visit.read::<Prefs>().await.ok()), Some("de"));
    assert_eq!(visit.read::<Cart>().await.unwrap().coupon().as_deref(), Some("SPRING"));
}

#[rocket::async_test]
async fn a_guard_of_the_whole_session_loads_all_schemas() {
    let (sessions, store, cookie) = filled().await;
    assert_eq!(loads(&sessions, &store, &cookie, false).await, 1);
    let visit = sessions.open([&*cookie]);
    visit.read::<Cart>().await.unwrap();
    visit.load().await.unwrap();
    assert_eq!(language(visit.loaded::<Prefs>()), Some("de"));
    assert_eq!(store.calls("load"), 2);
}

/// A write to a part of a session leaves the rest as it is, and counts it towards the limits.
#[rocket::async_test]
async fn a_write_of_one_schema_leaves_the_others_as_they_are() {
    let (sessions, store, cookie) = filled().await;
    loads(&sessions, &store, &cookie, false).await;
    for _ in 0..3 {
        let visit = sessions.open([&*cookie]);
        *visit.write::<Cart>().await.unwrap().items_mut().entry(7).or_default() += 1;
        finish(&visit).await;
    }
    let record = store.all().await.remove(0).1;
    let texts = ["cart.items/7", "cart.coupon", "prefs.language"].map(|name| record.values.get(name));
    assert_eq!(texts, [Some("3"), Some("\"SPRING\""), Some("\"de\"")]);
}

#[get("/cart")]
fn cart(cart: &Cart) -> String {
    cart.coupon().clone().unwrap_or_default()
}

#[get("/both")]
fn both(cart: &Cart, prefs: &Prefs) -> String {
    format!("{:?} {:?}", cart.coupon(), prefs.language())
}

#[rocket::async_test]
async fn each_route_loads_its_own_schemas_at_once() {
    let (_, store, cookie) = filled().await;
    let rocket = rocket::custom(rocket::Config::figment().merge(("log_level", "off")))
        .attach(Sessions::fairing::<All>().store(store.clone()))
        .mount("/", routes![cart, both]);
    let client = Client::untracked(rocket).await.unwrap();
    let name = Sessions::fetch(client.rocket()).unwrap().cookie_name().to_owned();
    let cookie = format!("{name}={}", cookie.split_once('=').unwrap().1);
    store.take_calls();
    for path in ["/cart", "/both", "/cart", "/both"] {
        let response = client.get(path).header(Header::new("Cookie", cookie.clone())).dispatch().await;
        assert!(response.into_string().await.unwrap().contains("SPRING"), "{path}");
        assert_eq!(store.calls("load"), 1, "{path}");
    }
}
