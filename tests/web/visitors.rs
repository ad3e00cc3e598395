//! Visitors of an application under test: they begin with chosen values, and read back what is stored.

use rocket::local::asynchronous::Client;
use rocket::{Build, Rocket, get, post, routes};
use session_runtime::config::Transport;
use session_runtime::testing::{Fault, ManualClock, RecordingStore, Visitor};
use session_runtime::{CookieStore, ErrorKind, Recent, SessionConfig, SessionHandle, Sessions};

use crate::app::{All, App, Auth, Barrier, Cart, patient};
use crate::routes;
use crate::store::recording_store;

#[get("/<_..>", rank = 20)]
fn any_page(session: &SessionHandle) {
    session.destroy();
}

#[get("/secret")]
fn secret(_recent: Recent<10>) {}

#[post("/restart")]
fn restart(session: &SessionHandle) {
    session.restart();
}

fn rocket(store: &RecordingStore, clock: &ManualClock, config: SessionConfig) -> Rocket<Build> {
    let rocket = routes::rocket(store.clone(), clock.clone(), Barrier::default(), config);
    rocket.mount("/", routes![any_page, secret, restart])
}

async fn tracked() -> Client {
    Client::tracked(rocket(&recording_store(), &ManualClock::new(), patient())).await.unwrap()
}

async fn ann(client: &Client) -> Visitor<'_> {
    let cart = |cart: &mut crate::app::CartMut| cart.set_coupon("A".into());
    let visitor = Visitor::of(client).with::<Auth>(|auth| auth.set_user("ann".into())).with::<Cart>(cart);
    visitor.enter().await.unwrap()
}

async fn body(client: &Client, path: &'static str) -> String {
    client.get(path).dispatch().await.into_string().await.unwrap()
}

#[rocket::async_test]
async fn a_visitor_begins_with_the_values_of_the_test() {
    let client = tracked().await;
    let ann = ann(&client).await;
    assert_eq!(body(&client, "/whoami").await, "ann");
    assert_eq!(client.get("/secret").dispatch().await.status().code, 200, "a login is a proof of identity");
    client.post("/add/7").dispatch().await;
    let cart = ann.read::<Cart>().await.unwrap();
    assert_eq!((cart.items().get(&7), cart.coupon().as_deref()), (Some(&1), Some("A")));
    assert_eq!(ann.read::<Auth>().await.unwrap().user().as_deref(), Some("ann"));
}

/// The cookie that the client holds decides, as in a browser.
#[rocket::async_test]
async fn a_visitor_keeps_to_the_session_of_the_browser() {
    let client = tracked().await;
    let ann = ann(&client).await;
    let first = ann.cookie();
    client.post("/login/bob").dispatch().await;
    assert_ne!(ann.cookie(), first);
    assert_eq!(ann.read::<Auth>().await.unwrap().user().as_deref(), Some("bob"));
    client.post("/restart").dispatch().await;
    assert_eq!((ann.read::<Auth>().await.unwrap().user(), ann.cookie()), (&None, None));
}

#[rocket::async_test]
async fn two_visitors_of_one_application_share_no_session() {
    let store = recording_store();
    let client = Client::untracked(rocket(&store, &ManualClock::new(), patient())).await.unwrap();
    let ann = ann(&client).await;
    let bob = Visitor::of(&client).with::<Auth>(|auth| auth.set_user("bob".into())).enter().await.unwrap();
    for (visitor, name) in [(&ann, "ann"), (&bob, "bob")] {
        let response = client.get("/whoami").cookie(visitor.cookie().unwrap()).dispatch().await;
        assert_eq!(response.into_string().await.unwrap(), name);
        assert_eq!(visitor.read::<Auth>().await.unwrap().user().as_deref(), Some(name));
    }
    assert_eq!(store.records().await, 2);
}

#[rocket::async_test]
async fn a_visitor_who_enters_replaces_the_one_before_in_the_same_browser() {
    let client = tracked().await;
    ann(&client).await;
    Visitor::of(&client).with::<Auth>(|auth| auth.set_user("bob".into())).enter().await.unwrap();
    assert_eq!(body(&client, "/whoami").await, "bob");
}

#[rocket::async_test]
async fn a_visitor_without_values_is_a_stranger() {
    let store = recording_store();
    let client = Client::tracked(rocket(&store, &ManualClock::new(), patient())).await.unwrap();
    let stranger = Visitor::of(&client).enter().await.unwrap();
    assert_eq!((stranger.cookie(), store.records().await), (None, 0));
    assert_eq!(stranger.read::<Cart>().await.unwrap().luck(), &7);
}

#[rocket::async_test]
async fn a_visitor_of_sessions_in_cookies_enters_too() {
    let store = CookieStore::new([CookieStore::random_key().unwrap()]).unwrap();
    let fairing = Sessions::fairing::<All>().cookie_store(store);
    let client = Client::tracked(rocket::build().attach(fairing)).await.unwrap();
    assert_eq!(ann(&client).await.read::<Auth>().await.unwrap().user().as_deref(), Some("ann"));
}

#[rocket::async_test]
async fn an_error_of_the_store_or_of_the_application_is_returned() {
    let store = recording_store();
    store.fail("create", Fault::Down);
    let client = Client::tracked(rocket(&store, &ManualClock::new(), patient())).await.unwrap();
    let kind = async |client: &Client| {
        let visitor = Visitor::of(client).with::<Auth>(|auth| auth.set_user("ann".into()));
        visitor.enter().await.err().map(|error| error.kind())
    };
    assert_eq!(kind(&client).await, Some(ErrorKind::Unavailable));
    let client = Client::tracked(rocket::build()).await.unwrap();
    assert_eq!(kind(&client).await, Some(ErrorKind::Config));
}

/// A test that misspells an operation would see no fault at all.
#[rocket::async_test]
async fn a_fault_of_an_operation_that_no_store_has_is_refused() {
    let app = App::new().await;
    let misspelt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| app.store.fail("store", Fault::Down)));
    assert!(misspelt.is_err());
}

/// It would read defaults, whatever is stored.
#[rocket::async_test]
async fn a_visitor_without_a_cookie_is_refused() {
    let bearer = patient().transport(Transport::Bearer);
    let client = Client::untracked(rocket(&recording_store(), &ManualClock::new(), bearer)).await.unwrap();
    let refused = Visitor::of(&client).with::<Auth>(|auth| auth.set_user("ann".into())).enter().await.unwrap_err();
    assert!(refused.kind() == ErrorKind::Config && refused.to_string().contains("transport"), "{refused}");
}
