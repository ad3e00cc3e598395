use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = with = |base, theirs, ours| ours)]
    count: u32,
}

fn main() {}
