use session_runtime::Session;

#[derive(Session)]
#[session(key = "look", version = 1, lasting = true)]
struct Look {
    language: Option<String>,
}

#[derive(Session)]
#[session(key = "theme", version = 1)]
struct Theme {
    #[session(lasting)]
    theme: Option<String>,
}

fn main() {}
