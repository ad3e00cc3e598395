use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(renew, expires_after = "10m")]
    user: Option<u32>,
    #[session(expires_after = "10m", renew(keep))]
    role: Option<u32>,
}

fn main() {}
