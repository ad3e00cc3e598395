#![deny(warnings)]

use session_runtime::Session;

/// Stored by the session, and shown in an answer.
#[derive(serde::Serialize, Session)]
#[serde(rename_all = "camelCase")]
#[session(key = "cart", version = 1)]
pub struct Cart {
    #[serde(skip)]
    #[session(serde_ok)]
    secret: Option<String>,
    pub line_count: u32,
}

fn main() {}
