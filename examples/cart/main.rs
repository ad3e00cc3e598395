//! A small shop whose visitors keep their cart: `cargo run --example cart`, then open <http://127.0.0.1:8000>.
//!
//! | room | what is in it |
//! |---|---|
//! | `session.rs` | the schemas: what a visitor's session holds |
//! | `api.rs` | the interface for programs, JSON and plain numbers |
//! | `page.rs` | the page |
//! | `forms.rs` | the routes behind its forms |
//! | `html.rs` | words into HTML, escaped |
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

/// A file as the store where Rocket's own configuration names none: the library has such a default for the debug profile
/// only, since a release should decide where its sessions live.
///
/// `join` adds what is missing, and `default` is the profile that all others win over; so files and environment decide.
fn with_store(figment: Figment) -> Figment {
    figment.join(Serialized::default("session.store", "sqlite://sessions.db"))
}

fn sessions() -> SessionFairing {
    Sessions::fairing::<(CartSession, AuthSession, PrefsSession, NoticeSession)>()
}

/// The whole application; tests give it a configuration and a store of their own.
fn build(rocket: Rocket<Build>, sessions: SessionFairing) -> Rocket<Build> {
    rocket.mount("/", api::routes()).mount("/", page::routes()).mount("/", forms::routes()).attach(sessions)
}
