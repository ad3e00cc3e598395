//! Fields that can be looked up, and values that a lookup takes.
#![deny(warnings)]

mod auth {
    use serde::{Deserialize, Serialize};
    use session_runtime::EntryKey;

    #[derive(Serialize, Deserialize)]
    pub struct UserId(pub String);
    impl EntryKey for UserId {}

    #[derive(Clone, Copy, Serialize, Deserialize, Default)]
    pub enum Plan {
        #[default]
        Free,
        Paid,
    }
    impl EntryKey for Plan {}

    #[derive(session_runtime::Session)]
    #[session(key = "auth", version = 1)]
    pub struct Auth {
        #[session(renew, index, redact)]
        pub user: Option<UserId>,
        #[session(index, renew(keep), accessor = "organisation")]
        pub(crate) tenant: u64,
        #[session(index, merge = reject)]
        pub plan: Plan,
        #[session(index, rename = "kind")]
        pub r#type: std::option::Option<String>,
    }
}

use auth::{Auth, Plan, UserId};
use session_runtime::{Lookup, MemoryStore, SessionInfo, SessionKey, Sessions};

async fn uses(sessions: &Sessions, key: &SessionKey) -> Result<(), session_runtime::SessionError> {
    let user = UserId("ann".to_owned());
    let lookups: Vec<Lookup> = vec![
        Auth::by_user("ann"),
        Auth::by_user(&user),
        Auth::by_user(user),
        Auth::by_organisation(7),
        Auth::by_plan(Plan::Paid),
        Auth::by_type("x".to_owned()),
        Auth::by_type(&"x".to_owned()),
    ];
    let _: Vec<SessionInfo> = sessions.list(Auth::by_user("ann")).await?;
    let _: Vec<SessionInfo> = sessions.list(Auth::by_user("ann")).limit(5).await?;
    for lookup in lookups {
        let _: u64 = sessions.count(lookup.clone().except(key)).await?;
        let _: u64 = sessions.destroy_all(lookup.except_newest(5)).await?;
    }
    Ok(())
}

fn main() {
    let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Auth>().build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(uses(&sessions, &SessionKey::from_bytes([0; 16]))).unwrap();
}
