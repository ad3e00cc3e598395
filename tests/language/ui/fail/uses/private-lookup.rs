//! A lookup is as visible as its field.
mod auth {
    #[derive(session_runtime::Session)]
    #[session(key = "auth", version = 1)]
    pub struct Auth {
        #[session(renew, index)]
        user: Option<String>,
    }
}

fn main() {
    let _ = auth::Auth::by_user("ann");
}
