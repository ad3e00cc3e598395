use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 3, layout = "count:4d0f51c1")]
struct Cart {
    count: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, archived, layout = "count:4d0f51c1")]
struct CartV2 {
    count: u32,
}

#[derive(Session)]
#[session(key = "basket", version = 3, was(1 = "count:4d0f51c1"), layout = "count:4d0f51c1")]
struct Basket {
    count: u32,
}

fn main() {}
