use session_runtime::Session;

fn longest(base: &str, ours: String) -> String {
    let _ = base;
    ours
}

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = with = longest)]
    name: String,
}

fn main() {}
