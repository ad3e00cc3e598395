//! Advice about a changed layout: a renamed field, an added one, an archived struct whose nested type changed.

use serde::{Deserialize, Serialize};
use session_runtime::{Session, SessionValue};

#[derive(Clone, Serialize, Deserialize, SessionValue)]
struct Line {
    sku: String,
    quantity: u64,
}

#[derive(Session)]
#[session(key = "renamed", version = 1, layout = "count:4d0f51c1 note:ec0d589b")]
struct Renamed {
    amount: u32,
    note: Option<String>,
}

#[derive(Session)]
#[session(key = "added", version = 3, was(2 = "count:4d0f51c1"), oldest = 2, layout = "count:4d0f51c1 note:ec0d589b")]
struct Added {
    count: u32,
    note: Option<String>,
    seen: bool,
}

#[derive(Session)]
#[session(key = "old", version = 1, archived, layout = "lines:3b9dea59")]
struct Old {
    lines: Vec<Line>,
}

fn main() {}
