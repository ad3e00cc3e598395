use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, layout = "")]
struct Cart {
    count: u32,
    note: Option<String>,
    #[session(transient)]
    seen: bool,
}

fn main() {}
