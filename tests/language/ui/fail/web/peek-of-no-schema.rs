use rocket::get;
use session_runtime::Peek;

struct Cart {
    visits: u32,
}

#[get("/visits")]
fn visits(cart: Peek<Cart>) -> String {
    cart.visits.to_string()
}

fn main() {}
