use session_runtime::Session;

#[derive(Session)]
#[allow(dead_code)]
struct Cart {
    count: u32,
}

fn main() {}
