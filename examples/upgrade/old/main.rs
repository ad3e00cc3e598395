//! The shop before the change: `cargo run --example upgrade-old`. `examples/upgrade/README.md` describes the steps.

mod session;
#[path = "../shop.rs"]
mod shop;

use rocket::{Config, launch};

#[launch]
fn rocket() -> _ {
    shop::build(Config::figment())
}
