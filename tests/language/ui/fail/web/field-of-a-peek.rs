use rocket::post;
use session_runtime::{Peek, Session};

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    visits: u32,
}

#[post("/visit")]
fn visit(cart: Peek<Cart>) {
    cart.visits = 1;
}

fn main() {}
