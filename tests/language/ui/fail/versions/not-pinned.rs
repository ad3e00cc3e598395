use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 2, oldest = 2)]
struct Cart {
    count: u32,
}

#[derive(Session)]
#[session(key = "basket", version = 2, previous = Cart)]
struct Basket {
    count: u32,
}

fn main() {}
