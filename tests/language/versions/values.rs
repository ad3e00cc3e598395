//! A deploy that adds `expires_after` and `merge = append` to fields, and one that drops them again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use session_runtime::migrate::{Options, Outcome};
use session_runtime::testing::ManualClock;
use session_runtime::{
    CachedStore, ErrorKind, MemoryStore, PostgresStore, RedisStore, Schemas, SessionConfig, Sessions,
};
use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;

use super::program::{cookie, stores, text};

type Store = Arc<dyn session_runtime::Store>;

/// Plain values.
mod v1 {
    #[derive(session_runtime::Session)]
    #[session(key = "pay", version = 1, layout = "code:d854b4db notices:d2185aaa note:4fb0f3d8")]
    pub struct Pay {
        pub code: Option<u8>,
        pub notices: Vec<String>,
        pub note: String,
    }
}

/// The code expires, and the list merges.
mod v2 {
    #[derive(session_runtime::Session)]
    #[session(key = "pay", version = 1, archived, layout = "code:d854b4db notices:d2185aaa note:4fb0f3d8")]
    pub struct PayV1 {
        pub code: Option<u8>,
        pub notices: Vec<String>,
        pub note: String,
    }

    #[derive(session_runtime::Session)]
    #[session(
        key = "pay",
        version = 2,
        previous = PayV1,
        layout = "code:04897e9d notices:352dd899 note:4fb0f3d8"
    )]
    pub struct Pay {
        #[session(expires_after = "10m")]
        pub code: Option<u8>,
        #[session(merge = append(max = 20))]
        pub notices: Vec<String>,
        pub note: String,
    }

    impl From<PayV1> for Pay {
        fn from(PayV1 { code, notices, note }: PayV1) -> Self {
            Self { code, notices, note }
        }
    }

    impl From<Pay> for PayV1 {
        fn from(Pay { code, notices, note }: Pay) -> Self {
            Self { code, notices, note }
        }
    }
}

/// Plain values again.
mod v3 {
    #[derive(session_runtime::Session)]
    #[session(key = "pay", version = 2, oldest = 2, archived, layout = "code:04897e9d notices:352dd899 note:4fb0f3d8")]
    pub struct PayV2 {
        #[session(expires_after = "10m")]
        pub code: Option<u8>,
        #[session(merge = append(max = 20))]
        pub notices: Vec<String>,
        pub note: String,
    }

    #[derive(session_runtime::Session)]
    #[session(
        key = "pay",
        version = 3,
        previous = PayV2,
        layout = "code:d854b4db notices:d2185aaa note:4fb0f3d8"
    )]
    pub struct Pay {
        pub code: Option<u8>,
        pub notices: Vec<String>,
        pub note: String,
    }

    impl From<PayV2> for Pay {
        fn from(PayV2 { code, notices, note }: PayV2) -> Self {
            Self { code, notices, note }
        }
    }

    impl From<Pay> for PayV2 {
        fn from(Pay { code, notices, note }: Pay) -> Self {
            Self { code, notices, note }
        }
    }
}

/// Both keep their attributes, and the type of the code has changed.
mod v4 {
    #[derive(session_runtime::Session)]
    #[session(key = "pay", version = 2, oldest = 2, archived, layout = "code:04897e9d notices:352dd899 note:4fb0f3d8")]
    pub struct PayV2 {
        #[session(expires_after = "10m")]
        pub code: Option<u8>,
        #[session(merge = append(max = 20))]
        pub notices: Vec<String>,
        pub note: String,
    }

    #[derive(session_runtime::Session)]
    #[session(key = "pay", version = 3, previous = PayV2, layout = "code:b4f28f98 log:352dd899 note:4fb0f3d8")]
    pub struct Pay {
        #[session(expires_after = "10m")]
        pub code: Option<String>,
        #[session(merge = append(max = 20), renamed_from = "notices")]
        pub log: Vec<String>,
        pub note: String,
    }

