//! `Some` of what is written as `null` would be read as `None`, whatever spells it.

use serde::{Deserialize, Serialize};
use session_runtime::{Session, SessionValue};

type Maybe<T> = Option<T>;

#[derive(Clone, Serialize, Deserialize, SessionValue)]
struct Accepted;

#[derive(Session)]
#[session(key = "spelled", version = 1)]
struct Spelled {
    seen: Option<()>,
    late: std::option::Option<::core::option::Option<u8>>,
}

#[derive(Session)]
#[session(key = "known", version = 1)]
struct Known {
    accepted: Option<Accepted>,
    late: Option<Maybe<u8>>,
    boxed: Option<Box<Option<u8>>>,
    many: Vec<Option<Accepted>>,
}

#[derive(Session)]
#[session(key = "pinned", version = 1, layout = "accepted:216a767b")]
struct Pinned {
    accepted: Option<Accepted>,
}

fn main() {}
