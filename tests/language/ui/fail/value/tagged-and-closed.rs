//! Serde takes the tag of a struct for an unknown field.

use serde::{Deserialize, Serialize};
use session_runtime::SessionValue;

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(tag = "type", deny_unknown_fields)]
struct Line {
    sku: String,
}

fn main() {}
