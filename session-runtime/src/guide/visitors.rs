//! Ids of visitors: the cookie, requests from other sites, and clients without cookies.
//!
//! # The cookie
//!
//! It is named `__Host-Http-id`, if it is `Secure`, has the path `/` and no `Domain`. A browser that knows this prefix
//! refuses such a cookie from another host, from a subdomain and from a script. Over plain HTTP, which only the debug
//! profile allows, it is named `id`. A request with two cookies of the name has no session.
//!
//! With the setting `clear_site_data`, a logout also empties the browser's cache of this origin. The back button then
//! shows no page of the visitor.
//!
//! # Other sites
//!
//! A page of another site can send a form to this one, and the browser adds the cookie as far as `SameSite` allows.
//! Guards of such a request fail with 403 and [`ErrorKind::CrossSite`](crate::ErrorKind::CrossSite), before anything is
//! loaded. A proof of identity that is missing has the same status, so a catcher asks `SessionError::of` for the kind.
//!
//! - GET, HEAD, OPTIONS and TRACE are allowed, except a GET that opens a WebSocket. **A GET handler that changes
//!   something is not protected.**
//! - With `cookie.domain`, pages of the other subdomains share the session. List those that change it in
//!   `trusted_origins`.
//! - Behind a proxy that rewrites `Host`, list the application's own origin.
//!
//! Payment and identity providers send the visitor back with a POST. On `cross_site_paths` such a request is anonymous: it
//! has no session, and a write would create another one. So do not write to a session there. Store the data in a table of
//! the application and respond with 303. The browser follows with a GET, which has the session of the visitor:
//!
#![cfg_attr(feature = "rocket", doc = "```")]
#![cfg_attr(not(feature = "rocket"), doc = "```ignore")]
//! use rocket::response::Redirect;
//! use rocket::{State, get, post, routes};
//! use session_runtime::{MemoryStore, Session, Sessions};
//! use std::collections::HashSet;
//! use std::sync::Mutex;
//!
//! /// Payments that the provider has reported. A real application keeps them in its database.
//! #[derive(Default)]
//! struct Payments(Mutex<HashSet<u32>>);
//!
//! #[derive(Session)]
//! #[session(key = "order", version = 1)]
//! struct Order {
//!     number: Option<u32>,
//! }
//!
//! /// The provider's POST: no guard of a session.
//! #[post("/callback/paid/<number>")]
//! fn callback(number: u32, payments: &State<Payments>) -> Redirect {
//!     payments.0.lock().unwrap().insert(number);
//!     Redirect::to("/paid")
//! }
//!
//! /// The GET that follows has the session.
//! #[get("/paid")]
//! fn paid(payments: &State<Payments>, order: &Order) -> &'static str {
//!     let is_paid = order.number().is_some_and(|number| payments.0.lock().unwrap().contains(&number));
//!     if is_paid { "Thank you." } else { "We are waiting for your bank." }
//! }
//!
//! let fairing = Sessions::fairing::<Order>().store(MemoryStore::new());
//! let rocket = rocket::build().manage(Payments::default()).attach(fairing).mount("/", routes![callback, paid]);
//! ```
//!
//! # Clients without cookies
//!
//! With the setting `transport = "bearer"`, ids travel in headers. Programs and pages on another origin can use it.
//!
//! | message | header |
//! |---|---|
//! | request | `Authorization: Bearer <id>` |
//! | response with a new id: a first write, a login, a renewal | `Session-Id: <id>` |
//! | response of a logout | `Session-Id: -` |
//!
//! The client keeps the latest id and looks at every response. Other schemes of `Authorization` are ignored. A request with
//! a doubled or malformed header, or with an unknown id, has no session. There is no check for other sites, since a
//! browser never adds this header by itself.
//!
//! A script on another origin also needs these CORS headers, which the application sends:
//!
//! ```text
//! Access-Control-Allow-Origin: https://app.example
//! Access-Control-Allow-Headers: Authorization
//! Access-Control-Expose-Headers: Session-Id
//! ```
//!
//! Every script of a page can read an id that the page keeps, and no script can read the cookie. Pages of this origin
//! should therefore use the cookie.
