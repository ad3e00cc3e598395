//! Serde's own derive only warns.

use session_runtime::SessionValue;

#[derive(SessionValue)]
#[serde(tag = "kind")]
struct Line {
    sku: String,
    #[serde(rename = "sku")]
    name: String,
    kind: u8,
}

#[derive(SessionValue)]
#[serde(rename_all = "lowercase")]
enum Currency {
    EUR,
    Eur,
    #[serde(rename = "eur")]
    Euro,
}

fn main() {}
