use session_runtime::Session;

#[derive(Session)]
#[session]
struct Cart {
    count: u32,
}

fn main() {}
