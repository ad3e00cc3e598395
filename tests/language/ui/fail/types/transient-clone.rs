use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(transient)]
    lock: std::sync::Mutex<u32>,
}

fn main() {}
