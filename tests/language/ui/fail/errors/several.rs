use session_runtime::Session;

#[derive(Session)]
#[session(key = "My Cart", version = 0, lazzy)]
struct Cart {
    #[session(renmae = "x", merge = summ)]
    name: String,
    #[session(default = Some(1), rename = "a b")]
    count: Option<u32>,
    save: bool,
}

fn main() {}
