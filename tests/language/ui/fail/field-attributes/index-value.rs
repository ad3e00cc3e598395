//! `index` is a flag.
use session_runtime::Session;

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(index = "user")]
    user: Option<String>,
}

fn main() {}
