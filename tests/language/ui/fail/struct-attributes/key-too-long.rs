use session_runtime::Session;

#[derive(Session)]
#[session(key = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", version = 1)]
struct Cart {
    count: u32,
}

fn main() {}
