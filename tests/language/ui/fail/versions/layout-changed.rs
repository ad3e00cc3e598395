use std::collections::BTreeMap;

use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 3, oldest = 3, layout = "items:e930cc17 coupon:ec0d589b gift:4fb0f3d8")]
struct Cart {
    items: BTreeMap<String, Vec<Option<u64>>>,
    coupon: Option<String>,
    note: String,
}

fn main() {}
