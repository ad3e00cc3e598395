//! Interface for programs.
//!
//! | request | answer |
//! |---|---|
//! | `GET /ping` | `ok`; uses no session |
//! | `GET /cart` | JSON map, product to quantity |
//! | `POST /cart/add/<product>` | the new quantity as this request saw it |
//! | `POST /cart/remove/<product>`, `POST /cart/clear` | 204 |
//! | `POST /prefs/<key>/<value>` | 204 |
//! | `GET /prefs`, `GET /prefs/<key>` | JSON map; the value, or 404 |
//! | `POST /login/<user>` | 204, and a new id; 422 for an invalid name |
//! | `GET /whoami` | `{"user": null}` or `{"user": "name"}` |
//! | `POST /logout` | 204, and the session is gone |

use std::collections::BTreeMap;

use rocket::response::status::NoContent;
use rocket::serde::json::Json;
use rocket::{Route, get, post, routes};
use serde::Serialize;
use session_runtime::{Session, SessionHandle};

use crate::session::{AuthSession, CartSession, PrefsSession};
use crate::shop::UserName;

pub(crate) fn routes() -> Vec<Route> {
    routes![ping, cart, add, remove, clear, set_pref, prefs, pref, login, whoami, logout]
}

#[get("/ping")]
fn ping() -> &'static str {
    "ok"
}

#[get("/cart")]
fn cart(cart: &CartSession) -> Json<&BTreeMap<u32, u32>> {
    Json(cart.items())
}

#[post("/cart/add/<product>")]
fn add(product: u32, mut cart: Session<CartSession>) -> Json<u32> {
    Json(cart.put(product))
}

#[post("/cart/remove/<product>")]
fn remove(product: u32, mut cart: Session<CartSession>) -> NoContent {
    cart.items_mut().remove(&product);
    NoContent
}

#[post("/cart/clear")]
fn clear(mut cart: Session<CartSession>) -> NoContent {
    cart.clear_items();
    cart.clear_coupon();
    NoContent
}

/// Stores one preference. The only limit on the size is that of the record (`limits` in the configuration).
#[post("/prefs/<key>/<value>")]
fn set_pref(key: String, value: String, mut prefs: Session<PrefsSession>) -> NoContent {
    prefs.values_mut().insert(key, value);
    NoContent
}

#[get("/prefs")]
fn prefs(prefs: &PrefsSession) -> Json<&BTreeMap<String, String>> {
    Json(prefs.values())
}

#[get("/prefs/<key>")]
fn pref<'r>(key: &str, prefs: &'r PrefsSession) -> Option<&'r str> {
    prefs.values().get(key).map(String::as_str)
}

/// Logs the visitor in by setting a `renew` field.
///
/// The session gets a new id, the old one becomes invalid, and the cart stays. If another user was logged in, a session
/// without that user's data begins. A real shop would check a password first.
#[post("/login/<user>")]
fn login(user: UserName, mut auth: Session<AuthSession>) -> NoContent {
    auth.set_user(user.into());
    NoContent
}

#[derive(Serialize)]
struct WhoAmI<'r> {
    user: Option<&'r str>,
}

#[get("/whoami")]
fn whoami(auth: &AuthSession) -> Json<WhoAmI<'_>> {
    Json(WhoAmI { user: auth.user().as_deref() })
}

#[post("/logout")]
fn logout(session: &SessionHandle) -> NoContent {
    session.destroy();
    NoContent
}
