use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, archived = true, unreleased(yes))]
struct Cart {
    count: u32,
}

fn main() {}
