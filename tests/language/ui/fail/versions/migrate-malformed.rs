use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 2, migrate(with = fix), layout = "count:4d0f51c1")]
struct NoFrom {
    count: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, migrate(from = 0, with = fix), layout = "count:4d0f51c1")]
struct FromZero {
    count: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, migrate(from = 1, with = |_| Ok(())), layout = "count:4d0f51c1")]
struct Closure {
    count: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, migrate = fix, layout = "count:4d0f51c1")]
struct Value {
    count: u32,
}

fn main() {}
