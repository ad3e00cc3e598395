//! The shop before the change: `cargo run --example upgrade-old`. What to do with it is told in `examples/upgrade/README.md`.

mod session;
#[path = "../shop.rs"]
mod shop;

use rocket::{Config, launch};

#[launch]
fn rocket() -> _ {
    shop::build(Config::figment())
}
