//! `restart`: the end of one session and the beginning of the next, in one request.

use session_runtime::ErrorKind;
use session_runtime::testing::Fault;

use super::{Account, AccountMut, Basket, Look, LookMut, Notices, Site, not_lasting};
use crate::app::Browser;

/// A notice and a language outlive the logout; nothing else does, whatever the answer and whatever was loaded before.
#[rocket::async_test]
async fn a_notice_and_a_language_outlive_a_restart() {
    for site in Site::both() {
        for (status, loaded) in [(200, false), (200, true), (500, false), (500, true)] {
            let mut browser = site.of_ada().await;
            let first = browser.clone();
            let visit = site.open(&browser);
            if loaded {
                assert_eq!(visit.read::<Account>().await.unwrap().user().as_deref(), Some("ada"));
            }
            visit.restart();
            assert_eq!((visit.key(), visit.read::<Account>().await.unwrap().user()), (None, &None));
            visit.write::<Notices>().await.unwrap().lines_mut().push("goodbye".into());
            assert_eq!(site.close_as(status, visit, &mut browser).await, None);
            assert_ne!(browser, first);
            let visit = site.open(&browser);
            let written = if status == 200 { &["welcome", "goodbye"][..] } else { &["welcome"] };
            assert_eq!(visit.read::<Notices>().await.unwrap().lines(), written, "{status}");
            assert_eq!(visit.read::<Look>().await.unwrap().language().as_deref(), Some("de"));
            assert_eq!(visit.read::<Account>().await.unwrap().user(), &None);
            if site.store.is_some() {
                assert_eq!(not_lasting(&site.values(&browser).await), []);
                assert_eq!(site.user(&first).await, None);
            }
        }
    }
}

/// Writes before it are dropped, writes to lasting schemas and writes after it are not.
#[rocket::async_test]
async fn writes_after_a_restart_go_into_the_new_session() {
    for site in Site::both() {
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        visit.write::<Look>().await.unwrap().set_language("fr".into());
        visit.write::<Basket>().await.unwrap().set_remark("lost".into());
        visit.restart();
        visit.write::<Account>().await.unwrap().set_user("bob".into());
        visit.write::<Basket>().await.unwrap().notes_mut().push("bob's".into());
        assert_eq!(site.close(visit, &mut browser).await, None);
        let visit = site.open(&browser);
        let basket = visit.read::<Basket>().await.unwrap();
        assert_eq!((basket.remark().as_str(), basket.notes().as_slice()), ("", &["bob's".to_owned()][..]));
        assert_eq!(visit.read::<Account>().await.unwrap().user().as_deref(), Some("bob"));
        assert_eq!(visit.read::<Look>().await.unwrap().language().as_deref(), Some("fr"));
    }
}

/// Without anything lasting it is a `destroy`, but that later writes begin a new session.
#[rocket::async_test]
async fn a_restart_without_lasting_data_removes_the_cookie() {
    for site in Site::both() {
        for later in [false, true] {
            let mut browser = Browser::default();
            site.edit::<Account>(&mut browser, |account| account.set_user("ada".into())).await;
            let visit = site.open(&browser);
            visit.restart();
            if later {
                visit.write::<Basket>().await.unwrap().set_remark("new".into());
            }
            assert_eq!(site.close(visit, &mut browser).await, None);
            assert_eq!(browser.0.is_some(), later);
            let records = match &site.store {
                Some(store) => Some(store.records().await),
                None => None,
            };
            assert!(records.is_none_or(|records| records == usize::from(later)));
        }
    }
}

/// A visitor without a session gets none by it.
#[rocket::async_test]
async fn a_restart_creates_nothing() {
    for site in Site::both() {
        let mut browser = Browser::default();
        let visit = site.open(&browser);
        visit.restart();
        assert_eq!(site.close(visit, &mut browser).await, None);
        assert_eq!(browser, Browser(None));
    }
}

