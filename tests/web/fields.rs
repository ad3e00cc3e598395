//! Reading, taking and clearing fields, field by field and without a framework around the session.

use crate::app::{Auth, Browser, Cart, Prefs};
use crate::regressions::Web;

/// The names of everything that is stored for this browser.
async fn stored_names(web: &Web, browser: &Browser) -> Vec<String> {
    let record = web.store.record(web.key(browser).await).await.unwrap();
    record.values.iter().map(|(name, _)| name.to_string()).collect()
}

async fn nothing_is_saved(web: &Web, browser: &Browser, act: impl FnOnce(&mut crate::app::CartMut)) {
    let visit = web.open(browser);
    web.store.take_calls();
    act(&mut visit.write::<Cart>().await.unwrap());
    assert_eq!(web.close(visit, &mut browser.clone()).await, None);
    let calls = web.store.take_calls();
    assert!(!calls.contains_key("patch") && !calls.contains_key("create"), "{calls:?}");
}

/// B2: what is not there reads as its default, without a session and in one that holds other fields; nothing is saved.
#[rocket::async_test]
async fn a_missing_field_reads_as_its_default() {
    let (web, visitor) = Web::of_visitor().await;
    for browser in [Browser::default(), visitor] {
        nothing_is_saved(&web, &browser, |cart| {
            assert_eq!((*cart.luck(), *cart.visits(), cart.note().as_str()), (7, 0, ""));
            assert!(cart.items().is_empty() && cart.address().is_none());
        })
        .await;
    }
    assert_eq!(web.store.records().await, 1);
}

/// B5: what is taken is returned, and gone once the request is over.
#[rocket::async_test]
async fn taking_gives_the_value_and_removes_it() {
    let (web, mut browser) = Web::of_visitor().await;
    web.edit::<Cart>(&mut browser, |cart| {
        assert_eq!(cart.take_coupon().as_deref(), Some("A"));
        assert_eq!(cart.coupon(), &None);
    })
    .await;
    assert_eq!(web.stored(&browser, "cart.coupon").await, None);
}

/// B6, B7: taking what is not there gives the default or `None`, never a panic, and changes nothing.
#[rocket::async_test]
async fn taking_a_missing_field_changes_nothing() {
    let (web, browser) = Web::of_visitor().await;
    nothing_is_saved(&web, &browser, |cart| {
        assert_eq!((cart.take_luck(), cart.take_address(), cart.take_visits()), (7, None, 0));
    })
    .await;
}

/// B3, B9: several fields of several schemas, set in one request, are stored by one save.
#[rocket::async_test]
async fn several_fields_go_out_in_one_save() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    web.store.take_calls();
    {
        let mut cart = visit.write::<Cart>().await.unwrap();
        cart.update(|cart| {
            cart.note = "three".into();
            cart.luck = 3;
        });
        cart.set_visits(3);
        visit.write::<Prefs>().await.unwrap().values_mut().insert("three".into(), 3);
    }
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(web.store.take_calls().get("patch"), Some(&1));
    for (name, text) in
        [("cart.note", "\"three\""), ("cart.luck", "3"), ("cart.visits", "3"), ("prefs.values/three", "3")]
    {
        assert_eq!(web.stored(&browser, name).await.as_deref(), Some(text), "{name}");
    }
}

/// B10: looking at a map through a writable guard is no change.
#[rocket::async_test]
async fn looking_at_a_map_changes_nothing() {
    let (web, mut browser) = Web::of_visitor().await;
    web.edit::<Cart>(&mut browser, |cart| cart.set_items([(7, 1), (8, 2)].into())).await;
    nothing_is_saved(&web, &browser, |cart| {
        assert_eq!(cart.items().keys().copied().collect::<Vec<_>>(), [7, 8]);
        assert_eq!(cart.items_mut().values().sum::<u32>(), 3);
        assert!(!cart.items_mut().is_empty() && cart.items_mut().contains_key(&7));
    })
    .await;
}

/// B11, C19b: a request that clears every field, without having looked at one, leaves none in the record; the session
/// itself lives on under its id.
#[rocket::async_test]
async fn clearing_every_field_leaves_none() {
    let (web, mut browser) = Web::of_visitor().await;
    web.edit::<Cart>(&mut browser, |cart| {
        cart.set_items([(7, 1), (8, 2)].into());
        cart.set_tags(["a".into()].into());
        cart.set_note("note".into());
    })
    .await;
    web.edit::<Auth>(&mut browser, |auth| auth.set_roles(vec!["buyer".into()])).await;
    let before = browser.clone();
    let visit = web.open(&browser);
    {
        let mut cart = visit.write::<Cart>().await.unwrap();
        cart.clear_items();
        cart.clear_tags();
        cart.clear_note();
        cart.clear_coupon();
        visit.write::<Auth>().await.unwrap().clear_roles();
    }
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(browser, before, "the session keeps its id");
    let names = stored_names(&web, &browser).await;
    assert!(names.iter().all(|name| !name.contains('.')), "only metadata may be left: {names:?}");
    assert_eq!(web.coupon(&browser).await, None);
}

/// B25: from `destroy` on, the request's own handle names no session; afterwards there is no record.
#[rocket::async_test]
async fn an_ended_session_has_no_key() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    visit.load().await.unwrap();
    assert!(visit.key().is_some());
    visit.destroy();
    assert_eq!((visit.key(), visit.created_at(), visit.expires_at()), (None, None, None));
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!((browser.0, web.store.records().await), (None, 0));
}

/// B90: a test seeds a session by itself, gives it to a local client, and reads back what a handler did.
#[rocket::async_test]
async fn a_test_can_seed_a_session_and_read_it_back() {
    let app = crate::app::App::new().await;
    let sessions = session_runtime::Sessions::fetch(app.client.rocket()).unwrap();
    let visit = sessions.open([]);
    visit.write::<Cart>().await.unwrap().set_items([(7, 41)].into());
    let finished = visit.finish(200).await;
    let line = finished.cookie.header().unwrap();
    let cookie = rocket::http::Cookie::parse(line.to_owned()).unwrap();
    let answer = app.client.post("/add/7").cookie(cookie).dispatch().await;
    assert_eq!(answer.into_string().await.as_deref(), Some("42"));
    let cart = sessions.read::<Cart>(&visit.key().unwrap()).await.unwrap().unwrap();
    assert_eq!(cart.items()[&7], 42);
}
