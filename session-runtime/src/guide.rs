//! Changing a session struct: what to do for each kind of change, and what can go wrong.
//!
//! Sessions outlive deploys. What a visitor's session holds was stored by whatever program ran two weeks ago, and while a
//! fleet is being replaced, old and new programs serve the same session side by side. So each stored schema says which
//! version wrote it, the compiler refuses a changed layout under an unchanged version, and old sections are brought up step
//! by step.
//!
//! # Pin the layout
//!
//! Write `layout = ""` once the struct is as you want it, and build; the compiler says what to paste.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use session_runtime::{Session, SessionValue};
//!
//! /// One line of the cart.
//! #[derive(Serialize, Deserialize, SessionValue)]
//! struct Line {
//!     sku: String,
//!     qty: u32,
//! }
//!
//! #[derive(Session)]
//! #[session(key = "cart", version = 1, layout = "items:3b9dea59 coupon:ec0d589b")]
//! struct CartSession {
//!     items: Vec<Line>,
//!     coupon: Option<String>,
//! }
//! ```
//!
//! From then on a change of what is stored, however deep inside `Line`, does not compile until somebody decides which of
//! the rows below it is. Names of Rust types, the order of fields, docs, defaults and accessors are no part of it.
//!
//! # What to do
//!
//! | change | write | an old program beside the new one |
//! |---|---|---|
//! | a field more | next `version`, the old pin as `was(1 = "…")`, the new `layout` | reads and writes on, and keeps the new field |
//! | a field less | next `version`, the old struct as `previous`, `retired("key")` | is refused once the new one wrote: [hold](#two-phases) it |
//! | another name in the program | nothing but `rename = "old"` on the field | notices nothing |
//! | another stored name | next `version`, `was`, `renamed_from = "old"` | is refused: hold it |
//! | another type, `T` to `Option<T>`, one field to two | next `version`, `previous`, `TryFrom` | is refused: hold it |
//! | a field more in a nested struct | next `version`, `previous`, `From` | reads, and may not write, since it would drop that field |
//! | another meaning, the same type | next `version`, `previous` or `migrate`, and `readers` = the next version | is refused: hold it |
//! | a variant more | next `version`, `previous`, `From` | is refused, unless its enum had a catch-all that keeps the content |
//! | a field moves to another schema | both schemas' next version; copy it where both guards are open | as for each of the two |
//! | a text that no struct describes | next `version`, `migrate(from = 1, with = function)` | is refused |
//! | sessions too old to care for | `oldest = 3`, and drop the structs below | – |
//!
//! "Is refused" is a 503 with `Retry-After` for that schema's guards, so that a retry may reach a new node; nothing is
//! written, and the session's other schemas work.
//!
//! # A step with code
//!
//! ```
//! use session_runtime::Session;
//!
//! /// Version 1, as it was deployed: only the upgrade reads it.
//! #[derive(Session)]
//! #[session(key = "cart", version = 1, archived, layout = "coupon:ec0d589b")]
//! struct CartV1 {
//!     coupon: Option<String>,
//! }
//!
//! /// Version 2: several coupons.
//! #[derive(Session)]
//! #[session(key = "cart", version = 2, previous = CartV1, retired("coupon"), layout = "coupons:d2185aaa")]
//! struct CartSession {
//!     coupons: Vec<String>,
//! }
//!
//! impl From<CartV1> for CartSession {
//!     fn from(cart: CartV1) -> Self {
//!         Self { coupons: cart.coupon.into_iter().collect() }
//!     }
//! }
//! ```
//!
//! `TryFrom` if it can fail: its error names the cause, fails the guard with 500 ([`ErrorKind::Upgrade`]) and leaves what is
//! stored as it is. The error's own text goes into the log, so it should hold nothing of the visitor's.
//!
//! A read upgrades in memory and stores nothing, or the first GET on a new node would lock out all old ones. The first
//! write stores the whole section in the new form, on the condition that nothing in the session has changed meanwhile.
//!
//! # Two phases
//!
//! A breaking change without a refused request, on a fleet that is replaced node by node:
//!
//! 1. Give the new program a way back, `impl From<CartSession> for CartV1`, and deploy it on hold:
//!    `[default.session.hold] cart = 1`. It works with the new struct, and goes on writing version 1.
//! 2. When no old program is left, take the hold away. Sessions become version 2 as they are written.
//!
//! Until the second step a roll-back is harmless. Without a way back the launch stops.
//!
//! # All at once
//!
//! [`Sessions::census`](crate::Sessions::census) counts which versions are stored, and
//! [`Sessions::migrate`](crate::Sessions::migrate) brings all of them up beside the running servers. Then `oldest` can be
//! raised, and the structs below go.
//!
//! # What no compiler sees
//!
//! - The meaning of a value can change while its shape does not, cents for euros. Raise the version by hand, and `readers`.
//! - A pin pasted anew in place of a raised version. In review: `layout` changed and `version` did not. At run time such a
//!   program finds [`ErrorKind::Forked`] where the other layout was stored, and two branches that both shipped "version 3"
//!   find the same.
//! - What a hand-written `Serialize` does, and an `opaque` type: their author promises.
//! - Two layouts with one hash of 32 bits: one pair in four milliards.
//! - A type error elsewhere in the struct hides the layout's message until it is mended.
//!
//! [`ErrorKind::Upgrade`]: crate::ErrorKind::Upgrade
//! [`ErrorKind::Forked`]: crate::ErrorKind::Forked
