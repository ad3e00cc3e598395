use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(default = Some(1))]
    count: Option<u32>,
}

fn main() {}
