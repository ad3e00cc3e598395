//! Neither a lookup nor its list reads or ends anything before it is awaited.
#![deny(unused_must_use)]

use session_runtime::{Session, Sessions};

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(renew, index)]
    user: Option<String>,
}

async fn forgets(sessions: &Sessions) {
    Auth::by_user("ann");
    sessions.list(Auth::by_user("ann"));
    sessions.list(Auth::by_user("ann")).limit(5);
    sessions.list(Auth::by_user("ann")).await;
    sessions.count(Auth::by_user("ann"));
    sessions.destroy_all(Auth::by_user("ann"));
    sessions.destroy_all(Auth::by_user("ann")).await;
}

fn main() {}
