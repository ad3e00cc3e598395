use rocket::post;
use session_runtime::Recent;

#[post("/password")]
fn change(_recent: Recent) {}

fn main() {}
