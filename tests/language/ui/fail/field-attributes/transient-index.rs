//! A transient field is never stored, so no session can be looked up by it.
use session_runtime::Session;

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(transient, index)]
    user: Option<String>,
}

fn main() {
    let _ = Auth::by_user("ann");
}
