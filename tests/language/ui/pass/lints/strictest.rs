//! Generated code is silent under the strictest settings, used or not.

#![deny(warnings, missing_docs, unused_qualifications, unused, nonstandard_style, future_incompatible)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]
#![deny(missing_debug_implementations, unreachable_pub, unused_lifetimes, single_use_lifetimes, trivial_casts)]
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashSet};

use session_runtime::Session;

/// A cart that is never used.
#[derive(Debug, Session)]
#[session(key = "cart", version = 1, lazy)]
struct Cart {
    #[session(merge = keys(sum))]
    items: BTreeMap<u32, u32>,
    coupon: Option<String>,
    #[session(merge = append(max = 20), expires_after = "1d")]
    notices: Vec<String>,
    #[session(expires_after = "10m")]
    code: Option<String>,
    #[session(transient, default = Vec::new())]
    seen: Vec<HashSet<u32>>,
}

/// The public part of the shop.
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

/// The same shop, a version later.
pub mod later {
    use session_runtime::{RawSection, Session};

    /// The sale of the previous version.
    #[derive(Debug, Session)]
    #[session(key = "shop", version = 2, oldest = 2, archived, retired("address"), layout = "name:4fb0f3d8 title:ec0d589b")]
    pub struct ShopV2 {
        /// The name.
        pub name: String,
        /// Gone soon.
        #[deprecated = "use `name`"]
        pub title: Option<String>,
    }

    /// The sale of this version.
    #[derive(Debug, Session)]
    #[session(
        key = "shop",
        version = 5,
        previous = ShopV2,
        migrate(from = 3, with = nothing),
        was(4 = "label:4fb0f3d8"),
        retired("address", "title"),
        readers = 5,
        oldest = 2,
        on_newer = "discard",
        layout = "label:4fb0f3d8 total:6a21d6d9"
    )]
    pub struct Shop {
        /// The name.
        #[session(renamed_from = "name")]
        pub label: String,
        /// Total of all sales.
        #[session(opaque = "money@1")]
        pub total: u64,
    }

    impl From<ShopV2> for Shop {
        fn from(shop: ShopV2) -> Self {
            Self { label: shop.name, total: 0 }
        }
    }

    const fn nothing(_: &mut RawSection) -> Result<(), std::fmt::Error> {
        Ok(())
    }

    /// Still being designed.
    #[derive(Debug, Session)]
    #[session(key = "plans", version = 1, unreleased)]
    struct Plans {
        next: Option<String>,
    }
}

fn main() {}
