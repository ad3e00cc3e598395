use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    name: &'static str,
    names: Vec<&'static str>,
}

fn main() {}
