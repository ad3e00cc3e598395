use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(flash = "1h")]
    count: u32,
}

fn main() {}
