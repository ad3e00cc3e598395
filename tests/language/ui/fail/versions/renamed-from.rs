use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 2, was(1 = "basket:c7992f67 note:ec0d589b"), layout = "basket:c7992f67")]
struct Cart {
    #[session(renamed_from = "basket")]
    basket: Vec<u32>,
    #[session(renamed_from = "basket")]
    note: Option<String>,
}

fn main() {}
