use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    name: Box<dyn std::fmt::Debug + Send + Sync>,
}

fn main() {}
