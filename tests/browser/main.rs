//! The example `accounts` in a real browser: Debian's Chromium, with the driver that Debian has for it.
//!
//! | file | subject |
//! |---|---|
//! | `cookies.rs` | the cookie as the browser keeps it |
//! | `forms.rs` | forms of other origins |
//! | `logins.rs` | names, passwords, attempts, the way back after a login |
//! | `logout.rs` | the back button, and a second tab |
//! | `devices.rs` | sessions that are ended from another browser |
//! | `looks.rs` | labels, focus, contrast, sizes, both colour schemes and a narrow window; pictures of all pages |
//! | `app.rs`, `driver.rs` | the example as a process, and the browsers |
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on has failed")]

mod app;
mod cookies;
mod devices;
mod driver;
mod forms;
mod logins;
mod logout;
mod looks;
