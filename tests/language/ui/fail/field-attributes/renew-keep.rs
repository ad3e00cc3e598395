use session_runtime::Session;

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(renew(kept))]
    a: u8,
    #[session(renew(keep, keep))]
    b: u8,
    #[session(renew())]
    c: u8,
    #[session(transient, renew(keep))]
    d: u8,
}

fn main() {}
