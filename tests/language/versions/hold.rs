//! A breaking change in two phases: new programs write the old version until there is no old program left.

use session_runtime::{ErrorKind, Session, SessionConfig};

use super::program::{cookie, program, stored, stores, text, with};
use super::shop::{v1, v2, v3, v5};

fn held() -> SessionConfig {
    SessionConfig::new().hold("cart", 2)
}

#[tokio::test]
async fn a_held_schema_is_written_in_the_old_version() {
    for (store, _folder) in stores() {
        let new = with::<v3::Cart>(&store, held()).unwrap();
        let visit = new.open([]);
        {
            let mut cart = visit.write::<v3::Cart>().await.unwrap();
            cart.items_mut().insert(7, 2);
            cart.set_coupons(vec!["SPRING".to_owned()]);
            cart.save().await.unwrap();
            assert_eq!(cart.coupons(), &["SPRING"]);
            cart.set_note("by noon".to_owned());
        }
        let key = visit.key().unwrap();
        let cookie = cookie(visit).await;
        let now = stored(&store, key).await;
        let names: Vec<&str> = now.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cart", "cart.coupon", "cart.items/7", "cart.note"]);
        assert!(now[0].1.starts_with(r#"{"v":2,"r":1,"w":1,"#), "{}", now[0].1);
        // The old program reads and writes it, and so does the new one.
        let old = program::<v2::Cart>(&store);
        let visit = old.open([cookie.as_str()]);
        {
            let mut cart = visit.write::<v2::Cart>().await.unwrap();
            assert_eq!((cart.coupon().as_deref(), cart.note().as_deref()), (Some("SPRING"), Some("by noon")));
            *cart.items_mut().entry(7).or_default() += 1;
        }
        assert!(visit.finish(200).await.error.is_none());
        let visit = new.open([cookie.as_str()]);
        {
            let mut cart = visit.write::<v3::Cart>().await.unwrap();
            assert_eq!((cart.items().get(&7), cart.coupons().len()), (Some(&3), 1));
            cart.clear_coupons();
            cart.items_mut().insert(8, 1);
        }
        assert!(visit.finish(200).await.error.is_none());
        assert_eq!(text(&store, key, "cart.coupon").await, None);
        assert_eq!(text(&store, key, "cart.items/8").await.unwrap(), "1");
        // The hold ends: the next write is of the new version.
        let visit = program::<v3::Cart>(&store).open([cookie.as_str()]);
        visit.write::<v3::Cart>().await.unwrap().set_coupons(vec!["AUTUMN".to_owned()]);
        assert!(visit.finish(200).await.error.is_none());
        assert!(text(&store, key, "cart").await.unwrap().starts_with(r#"{"v":3,"#));
        // What is in the new version stays in it, hold or not.
        let visit = new.open([cookie.as_str()]);
        visit.write::<v3::Cart>().await.unwrap().coupons_mut().push("EXTRA".to_owned());
        assert!(visit.finish(200).await.error.is_none());
        assert!(text(&store, key, "cart").await.unwrap().starts_with(r#"{"v":3,"#));
        assert_eq!(text(&store, key, "cart.coupons").await.unwrap(), r#"["AUTUMN","EXTRA"]"#);
    }
}

#[tokio::test]
async fn a_held_schema_lifts_still_older_ones_to_the_held_version() {
    for (store, _folder) in stores() {
        let visit = program::<v1::Cart>(&store).open([]);
        visit.write::<v1::Cart>().await.unwrap().set_coupon("SPRING".to_owned());
        let cookie = cookie(visit).await;
        let visit = with::<v3::Cart>(&store, held()).unwrap().open([cookie.as_str()]);
        visit.write::<v3::Cart>().await.unwrap().items_mut().insert(7, 1);
        assert!(visit.finish(200).await.error.is_none());
        let visit = program::<v2::Cart>(&store).open([cookie.as_str()]);
        let cart = visit.read::<v2::Cart>().await.unwrap();
        assert_eq!((cart.items().get(&7), cart.coupon().as_deref()), (Some(&1), Some("SPRING")));
    }
}

#[tokio::test]
async fn two_writers_under_a_hold_lose_nothing() {
    for (store, _folder) in stores() {
        let visit = program::<v2::Cart>(&store).open([]);
        visit.write::<v2::Cart>().await.unwrap().items_mut().insert(7, 1);
        let cookie = cookie(visit).await;
        let (old, new) = (program::<v2::Cart>(&store), with::<v3::Cart>(&store, held()).unwrap());
        let (a, b) = (old.open([cookie.as_str()]), new.open([cookie.as_str()]));
        *b.write::<v3::Cart>().await.unwrap().items_mut().entry(7).or_default() += 10;
        *a.write::<v2::Cart>().await.unwrap().items_mut().entry(7).or_default() += 100;
        assert!(a.finish(200).await.error.is_none());
        assert!(b.finish(200).await.error.is_none());
        let key = new.open([cookie.as_str()]);
        assert_eq!(key.read::<v3::Cart>().await.unwrap().items().get(&7), Some(&111));
    }
}

#[derive(Session)]
#[session(key = "prefs", version = 1)]
struct Prefs {
    _theme: Option<String>,
}

#[tokio::test]
async fn a_hold_without_a_way_back_stops_the_launch() {
    for (store, _folder) in stores() {
        let build = |hold: SessionConfig| {
            with::<(v5::Cart, Prefs)>(&store, hold).map(drop).map_err(|error| {
                assert_eq!(error.kind(), ErrorKind::Config);
                error.to_string()
            })
        };
        let error = build(SessionConfig::new().hold("cart", 2)).unwrap_err();
        assert!(error.contains("`impl TryFrom<Cart> for CartV2`"), "{error}");
        for never in [0, 9] {
            let error = build(SessionConfig::new().hold("cart", never)).unwrap_err();
            let why = format!(
                "cannot be held at version {never}: this program has version 5, and only an older version can be held"
            );
            assert!(error.contains(&why), "{error}");
        }
        assert!(build(SessionConfig::new().hold("basket", 1)).unwrap_err().contains("`basket`"));
        assert!(build(SessionConfig::new().hold("cart", 5).hold("prefs", 1)).is_ok());
    }
}

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(renew)]
    user: Option<String>,
}

/// A login that lost against another one takes its cart along into a session of its own.
#[tokio::test]
async fn a_hold_takes_nothing_from_a_cart_that_moves() {
    for (store, _folder) in stores() {
        let visit = program::<(v3::Cart, Auth)>(&store).open([]);
        visit.write::<v3::Cart>().await.unwrap().set_coupons(vec!["SPRING".to_owned(), "EXTRA".to_owned()]);
        let cookie = cookie(visit).await;
        let held = with::<(v3::Cart, Auth)>(&store, held()).unwrap();
        let (first, second) = (held.open([cookie.as_str()]), held.open([cookie.as_str()]));
        for visit in [&first, &second] {
            visit.write::<v3::Cart>().await.unwrap().items_mut().insert(7, 1);
            visit.write::<Auth>().await.unwrap().set_user("ann".to_owned());
        }
        assert!(first.finish(200).await.error.is_none());
        let finished = second.finish(200).await;
        assert!(finished.error.is_none(), "{:?}", finished.error);
        let cookie = finished.cookie.header().unwrap().split(';').next().unwrap().to_owned();
        let visit = held.open([cookie.as_str()]);
        assert_ne!(visit.key(), first.key());
        let cart = visit.read::<v3::Cart>().await.unwrap();
        assert_eq!((cart.items().get(&7), cart.coupons().len()), (Some(&1), 2));
        assert_eq!(visit.read::<Auth>().await.unwrap().user().as_deref(), Some("ann"));
    }
}
