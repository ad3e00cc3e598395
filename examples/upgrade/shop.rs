//! The routes that both versions have; `crate::session` is the old cart or the new one.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | this program's version, and the cart |
//! | `POST /add/<product>` | the new quantity |
//! | `POST /coupon/<code>` | 204 |

use std::fmt::Write as _;

use rocket::figment::{Figment, providers::Serialized};
use rocket::response::status::NoContent;
use rocket::{Build, Rocket, get, post, routes};
use session_runtime::{Schema as _, Session, Sessions};

use crate::session::CartSession;

pub(crate) fn build(figment: Figment) -> Rocket<Build> {
    let figment = figment.join(Serialized::default("session.store", "sqlite://upgrade.db"));
    rocket::custom(figment).mount("/", routes![show, add, coupon]).attach(Sessions::fairing::<CartSession>())
}

#[get("/")]
fn show(cart: &CartSession) -> String {
    let mut text = format!("version {}:", CartSession::VERSION);
    for (product, quantity) in cart.items() {
        let _ = write!(text, " {quantity} of product {product},");
    }
    text + &format!(" {}\n", cart.extras())
}

#[post("/add/<product>")]
fn add(product: u32, mut cart: Session<CartSession>) -> String {
    let quantity = cart.items_mut().entry(product).or_default();
    *quantity = quantity.saturating_add(1);
    format!("{quantity}\n")
}

#[post("/coupon/<code>")]
fn coupon(code: &str, mut cart: Session<CartSession>) -> NoContent {
    cart.apply(code.to_owned());
    NoContent
}
