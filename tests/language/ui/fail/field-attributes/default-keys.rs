use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = keys, default = BTreeMap::new())]
    count: std::collections::BTreeMap<u32, u32>,
}

fn main() {}
