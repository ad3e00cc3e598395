use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = keys(sum))]
    items: std::collections::BTreeSet<u32>,
}

fn main() {}
