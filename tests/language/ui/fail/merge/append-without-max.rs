use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = append)]
    notices: Vec<String>,
    #[session(merge = append())]
    steps: Vec<u32>,
}

fn main() {}