/// `destroy` wins, before it and after it.
#[rocket::async_test]
async fn destroy_wins_over_restart() {
    for site in Site::both() {
        for first in [false, true] {
            let mut browser = site.of_ada().await;
            let visit = site.open(&browser);
            if first {
                visit.destroy();
            }
            visit.restart();
            visit.destroy();
            visit.write::<Look>().await.unwrap().set_language("fr".into());
            assert_eq!(site.close(visit, &mut browser).await, None);
            assert_eq!(browser, Browser(None));
        }
    }
}

/// Saved in the middle, more than once.
#[rocket::async_test]
async fn a_restart_can_be_saved_and_repeated() {
    for site in Site::both() {
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        let mut look = visit.write::<Look>().await.unwrap();
        visit.restart();
        look.save().await.unwrap();
        visit.write::<Account>().await.unwrap().set_user("bob".into());
        look.save().await.unwrap();
        visit.restart();
        look.set_language("fr".into());
        look.save().await.unwrap();
        drop(look);
        visit.write::<Account>().await.unwrap().set_user("eve".into());
        assert_eq!(site.close(visit, &mut browser).await, None);
        assert_eq!(site.user(&browser).await.as_deref(), Some("eve"));
        assert_eq!(site.language(&browser).await.as_deref(), Some("fr"));
        if let Some(store) = &site.store {
            assert_eq!(store.records().await, 1);
        }
    }
}

/// A guard that was open when `restart` was called: what it set counts, an edit of the old value is refused, and the
/// session has ended all the same.
#[rocket::async_test]
async fn a_guard_open_across_a_restart_takes_nothing_along() {
    for (edit, error) in [(false, None), (true, Some(ErrorKind::PreviousUser))] {
        let site = Site::served();
        let mut browser = site.of_ada().await;
        let first = browser.clone();
        let visit = site.open(&browser);
        let mut basket = visit.write::<Basket>().await.unwrap();
        visit.restart();
        basket.set_remark("mine".into());
        if edit {
            basket.notes_mut().push("more".into());
        }
        drop(basket);
        assert_eq!(site.close(visit, &mut browser).await, error);
        assert_eq!(site.user(&first).await, None);
        let values = site.values(&browser).await;
        let basket = [("basket", r#"{"v":1}"#), ("basket.remark", r#""mine""#)];
        assert_eq!(not_lasting(&values), if edit { &[][..] } else { &basket });
        assert_eq!(site.language(&browser).await.as_deref(), Some("de"));
    }
}

/// A restart that cannot be stored is an error, and the browser keeps what it has.
#[rocket::async_test]
async fn a_restart_that_fails_is_an_error_and_leaves_no_second_session() {
    for operation in ["load", "create", "delete"] {
        let site = Site::served();
        let mut browser = site.of_ada().await;
        let before = browser.clone();
        let visit = site.open(&browser);
        visit.load().await.unwrap();
        visit.restart();
        site.store().fail(operation, Fault::Down);
        assert_eq!(site.close(visit, &mut browser).await, Some(ErrorKind::Unavailable), "{operation}");
        site.store().recover();
        assert_eq!(browser, before, "{operation}");
        assert_eq!(site.user(&browser).await.as_deref(), Some("ada"), "{operation}");
    }
}

/// Another request logged in meanwhile: the session ends as by `destroy`.
#[rocket::async_test]
async fn a_restart_ends_the_session_despite_a_login_meanwhile() {
    let site = Site::served();
    let mut browser = Browser::default();
    site.edit::<Look>(&mut browser, |look| look.set_language("de".into())).await;
    let visit = site.open(&browser);
    visit.load().await.unwrap();
    let mut other = browser.clone();
    site.edit::<Account>(&mut other, |account| account.set_user("bob".into())).await;
    site.edit::<Look>(&mut other, |look| look.set_language("xx".into())).await;
    visit.restart();
    assert_eq!(site.close(visit, &mut browser).await, None);
    assert_eq!(site.user(&other).await, None);
    assert_eq!(site.language(&browser).await.as_deref(), Some("de"), "never a change from after the other's login");
    site.edit::<Look>(&mut browser, LookMut::clear_language).await;
    site.edit::<Account>(&mut browser, AccountMut::clear_user).await;
}
