use session_runtime::{Session, SessionError};

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    items: Vec<u32>,
}

#[rocket::post("/pay")]
async fn pay(mut cart: Session<'_, Cart>) -> Result<(), SessionError> {
    let items = cart.items_mut();
    cart.save().await?;
    items.clear();
    Ok(())
}

fn main() {}
