use session_runtime::Session;

#[derive(Session)]
#[session(key = "session", version = 1)]
struct Cart {
    count: u32,
}

fn main() {}
