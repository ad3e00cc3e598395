use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = keys(sum))]
    items: std::collections::BTreeMap<u32, String>,
}

fn main() {}
