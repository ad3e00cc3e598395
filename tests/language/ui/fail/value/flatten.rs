use serde::{Deserialize, Serialize};
use session_runtime::SessionValue;

#[derive(Serialize, Deserialize, SessionValue)]
struct Line {
    sku: String,
    #[serde(flatten)]
    rest: std::collections::BTreeMap<String, u32>,
}

fn main() {}
