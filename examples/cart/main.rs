//! Small shop whose visitors keep their cart: `cargo run --example cart`, then open <http://127.0.0.1:8000>.
//!
//! | file | content |
//! |---|---|
//! | `session.rs` | the schemas of a visitor's session |
//! | `api.rs` | the interface for programs, JSON and plain numbers |
//! | `page.rs` | the page |
//! | `forms.rs` | the routes behind its forms |
//! | `html.rs` | text to HTML, escaped |
//! | `shop.rs` | products, prices and coupons, without any session |
//!
//! Settings come from Rocket, as for any Rocket program: `Rocket.toml`, `ROCKET_PORT=8080`,
//! `ROCKET_SESSION='{store="memory:"}'`, `ROCKET_PROFILE=release`.

mod api;
mod forms;
mod html;
mod page;
mod session;
mod shop;
#[cfg(test)]
mod tests;

use rocket::figment::{Figment, providers::Serialized};
use rocket::{Build, Config, Rocket, launch};
use session_runtime::{SessionFairing, Sessions};

use crate::session::{AuthSession, CartSession, NoticeSession, PrefsSession};

#[launch]
fn rocket() -> _ {
    build(rocket::custom(with_store(Config::figment())), sessions())
}

/// Adds a file as the store if Rocket's own configuration names none.
///
/// The library has such a default for the debug profile only, since a release should decide where its sessions are
/// stored. `join` adds missing values, and all other profiles take precedence over `default`; so files and environment
/// decide.
fn with_store(figment: Figment) -> Figment {
    figment.join(Serialized::default("session.store", "sqlite://sessions.db"))
}

fn sessions() -> SessionFairing {
    Sessions::fairing::<(CartSession, AuthSession, PrefsSession, NoticeSession)>()
}

/// Builds the whole application; tests pass a configuration and a store of their own.
fn build(rocket: Rocket<Build>, sessions: SessionFairing) -> Rocket<Build> {
    rocket.mount("/", api::routes()).mount("/", page::routes()).mount("/", forms::routes()).attach(sessions)
}
