use rocket::{post, routes};
use session_runtime::Recent;

#[post("/password")]
fn change(_recent: Recent<0>) {}

fn main() {
    let _ = rocket::build().mount("/", routes![change]);
}
