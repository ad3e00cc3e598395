//! A list that is stored element by element has no one value to look up.
use session_runtime::Session;

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(index, merge = append(max = 5))]
    notices: Vec<String>,
}

fn main() {}
