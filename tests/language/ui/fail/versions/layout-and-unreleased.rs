use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, layout = "count:4d0f51c1", unreleased)]
struct Cart {
    count: u32,
}

#[derive(Session)]
#[session(key = "basket", version = 2, oldest = 2, unreleased, layout = "count:4d0f51c1")]
struct Basket {
    count: u32,
}

fn main() {}
