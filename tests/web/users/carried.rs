//! Data that the session of the next user takes over.

use std::time::Duration;

use session_runtime::ErrorKind;

use super::{Account, AccountMut, Basket, Look, LookMut, Notices, Site};
use crate::app::Browser;

/// All stored keys of a lasting schema go along, those of another program's version too.
#[rocket::async_test]
async fn a_lasting_schema_goes_along_with_all_its_keys() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let visit = site.open(&browser);
    visit.load().await.unwrap();
    let key = visit.key().unwrap();
    for (name, text) in [("look", r#"{"v":3,"r":1,"w":1}"#), ("look.later", "[1]"), ("notices.later/7", "true")] {
        site.store().plant(key, name, text).await;
    }
    let visit = site.open(&browser);
    visit.write::<Account>().await.unwrap().set_user("bob".into());
    visit.write::<Look>().await.unwrap().settings_mut().insert("zoom".into(), 2);
    assert_eq!(site.close(visit, &mut browser).await, None);
    let values = site.values(&browser).await;
    let names: Vec<&str> = values.iter().map(|(name, _)| &**name).collect();
    let look = ["look", "look.language", "look.later", "look.settings/size", "look.settings/zoom"];
    let notices = ["notices", "notices.later/7", "notices.lines"];
    assert_eq!(names, [&["account", "account.user"][..], &look, &notices, &["session.proof"]].concat());
    assert_eq!(values.get("look"), Some(r#"{"v":3,"r":1,"w":1}"#));
}

/// The language that another tab has chosen while this request was in flight goes along as well.
#[rocket::async_test]
async fn a_lasting_schema_goes_along_as_it_is_stored_now() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let visit = site.open(&browser);
    visit.write::<Account>().await.unwrap().clear_user();
    site.edit::<Look>(&mut browser.clone(), |look| look.set_language("fr".into())).await;
    site.edit::<Notices>(&mut browser.clone(), |notices| notices.lines_mut().push("new".into())).await;
    assert_eq!(site.close(visit, &mut browser).await, None);
    let visit = site.open(&browser);
    assert_eq!(visit.read::<Look>().await.unwrap().language().as_deref(), Some("fr"));
    assert_eq!(visit.read::<Notices>().await.unwrap().lines().as_slice(), ["welcome", "new"]);
}

/// If nothing is carried over and nothing was set, the session ends.
#[rocket::async_test]
async fn a_logout_with_nothing_to_carry_removes_record_and_cookie() {
    for site in Site::both() {
        let mut browser = Browser::default();
        site.edit::<Account>(&mut browser, |account| account.set_user("ada".into())).await;
        site.edit::<Look>(&mut browser, |look| look.set_language("de".into())).await;
        site.edit::<Look>(&mut browser, LookMut::clear_language).await;
        site.edit::<Account>(&mut browser, AccountMut::clear_user).await;
        assert_eq!(browser, Browser(None));
        if let Some(store) = &site.store {
            assert_eq!(store.records().await, 0);
        }
    }
}

/// A role is not a user: a new id, the same data; and no job may change it.
#[rocket::async_test]
async fn a_change_of_a_renew_keep_field_keeps_the_data() {
    for site in Site::both() {
        let mut browser = site.of_ada().await;
        for level in [2, 0, 3] {
            let (old, visit) = (browser.clone(), site.open(&browser));
            visit.load().await.unwrap();
            let key = visit.key();
            site.edit::<Account>(&mut browser, |account| account.set_level(level)).await;
            assert_ne!(old, browser);
            let visit = site.open(&browser);
            assert_eq!(visit.read::<Account>().await.unwrap().roles().as_slice(), ["admin"]);
            assert_eq!(visit.read::<Basket>().await.unwrap().items().len(), 2);
            if site.store.is_some() {
                assert_eq!(visit.key(), key);
                assert_eq!(site.user(&old).await, None, "the old id is dead");
                let job = site.sessions.update::<Account, _>(&key.unwrap(), |account| account.set_level(9)).await;
                assert_eq!(job.unwrap_err().kind(), ErrorKind::RenewInJob);
            }
        }
    }
}

/// The visitor's choice in this request holds for the session that begins, and no earlier choice does.
#[rocket::async_test]
async fn the_expiry_chosen_with_the_login_counts_for_the_next_session() {
    let site = Site::served();
    let minute = Duration::from_secs(60);
    for (chosen, lives) in [(None, true), (Some(minute), false)] {
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        visit.set_expiry(session_runtime::Expiry::After(minute * 2));
        assert_eq!(site.close(visit, &mut browser).await, None);
        let visit = site.open(&browser);
        if let Some(chosen) = chosen {
            visit.set_expiry(session_runtime::Expiry::After(chosen));
        }
        visit.write::<Account>().await.unwrap().set_user("bob".into());
        assert_eq!(site.close(visit, &mut browser).await, None);
        site.clock.advance(minute * 3);
        assert_eq!(site.user(&browser).await.is_some(), lives);
    }
}
