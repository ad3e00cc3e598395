use session_runtime::{Session, SessionHandle};

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    items: Vec<u32>,
}

#[rocket::post("/logout")]
fn logout(mut cart: Session<'_, Cart>, session: &SessionHandle) {
    let items = cart.items_mut();
    drop(cart);
    session.destroy();
    items.clear();
}

fn main() {}
