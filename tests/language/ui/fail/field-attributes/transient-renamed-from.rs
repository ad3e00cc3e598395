use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(transient, renamed_from = "seen")]
    count: u32,
}

fn main() {}
