use session_runtime::{Session, SessionHandle};

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    coupon: Option<String>,
}

/// B23: an application cannot choose the id of a session.
fn adopt(session: &SessionHandle, mut cart: Session<Cart>) {
    session.set_id("chosen");
    session.set_key([7; 16]);
    cart.set_id("chosen");
}

fn main() {}
