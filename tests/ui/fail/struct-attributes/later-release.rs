use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, retired("basket", "old_total"), layout = "count:1f3a9c02")]
struct Cart {
    count: u32,
}

fn main() {}
