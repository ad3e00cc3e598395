//! A list has no one text that names it.
use session_runtime::Session;

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(index)]
    roles: Vec<String>,
}

fn main() {}
