//! A type of one's own needs `EntryKey`, also inside an `Option`.
use serde::{Deserialize, Serialize};
use session_runtime::Session;

#[derive(Serialize, Deserialize)]
struct UserId(String);

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(renew, index)]
    user: Option<UserId>,
}

fn main() {}
