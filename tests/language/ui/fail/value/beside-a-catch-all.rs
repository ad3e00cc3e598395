//! A variant that keeps what is unknown makes serde read all variants from a buffer: these would come back as unknown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use session_runtime::SessionValue;

#[derive(Serialize, Deserialize, SessionValue)]
enum Payment {
    Split(BTreeMap<u32, u32>),
    Wide(u8, i128),
    #[serde(untagged)]
    #[session(other)]
    Unknown(serde_json::Value),
}

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(tag = "kind", content = "of")]
enum Adjacent {
    Split { by_person: BTreeMap<u32, u32> },
    #[serde(untagged)]
    #[session(other)]
    Unknown(serde_json::Value),
}

fn main() {}
