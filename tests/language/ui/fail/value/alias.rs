//! A name is read for one field or variant only.

#![allow(unreachable_patterns)]

use serde::{Deserialize, Serialize};
use session_runtime::SessionValue;

#[derive(Serialize, Deserialize, SessionValue)]
struct Line {
    #[serde(alias = "count")]
    quantity: u32,
    count: u32,
}

#[derive(Serialize, Deserialize, SessionValue)]
struct Twice {
    #[serde(alias = "n")]
    quantity: u32,
    #[serde(alias = "m", alias = "n", alias = "count")]
    count: u32,
}

#[derive(Serialize, Deserialize, SessionValue)]
enum Currency {
    #[serde(alias = "Usd")]
    Eur,
    Usd,
}

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(tag = "type")]
struct Tagged {
    #[serde(alias = "type")]
    kind: u32,
}

fn main() {}
