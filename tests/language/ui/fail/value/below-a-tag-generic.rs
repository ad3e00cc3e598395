//! A generic type is checked with its parameters, where a schema uses it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use session_runtime::{Session, SessionValue};

#[derive(Clone, Serialize, Deserialize, SessionValue)]
#[serde(tag = "kind")]
enum Page<T> {
    Of { content: T },
}

#[derive(Session)]
#[session(key = "pages", version = 1, unreleased)]
struct Pages {
    pages: Vec<Page<BTreeMap<u32, u32>>>,
}

fn main() {}
