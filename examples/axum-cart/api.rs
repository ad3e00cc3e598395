//! Interface for programs, that of the example `cart`.
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

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use session_runtime::axum::{Read, Session, SessionHandle};

use crate::session::{AuthSession, CartSession, PrefsSession};

const MAX_NAME_LETTERS: usize = 40;

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/ping", get(async || "ok"))
        .route("/cart", get(cart))
        .route("/cart/add/{product}", post(add))
        .route("/cart/remove/{product}", post(remove))
        .route("/cart/clear", post(clear))
        .route("/prefs", get(prefs))
        .route("/prefs/{key}", get(pref))
        .route("/prefs/{key}/{value}", post(set_pref))
        .route("/login/{user}", post(login))
        .route("/whoami", get(whoami))
        .route("/logout", post(logout))
}

async fn cart(cart: Read<CartSession>) -> Json<BTreeMap<u32, u32>> {
    Json(cart.items().clone())
}

async fn add(Path(product): Path<u32>, mut cart: Session<CartSession>) -> Json<u32> {
    Json(cart.put(product))
}

async fn remove(Path(product): Path<u32>, mut cart: Session<CartSession>) -> StatusCode {
    cart.items_mut().remove(&product);
    StatusCode::NO_CONTENT
}

async fn clear(mut cart: Session<CartSession>) -> StatusCode {
    cart.clear_items();
    cart.clear_coupon();
    StatusCode::NO_CONTENT
}

/// Stores one preference. The only limit on the size is that of the record (`limits` in the configuration).
async fn set_pref(Path((key, value)): Path<(String, String)>, mut prefs: Session<PrefsSession>) -> StatusCode {
    prefs.values_mut().insert(key, value);
    StatusCode::NO_CONTENT
}

async fn prefs(prefs: Read<PrefsSession>) -> Json<BTreeMap<String, String>> {
    Json(prefs.values().clone())
}

async fn pref(Path(key): Path<String>, prefs: Read<PrefsSession>) -> Result<String, StatusCode> {
    prefs.values().get(&key).cloned().ok_or(StatusCode::NOT_FOUND)
}

/// Logs the visitor in by setting a `renew` field.
///
/// The session gets a new id, the old one becomes invalid, and the cart stays. If another user was logged in, a session
/// without that user's data begins. A real shop would check a password first.
async fn login(Path(user): Path<String>, mut auth: Session<AuthSession>) -> StatusCode {
    let user = user.trim();
    if user.is_empty() || user.chars().count() > MAX_NAME_LETTERS || user.contains(char::is_control) {
        return StatusCode::UNPROCESSABLE_ENTITY;
    }
    auth.set_user(user.into());
    StatusCode::NO_CONTENT
}

#[derive(Serialize)]
struct WhoAmI {
    user: Option<String>,
}

async fn whoami(auth: Read<AuthSession>) -> Json<WhoAmI> {
    Json(WhoAmI { user: auth.user().clone() })
}

async fn logout(session: SessionHandle) -> StatusCode {
    session.destroy();
    StatusCode::NO_CONTENT
}
