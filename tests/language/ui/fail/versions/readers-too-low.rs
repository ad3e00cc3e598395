use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, archived, layout = "count:4d0f51c1 note:ec0d589b")]
struct CartV1 {
    count: u32,
    note: Option<String>,
}

#[derive(Session)]
#[session(key = "cart", version = 2, previous = CartV1, readers = 1, layout = "count:4d0fe23a note:ec0d589b")]
struct Cart {
    count: u64,
    note: Option<String>,
}

impl From<CartV1> for Cart {
    fn from(CartV1 { count, note }: CartV1) -> Self {
        Self { count: count.into(), note }
    }
}

fn main() {}
