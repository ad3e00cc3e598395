use session_runtime::Session;

#[derive(Default)]
struct Money;

#[derive(Session)]
#[session(key = "cart", version = 1, unreleased)]
struct Cart {
    #[session(opaque = "money@1")]
    total: Money,
}

fn main() {}
