//! Only a field with `index` has a lookup.
use session_runtime::Session;

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(renew)]
    user: Option<String>,
}

fn main() {
    let _ = Auth::by_user("ann");
}
