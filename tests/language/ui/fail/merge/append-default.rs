use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = append(max = 20), default = vec![1])]
    notices: Vec<u32>,
    #[session(default, merge = append(max = 20))]
    steps: Vec<u32>,
}

fn main() {}
