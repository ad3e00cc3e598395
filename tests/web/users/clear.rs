//! `clear`: what is stored of a schema goes without being decoded.

use std::sync::Arc;

use session_runtime::testing::{Fault, ManualClock};
use session_runtime::{ErrorKind, Sessions};
use session_tests::stores::LosingStore;

use super::{Account, All, Basket, Look, Orders, Site, Staff, not_lasting};
use crate::app::patient;

/// Texts that no guard of this program reads: another type, a newer version, a fork, broken metadata.
const UNREADABLE: [(&str, &str); 4] =
    [("basket.notes", "7"), ("basket", r#"{"v":9}"#), ("basket", r#"{"v":"x"}"#), ("basket.items/seven", "[]")];

/// In a request and by an operator; entries and unknown keys go too, all other schemas stay.
#[rocket::async_test]
async fn a_schema_that_cannot_be_read_is_cleared() {
    for (name, text) in UNREADABLE {
        for by_operator in [false, true] {
            let site = Site::served();
            let mut browser = site.of_ada().await;
            let visit = site.open(&browser);
            visit.load().await.unwrap();
            let key = visit.key().unwrap();
            site.store().plant(key, name, text).await;
            site.store().plant(key, "basket.unknown/1", "{}").await;
            assert!(site.open(&browser).write::<Basket>().await.is_err(), "{name}");
            if by_operator {
                site.sessions.clear::<Basket>(&key).await.unwrap();
            } else {
                let visit = site.open(&browser);
                assert!(visit.read::<Basket>().await.is_err(), "{name}");
                visit.clear::<Basket>().await.unwrap();
                assert!(visit.read::<Basket>().await.unwrap().items().is_empty());
                assert_eq!(site.close(visit, &mut browser).await, None);
            }
            let values = site.values(&browser).await;
            assert_eq!(values.of_schema("basket").count(), 0, "{name}");
            assert_eq!(values.get("account.user"), Some(r#""ada""#));
            site.edit::<Basket>(&mut browser, |basket| basket.notes_mut().push("new".into())).await;
        }
    }
}

/// Writes before it are dropped; writes after it lie on nothing, and bring their metadata.
#[rocket::async_test]
async fn writes_after_a_clear_begin_with_nothing() {
    for site in Site::both() {
        let mut browser = site.of_ada().await;
        if let Some(store) = &site.store {
            let visit = site.open(&browser);
            visit.load().await.unwrap();
            store.plant(visit.key().unwrap(), "basket", r#"{"v":9}"#).await;
        } else {
            site.edit::<Basket>(&mut browser, |basket| basket.set_remark("lost".into())).await;
        }
        let visit = site.open(&browser);
        visit.clear::<Basket>().await.unwrap();
        visit.write::<Basket>().await.unwrap().set_remark("lost".into());
        visit.clear::<Basket>().await.unwrap();
        {
            let mut basket = visit.write::<Basket>().await.unwrap();
            assert!(basket.notes().is_empty() && basket.remark().is_empty());
            basket.notes_mut().push("new".into());
            *basket.visits_mut() += 1;
            *basket.items_mut().entry(7).or_default() += 1;
        }
        assert_eq!(site.close(visit, &mut browser).await, None);
        let visit = site.open(&browser);
        let basket = visit.read::<Basket>().await.unwrap();
        assert_eq!((basket.notes().as_slice(), *basket.visits()), (&["new".to_owned()][..], 1));
        assert_eq!((basket.items(), basket.remark().as_str()), (&[(7, 1)].into(), ""));
        assert_eq!(visit.read::<Account>().await.unwrap().user().as_deref(), Some("ada"));
        if site.store.is_some() {
            assert_eq!(site.values(&browser).await.get("basket"), Some(r#"{"v":1}"#));
        }
    }
}

/// An entry that another request adds meanwhile is removed too, and the write after the clear stays.
#[rocket::async_test]
async fn a_clear_drops_entries_that_another_request_added() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let visit = site.open(&browser);
    visit.clear::<Basket>().await.unwrap();
    visit.write::<Basket>().await.unwrap().set_visits(1);
    site.edit::<Basket>(&mut browser.clone(), |basket| *basket.items_mut().entry(99).or_default() += 1).await;
    assert_eq!(site.close(visit, &mut browser).await, None);
    let values = site.values(&browser).await;
    let basket: Vec<_> = values.of_schema("basket").map(|(name, text)| (&**name, &**text)).collect();
    assert_eq!(basket, [("basket", r#"{"v":1}"#), ("basket.visits", "1")]);
}

/// A lazy schema is cleared before anything was loaded.
#[rocket::async_test]
async fn a_lazy_schema_is_cleared() {
    for site in Site::both() {
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        visit.clear::<Orders>().await.unwrap();
        assert_eq!(site.close(visit, &mut browser).await, None);
        assert!(site.open(&browser).read::<Orders>().await.unwrap().pages().is_empty());
        assert_eq!(site.user(&browser).await.as_deref(), Some("ada"));
    }
}

/// To clear the schema that names the user is to log out; if it cannot be read, that counts as logged in.
#[rocket::async_test]
async fn clearing_the_schema_of_the_user_is_a_logout() {
    for unreadable in [None, Some(("account.user", "7")), Some(("account", r#"{"v":9}"#))] {
        let site = Site::served();
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        visit.load().await.unwrap();
        let key = visit.key().unwrap();
        if let Some((name, text)) = unreadable {
            site.store().plant(key, name, text).await;
        }
        let by_operator = site.sessions.clear::<Account>(&key).await.unwrap_err();
        assert_eq!(by_operator.kind(), ErrorKind::RenewInJob);
        let visit = site.open(&browser);
        visit.clear::<Account>().await.unwrap();
        assert!(visit.read::<Basket>().await.unwrap().items().is_empty());
        visit.write::<Account>().await.unwrap().set_user("bob".into());
        assert_eq!(site.close(visit, &mut browser).await, None);
        assert_eq!(
            not_lasting(&site.values(&browser).await),
            [("account", r#"{"v":1}"#), ("account.user", r#""bob""#)]
        );
        assert_eq!(site.language(&browser).await.as_deref(), Some("de"));
    }
}

/// Without a change of user it is no logout, and a job may do it.
#[rocket::async_test]
async fn clearing_a_user_schema_without_a_user_keeps_the_session() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let visit = site.open(&browser);
    visit.clear::<Staff>().await.unwrap();
    let key = visit.key().unwrap();
    assert_eq!(site.close(visit, &mut browser).await, None);
    site.sessions.clear::<Staff>(&key).await.unwrap();
    assert_eq!(site.user(&browser).await.as_deref(), Some("ada"));
}

/// Misuse, and answers that discard it.
#[rocket::async_test]
async fn a_clear_beside_an_open_guard_or_of_a_failed_request_does_nothing() {
    for site in Site::both() {
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        let basket = visit.write::<Basket>().await.unwrap();
        assert_eq!(visit.clear::<Basket>().await.unwrap_err().kind(), ErrorKind::GuardOpen);
        drop(basket);
        visit.clear::<Basket>().await.unwrap();
        visit.clear::<Look>().await.unwrap();
        assert_eq!(site.close_as(500, visit, &mut browser).await, None);
        let visit = site.open(&browser);
        assert_eq!(visit.read::<Basket>().await.unwrap().items().len(), 2);
        assert_eq!(site.close(visit, &mut browser).await, None);
        let visit = site.open(&browser);
        visit.finish(200).await;
        assert_eq!(visit.clear::<Basket>().await.unwrap_err().kind(), ErrorKind::TooLate);
    }
}

/// Before a `save`, and of a schema that is lasting where the user goes.
#[rocket::async_test]
async fn a_cleared_lasting_schema_does_not_go_along() {
    for site in Site::both() {
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        visit.clear::<Look>().await.unwrap();
        let mut account = visit.write::<Account>().await.unwrap();
        account.save().await.unwrap();
        assert_eq!(visit.read::<Look>().await.unwrap().language(), &None);
        account.set_user("bob".into());
        drop(account);
        assert_eq!(site.close(visit, &mut browser).await, None);
        assert_eq!(site.language(&browser).await, None);
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        visit.clear::<Look>().await.unwrap();
        visit.write::<Account>().await.unwrap().set_user("bob".into());
        assert_eq!(site.close(visit, &mut browser).await, None);
        assert_eq!((site.language(&browser).await, site.user(&browser).await.as_deref()), (None, Some("bob")));
    }
}

/// A removal in another schema is stored with the clear.
#[rocket::async_test]
async fn a_clear_beside_a_removal_in_another_schema_does_both() {
    for site in Site::both() {
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        visit.clear::<Basket>().await.unwrap();
        visit.write::<Account>().await.unwrap().clear_roles();
        assert_eq!(site.close(visit, &mut browser).await, None);
        let visit = site.open(&browser);
        assert!(visit.read::<Basket>().await.unwrap().items().is_empty());
        let account = visit.read::<Account>().await.unwrap();
        assert_eq!((account.user().as_deref(), account.roles().len()), (Some("ada"), 0));
    }
}

/// A clear rests on the whole record; if that has changed and cannot be read again, the store has failed, and no other
/// request has won.
#[rocket::async_test]
async fn a_clear_that_cannot_read_a_changed_session_fails_as_the_store_does() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let visit = site.open(&browser);
    visit.clear::<Basket>().await.unwrap();
    site.edit::<Look>(&mut browser.clone(), |look| look.set_language("fr".into())).await;
    site.store().fail("load", Fault::Down);
    assert_eq!(site.close(visit, &mut browser).await, Some(ErrorKind::Unavailable));
}

/// A site whose store has lost nothing yet.
fn losing_site() -> (Arc<LosingStore>, Site) {
    let (store, clock) = (Arc::new(LosingStore::default()), ManualClock::new());
    let builder = Sessions::builder().store(store.clone()).config(patient()).clock(clock.clone());
    (store, Site { sessions: builder.schemas::<All>().build().unwrap(), store: None, clock })
}

/// A value that the store has lost is removed before it is written anew.
#[rocket::async_test]
async fn a_lost_value_is_written_anew_after_a_clear() {
    let (store, site) = losing_site();
    let mut browser = site.of_ada().await;
    store.lose("basket.notes");
    let visit = site.open(&browser);
    assert_eq!(visit.write::<Basket>().await.err().map(|error| error.kind()), Some(ErrorKind::Unreadable));
    visit.clear::<Basket>().await.unwrap();
    visit.write::<Basket>().await.unwrap().notes_mut().push("new".into());
    assert_eq!(site.close(visit, &mut browser).await, None);
    let visit = site.open(&browser);
    let basket = visit.read::<Basket>().await.unwrap();
    assert_eq!((basket.notes().as_slice(), *basket.visits()), (&["new".to_owned()][..], 0));
    assert_eq!(site.user(&browser).await.as_deref(), Some("ada"));
}

/// The removal is refused as any write is, once another request has renewed the id.
#[rocket::async_test]
async fn a_clear_of_a_lost_value_that_a_login_has_overtaken_is_refused() {
    let (store, site) = losing_site();
    let mut browser = site.of_ada().await;
    store.lose("basket.notes");
    let slow = site.open(&browser);
    slow.clear::<Basket>().await.unwrap();
    slow.write::<Basket>().await.unwrap().notes_mut().push("new".into());
    site.edit::<Staff>(&mut browser.clone(), |staff| staff.set_operator("eve".into())).await;
    assert_eq!(site.close(slow, &mut browser).await, Some(ErrorKind::Renewed));
}

/// A clear that is stored mends its schema, even if the session cannot be read again after that.
#[rocket::async_test]
async fn a_lost_value_is_mended_by_a_save_that_cannot_be_read_again() {
    let (store, site) = losing_site();
    let mut browser = site.of_ada().await;
    store.lose("basket.notes");
    let visit = site.open(&browser);
    visit.clear::<Basket>().await.unwrap();
    let mut account = visit.write::<Account>().await.unwrap();
    store.set_down(true);
    account.save().await.unwrap();
    store.set_down(false);
    drop(account);
    visit.write::<Basket>().await.unwrap().notes_mut().push("new".into());
    assert_eq!(site.close(visit, &mut browser).await, None);
    let visit = site.open(&browser);
    assert_eq!(visit.read::<Basket>().await.unwrap().notes().as_slice(), ["new"]);
}