    impl From<PayV2> for Pay {
        fn from(PayV2 { code, notices, note }: PayV2) -> Self {
            Self { code: code.map(|code| code.to_string()), log: notices, note }
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

fn program<S: Schemas>(store: &Store, clock: &ManualClock) -> Sessions {
    with::<S>(store, clock, SessionConfig::new())
}

fn with<S: Schemas>(store: &Store, clock: &ManualClock, config: SessionConfig) -> Sessions {
    let sessions = Sessions::builder().store(Arc::clone(store)).config(config).clock(clock.clone());
    sessions.schemas::<S>().build().unwrap()
}

async fn done(visit: session_runtime::Visit) {
    let error = visit.finish(200).await.error;
    assert!(error.is_none(), "{error:?}");
}

/// C107: over three versions, nothing that has expired comes back, and nothing that has not is gone.
#[tokio::test]
async fn a_deploy_with_and_without_the_attributes_revives_and_removes_nothing() {
    for (store, _folder) in stores() {
        deploy(&store).await;
    }
}

/// C140: on servers, and with a cache in front of a store.
#[tokio::test]
async fn a_deploy_on_servers_revives_and_removes_nothing() {
    let (redis, postgres) = (Redis::start(), Postgres::start(""));
    deploy(&(Arc::new(RedisStore::builder(redis.url()).open().unwrap()) as Store)).await;
    let builder = PostgresStore::builder(postgres.url()).connect_timeout(Duration::from_secs(5));
    deploy(&(Arc::new(builder.open().unwrap()) as Store)).await;
    deploy(&(Arc::new(CachedStore::new(MemoryStore::new())) as Store)).await;
}

async fn deploy(store: &Store) {
    let clock = ManualClock::new();
    // Redis removes what has expired by its own clock.
    clock.set(SystemTime::now().into());
    let (one, two, three) =
        (program::<v1::Pay>(store, &clock), program::<v2::Pay>(store, &clock), program::<v3::Pay>(store, &clock));
    let visit = one.open([]);
    {
        let mut pay = visit.write::<v1::Pay>().await.unwrap();
        pay.set_code(7);
        pay.notices_mut().extend(["A".to_owned(), "B".to_owned()]);
    }
    let cookie = cookie(visit).await;
    let open = |sessions: &Sessions| sessions.open([cookie.as_str()]);
    // A value from before the attribute has no deadline until it is stored by the new version.
    clock.advance(60 * MINUTE);
    assert_eq!(*open(&two).read::<v2::Pay>().await.unwrap().code(), Some(7));
    let visit = open(&two);
    visit.write::<v2::Pay>().await.unwrap().notices_mut().push("C".to_owned());
    done(visit).await;
    // The list is stored in another form, which an old program cannot read.
    assert_eq!(open(&one).read::<v1::Pay>().await.err().map(|error| error.kind()), Some(ErrorKind::Newer));
    clock.advance(9 * MINUTE);
    assert_eq!(*open(&three).read::<v3::Pay>().await.unwrap().code(), Some(7));
    clock.advance(MINUTE);
    let visit = open(&three);
    let pay = visit.read::<v3::Pay>().await.unwrap();
    assert_eq!((*pay.code(), pay.notices().concat()), (None, "ABC".to_owned()));
    // The version without the attribute removes what has expired, and keeps what it sets for good.
    let visit = open(&three);
    visit.write::<v3::Pay>().await.unwrap().set_code(8);
    done(visit).await;
    clock.advance(60 * MINUTE);
    let visit = open(&three);
    assert_eq!(*visit.read::<v3::Pay>().await.unwrap().code(), Some(8));
    let key = open(&three);
    key.load().await.unwrap();
    let key = key.key().unwrap();
    assert_eq!(text(store, key, "pay.code~").await, None);
    assert_eq!(text(store, key, "pay.notices").await.as_deref(), Some(r#"["A","B","C"]"#));
}

/// An upgrade gives neither a value nor an element more time than it had.
#[tokio::test]
async fn an_upgrade_keeps_deadlines_and_ids() {
    for (store, _folder) in stores() {
        let clock = ManualClock::new();
        let (two, four) = (program::<v2::Pay>(&store, &clock), program::<v4::Pay>(&store, &clock));
        let visit = two.open([]);
        {
            let mut pay = visit.write::<v2::Pay>().await.unwrap();
            pay.set_code(7);
            pay.notices_mut().extend(["A".to_owned(), "B".to_owned()]);
        }
        let cookie = cookie(visit).await;
        let visit = two.open([cookie.as_str()]);
        visit.load().await.unwrap();
        let key = visit.key().unwrap();
        let deadline = text(&store, key, "pay.code~").await.unwrap();
        let ids = names(&store, key, "pay.notices/").await;
        clock.advance(9 * MINUTE);
        let visit = four.open([cookie.as_str()]);
        visit.write::<v4::Pay>().await.unwrap().set_note("x".to_owned());
        done(visit).await;
        let carried = text(&store, key, "pay.code~").await.unwrap();
        assert_eq!(carried.split(',').next(), deadline.split(',').next(), "the same moment, for another text");
        assert_eq!(names(&store, key, "pay.log/").await, ids);
        assert!(names(&store, key, "pay.notices/").await.is_empty());
        let shown =
            |visit: session_runtime::Visit| async move { visit.read::<v4::Pay>().await.unwrap().code().clone() };
        assert_eq!(shown(four.open([cookie.as_str()])).await.as_deref(), Some("7"));
        clock.advance(MINUTE);
        assert_eq!(shown(four.open([cookie.as_str()])).await, None);
    }
}

/// While the old version is written, its deadlines and the ids of its elements stay as they are.
#[tokio::test]
async fn a_hold_keeps_deadlines_and_ids() {
    for (store, _folder) in stores() {
        let clock = ManualClock::new();
        let held = SessionConfig::new().hold("pay", 2);
        let (two, three) = (program::<v2::Pay>(&store, &clock), with::<v3::Pay>(&store, &clock, held));
        let visit = two.open([]);
        {
            let mut pay = visit.write::<v2::Pay>().await.unwrap();
            pay.set_code(7);
            pay.notices_mut().push("A".to_owned());
        }
        let cookie = cookie(visit).await;
        let visit = two.open([cookie.as_str()]);
        visit.load().await.unwrap();
        let key = visit.key().unwrap();
        let (deadline, ids) = (text(&store, key, "pay.code~").await, names(&store, key, "pay.notices/").await);
        clock.advance(9 * MINUTE);
        let visit = three.open([cookie.as_str()]);
        {
            let mut pay = visit.write::<v3::Pay>().await.unwrap();
            pay.set_note("x".to_owned());
            pay.notices_mut().push("B".to_owned());
        }
        done(visit).await;
        assert_eq!(text(&store, key, "pay.code~").await, deadline);
        assert_eq!(names(&store, key, "pay.notices/").await[..1], ids);
        let visit = two.open([cookie.as_str()]);
        assert_eq!(visit.read::<v2::Pay>().await.unwrap().notices().concat(), "AB");
        clock.advance(MINUTE);
        let visit = two.open([cookie.as_str()]);
        assert_eq!(*visit.read::<v2::Pay>().await.unwrap().code(), None);
    }
}

#[tokio::test]
async fn all_sessions_at_once_are_upgraded_to_the_new_form() {
    for (store, _folder) in stores() {
        let clock = ManualClock::new();
        let (one, two) = (program::<v1::Pay>(&store, &clock), program::<v2::Pay>(&store, &clock));
        let visit = one.open([]);
        {
            let mut pay = visit.write::<v1::Pay>().await.unwrap();
            pay.set_code(7);
            pay.notices_mut().extend(["A".to_owned(), "B".to_owned()]);
        }
        let cookie = cookie(visit).await;
        assert_eq!(two.migrate(Options::default()).await.unwrap().count(Outcome::Upgraded), 1);
        assert_eq!(two.migrate(Options::default()).await.unwrap().count(Outcome::Current), 1);
        let visit = two.open([cookie.as_str()]);
        let pay = visit.read::<v2::Pay>().await.unwrap();
        assert_eq!((*pay.code(), pay.notices().concat()), (Some(7), "AB".to_owned()));
        clock.advance(10 * MINUTE);
        let visit = two.open([cookie.as_str()]);
        let pay = visit.read::<v2::Pay>().await.unwrap();
        assert_eq!((*pay.code(), pay.notices().concat()), (None, "AB".to_owned()));
    }
}

async fn names(store: &Store, key: session_runtime::SessionKey, prefix: &str) -> Vec<String> {
    let all = super::program::stored(store, key).await;
    all.iter().filter_map(|(name, _)| name.strip_prefix(prefix)).map(str::to_owned).collect()
}
