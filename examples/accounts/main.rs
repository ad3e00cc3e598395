//! Accounts worth copying: sign-up, login and the sessions of a user. `cargo run --example accounts`, then open
//! <http://localhost:8000>.
//!
//! | file | content |
//! |---|---|
//! | `session.rs` | the schemas of a visitor's session, and the limit on attempts |
//! | `guards.rs` | guards of routes: the user, the administrator, the name of the browser |
//! | `entrance.rs` | sign-up, login, logout |
//! | `home.rs` | the first page of a user, and the stream of events that ends with the session |
//! | `devices.rs` | the page "where you are logged in" |
//! | `password.rs` | a new password, and the page that asks for the present one again |
//! | `admin.rs` | all accounts, for the administrator |
//! | `refusals.rs` | the pages of errors |
//! | `page.rs` | the frame of each page, its headers, and the parts that pages share |
//! | `users.rs`, `hashes.rs` | the accounts in SQLite; passwords, hashed by Argon2 |
//! | `local_path.rs` | a return path that cannot leave the site |
//!
//! `README.md` beside this file lists the routes and what is deliberately absent. Settings come from Rocket, as for any
//! Rocket program: `ROCKET_PORT=8080`, `ROCKET_ACCOUNTS=/var/lib/accounts.db`, `ROCKET_PROFILE=release`.
#![allow(clippy::needless_pass_by_value, reason = "Rocket hands guards over by value")]

mod admin;
mod devices;
mod entrance;
mod guards;
mod hashes;
mod home;
mod local_path;
mod page;
mod password;
mod refusals;
mod session;
#[cfg(test)]
mod tests;
mod users;

use rocket::fairing::AdHoc;
use rocket::figment::{Figment, providers::Serialized};
use rocket::shield::{Frame, Referrer, Shield};
use rocket::{Build, Config, Rocket, launch};
use session_runtime::{SessionFairing, Sessions};

use crate::session::{Attempts, AuthSession, Notices};
use crate::users::Users;

#[launch]
fn rocket() -> _ {
    build(rocket::custom(with_files(Config::figment())), sessions())
}

/// Adds the files of this program, if Rocket's own configuration names none. `join` adds missing values only.
fn with_files(figment: Figment) -> Figment {
    figment
        .join(Serialized::default("accounts", "accounts.db"))
        .join(Serialized::default("session.store", "sqlite://accounts-sessions.db"))
}

fn sessions() -> SessionFairing {
    Sessions::fairing::<(AuthSession, Attempts, Notices)>().on_error(refusals::of_session)
}

/// Builds the whole application; tests pass a configuration and a store of their own.
fn build(rocket: Rocket<Build>, sessions: SessionFairing) -> Rocket<Build> {
    rocket
        .mount("/", page::routes())
        .mount("/", entrance::routes())
        .mount("/", home::routes())
        .mount("/", devices::routes())
        .mount("/", password::routes())
        .mount("/", admin::routes())
        .register("/", refusals::catchers())
        .manage(home::Logins::default())
        .attach(AdHoc::try_on_ignite("accounts", open_accounts))
        // `same-origin`: with `no-referrer`, browsers would send `Origin: null` with every form.
        .attach(Shield::default().enable(Referrer::SameOrigin).enable(Frame::Deny))
        .attach(sessions)
}

/// Opens the file of the accounts; a failure stops the launch.
async fn open_accounts(rocket: Rocket<Build>) -> rocket::fairing::Result {
    let path: Result<String, _> = rocket.figment().extract_inner("accounts");
    let opened = path.map_err(|error| error.to_string()).and_then(|path| Users::open(&path).map_err(|e| e.to_string()));
    match opened {
        Ok(users) => Ok(rocket.manage(users)),
        Err(error) => {
            rocket::error!("the file of the accounts cannot be opened: {error}");
            Err(rocket)
        }
    }
}
