//! Other programs' schemas in the same record: their keys are not ours, however much they look like them.

use session_runtime::SessionConfig;
use session_runtime::testing::RecordingStore;

use crate::app::{App, Browser, patient};
use crate::store::checking_store;

/// Keys of other schemas, and of fields that this program does not have; the texts are those of its own fields.
const THEIRS: [(&str, &str); 26] = [
    ("Cart", r#"{"v":1}"#),
    ("Cart.items/1", "100"),
    ("auth-2", r#"{"v":1}"#),
    ("auth-2.user", r#""mallory""#),
    ("authority.user", r#""mallory""#),
    ("aut.user", r#""mallory""#),
    ("car", r#"{"v":1}"#),
    ("car.items/1", "100"),
    ("cart-2", r#"{"v":2}"#),
    ("cart-2.coupon", r#""THEIRS""#),
    ("cart-2.items/1", "100"),
    ("cart.coupon/1", r#""THEIRS""#),
    ("cart.coupons", r#""THEIRS""#),
    ("cart.item/1", "100"),
    ("cart.items", r#"{"1":100}"#),
    ("cart.items-2/1", "100"),
    ("cart.items2/1", "100"),
    ("cart.itemsx", "100"),
    ("cart.tag/x", "true"),
    ("cart.tags2/x", "true"),
    ("cart2.items/1", "100"),
    ("cartoon.items/1", "100"),
    ("histor.pages", r#"["theirs"]"#),
    ("history-2.pages", r#"["theirs"]"#),
    ("prefs-2.values/a", "100"),
    ("prefs2.language", r#""xx""#),
];

async fn answers(app: &App, browser: &mut Browser) -> Vec<String> {
    let mut answers = Vec::new();
    for path in ["/cart", "/all", "/whoami", "/prefs", "/history", "/late-history"] {
        let answer = if path == "/late-history" {
            let late = app.get(browser, path);
            app.barrier.during(late, async {}).await.0
        } else {
            app.get(browser, path).await
        };
        answers.push(format!("{path} {} {}", answer.status, answer.body));
    }
    answers
}

/// The steps of a visitor, with every operation that removes keys.
const STEPS: [&str; 15] = [
    "/add/1",
    "/add/2",
    "/do/coupon=OURS",
    "/do/tag=x",
    "/history/first",
    "/prefs/a/1",
    "/remove/1",
    "/do/no-coupon",
    "/do/untag=x",
    "/do/replace=3",
    "/login/ada",
    "/roles/admin",
    "/renew",
    "/do/clear",
    "/history/second",
];

/// B76: what a program reads and writes is the same with and without the neighbours, who lose and gain nothing.
#[rocket::async_test]
async fn keys_of_other_schemas_are_neither_read_nor_written_nor_removed() {
    let app = App::new().await;
    let (mut alone, mut beside) = (Browser::default(), Browser::default());
    for browser in [&mut alone, &mut beside] {
        app.post(browser, "/do/visit").await;
    }
    let (alone_key, key) = (app.key(&alone).await, app.key(&beside).await);
    for (name, text) in THEIRS {
        app.store.plant(key, name, text).await;
    }
    for step in STEPS {
        let (one, two) = (app.post(&mut alone, step).await, app.post(&mut beside, step).await);
        assert_eq!((one.status, one.body), (two.status, two.body), "{step}");
        assert_eq!(answers(&app, &mut alone).await, answers(&app, &mut beside).await, "after {step}");
        let (ours, mut all) =
            (app.store.record(alone_key).await.unwrap().values, app.store.record(key).await.unwrap().values);
        for (name, text) in THEIRS {
            assert_eq!(all.remove(name).as_deref(), Some(text), "{name} after {step}");
        }
        assert!(all == ours, "after {step}");
    }
}

/// B76: a session with nothing of ours in it is no cart, no login and no choice of ours.
#[rocket::async_test]
async fn a_record_of_other_schemas_alone_reads_as_defaults() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/do/coupon=A").await;
    let key = app.key(&browser).await;
    app.post(&mut browser, "/do/no-coupon").await;
    for (name, text) in THEIRS {
        app.store.plant(key, name, text).await;
    }
    assert_eq!(answers(&app, &mut browser).await, answers(&app, &mut Browser::default()).await);
}

/// B76: a store may bring more than was wanted: a schema that was not asked for is loaded anew where it is.
#[rocket::async_test]
async fn a_store_that_brings_more_than_was_wanted_changes_no_answer() {
    let exact = App::with(config()).await;
    let generous = App::on(RecordingStore::new(checking_store().loading_all()), config()).await;
    let (mut one, mut two) = (Browser::default(), Browser::default());
    for step in STEPS {
        exact.post(&mut one, step).await;
        generous.post(&mut two, step).await;
        assert_eq!(answers(&exact, &mut one).await, answers(&generous, &mut two).await, "after {step}");
    }
    for (app, browser) in [(&exact, &mut one), (&generous, &mut two)] {
        let mut other = browser.clone();
        let slow = app.get(browser, "/late-history");
        let meanwhile = async {
            app.post(&mut other, "/history/third").await;
        };
        let (late, ()) = app.barrier.during(slow, meanwhile).await;
        assert_eq!(late.body, r#"0 ["first", "second", "third"]"#, "as it is stored when it is asked for");
    }
}

fn config() -> SessionConfig {
    patient()
}
