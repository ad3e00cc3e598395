//! Single values: what does not decode or encode, what was cleared, what was changed back.

use session_runtime::ErrorKind;

use super::{Odd, Tally, Web};
use crate::app::{Auth, Browser, Cart, CartMut, Prefs, Settings};

/// An undecodable optional field reads as absent and stays stored until it is replaced.
#[rocket::async_test]
async fn an_undecodable_option_stays_stored() {
    let (web, mut browser) = Web::of_visitor().await;
    web.plant(&browser, &[("prefs", r#"{"v":1}"#), ("prefs.language", "7")]).await;
    web.edit::<Prefs>(&mut browser, |prefs| prefs.update(|prefs| prefs.settings.dark = true)).await;
    assert_eq!(web.stored(&browser, "prefs.language").await.as_deref(), Some("7"));
}

/// A field that was set to its default, or cleared, is replaced even if what is stored does not decode.
#[rocket::async_test]
async fn an_undecodable_field_is_replaced_by_its_default() {
    let (web, mut browser) = Web::of_visitor().await;
    web.plant(&browser, &[("prefs", r#"{"v":1}"#), ("prefs.language", "7"), ("prefs.settings", "7")]).await;
    web.edit::<Prefs>(&mut browser, |prefs| {
        prefs.clear_language();
        prefs.set_settings(Settings::default());
    })
    .await;
    assert_eq!(web.stored(&browser, "prefs.language").await, None);
    assert_eq!(web.stored(&browser, "prefs.settings").await.as_deref(), Some(r#"{"dark":false}"#));
}

/// A map that was set as a whole leaves no entry of before, not even one that does not decode.
#[rocket::async_test]
async fn an_undecodable_entry_leaves_with_a_map_that_is_replaced() {
    for (name, b) in [("c", None), ("b", Some("3"))] {
        let (web, mut browser) = Web::of_visitor().await;
        let planted = [("prefs", r#"{"v":1}"#), ("prefs.values/a", "1"), ("prefs.values/b", r#""two""#)];
        web.plant(&browser, &planted).await;
        web.edit::<Prefs>(&mut browser, |prefs| prefs.set_values([(name.to_owned(), 3)].into())).await;
        assert_eq!(web.stored(&browser, "prefs.values/a").await, None);
        assert_eq!(web.stored(&browser, "prefs.values/b").await.as_deref(), b);
        assert_eq!(web.stored(&browser, &format!("prefs.values/{name}")).await.as_deref(), Some("3"));
    }
}

/// A sum whose base does not decode counts from the default.
#[rocket::async_test]
async fn a_reset_field_merges_from_its_default() {
    let (web, mut browser) = Web::of_visitor().await;
    web.plant(&browser, &[("tally", r#"{"v":1}"#), ("tally.count", r#""many""#)]).await;
    let visit = web.open(&browser);
    *visit.write::<Tally>().await.unwrap().count_mut() += 5;
    web.plant(&browser, &[("tally.count", "3")]).await;
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(web.stored(&browser, "tally.count").await.as_deref(), Some("8"));
}

/// A field that was cleared stays absent when a later guard looks at it.
#[rocket::async_test]
async fn a_cleared_field_stays_cleared_when_looked_at() {
    let (web, mut browser) = Web::of_cart(|cart| cart.set_visits(5)).await;
    let visit = web.open(&browser);
    visit.write::<Cart>().await.unwrap().clear_visits();
    visit.write::<Cart>().await.unwrap().update(|_| ());
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(web.stored(&browser, "cart.visits").await, None);
}

/// Two edits of two guards that cancel out leave an absent field absent.
#[rocket::async_test]
async fn edits_that_cancel_out_store_nothing() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    *visit.write::<Cart>().await.unwrap().visits_mut() += 1;
    *visit.write::<Cart>().await.unwrap().visits_mut() -= 1;
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(web.stored(&browser, "cart.visits").await, None);
}

/// A field with a merge of its own that two requests cleared at once is absent.
#[rocket::async_test]
async fn a_field_that_both_cleared_is_absent() {
    let (web, mut browser) = Web::of_cart(|cart| cart.set_note("base".into())).await;
    let visit = web.open(&browser);
    visit.write::<Cart>().await.unwrap().clear_note();
    web.edit_elsewhere::<Cart>(&browser, CartMut::clear_note).await;
    assert_eq!(web.close(visit, &mut browser).await, None);
    assert_eq!(web.stored(&browser, "cart.note").await, None);
}

/// A map with a number that cannot be stored is refused, and what is stored can still be read.
#[rocket::async_test]
async fn a_number_that_cannot_be_stored_breaks_no_map() {
    let (web, mut browser) = Web::of_visitor().await;
    let visit = web.open(&browser);
    visit.write::<Cart>().await.unwrap().weights_mut().insert("apple".into(), f64::NAN);
    assert_eq!(web.close(visit, &mut browser).await, Some(ErrorKind::Unencodable));
    assert_eq!(web.coupon(&browser).await.as_deref(), Some("A"));
}

/// A plain number that cannot be stored is refused, and does not become the default.
#[rocket::async_test]
async fn a_number_that_cannot_be_stored_is_not_the_default() {
    let (web, mut browser) = (Web::new(), Browser::default());
    web.edit::<Odd>(&mut browser, |odd| odd.set_price(2.5)).await;
    let visit = web.open(&browser);
    visit.write::<Odd>().await.unwrap().set_price(f64::INFINITY);
    assert_eq!(web.close(visit, &mut browser).await, Some(ErrorKind::Unencodable));
    assert_eq!(web.stored(&browser, "odd.price").await.as_deref(), Some("2.5"));
}

/// Found by fuzzing: a user whose name another program had stored with an escape was taken for another user.
#[rocket::async_test]
async fn a_value_spelled_otherwise_is_unchanged() {
    let (web, mut browser) = Web::of_visitor().await;
    let (user, language) = (r#""\u0061nna""#, r#""\u0064e""#);
    web.plant(&browser, &[("auth", r#"{"v":1}"#), ("auth.user", user)]).await;
    web.plant(&browser, &[("prefs", r#"{"v":1}"#), ("prefs.language", language)]).await;
    let key = web.key(&browser).await;
    web.edit::<Auth>(&mut browser, |auth| auth.update(|_| ())).await;
    web.edit::<Prefs>(&mut browser, |prefs| prefs.update(|_| ())).await;
    assert_eq!(web.key(&browser).await, key);
    assert_eq!(web.stored(&browser, "auth.user").await.as_deref(), Some(user));
    assert_eq!(web.stored(&browser, "prefs.language").await.as_deref(), Some(language));
}
