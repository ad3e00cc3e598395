//! Changing a session struct: the steps for each kind of change, and the mistakes that the compiler cannot catch.
//!
//! Sessions outlive deployments. A visitor's session may have been stored two weeks ago, by the program that ran then.
//! While a fleet is being replaced, old and new programs serve the same session side by side. Therefore each stored
//! section records the version that wrote it, the compiler refuses a changed layout under an unchanged version, and old
//! sections are upgraded step by step.
//!
//! # Pin the layout
//!
//! Write `layout = ""` once the struct is complete, and build. The compiler prints the value to paste.
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
//! From then on a change of the stored form, however deep inside `Line`, does not compile until you follow one of the
//! rows below. The names of Rust types, the order of fields, docs, defaults and accessors are not part of the layout.
//!
//! # Steps for each change
//!
//! | change | steps | an old program beside the new one |
//! |---|---|---|
//! | a new field | next `version`, the old pin as `was(1 = "…")`, new `layout` | reads, writes, keeps the new field |
//! | a removed field | next `version`, `previous = OldStruct`, `retired("key")` | refused after a new write: [hold] |
//! | a new name in Rust | only `rename = "old"` on the field | unaffected |
//! | a new stored name | next `version`, `was`, `renamed_from = "old"` | refused: [hold] |
//! | a new type, `T` to `Option<T>`, one field to two | next `version`, `previous`, `TryFrom` | refused: [hold] |
//! | a new field in a nested struct | next `version`, `previous`, `From` | only reads: writing would drop the field |
//! | `expires_after` or `merge = append` added or removed | next `version`, `previous`, `From` | reads and writes beside `expires_after`; refused beside `append`: [hold] |
//! | a new meaning, same type | next `version`, `previous` or `migrate`, `readers` = that version | refused: [hold] |
//! | a new variant | next `version`, `previous`, `From` | refused, unless its enum has a catch-all that keeps content |
//! | a field moves to another schema | next `version` of both; copy where both guards are open | as for each schema |
//! | a text that no struct describes | next `version`, `migrate(from = 1, with = function)` | refused |
//! | sessions too old to support | `oldest = 3`; delete the older structs | – |
//!
//! [hold]: #two-phases
//!
//! In a refused program the guards of that schema fail with 503 and `Retry-After`, so that a retry may reach a new node.
//! Nothing is written, and the other schemas of the session work.
//!
//! # An upgrade in code
//!
//! ```
//! use session_runtime::Session;
//!
//! /// Version 1, as it was deployed. Only the upgrade reads it.
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
//! If the conversion can fail, implement `TryFrom`. Its error names the cause, fails the guard with 500
//! ([`ErrorKind::Upgrade`]) and leaves the stored section unchanged. The text of the error goes into the log, so it
//! should not contain data of the visitor.
//!
//! A read upgrades in memory and stores nothing; otherwise the first GET on a new node would lock out all old nodes.
//! The first write stores the whole section in the new form, on the condition that nothing in the session has changed
//! since the load.
//!
//! # Two phases
//!
//! A breaking change without refused requests, on a fleet that is replaced node by node:
//!
//! 1. Implement the conversion back, `impl From<CartSession> for CartV1`, and deploy the new program with a hold:
//!    `[default.session.hold] cart = 1`. It works with the new struct and keeps writing version 1.
//! 2. When no old program is left, remove the hold. Each session becomes version 2 at its next write.
//!
//! Until the second step a rollback is harmless. Without the conversion back, the launch fails.
//!
//! # All sessions at once
//!
//! [`Sessions::census`](crate::Sessions::census) counts the stored versions, and
//! [`Sessions::migrate`](crate::Sessions::migrate) upgrades all stored sessions while the servers run. After that,
//! `oldest` can be raised and the older structs deleted.
//!
//! # Mistakes that the compiler cannot catch
//!
//! - The meaning of a value changes while its shape does not, such as cents instead of euros. Raise the version and
//!   `readers` by hand.
//! - A new pin is pasted instead of raising the version. In a review, look for a changed `layout` beside an unchanged
//!   `version`. At run time such a program fails with [`ErrorKind::Forked`] where the other layout is stored. Two
//!   branches that both shipped a "version 3" fail in the same way.
//! - A hand-written `Serialize` or an `opaque` type changes its output. Its author is responsible for a stable form.
//! - Two layouts have the same 32-bit hash: one pair in four billion.
//! - A type error elsewhere in the struct hides the message about the layout until the error is fixed.
//!
//! [`ErrorKind::Upgrade`]: crate::ErrorKind::Upgrade
//! [`ErrorKind::Forked`]: crate::ErrorKind::Forked

pub mod forms;
#[doc = include_str!("logging_in.md")]
pub mod logging_in {}
pub mod recipes;
#[doc = include_str!("operating.md")]
pub mod operating {}
pub mod visitors;
