//! `Some` of what is written as `null` would be read as `None`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use session_runtime::SessionValue;

type Maybe<T> = Option<T>;

#[derive(Serialize, Deserialize, SessionValue)]
struct Accepted;

#[derive(Serialize, Deserialize, SessionValue)]
struct Limit(Option<u32>);

#[derive(Serialize, Deserialize, SessionValue)]
struct Terms {
    accepted: Option<Accepted>,
    seen: Option<()>,
    late: Option<Maybe<u8>>,
    limits: BTreeMap<String, Vec<Option<Limit>>>,
}

fn main() {}
