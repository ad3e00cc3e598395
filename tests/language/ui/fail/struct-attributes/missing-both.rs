use session_runtime::Session;

#[derive(Session)]
#[session(lazy)]
struct Cart {
    count: u32,
}

fn main() {}
