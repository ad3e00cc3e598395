//! A user who goes, beside other requests of the same session.

use std::time::Duration;

use session_runtime::ErrorKind;
use session_runtime::testing::Fault;

use super::{Account, AccountMut, Basket, Look, Site, Staff, not_lasting};
use crate::app::Browser;

/// The time that a slow call takes longer.
const SLOW: Duration = Duration::from_millis(300);

fn log_out(account: &mut AccountMut) {
    account.clear_user();
}

fn log_in(account: &mut AccountMut) {
    account.set_user("bob".into());
}

/// A plain write in flight beside a logout or another login: dropped, and nothing of it is stored anywhere.
#[rocket::async_test]
async fn a_write_beside_a_logout_is_dropped() {
    for turn in [log_out, log_in] {
        let site = Site::served();
        let mut browser = site.of_ada().await;
        let slow = site.open(&browser);
        slow.write::<Basket>().await.unwrap().set_remark("late".into());
        let mut other = browser.clone();
        site.edit::<Account>(&mut other, turn).await;
        let before = browser.clone();
        assert_eq!(site.close(slow, &mut browser).await, None);
        assert_eq!(browser, before, "a dropped write sends no cookie");
        for (_, record) in site.store().all().await {
            assert!(record.values.iter().all(|(_, text)| !text.contains("late")));
        }
        assert_eq!(site.user(&browser).await, None);
    }
}

/// A logout that another request's renewal has overtaken is refused, as a plain write is: the browser may hold the new id.
#[rocket::async_test]
async fn a_logout_by_field_that_lost_against_a_renewal_is_refused() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let slow = site.open(&browser);
    log_out(&mut slow.write::<Account>().await.unwrap());
    let (mut other, visit) = (browser.clone(), site.open(&browser));
    visit.renew();
    assert_eq!(site.close(visit, &mut other).await, None);
    let before = browser.clone();
    assert_eq!(site.close(slow, &mut browser).await, Some(ErrorKind::Renewed));
    assert_eq!(browser, before);
    assert_eq!(site.user(&other).await.as_deref(), Some("ada"));
    assert_eq!(site.store().records().await, 1);
}

/// The same between the load of the lasting schemas and the end of the old id.
#[rocket::async_test]
async fn a_logout_that_is_overtaken_while_it_is_stored_leaves_no_second_session() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let slow = site.open(&browser);
    log_out(&mut slow.write::<Account>().await.unwrap());
    let mut other = browser.clone();
    let renewal = async {
        let visit = site.open(&other);
        visit.renew();
        assert_eq!(site.close(visit, &mut other).await, None);
    };
    let (error, ()) = site.store().before_write(site.close(slow, &mut browser), renewal).await;
    assert_eq!(error, Some(ErrorKind::Renewed));
    assert_eq!(site.user(&other).await.as_deref(), Some("ada"));
    assert_eq!(site.store().records().await, 1);
}

