//! Fields without names are identified by their position.

use session_runtime::SessionValue;

#[derive(SessionValue)]
struct Pair(#[serde(skip_serializing_if = "Option::is_none")] Option<u8>, u8);

#[derive(SessionValue)]
struct Sku(#[serde(skip)] String);

#[derive(SessionValue)]
#[serde(transparent)]
struct Two {
    a: u8,
    b: u8,
}

fn main() {}
