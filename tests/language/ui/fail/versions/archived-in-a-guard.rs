use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 2, oldest = 2, archived, layout = "count:4d0f51c1")]
struct CartV2 {
    count: u32,
}

#[rocket::get("/write")]
fn write(cart: Session<'_, CartV2>) -> String {
    cart.count().to_string()
}

#[rocket::get("/read")]
fn read(cart: &CartV2) -> String {
    cart.count().to_string()
}

fn main() {}
