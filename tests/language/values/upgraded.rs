//! Values that an upgrade stores are read again.

use serde::{Deserialize, Serialize};
use session_runtime::migrate::{Options, Outcome};
use session_runtime::store::Store;
use session_runtime::{ErrorKind, MemoryStore, RawSection, Session, Sessions};
use std::sync::Arc;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Payment {
    #[default]
    None,
    Wide {
        wei: u128,
    },
}

mod old {
    #[derive(session_runtime::Session)]
    #[session(key = "shop", version = 1)]
    pub struct Shop {
        pub wei: u64,
        pub note: Option<String>,
    }
}

mod archived {
    #[derive(session_runtime::Session)]
    #[session(key = "shop", version = 1, archived)]
    pub struct Shop {
        pub wei: u64,
        pub note: Option<String>,
    }
}

#[derive(Session)]
#[session(key = "shop", version = 2, unreleased, previous = archived::Shop, retired("wei"))]
struct Converted {
    #[session(opaque = "payment@1")]
    payment: Payment,
    note: Option<String>,
}

impl From<archived::Shop> for Converted {
    fn from(old: archived::Shop) -> Self {
        Self { payment: Payment::Wide { wei: old.wei.into() }, note: old.note }
    }
}

#[derive(Session)]
#[session(key = "shop", version = 2, unreleased, migrate(from = 1, with = wrong_type), retired("wei"))]
struct Edited {
    #[session(opaque = "payment@1")]
    payment: Payment,
    note: Option<String>,
}

#[derive(Session)]
#[session(key = "shop", version = 2, unreleased, migrate(from = 1, with = wrong_type), retired("wei"), on_invalid = "reset")]
struct Lax {
    #[session(opaque = "payment@1")]
    payment: Payment,
    note: Option<String>,
}

fn wrong_type(section: &mut RawSection) -> Result<(), serde_json::Error> {
    if section.read::<u64>("wei")? == Some(7) {
        section.write("payment", &Payment::Wide { wei: 7 })?;
    }
    section.remove("wei");
    Ok(())
}

/// Sessions of the old program: one whose upgrade cannot be read, and one whose upgrade can.
async fn planted() -> (Arc<MemoryStore>, String) {
    let store = Arc::new(MemoryStore::new());
    let sessions = Sessions::builder().store(Arc::clone(&store)).schemas::<old::Shop>().build().unwrap();
    let mut cookie = String::new();
    for wei in [8, 7] {
        let visit = sessions.open([]);
        visit.write::<old::Shop>().await.unwrap().set_wei(wei);
        let finished = visit.finish(200).await;
        cookie = String::from(finished.cookie.header().unwrap().split(';').next().unwrap());
    }
    (store, cookie)
}

macro_rules! refused {
    ($($test:ident $schema:ident: $kind:ident, $failed:literal failed;)*) => {$(
        #[tokio::test]
        async fn $test() {
            let (store, cookie) = planted().await;
            let sessions = Sessions::builder().store(Arc::clone(&store) as Arc<dyn Store>).schemas::<$schema>();
            let sessions = sessions.build().unwrap();
            let error = sessions.open([cookie.as_str()]).read::<$schema>().await.err().unwrap();
            assert_eq!((error.kind(), error.schema()), (ErrorKind::$kind, Some("shop")));
            assert!(error.chain().contains("field `payment`"), "{}", error.chain());
            let report = sessions.migrate(Options::default()).await.unwrap();
            assert_eq!((report.count(Outcome::Failed), report.sessions), ($failed, 2));
            let before = Sessions::builder().store(store).schemas::<old::Shop>().build().unwrap();
            let visit = before.open([cookie.as_str()]);
            assert_eq!(*visit.read::<old::Shop>().await.unwrap().wei(), 7, "the stored value is unchanged");
        }
    )*};
}

refused! {
    a_converted_value_that_is_not_read_is_not_stored Converted: Unencodable, 2 failed;
    a_step_that_writes_what_is_not_read_is_refused Edited: Upgrade, 1 failed;
    a_step_is_refused_whatever_on_invalid_says Lax: Upgrade, 1 failed;
}
