use session_runtime::Session;

#[derive(Session)]
#[session(key = "look", version = 1, lasting)]
struct Look {
    language: Option<String>,
    #[session(renew)]
    user: Option<String>,
    #[session(renew(keep))]
    level: u8,
}

fn main() {}
