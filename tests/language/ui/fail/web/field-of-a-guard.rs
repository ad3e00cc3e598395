use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    items: Vec<u32>,
}

#[rocket::post("/add")]
fn add(mut cart: Session<Cart>) {
    cart.items.push(7);
}

#[rocket::get("/set")]
fn set(cart: &Cart) {
    cart.set_items(Vec::new());
}

fn main() {}