/// Another user's login that a renewal or a logout has overtaken is of a session of its own.
#[rocket::async_test]
async fn another_login_that_lost_a_race_is_of_a_session_of_its_own() {
    for destroyed in [false, true] {
        let site = Site::served();
        let mut browser = site.of_ada().await;
        let slow = site.open(&browser);
        log_in(&mut slow.write::<Account>().await.unwrap());
        let (mut other, visit) = (browser.clone(), site.open(&browser));
        if destroyed {
            visit.destroy();
        } else {
            visit.renew();
        }
        assert_eq!(site.close(visit, &mut other).await, None);
        assert_eq!(site.close(slow, &mut browser).await, None);
        assert_eq!(site.user(&browser).await.as_deref(), Some("bob"));
        assert_eq!(
            not_lasting(&site.values(&browser).await),
            [("account", r#"{"v":1}"#), ("account.user", r#""bob""#)]
        );
        assert_eq!(site.user(&other).await.is_some(), !destroyed);
    }
}

/// Two logouts at once: one removes the session, the other finds it gone; neither brings a user back.
#[rocket::async_test]
async fn two_logouts_by_field_at_once_leave_no_user() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let mut other = browser.clone();
    let slow = site.open(&browser);
    log_out(&mut slow.write::<Account>().await.unwrap());
    site.edit::<Account>(&mut other, log_out).await;
    assert_eq!(site.close(slow, &mut browser).await, None);
    for browser in [&browser, &other] {
        assert_eq!(site.user(browser).await, None);
    }
    assert_eq!(site.store().records().await, 1, "the language of the logout that came first");
}

/// A session whose end fails after the next one was created: an error, the browser keeps its id, and no second record is
/// left under a key that a scan would find.
#[rocket::async_test]
async fn a_next_session_is_taken_back_when_the_old_one_cannot_end() {
    for turn in [log_out, log_in] {
        for fault in [Fault::Down, Fault::Panics] {
            let site = Site::served();
            let mut browser = site.of_ada().await;
            let before = browser.clone();
            let visit = site.open(&browser);
            turn(&mut visit.write::<Account>().await.unwrap());
            site.store().fail("patch", fault);
            assert!(site.close(visit, &mut browser).await.is_some());
            site.store().recover();
            assert_eq!(browser, before);
            assert_eq!(site.store().records().await, 1);
            assert_eq!(site.user(&browser).await.as_deref(), Some("ada"));
        }
    }
}

/// A session that cannot be created ends nothing.
#[rocket::async_test]
async fn a_next_session_that_cannot_be_created_ends_nothing() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let visit = site.open(&browser);
    log_in(&mut visit.write::<Account>().await.unwrap());
    site.store().fail("create", Fault::Down);
    assert_eq!(site.close(visit, &mut browser).await, Some(ErrorKind::Unavailable));
    site.store().recover();
    assert_eq!(site.user(&browser).await.as_deref(), Some("ada"));
}

/// The record of the first user cannot be deleted: it has ended all the same.
#[rocket::async_test]
async fn a_first_session_that_cannot_be_deleted_is_not_opened_again() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let first = browser.clone();
    let visit = site.open(&browser);
    log_out(&mut visit.write::<Account>().await.unwrap());
    site.store().fail("delete", Fault::Down);
    assert_eq!(site.close(visit, &mut browser).await, None);
    site.store().recover();
    assert_eq!((site.user(&first).await, site.user(&browser).await), (None, None));
    assert_eq!(site.language(&browser).await.as_deref(), Some("de"));
}

