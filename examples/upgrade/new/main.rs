//! The shop after the change: `cargo run --example upgrade-new`. What to do with it is told in `examples/upgrade/README.md`.

mod session;
#[path = "../shop.rs"]
mod shop;
#[cfg(test)]
mod tests;

use rocket::{Config, launch, post, routes};
use session_runtime::Session;

use crate::session::CartSession;

#[launch]
fn rocket() -> _ {
    shop::build(Config::figment()).mount("/", routes![gift])
}

/// What only this version has.
#[post("/gift")]
fn gift(mut cart: Session<CartSession>) -> String {
    cart.set_gift(true);
    cart.line()
}
