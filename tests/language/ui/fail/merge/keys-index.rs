//! A map that is stored entry by entry has no one value to look up.
use std::collections::BTreeMap;

use session_runtime::Session;

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(index, merge = keys)]
    roles: BTreeMap<String, u32>,
}

fn main() {}
