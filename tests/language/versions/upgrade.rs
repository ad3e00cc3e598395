//! From an older version to this one.

use session_runtime::{ErrorKind, SessionKey, Store};
use std::sync::Arc;

use super::program::{cookie, plant, program, stored, stores, text};
use super::shop::{v1, v2, v3, v5};

const METADATA: &str = "cart";

/// A session of the first release, with two lines and a coupon: its cookie and its key.
async fn begin(store: &Arc<dyn Store>) -> (String, SessionKey) {
    let sessions = program::<v1::Cart>(store);
    let visit = sessions.open([]);
    {
        let mut cart = visit.write::<v1::Cart>().await.unwrap();
        cart.items_mut().insert(7, 2);
        cart.items_mut().insert(8, 1);
        cart.set_coupon("SPRING".to_owned());
        cart.save().await.unwrap();
    }
    let key = visit.key().unwrap();
    (cookie(visit).await, key)
}

/// B71: or the first GET on a new node would lock out all old ones.
#[tokio::test]
async fn a_read_upgrades_in_memory_and_stores_nothing() {
    for (store, _folder) in stores() {
        let (cookie, key) = begin(&store).await;
        let before = stored(&store, key).await;
        let sessions = program::<v3::Cart>(&store);
        let visit = sessions.open([cookie.as_str()]);
        let cart = visit.read::<v3::Cart>().await.unwrap();
        assert_eq!(cart.coupons(), &["SPRING"]);
        assert_eq!(cart.items().get(&7), Some(&2));
        assert!(visit.finish(200).await.error.is_none());
        assert_eq!(stored(&store, key).await, before);
    }
}

