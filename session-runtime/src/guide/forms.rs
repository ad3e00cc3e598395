//! Forms and notices: messages for the next page, drafts, one-time codes and half-finished logins.
//!
//! # A whole program
//!
//! A form is sent, and the next page shows what became of it. In between lies a redirect, so the message waits in the
//! session.
//!
#![cfg_attr(feature = "rocket", doc = "```")]
#![cfg_attr(not(feature = "rocket"), doc = "```ignore")]
//! use rocket::form::{Form, FromForm};
//! use rocket::response::Redirect;
//! use rocket::{get, post, routes};
//! use session_runtime::{Session, Sessions};
//!
//! #[derive(Session)]
//! #[session(key = "notices", version = 1, lasting)]
//! struct Notices {
//!     /// Messages for the next page.
//!     #[session(merge = append(max = 20), expires_after = "10m")]
//!     notices: Vec<String>,
//! }
//!
//! #[derive(Session)]
//! #[session(key = "address", version = 1)]
//! struct Address {
//!     /// What the visitor typed last, to be shown in the form again.
//!     #[session(expires_after = "1h")]
//!     draft: Option<String>,
//!     street: Option<String>,
//! }
//!
//! #[derive(FromForm)]
//! struct AddressForm {
//!     street: String,
//! }
//!
//! #[post("/address", data = "<form>")]
//! fn save(form: Form<AddressForm>, mut address: Session<Address>, mut notices: Session<Notices>) -> Redirect {
//!     if form.street.trim().is_empty() {
//!         address.set_draft(form.into_inner().street);
//!         notices.notices_mut().push("Please enter a street.".to_owned());
//!         return Redirect::to("/address");
//!     }
//!     address.set_street(form.into_inner().street);
//!     address.clear_draft();
//!     notices.notices_mut().push("Your address is saved.".to_owned());
//!     Redirect::to("/")
//! }
//!
//! #[get("/")]
//! fn home(mut notices: Session<Notices>) -> String {
//!     notices.take_notices().join("\n")
//! }
//!
//! fn rocket() -> rocket::Rocket<rocket::Build> {
//!     rocket::build()
//!         .attach(Sessions::fairing::<(Notices, Address)>())
//!         .mount("/", routes![save, home])
//! }
//! ```
//!
//! Each notice is stored under a key of its own. Two requests that meet both keep their notice, and a page that takes
//! the notices removes those that it shows and no others. `max` bounds a list that no page takes. The schema is `lasting`,
//! so that a notice of a logout reaches the page after it.
//!
//! # Values that expire
//!
//! `expires_after` is for what must not be found again after a while, however often the visitor comes back:
//!
//! ```
//! use session_runtime::Session;
//!
//! #[derive(Session)]
//! #[session(key = "login", version = 1)]
//! struct Login {
//!     /// The user whose password was right, and whose second factor is still missing.
//!     #[session(expires_after = "5m")]
//!     pending: Option<u64>,
//!     /// Wrong codes since the last one that was sent.
//!     #[session(merge = sum, expires_after = "5m")]
//!     wrong_codes: u32,
//!     /// Who is logged in.
//!     #[session(renew)]
//!     user: Option<u64>,
//! }
//!
//! /// Logs the visitor in if the second factor is right.
//! fn finish(login: &mut LoginMut, is_right: bool) {
//!     match login.pending() {
//!         Some(user) if is_right && *login.wrong_codes() < 5 => {
//!             let user = *user;
//!             login.clear_pending();
//!             login.clear_wrong_codes();
//!             login.set_user(user);
//!         }
//!         _ => *login.wrong_codes_mut() += 1,
//!     }
//! }
//! ```
//!
//! A field reads as its default from the moment of its deadline. `set_…` begins a new period, even with an equal value.
//! The other accessors begin one only if the value changed: a page that edits a draft without changing it gives it no
//! more time. An element of a list expires that long after it was appended.
//!
//! # What can go wrong
//!
//! - Two pages that take the notices at the same moment may both show one. No merge loses a notice, so show nothing there
//!   that must not be seen twice.
//! - A push and an edit of the same list in two requests both count. An edit of a notice that another page has taken
//!   meanwhile is dropped with it.
//! - After an insertion in the middle, the elements behind it are stored anew. Another request that has taken one of
//!   them does not take it back. Append, where the order allows it.
//! - An answer with 5xx drops the notices of its request with all other changes.
//! - The clock of the node that reads decides. Two nodes may disagree by the difference of their clocks.
//! - An expired value stays in the store until the next write to its field, or until the session ends. It is hidden, not
//!   erased: what must be erased is cleared.
//! - A program without the attribute shows an expired value, and what it sets itself has no deadline. In a rolling deploy
//!   that counts until the last old program has stopped. With a pinned layout the attributes are part of the layout.
//! - A one-time code needs more than a deadline: compare it in constant time, clear it at its first use, and count the
//!   wrong ones.
