use serde::{Deserialize, Serialize};
use session_runtime::SessionValue;

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(untagged, rename_all = "camelCase")]
enum Amount {
    Whole(u32),
    Text(String),
}

fn main() {}
