//! Sessions outside a request.

use std::time::Duration;

use session_runtime::record::{Record, Values};
use session_runtime::testing::{ManualClock, head_at};
use session_runtime::{ErrorKind, SessionKey, Sessions, Store};

use crate::app::{App, Auth, Browser, Cart, History, patient};
use crate::store::recording_store;

async fn visitor(app: &App) -> (Browser, SessionKey) {
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    let key = app.key(&browser).await;
    (browser, key)
}

fn sessions(app: &App) -> &Sessions {
    Sessions::fetch(app.client.rocket()).unwrap()
}

/// B14, B88: open by key, change, save.
#[rocket::async_test]
async fn a_job_reads_and_updates() {
    let app = App::new().await;
    let (mut browser, key) = visitor(&app).await;
    let sessions = sessions(&app);
    assert_eq!(sessions.read::<Cart>(&key).await.unwrap().unwrap().items()[&7], 1);
    let quantity = sessions.update::<Cart, _>(&key, |cart| {
        *cart.items_mut().entry(7).or_default() += 1;
        cart.items()[&7]
    });
    assert_eq!(quantity.await.unwrap(), Some(2));
    assert_eq!(app.get(&mut browser, "/cart").await.body, r#"{"7":2}"#);
    sessions.update::<History, _>(&key, |history| history.pages_mut().push("job".into())).await.unwrap();
    assert_eq!(app.get(&mut browser, "/history").await.body, r#"["job"]"#);
    assert_eq!(app.get(&mut browser, &format!("/job/{key}")).await.body, "0");
}

/// A session that does not exist is `None`, and stays that way.
#[rocket::async_test]
async fn a_job_creates_nothing() {
    let app = App::new().await;
    let (sessions, key) = (sessions(&app), SessionKey::from_bytes([9; 16]));
    assert!(sessions.read::<Cart>(&key).await.unwrap().is_none());
    assert!(sessions.update::<Cart, _>(&key, |cart| cart.set_coupon("A".into())).await.unwrap().is_none());
    sessions.destroy(&key).await.unwrap();
    assert_eq!(app.store.records().await, 0);
}

/// A `renew` field cannot be changed without a browser that receives the new id.
#[rocket::async_test]
async fn a_job_cannot_log_in() {
    let app = App::new().await;
    let (mut browser, key) = visitor(&app).await;
    let error = sessions(&app).update::<Auth, _>(&key, |auth| auth.set_user("eve".into())).await.unwrap_err();
    assert_eq!((error.kind(), error.schema()), (ErrorKind::RenewInJob, Some("auth")));
    assert_eq!(app.get(&mut browser, "/whoami").await.body, "anonymous");
}

/// A job runs again when the record changed between its load and its save.
#[rocket::async_test]
async fn a_job_runs_again_on_conflict() {
    let app = App::new().await;
    let (mut browser, key) = visitor(&app).await;
    let mut runs = 0;
    let job = sessions(&app).update::<Cart, _>(&key, |cart| {
        runs += 1;
        *cart.visits_mut() += 1;
        cart.coupon().clone()
    });
    let meanwhile = async {
        app.post(&mut browser, "/do/coupon=A").await;
    };
    let (seen, ()) = app.store.before_write(job, meanwhile).await;
    assert_eq!((seen.unwrap().unwrap().as_deref(), runs), (Some("A"), 2));
}

/// A job keeps its hands off the deadline; a request merges with what a job wrote meanwhile.
#[rocket::async_test]
async fn a_job_does_not_touch() {
    let app = App::new().await;
    let (_, key) = visitor(&app).await;
    let before = app.store.record(key).await.unwrap().head;
    app.clock.advance(Duration::from_secs(7 * 24 * 3600));
    sessions(&app).update::<Cart, _>(&key, |cart| *cart.visits_mut() += 1).await.unwrap();
    let after = app.store.record(key).await.unwrap().head;
    assert_eq!((after.touched, after.idle_deadline), (before.touched, before.idle_deadline));
}

/// B44, B88: a job's `destroy` is a logout too; sweeping removes only what is expired.
#[rocket::async_test]
async fn a_job_destroys_and_sweeps() {
    let app = App::new().await;
    let (mut browser, key) = visitor(&app).await;
    sessions(&app).destroy(&key).await.unwrap();
    assert_eq!(app.get(&mut browser, "/cart").await.body, "{}");
    visitor(&app).await;
    app.clock.advance(Duration::from_secs(14 * 24 * 3600));
    visitor(&app).await;
    assert_eq!(sessions(&app).sweep().await.unwrap(), 0, "expired less than a minute ago");
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(sessions(&app).sweep().await.unwrap(), 1);
    assert_eq!(app.store.records().await, 1);
}

/// The application sweeps by itself from its launch on; what is alive stays.
#[rocket::async_test]
async fn expired_records_are_swept_in_the_background() {
    let (store, now) = (recording_store(), ManualClock::new().timestamp().as_millis());
    for (byte, created) in [(1, 0), (2, 0), (3, now)] {
        let record = Record::new(head_at(created), Values::new());
        store.create(SessionKey::from_bytes([byte; 16]), record).await.unwrap();
    }
    let app = App::on(store, patient()).await;
    while app.store.records().await > 1 {
        tokio::task::yield_now().await;
    }
    assert!(app.store.record(SessionKey::from_bytes([3; 16])).await.is_some());
}

/// B63, B88: a job whose session is ended between its load and its save finds none, and creates none.
#[rocket::async_test]
async fn a_job_does_not_bring_a_session_back() {
    let app = App::new().await;
    let (mut browser, key) = visitor(&app).await;
    let job = sessions(&app).update::<Cart, _>(&key, |cart| *cart.visits_mut() += 1);
    let meanwhile = async { app.post(&mut browser, "/destroy").await };
    let (outcome, logout) = app.store.before_write(job, meanwhile).await;
    assert_eq!((outcome.unwrap(), logout.status, app.store.records().await), (None, 204, 0));
}

/// B61, B88: a job and a request that change different fields at once lose nothing of each other.
#[rocket::async_test]
async fn a_job_and_a_request_keep_each_others_fields() {
    let app = App::new().await;
    let (mut browser, key) = visitor(&app).await;
    let job = async { sessions(&app).update::<Cart, _>(&key, |cart| *cart.visits_mut() += 1).await.unwrap() };
    let request = app.post(&mut browser, "/do/coupon=A?slow=true");
    let (answer, job) = app.barrier.during(request, job).await;
    assert_eq!((answer.status, job), (200, Some(())));
    let values = app.store.record(key).await.unwrap().values;
    assert_eq!((values.get("cart.visits"), values.get("cart.coupon")), (Some("1"), Some("\"A\"")));
}
