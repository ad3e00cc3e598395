//! Read and write access to data of a newer version, and two different schemas with the same version number.

use session_runtime::{ErrorKind, Session, SessionKey, Store};
use std::sync::Arc;

use super::program::{cookie, plant, program, stored, stores, text};

#[derive(Session)]
#[session(key = "cart", version = 2, oldest = 2, layout = "coupon:ec0d589b")]
struct Cart {
    coupon: Option<String>,
}

#[derive(Session)]
#[session(key = "cart", version = 2, oldest = 2, layout = "coupon:ec0d589b", on_newer = discard)]
struct Forgetful {
    coupon: Option<String>,
}

#[derive(Session)]
#[session(key = "prefs", version = 1)]
struct Prefs {
    theme: Option<String>,
}

async fn begin(store: &Arc<dyn Store>, metadata: &str) -> (String, SessionKey) {
    let sessions = program::<(Cart, Prefs)>(store);
    let visit = sessions.open([]);
    let mut cart = visit.write::<Cart>().await.unwrap();
    cart.set_coupon("SPRING".to_owned());
    cart.save().await.unwrap();
    drop(cart);
    let key = visit.key().unwrap();
    let cookie = cookie(visit).await;
    plant(store, key, "cart", metadata).await;
    plant(store, key, "cart.later", "true").await;
    (cookie, key)
}

/// B73: known keys only, the rest untouched.
#[tokio::test]
async fn a_newer_version_that_allows_it_is_read_and_written_and_not_lowered() {
    const NEWER: &str = r#"{"v":4,"r":2,"w":2,"l":"00000001"}"#;
    for (store, _folder) in stores() {
        let (cookie, key) = begin(&store, NEWER).await;
        let visit = program::<(Cart, Prefs)>(&store).open([cookie.as_str()]);
        visit.write::<Cart>().await.unwrap().set_coupon("AUTUMN".to_owned());
        assert!(visit.finish(200).await.error.is_none());
        assert_eq!(text(&store, key, "cart").await.unwrap(), NEWER);
        assert_eq!(text(&store, key, "cart.later").await.unwrap(), "true");
        assert_eq!(text(&store, key, "cart.coupon").await.unwrap(), r#""AUTUMN""#);
    }
}

/// B74: the writable guard is refused, `&S` works.
#[tokio::test]
async fn a_newer_version_may_be_for_reading_only() {
    for (store, _folder) in stores() {
        let (cookie, key) = begin(&store, r#"{"v":3,"r":2,"w":3}"#).await;
        let before = stored(&store, key).await;
        let sessions = program::<(Cart, Prefs)>(&store);
        let visit = sessions.open([cookie.as_str()]);
        assert_eq!(visit.read::<Cart>().await.unwrap().coupon().as_deref(), Some("SPRING"));
        let error = visit.write::<Cart>().await.unwrap_err();
        assert_eq!((error.kind(), error.kind().status()), (ErrorKind::Newer, 503));
        assert!(error.retry_after().is_some());
        assert_eq!(sessions.update::<Cart, _>(&key, |_| ()).await.unwrap_err().kind(), ErrorKind::Newer);
        assert_eq!(stored(&store, key).await, before);
        // A refused guard leaves its place free, and the other schemas alone.
        assert_eq!(visit.write::<Cart>().await.unwrap_err().kind(), ErrorKind::Newer);
        visit.write::<Prefs>().await.unwrap().set_theme("dark".to_owned());
        assert!(visit.finish(200).await.error.is_none());
        assert_eq!(text(&store, key, "prefs.theme").await.unwrap(), r#""dark""#);
    }
}

/// B74: with its number and ours.
#[tokio::test]
async fn a_newer_version_that_does_not_allow_it_is_refused() {
    for (store, _folder) in stores() {
        for newer in [r#"{"v":3,"r":3,"w":3}"#, r#"{"v":3}"#] {
            let (cookie, key) = begin(&store, newer).await;
            let before = stored(&store, key).await;
            let visit = program::<(Cart, Prefs)>(&store).open([cookie.as_str()]);
            for error in [visit.read::<Cart>().await.err().unwrap(), visit.write::<Cart>().await.err().unwrap()] {
                assert_eq!(error.kind(), ErrorKind::Newer);
                assert!(error.to_string().contains("version 3, this program has 2"), "{error}");
            }
            assert!(visit.finish(200).await.error.is_none());
            assert_eq!(stored(&store, key).await, before);
        }
    }
}

/// B74: the other policy.
#[tokio::test]
async fn a_schema_that_opts_in_ignores_a_newer_version() {
    for (store, _folder) in stores() {
        let (cookie, key) = begin(&store, r#"{"v":3}"#).await;
        let before = stored(&store, key).await;
        let sessions = program::<Forgetful>(&store);
        let visit = sessions.open([cookie.as_str()]);
        assert_eq!(visit.read::<Forgetful>().await.unwrap().coupon(), &None);
        assert!(visit.finish(200).await.error.is_none());
        assert_eq!(stored(&store, key).await, before, "a read discards nothing");
        let visit = sessions.open([cookie.as_str()]);
        visit.write::<Forgetful>().await.unwrap().set_coupon("NEW".to_owned());
        assert!(visit.finish(200).await.error.is_none());
        let now = stored(&store, key).await;
        let now: Vec<&str> = now.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(now, ["cart", "cart.coupon"]);
        assert!(text(&store, key, "cart").await.unwrap().starts_with(r#"{"v":2,"#));
    }
}

#[tokio::test]
async fn two_branches_with_one_version_are_a_fork() {
    for (store, _folder) in stores() {
        let (cookie, key) = begin(&store, r#"{"v":2,"r":2,"w":2,"l":"0badf00d"}"#).await;
        let before = stored(&store, key).await;
        let visit = program::<(Cart, Prefs)>(&store).open([cookie.as_str()]);
        let error = visit.write::<Cart>().await.unwrap_err();
        assert_eq!((error.kind(), error.kind().status()), (ErrorKind::Forked, 500));
        assert!(error.to_string().contains("version 2, layout 0badf00d, this program has "), "{error}");
        assert!(visit.finish(200).await.error.is_none());
        assert_eq!(stored(&store, key).await, before);
        // Without the one or the other hash there is nothing to compare.
        plant(&store, key, "cart", r#"{"v":2}"#).await;
        let visit = program::<(Cart, Prefs)>(&store).open([cookie.as_str()]);
        assert!(visit.read::<Cart>().await.is_ok());
    }
}
