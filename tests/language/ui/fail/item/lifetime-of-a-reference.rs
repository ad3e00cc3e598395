use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart<'a> {
    name: &'a str,
}

fn main() {}
