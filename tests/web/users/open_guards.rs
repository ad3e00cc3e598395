//! Guards that were open while the request read the session again, or went on to another session.

use session_runtime::ErrorKind;

use super::{Account, AccountMut, Basket, BasketMut, Look, LookMut, Site, Staff, not_lasting};

fn log_in(account: &mut AccountMut) {
    account.set_user("bob".into());
}

/// A text that was set and then merged with another request's holds some of that: nothing of it goes along.
#[rocket::async_test]
async fn a_value_that_was_set_in_an_open_guard_and_merged_does_not_reach_the_next_user() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let slow = site.open(&browser);
    let mut basket = slow.write::<Basket>().await.unwrap();
    let other = |basket: &mut BasketMut| {
        basket.set_remark("ada's remark, much longer".into());
        *basket.visits_mut() += 10;
        basket.items_mut().insert(7, 5);
    };
    site.edit::<Basket>(&mut browser.clone(), other).await;
    slow.write::<Look>().await.unwrap().save().await.unwrap();
    basket.set_remark("mine".into());
    basket.set_visits(6);
    basket.clear_items();
    drop(basket);
    log_in(&mut slow.write::<Account>().await.unwrap());
    assert_eq!(site.close(slow, &mut browser).await, None);
    let account = [("account", r#"{"v":1}"#), ("account.user", r#""bob""#)];
    let basket = [("basket", r#"{"v":1}"#), ("basket.visits", "1")];
    assert_eq!(not_lasting(&site.values(&browser).await), [&account[..], &basket].concat());
}

/// An edit counts as set only on top of the very text that the request has set before.
#[rocket::async_test]
async fn an_edit_after_a_set_of_an_older_text_does_not_reach_the_next_user() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let slow = site.open(&browser);
    let mut basket = slow.write::<Basket>().await.unwrap();
    site.edit::<Basket>(&mut browser.clone(), |basket| basket.notes_mut().push("second".into())).await;
    slow.write::<Look>().await.unwrap().save().await.unwrap();
    basket.set_notes(vec!["ada's note".into()]);
    drop(basket);
    slow.write::<Basket>().await.unwrap().notes_mut().push("third".into());
    log_in(&mut slow.write::<Account>().await.unwrap());
    assert_eq!(site.close(slow, &mut browser).await, Some(ErrorKind::PreviousUser));
    assert_eq!(site.user(&browser).await.as_deref(), Some("ada"));
}

/// An explicit save of a login that another request has overtaken leaves the user: a guard that was open has seen values
/// of that user.
#[rocket::async_test]
async fn a_guard_open_across_an_overtaken_login_takes_nothing_along() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let slow = site.open(&browser);
    let mut basket = slow.write::<Basket>().await.unwrap();
    let mut staff = slow.write::<Staff>().await.unwrap();
    staff.set_operator("eve".into());
    let (mut other, visit) = (browser.clone(), site.open(&browser));
    visit.renew();
    assert_eq!(site.close(visit, &mut other).await, None);
    staff.save().await.unwrap();
    drop(staff);
    basket.notes_mut().push("mine".into());
    drop(basket);
    assert_eq!(site.close(slow, &mut browser).await, Some(ErrorKind::PreviousUser));
    assert_eq!(not_lasting(&site.values(&browser).await), [("staff", r#"{"v":1}"#), ("staff.operator", r#""eve""#)]);
}

/// A logout whose explicit save comes after another logout: the request reads defaults from then on.
#[rocket::async_test]
async fn after_a_saved_logout_that_was_overtaken_the_user_is_not_read_again() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let slow = site.open(&browser);
    let mut account = slow.write::<Account>().await.unwrap();
    site.edit::<Account>(&mut browser.clone(), AccountMut::clear_user).await;
    account.clear_user();
    assert_eq!(account.save().await.map_err(|error| error.kind()), Err(ErrorKind::Gone));
    drop(account);
    assert_eq!(slow.read::<Account>().await.unwrap().user(), &None);
    assert!(slow.key().is_none());
    assert_eq!(site.close(slow, &mut browser).await, None);
}

/// A `reject` field of a lasting schema is protected across a login as within one session.
#[rocket::async_test]
async fn a_lasting_reject_field_that_another_request_changed_is_not_overwritten_after_a_login() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let slow = site.open(&browser);
    let mut look = slow.write::<Look>().await.unwrap();
    let dark = |look: &mut LookMut| look.set_theme("dark".into());
    site.edit::<Look>(&mut browser.clone(), dark).await;
    let mut account = slow.write::<Account>().await.unwrap();
    log_in(&mut account);
    account.save().await.unwrap();
    drop(account);
    look.set_theme("light".into());
    drop(look);
    assert_eq!(site.close(slow, &mut browser).await, Some(ErrorKind::Rejected));
}

/// A save that fails gives its changes back: a field that it was to set still counts as set under a later edit.
#[rocket::async_test]
async fn a_field_that_was_set_before_a_save_that_failed_goes_along() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let slow = site.open(&browser);
    {
        let mut basket = slow.write::<Basket>().await.unwrap();
        basket.set_notes(vec!["mine".into()]);
        basket.set_address("my street".into());
    }
    let mut look = slow.write::<Look>().await.unwrap();
    let meanwhile = async {
        site.edit::<Basket>(&mut browser.clone(), |basket| basket.set_address("another street".into())).await;
        slow.write::<Basket>().await.unwrap().notes_mut().push("more".into());
    };
    let (saved, ()) = site.store().before_write(look.save(), meanwhile).await;
    assert_eq!(saved.map_err(|error| error.kind()), Err(ErrorKind::Rejected));
    drop(look);
    log_in(&mut slow.write::<Account>().await.unwrap());
    assert_eq!(site.close(slow, &mut browser).await, None);
    let visit = site.open(&browser);
    assert_eq!(visit.read::<Basket>().await.unwrap().notes(), &["mine", "more"]);
}
