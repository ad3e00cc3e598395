//! The shop after the change: `cargo run --example upgrade-new`. `examples/upgrade/README.md` describes the steps.

mod session;
#[path = "../shop.rs"]
mod shop;
#[cfg(test)]
mod tests;

use rocket::{Config, Error, Ignite, Rocket, post, routes};
use session_runtime::migrate::{OnProgress, Options};
use session_runtime::{Session, Sessions};

use crate::session::CartSession;

/// Serves the shop. With the argument `census` or `migrate`, processes all stored carts at once, beside running
/// servers.
#[rocket::main]
#[allow(clippy::result_large_err, reason = "it is Rocket's, and asked for once")]
async fn main() -> Result<(), Error> {
    let rocket = shop::build(Config::figment()).mount("/", routes![gift]).ignite().await?;
    let command = std::env::args().nth(1);
    match command.as_deref() {
        None => return rocket.launch().await.map(drop),
        Some("census") => all_carts(&rocket, true).await,
        Some("migrate") => all_carts(&rocket, false).await,
        Some(other) => eprintln!("`{other}` is neither `census` nor `migrate`"),
    }
    Ok(())
}

async fn all_carts(rocket: &Rocket<Ignite>, dry_run: bool) {
    let Some(sessions) = Sessions::fetch(rocket) else { return };
    let progress = OnProgress::new(|progress| eprint!("\r{progress}"));
    let outcome = sessions.migrate(Options { dry_run, progress, ..Options::default() }).await;
    eprintln!();
    match outcome {
        Ok(report) => println!("{report}"),
        Err(error) => eprintln!("{}", error.chain()),
    }
}

/// Marks the cart as a gift, which only this version can do.
#[post("/gift")]
fn gift(mut cart: Session<CartSession>) -> String {
    cart.set_gift(true);
    cart.line()
}
