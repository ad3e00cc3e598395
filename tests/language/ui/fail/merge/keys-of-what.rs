use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = keys(max))]
    count: std::collections::BTreeMap<u32, u32>,
}

fn main() {}
