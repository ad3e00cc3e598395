use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, retired("basket", "old_total"), layout = "basket:4d0f51c1 old_total:4d0f51c1")]
struct Cart {
    basket: u32,
    #[session(rename = "old_total")]
    total: u32,
}

fn main() {}
