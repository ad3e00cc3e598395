//! All mistakes at once, and no other of those who use the type.

use session_runtime::{SessionValue, value::Ty};

#[derive(SessionValue)]
#[serde(untagged)]
#[session(opaqe = "event@1")]
enum Event {
    #[serde(with = "paid")]
    Paid {
        #[serde(flatten)]
        amount: Box<Event>,
        #[serde(rename = "count")]
        total: u8,
        count: std::time::SystemTime,
    },
    #[serde(rename = "Paid")]
    Left,
}

#[derive(SessionValue)]
struct Log {
    events: Vec<Event>,
}

const _: Ty = Log::TY;

fn main() {}
