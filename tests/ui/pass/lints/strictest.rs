//! Generated code is silent under the strictest settings, used or not.

#![deny(warnings, missing_docs, unused_qualifications, unused, nonstandard_style, future_incompatible)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]
#![deny(missing_debug_implementations, unreachable_pub, unused_lifetimes, single_use_lifetimes, trivial_casts)]
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashSet};

use session_runtime::Session;

/// A cart that nobody uses.
#[derive(Debug, Session)]
#[session(key = "cart", version = 1, lazy)]
struct Cart {
    #[session(merge = keys(sum))]
    items: BTreeMap<u32, u32>,
    coupon: Option<String>,
    #[session(transient, default = Vec::new())]
    seen: Vec<HashSet<u32>>,
}

/// What others may use.
pub mod shop {
    /// A public schema.
    #[derive(Debug, session_runtime::Session)]
    #[session(key = "shop", version = 1)]
    pub struct Shop {
        /// The name.
        ///
        /// Of several lines.
        pub name: String,
        /// Gone soon.
        #[deprecated = "use `name`"]
        pub title: Option<String>,
        /// Counted.
        #[session(merge = sum, default = 1)]
        pub visits: u32,
    }
}

fn main() {}
