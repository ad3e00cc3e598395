//! `clear`: what is stored of a schema goes without being decoded.

use session_runtime::ErrorKind;

use super::{Account, Basket, Look, Orders, Site, Staff, own};

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
            site.spy().plant(key, name, text).await;
            site.spy().plant(key, "basket.unknown/1", "{}").await;
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
        if let Some(spy) = &site.spy {
            let visit = site.open(&browser);
            visit.load().await.unwrap();
            spy.plant(visit.key().unwrap(), "basket", r#"{"v":9}"#).await;
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
        if site.spy.is_some() {
            assert_eq!(site.values(&browser).await.get("basket"), Some(r#"{"v":1}"#));
        }
    }
}

/// What another request adds meanwhile goes too, and the write after the clear stays.
#[rocket::async_test]
async fn a_clear_drops_what_another_request_added_meanwhile() {
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
            site.spy().plant(key, name, text).await;
        }
        let by_operator = site.sessions.clear::<Account>(&key).await.unwrap_err();
        assert_eq!(by_operator.kind(), ErrorKind::RenewInJob);
        let visit = site.open(&browser);
        visit.clear::<Account>().await.unwrap();
        assert!(visit.read::<Basket>().await.unwrap().items().is_empty());
        visit.write::<Account>().await.unwrap().set_user("bob".into());
        assert_eq!(site.close(visit, &mut browser).await, None);
        assert_eq!(own(&site.values(&browser).await), [("account", r#"{"v":1}"#), ("account.user", r#""bob""#)]);
        assert_eq!(site.language(&browser).await.as_deref(), Some("de"));
    }
}

/// Where no user is named, it is no logout, and a job may do it.
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
