//! A lookup has the name of an accessor.
use session_runtime::Session;

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(index)]
    user: Option<String>,
    by_user: bool,
}

fn main() {}
