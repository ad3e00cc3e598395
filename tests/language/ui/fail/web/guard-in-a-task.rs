use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    coupon: Option<String>,
}

#[rocket::post("/later")]
async fn later(mut cart: Session<'_, Cart>) {
    rocket::tokio::spawn(async move { cart.set_coupon("LATE".into()) });
}

fn main() {}
