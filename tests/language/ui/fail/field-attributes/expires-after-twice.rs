use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(expires_after = "10m", expires_after = "20m")]
    code: Option<u32>,
    #[session(expires_afer = "10m")]
    misspelled: Option<u32>,
}

fn main() {}
