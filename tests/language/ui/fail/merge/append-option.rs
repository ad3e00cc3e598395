use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = append(max = 20))]
    notices: Option<Vec<u32>>,
}

fn main() {}
