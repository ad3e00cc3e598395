use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, layout = "count:4D0F51C1")]
struct Capitals {
    count: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 1, layout = "count:4d0f51c1, note:ec0d589b")]
struct Comma {
    count: u32,
    note: Option<String>,
}

#[derive(Session)]
#[session(key = "cart", version = 2, was(1 = "count"), layout = "count:4d0f51c1 note:ec0d589")]
struct Short {
    count: u32,
    note: Option<String>,
}

#[derive(Session)]
#[session(key = "cart", version = 1, layout = "count:4d0f51c1 count:4d0f51c1")]
struct Twice {
    count: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 1, layout = 7)]
struct Number {
    count: u32,
}

fn main() {}
