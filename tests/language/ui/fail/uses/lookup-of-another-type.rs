//! A lookup takes a value of its field.
use session_runtime::Session;

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(renew, index)]
    user: Option<String>,
}

fn main() {
    let _ = Auth::by_user(7);
}