/// B71: and what no version knows stays.
#[tokio::test]
async fn the_first_write_stores_the_upgraded_form() {
    for (store, _folder) in stores() {
        let (cookie, key) = begin(&store).await;
        plant(&store, key, "cart.of_another_program", "1").await;
        let sessions = program::<v3::Cart>(&store);
        let visit = sessions.open([cookie.as_str()]);
        *visit.write::<v3::Cart>().await.unwrap().items_mut().entry(7).or_default() += 1;
        assert!(visit.finish(200).await.error.is_none());
        let now = stored(&store, key).await;
        let now: Vec<(&str, &str)> = now.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(now[0].0, METADATA);
        assert!(now[0].1.starts_with(r#"{"v":3,"r":3,"w":3,"l":""#), "{}", now[0].1);
        let rest = [
            ("cart.coupons", r#"["SPRING"]"#),
            ("cart.items/7", "3"),
            ("cart.items/8", "1"),
            ("cart.of_another_program", "1"),
        ];
        assert_eq!(now[1..], rest);
    }
}

/// B73: an older program that saves leaves the new field, and the version.
#[tokio::test]
async fn an_added_key_needs_no_old_struct_and_both_versions_work_on() {
    for (store, _folder) in stores() {
        let (cookie, key) = begin(&store).await;
        let (old, new) = (program::<v1::Cart>(&store), program::<v2::Cart>(&store));
        let visit = new.open([cookie.as_str()]);
        visit.write::<v2::Cart>().await.unwrap().set_note("by noon".to_owned());
        assert!(visit.finish(200).await.error.is_none());
        assert!(text(&store, key, METADATA).await.unwrap().starts_with(r#"{"v":2,"r":1,"w":1,"#));
        let visit = old.open([cookie.as_str()]);
        *visit.write::<v1::Cart>().await.unwrap().items_mut().entry(7).or_default() += 1;
        assert!(visit.finish(200).await.error.is_none());
        let visit = new.open([cookie.as_str()]);
        let cart = visit.read::<v2::Cart>().await.unwrap();
        assert_eq!((cart.note().as_deref(), cart.items().get(&7)), (Some("by noon"), Some(&3)));
        assert!(text(&store, key, METADATA).await.unwrap().starts_with(r#"{"v":2,"#), "not lowered");
    }
}

/// B71: one after the other.
#[tokio::test]
async fn renames_and_edited_texts_are_steps_too() {
    for (store, _folder) in stores() {
        let (cookie, key) = begin(&store).await;
        let middle = program::<v3::Cart>(&store);
        let visit = middle.open([cookie.as_str()]);
        {
            let mut cart = visit.write::<v3::Cart>().await.unwrap();
            cart.set_note("by noon".to_owned());
            cart.set_coupons(vec![" SPRING ".to_owned()]);
        }
        assert!(visit.finish(200).await.error.is_none());
        let new = program::<v5::Cart>(&store);
        let visit = new.open([cookie.as_str()]);
        {
            let mut cart = visit.write::<v5::Cart>().await.unwrap();
            assert_eq!((cart.message().as_deref(), &cart.coupons()[..]), (Some("by noon"), &["SPRING".to_owned()][..]));
            cart.items_mut().remove(&8);
        }
        assert!(visit.finish(200).await.error.is_none());
        let now = stored(&store, key).await;
        let names: Vec<&str> = now.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cart", "cart.coupons", "cart.items/7", "cart.message"]);
    }
}

/// A value that was stored under a field's new name before its version existed is ignored.
#[tokio::test]
async fn a_rename_takes_the_value_of_the_older_version() {
    for (store, _folder) in stores() {
        let (cookie, key) = begin(&store).await;
        let visit = program::<v3::Cart>(&store).open([cookie.as_str()]);
        visit.write::<v3::Cart>().await.unwrap().set_note("by noon".to_owned());
        assert!(visit.finish(200).await.error.is_none());
        plant(&store, key, "cart.message", r#""stale""#).await;
        let new = program::<v5::Cart>(&store);
        assert_eq!(new.read::<v5::Cart>(&key).await.unwrap().unwrap().message().as_deref(), Some("by noon"));
        new.update::<v5::Cart, _>(&key, |cart| cart.items_mut().clear()).await.unwrap().unwrap();
        assert_eq!(text(&store, key, "cart.note").await, None);
        // And the other way round: an old name that comes back is not taken for the value.
        plant(&store, key, "cart.note", r#""stale""#).await;
        assert_eq!(new.read::<v5::Cart>(&key).await.unwrap().unwrap().message().as_deref(), Some("by noon"));
    }
}

#[tokio::test]
async fn a_version_older_than_the_chain_is_too_old() {
    for (store, _folder) in stores() {
        let (cookie, key) = begin(&store).await;
        let before = stored(&store, key).await;
        let visit = program::<v5::Cart>(&store).open([cookie.as_str()]);
        let error = visit.read::<v5::Cart>().await.err().unwrap();
        assert_eq!((error.kind(), error.kind().status(), error.schema()), (ErrorKind::TooOld, 500, Some("cart")));
        assert!(visit.finish(200).await.error.is_none());
        assert_eq!(stored(&store, key).await, before);
    }
}

/// B75: byte for byte.
#[tokio::test]
async fn a_failed_step_names_itself_and_touches_nothing() {
    for (store, _folder) in stores() {
        let (cookie, key) = begin(&store).await;
        plant(&store, key, "cart.coupon", r#""LAST-YEAR""#).await;
        let before = stored(&store, key).await;
        let visit = program::<v3::Cart>(&store).open([cookie.as_str()]);
        let error = visit.write::<v3::Cart>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Upgrade);
        assert_eq!(
            error.chain(),
            "a stored session could not be upgraded: schema `cart`: from version 2 to 3: the coupon is one of last year's"
        );
        assert!(visit.finish(200).await.error.is_none());
        assert_eq!(stored(&store, key).await, before);
    }
}

#[tokio::test]
async fn an_old_program_that_loaded_before_the_upgrade_does_not_overwrite_it() {
    for (store, _folder) in stores() {
        let (cookie, key) = begin(&store).await;
        let (old, new) = (program::<v1::Cart>(&store), program::<v3::Cart>(&store));
        let late = old.open([cookie.as_str()]);
        late.write::<v1::Cart>().await.unwrap().set_coupon("AUTUMN".to_owned());
        let visit = new.open([cookie.as_str()]);
        visit.write::<v3::Cart>().await.unwrap().coupons_mut().push("EXTRA".to_owned());
        assert!(visit.finish(200).await.error.is_none());
        let upgraded = stored(&store, key).await;
        let error = late.finish(200).await.error.unwrap();
        assert_eq!((error.kind(), error.kind().status()), (ErrorKind::Newer, 503));
        assert!(error.retry_after().is_some());
        assert_eq!(stored(&store, key).await, upgraded);
    }
}

#[tokio::test]
async fn an_upgrade_begins_again_when_an_old_program_was_faster() {
    for (store, _folder) in stores() {
        let (cookie, key) = begin(&store).await;
        let (old, new) = (program::<v1::Cart>(&store), program::<v3::Cart>(&store));
        let upgrading = new.open([cookie.as_str()]);
        *upgrading.write::<v3::Cart>().await.unwrap().items_mut().entry(7).or_default() += 10;
        let visit = old.open([cookie.as_str()]);
        {
            let mut cart = visit.write::<v1::Cart>().await.unwrap();
            *cart.items_mut().entry(7).or_default() += 1;
            cart.items_mut().insert(9, 1);
            cart.set_coupon("AUTUMN".to_owned());
        }
        assert!(visit.finish(200).await.error.is_none());
        assert!(upgrading.finish(200).await.error.is_none());
        let cart = new.read::<v3::Cart>(&key).await.unwrap().unwrap();
        assert_eq!((cart.items().get(&7), cart.items().get(&9)), (Some(&13), Some(&1)));
        assert_eq!(cart.coupons(), &["AUTUMN"]);
    }
}

/// A field that the request changes has a base of its own. A field that the upgrade makes has the whole record as its
/// base.
#[tokio::test]
async fn an_upgrade_loses_nothing_that_the_request_did_not_touch() {
    for (store, _folder) in stores() {
        let (cookie, key) = begin(&store).await;
        let (old, new) = (program::<v1::Cart>(&store), program::<v3::Cart>(&store));
        let upgrading = new.open([cookie.as_str()]);
        upgrading.write::<v3::Cart>().await.unwrap().set_note("by noon".to_owned());
        let visit = old.open([cookie.as_str()]);
        visit.write::<v1::Cart>().await.unwrap().set_coupon("AUTUMN".to_owned());
        assert!(visit.finish(200).await.error.is_none());
        assert!(upgrading.finish(200).await.error.is_none());
        let cart = new.read::<v3::Cart>(&key).await.unwrap().unwrap();
        assert_eq!((cart.note().as_deref(), &cart.coupons()[..]), (Some("by noon"), &["AUTUMN".to_owned()][..]));
    }
}

#[tokio::test]
async fn work_outside_requests_upgrades_too() {
    for (store, _folder) in stores() {
        let (_, key) = begin(&store).await;
        let new = program::<v3::Cart>(&store);
        assert_eq!(new.read::<v3::Cart>(&key).await.unwrap().unwrap().coupons(), &["SPRING"]);
        new.update::<v3::Cart, _>(&key, |cart| cart.coupons_mut().clear()).await.unwrap().unwrap();
        assert!(text(&store, key, METADATA).await.unwrap().starts_with(r#"{"v":3,"#));
        assert_eq!(text(&store, key, "cart.coupon").await, None);
    }
}

#[tokio::test]
async fn an_update_now_and_a_save_in_the_middle_upgrade_once() {
    for (store, _folder) in stores() {
        let (cookie, key) = begin(&store).await;
        let visit = program::<v3::Cart>(&store).open([cookie.as_str()]);
        {
            let mut cart = visit.write::<v3::Cart>().await.unwrap();
            cart.set_note("first".to_owned());
            cart.save().await.unwrap();
            assert_eq!(cart.coupons(), &["SPRING"]);
            cart.update_now(|cart| cart.coupons_mut().push("EXTRA".to_owned())).await.unwrap();
            cart.set_note("second".to_owned());
        }
        assert!(visit.finish(200).await.error.is_none());
        assert_eq!(text(&store, key, "cart.coupons").await.unwrap(), r#"["SPRING","EXTRA"]"#);
        assert_eq!(text(&store, key, "cart.note").await.unwrap(), r#""second""#);
        assert_eq!(text(&store, key, "cart.coupon").await, None);
    }
}
