use session_runtime::Session;

#[derive(serde::Serialize, serde::Deserialize)]
enum Currency {
    Eur,
}

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    currency: Currency,
}

fn main() {}
