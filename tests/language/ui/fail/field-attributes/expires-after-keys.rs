use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = keys, expires_after = "10m")]
    items: std::collections::BTreeSet<u32>,
    #[session(expires_after = "10m", merge = keys(sum))]
    counts: std::collections::BTreeMap<u32, u32>,
}

fn main() {}
