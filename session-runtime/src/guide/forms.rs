//! Forms and notices: messages for the next page, drafts, one-time codes and half-finished logins.
//!
//! # A whole program
//!
//! A visitor submits a form, and the next page shows the result. There is a redirect between the two, so the message is
//! kept in the session.
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
//!     /// Last input of the visitor, which the form shows again.
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
//! Each notice is stored under a key of its own. The notices of two concurrent requests are both kept, and a page that
//! takes the notices removes those that it shows and no others. `max` bounds a list that no page takes. The schema is
//! `lasting`, so that the page after a logout shows the notice of the logout.
//!
//! # Values that expire
//!
//! `expires_after` is for values that must end after some time, even if the visitor keeps using the session:
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
//!     /// Number of wrong codes since the last code was sent.
//!     #[session(merge = sum, expires_after = "5m")]
//!     wrong_codes: u32,
//!     /// The user who is logged in.
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
//! From its deadline on, a field reads as its default. `set_…` begins a new period, even with an equal value. The other
//! accessors begin one only if the value changed: an edit that leaves the draft as it was does not extend its time. An
//! element of a list expires that long after it was appended.
//!
//! # Pitfalls
//!
//! - Two pages that take the notices at the same time may both show the same one. Do not use a list for messages that
//!   must be shown only once.
//! - A push and an edit of the same list in two requests are both stored. If one page takes a notice while another request
//!   edits it, the edit is dropped.
//! - An insertion in the middle stores all later elements under new keys. If another request takes one of them meanwhile,
//!   that element reappears. Append where the order allows it.
//! - A 5xx response discards the notices of its request, as it discards all changes.
//! - The clock of the node that reads decides. Two nodes may disagree by the difference of their clocks.
//! - An expired value stays in the store until the next write to its field, or until the session ends. It is hidden, not
//!   erased. To erase a value, clear it.
//! - A program without the attribute shows expired values, and the values that it sets have no deadline. In a rolling
//!   deploy this lasts until the last old program has stopped. The attributes are part of a pinned layout.
//! - A one-time code needs more than a deadline: compare it in constant time, clear it at its first use, and count the
//!   wrong ones.
