use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 2, was(), retired, layout = "count:4d0f51c1")]
struct Cart {
    count: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, was = "count:4d0f51c1", retired(basket), layout = "count:4d0f51c1")]
struct Basket {
    count: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, was(1 = 7), layout = "count:4d0f51c1")]
struct Number {
    count: u32,
}

fn main() {}