/// A login of a visitor whose session another kind of user had, and that lost against another login: nothing of that user.
#[rocket::async_test]
async fn a_second_kind_of_user_that_lost_a_race_takes_nothing_of_the_first_along() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let slow = site.open(&browser);
    slow.write::<super::Staff>().await.unwrap().set_operator("eve".into());
    let (mut other, visit) = (browser.clone(), site.open(&browser));
    visit.renew();
    assert_eq!(site.close(visit, &mut other).await, None);
    assert_eq!(site.close(slow, &mut browser).await, None);
    assert_eq!(not_lasting(&site.values(&browser).await), [("staff", r#"{"v":1}"#), ("staff.operator", r#""eve""#)]);
}

/// Two requests of a user's session in which the same operator logs in: the session that the slower one gets holds what it
/// set and the lasting schemas, and nothing that it built on the user's values.
#[rocket::async_test]
async fn a_second_user_of_a_session_that_lost_against_another_login_takes_nothing_along() {
    for (edit, error) in [(false, None), (true, Some(ErrorKind::PreviousUser))] {
        let site = Site::served();
        let mut browser = site.of_ada().await;
        let slow = site.open(&browser);
        if edit {
            slow.write::<Account>().await.unwrap().roles_mut().push("more".into());
        }
        slow.write::<Basket>().await.unwrap().set_remark("mine".into());
        *slow.write::<Basket>().await.unwrap().visits_mut() += 2;
        slow.write::<Look>().await.unwrap().settings_mut().insert("zoom".into(), 2);
        slow.write::<Staff>().await.unwrap().set_operator("eve".into());
        let (mut other, before) = (browser.clone(), browser.clone());
        site.edit::<Staff>(&mut other, |staff| staff.set_operator("eve".into())).await;
        assert_eq!(site.close(slow, &mut browser).await, error);
        if edit {
            assert_eq!((&browser, site.store().records().await), (&before, 1));
            continue;
        }
        let basket = [("basket", r#"{"v":1}"#), ("basket.remark", r#""mine""#), ("basket.visits", "2")];
        let staff = [("staff", r#"{"v":1}"#), ("staff.operator", r#""eve""#)];
        assert_eq!(not_lasting(&site.values(&browser).await), [&basket[..], &staff].concat());
        let visit = site.open(&browser);
        let look = visit.read::<Look>().await.unwrap();
        assert_eq!((look.language().as_deref(), look.settings().len()), (Some("de"), 2));
    }
}

/// A sum that a request sets is merged with another request's change: the next user gets only the difference.
#[rocket::async_test]
async fn a_sum_that_was_set_and_merged_with_the_users_takes_nothing_of_it_along() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let visit = site.open(&browser);
    visit.write::<Basket>().await.unwrap().set_visits(16);
    site.edit::<Basket>(&mut browser.clone(), |basket| *basket.visits_mut() += 100).await;
    let mut account = visit.write::<Account>().await.unwrap();
    account.update_now(log_in).await.unwrap();
    drop(account);
    assert_eq!(site.close(visit, &mut browser).await, None);
    let visit = site.open(&browser);
    assert_eq!(visit.read::<Account>().await.unwrap().user().as_deref(), Some("bob"));
    assert_eq!(*visit.read::<Basket>().await.unwrap().visits(), 11, "16 was set where 5 were stored");
}

/// An edit of the first user's value that another request has removed since: the base is gone, and the text is not.
#[rocket::async_test]
async fn an_edit_of_a_value_that_was_removed_meanwhile_does_not_reach_the_next_user() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let slow = site.open(&browser);
    slow.write::<Basket>().await.unwrap().remark_mut().push_str(" and more");
    site.edit::<Basket>(&mut browser.clone(), super::BasketMut::clear_remark).await;
    let updated = slow.write::<Account>().await.unwrap().update_now(log_in).await;
    assert_eq!(updated.err().map(|error| error.kind()), Some(ErrorKind::PreviousUser));
    // Without the login it is an edit of the same user's value.
    assert_eq!(site.close(slow, &mut browser).await, None);
    assert_eq!(site.user(&browser).await.as_deref(), Some("ada"));
}

/// The same of a guard that was open while the request read the session anew.
#[rocket::async_test]
async fn an_edit_in_a_guard_that_was_open_during_a_save_does_not_reach_the_next_user() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let slow = site.open(&browser);
    let mut basket = slow.write::<Basket>().await.unwrap();
    site.edit::<Basket>(&mut browser.clone(), super::BasketMut::clear_remark).await;
    slow.write::<Look>().await.unwrap().save().await.unwrap();
    basket.remark_mut().push_str(" and more");
    drop(basket);
    log_in(&mut slow.write::<Account>().await.unwrap());
    assert_eq!(site.close(slow, &mut browser).await, Some(ErrorKind::PreviousUser));
    assert_eq!(site.user(&browser).await.as_deref(), Some("ada"));
}

/// The same of a login that reads the session anew, since it clears a schema: it gets a session of its own.
#[rocket::async_test]
async fn a_login_that_is_overtaken_while_it_reads_anew_gets_a_session_of_its_own() {
    let (site, mut browser) = (Site::served(), Browser::default());
    site.edit::<Basket>(&mut browser, |basket| basket.set_remark("a visitor's".into())).await;
    let mut other = browser.clone();
    let slow = site.open(&browser);
    slow.clear::<Basket>().await.unwrap();
    log_in(&mut slow.write::<Account>().await.unwrap());
    site.edit::<Look>(&mut browser.clone(), |look| look.set_language("fr".into())).await;
    site.store().fail("load", Fault::Slow(SLOW));
    let overtake = async {
        tokio::time::sleep(SLOW / 3).await;
        site.store().recover();
        site.edit::<Staff>(&mut other, |staff| staff.set_operator("eve".into())).await;
    };
    let (end, ()) = tokio::join!(site.close(slow, &mut browser), overtake);
    assert_eq!(end, None);
    assert_eq!(site.user(&browser).await.as_deref(), Some("bob"));
    assert_eq!(site.open(&other).read::<Staff>().await.unwrap().operator().as_deref(), Some("eve"));
}
