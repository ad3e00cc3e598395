use session_runtime::Session;

#[derive(Session)]
#[session(
    key = "cart",
    version = 3,
    was(2 = "items:c7992f67 coupon:ec0d589b", 1 = "items:c7b9c7f8"),
    layout = "items:c7b9c7f8 note:ec0d589b"
)]
struct Cart {
    items: Vec<u64>,
    note: Option<String>,
}

fn main() {}
