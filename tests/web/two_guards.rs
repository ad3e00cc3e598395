//! A writable guard that stays open while another one saves: its changes are its own, and no more than its own.

use session_runtime::config::Limits;

use crate::app::{Answer, App, Browser, patient};

/// A cart of two products; `slow` in one request, `meanwhile` while it waits between its edits and its save.
async fn race(app: &App, setup: &[&str], slow: &str, meanwhile: &[&str]) -> (Answer, Browser) {
    let mut browser = Browser::default();
    for path in ["/add/7", "/add/9"].iter().chain(setup) {
        assert_eq!(app.post(&mut browser, path).await.status, 200, "{path}");
    }
    let mut other = browser.clone();
    let meanwhile = async {
        for path in meanwhile {
            assert_eq!(app.post(&mut other, path).await.status, 200, "{path}");
        }
    };
    let (answer, ()) = app.barrier.during(app.post(&mut browser, slow), meanwhile).await;
    (answer, browser)
}

async fn stored(app: &App, browser: &Browser, names: &[&str]) -> Vec<Option<String>> {
    let record = app.store.record(app.key(browser).await).await.unwrap();
    names.iter().map(|name| record.values.get(name).map(str::to_owned)).collect()
}

fn texts(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| (!text.is_empty()).then(|| (*text).to_owned())).collect()
}

const CART: [&str; 5] = ["cart.items/7", "cart.items/8", "cart.items/9", "cart.visits", "cart.coupon"];
const OTHERS: [&str; 4] = ["/add/7", "/add/8", "/do/visit", "/remove/9"];

/// Another guard's save brings in what other requests stored: an open guard must neither undo nor count it again.
#[rocket::async_test]
async fn a_save_of_another_guard_does_not_undo_other_requests() {
    for how in ["save", "update-now", "own-update-now", "failed-update-now"] {
        for edit in ["struct=A", "coupon=A"] {
            let limits = Limits { record_bytes: 5_000, ..Limits::default() };
            let app = App::with(patient().limits(limits)).await;
            let (answer, browser) = race(&app, &[], &format!("/two/{how}?edit={edit}"), &OTHERS).await;
            assert_eq!(answer.status, 200, "{how} {edit}");
            // 7: once before, once by the others, twice by this request.
            assert_eq!(stored(&app, &browser, &CART).await, texts(&["4", "1", "", "2", "\"A\""]), "{how} {edit}");
        }
    }
}

/// Another user's session begins with what this request wrote, whichever guard saves first.
#[rocket::async_test]
async fn nothing_of_the_first_user_comes_along_through_an_open_guard() {
    for edit in ["struct=A", "coupon=A", "nothing"] {
        let app = App::new().await;
        let setup = ["/login/ada", "/do/visit", "/do/note=private"];
        let (answer, browser) = race(&app, &setup, &format!("/two/save?edit={edit}&user=bob"), &[]).await;
        assert_eq!((answer.status, answer.set_cookie.len()), (200, 1), "{edit}");
        let coupon = if edit == "nothing" { "" } else { "\"A\"" };
        assert_eq!(stored(&app, &browser, &CART).await, texts(&["2", "", "", "1", coupon]), "{edit}");
        assert_eq!(stored(&app, &browser, &["cart.note"]).await, [None], "{edit}");
        assert_eq!(app.store.records().await, 1);
    }
}

/// A refused `update_now` stores nothing, not even when the guard ends afterwards.
#[rocket::async_test]
async fn a_refused_update_now_stays_refused() {
    for how in ["own-update-now", "save"] {
        let app = App::new().await;
        let path = format!("/two/{how}?edit=address=ours");
        let (answer, browser) = race(&app, &["/do/address=base"], &path, &["/do/address=theirs"]).await;
        assert_eq!((answer.status, answer.set_cookie.len()), (409, 0), "{how}");
        let kept = stored(&app, &browser, &["cart.address", "cart.items/7"]).await;
        assert_eq!(kept, texts(&["\"theirs\"", "1"]), "{how}");
    }
}

/// A save after the request's own `destroy` does not report success.
#[rocket::async_test]
async fn a_save_after_a_destroy_is_gone() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    let answer = app.post(&mut browser, "/destroy-and-save").await;
    assert_eq!((answer.status, app.store.records().await, browser.0), (409, 0, None));
}
