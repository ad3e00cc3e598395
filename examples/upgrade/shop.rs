//! Routes of both versions; `crate::session` is the old cart or the new one.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | this program's version, and the cart |
//! | `POST /add/<product>`, `POST /coupon/<code>` | the same, after the change |

use std::fmt::Write as _;

use rocket::figment::{Figment, providers::Serialized};
use rocket::http::Status;
use rocket::{Build, Request, Rocket, catch, catchers, get, post, routes};
use session_runtime::{Schema as _, Session, Sessions};

use crate::session::CartSession;

pub(crate) fn build(figment: Figment) -> Rocket<Build> {
    let figment = figment.join(Serialized::default("session.store", "sqlite://upgrade.db"));
    rocket::custom(figment)
        .mount("/", routes![show, add, coupon])
        .register("/", catchers![refused])
        .attach(Sessions::fairing::<CartSession>())
}

impl CartSession {
    pub(crate) fn line(&self) -> String {
        let mut line = format!("version {}:", Self::VERSION);
        for (product, quantity) in &self.items {
            let _ = write!(line, " {quantity} of product {product},");
        }
        line + &format!(" {}\n", self.extras())
    }
}

#[get("/")]
fn show(cart: &CartSession) -> String {
    cart.line()
}

#[post("/add/<product>")]
fn add(product: u32, mut cart: Session<CartSession>) -> String {
    let quantity = cart.items_mut().entry(product).or_default();
    *quantity = quantity.saturating_add(1);
    cart.line()
}

#[post("/coupon/<code>")]
fn coupon(code: &str, mut cart: Session<CartSession>) -> String {
    cart.apply(code.to_owned());
    cart.line()
}

/// Answers with a line of text in place of a page.
#[catch(default)]
fn refused(status: Status, _: &Request<'_>) -> String {
    format!("{status}\n")
}
