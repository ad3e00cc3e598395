//! One shop in its versions, as one program after the other would have it.

/// The first release: one coupon, a map of quantities.
pub(crate) mod v1 {
    use std::collections::BTreeMap;

    use session_runtime::Session;

    #[derive(Session)]
    #[session(key = "cart", version = 1, layout = "items:118a68db coupon:ec0d589b")]
    pub struct Cart {
        #[session(merge = keys(sum))]
        pub items: BTreeMap<u32, u32>,
        pub coupon: Option<String>,
    }
}

/// A key was added.
pub(crate) mod v2 {
    use std::collections::BTreeMap;

    use session_runtime::Session;

    #[derive(Session)]
    #[session(
        key = "cart",
        version = 2,
        was(1 = "items:118a68db coupon:ec0d589b"),
        layout = "items:118a68db coupon:ec0d589b note:ec0d589b"
    )]
    pub struct Cart {
        #[session(merge = keys(sum))]
        pub items: BTreeMap<u32, u32>,
        pub coupon: Option<String>,
        pub note: Option<String>,
    }
}

/// Several coupons in place of one, which no older program understands.
pub(crate) mod v3 {
    use std::collections::BTreeMap;

    use session_runtime::Session;

    #[derive(Session)]
    #[session(
        key = "cart",
        version = 2,
        archived,
        was(1 = "items:118a68db coupon:ec0d589b"),
        layout = "items:118a68db coupon:ec0d589b note:ec0d589b"
    )]
    pub struct CartV2 {
        #[session(merge = keys(sum))]
        pub items: BTreeMap<u32, u32>,
        pub coupon: Option<String>,
        pub note: Option<String>,
    }

    #[derive(Session)]
    #[session(
        key = "cart",
        version = 3,
        previous = CartV2,
        retired("coupon"),
        layout = "items:118a68db coupons:d2185aaa note:ec0d589b"
    )]
    pub struct Cart {
        #[session(merge = keys(sum))]
        pub items: BTreeMap<u32, u32>,
        pub coupons: Vec<String>,
        pub note: Option<String>,
    }

    /// The reason that a coupon cannot be taken over.
    #[derive(Debug)]
    pub struct Expired;

    impl std::fmt::Display for Expired {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the coupon is one of last year's")
        }
    }

    impl std::error::Error for Expired {}

    impl TryFrom<CartV2> for Cart {
        type Error = Expired;

        fn try_from(cart: CartV2) -> Result<Self, Expired> {
            let CartV2 { items, coupon, note } = cart;
            if coupon.as_deref() == Some("LAST-YEAR") {
                return Err(Expired);
            }
            Ok(Self { items, coupons: coupon.into_iter().collect(), note })
        }
    }

    impl From<Cart> for CartV2 {
        fn from(cart: Cart) -> Self {
            let Cart { items, coupons, note } = cart;
            Self { items, coupon: coupons.into_iter().next(), note }
        }
    }
}

/// A rename, and a function that edits the texts: cents in place of euros.
pub(crate) mod v5 {
    use std::collections::BTreeMap;

    use session_runtime::{RawSection, Session};

    #[derive(Session)]
    #[session(
        key = "cart",
        version = 5,
        was(4 = "items:118a68db coupons:d2185aaa note:ec0d589b"),
        migrate(from = 3, with = without_blanks),
        previous = CartV2,
        retired("coupon", "note"),
        layout = "items:118a68db coupons:d2185aaa message:ec0d589b"
    )]
    pub struct Cart {
        #[session(merge = keys(sum))]
        pub items: BTreeMap<u32, u32>,
        pub coupons: Vec<String>,
        #[session(renamed_from = "note")]
        pub message: Option<String>,
    }

    #[derive(Session)]
    #[session(key = "cart", version = 2, oldest = 2, archived, layout = "items:118a68db coupon:ec0d589b note:ec0d589b")]
    pub struct CartV2 {
        #[session(merge = keys(sum))]
        pub items: BTreeMap<u32, u32>,
        pub coupon: Option<String>,
        pub note: Option<String>,
    }

    impl From<CartV2> for Cart {
        fn from(cart: CartV2) -> Self {
            let CartV2 { items, coupon, note } = cart;
            Self { items, coupons: coupon.into_iter().collect(), message: note }
        }
    }

    fn without_blanks(cart: &mut RawSection) -> Result<(), serde_json::Error> {
        let coupons: Vec<String> = cart.read("coupons")?.unwrap_or_default();
        let coupons: Vec<&str> = coupons.iter().map(|coupon| coupon.trim()).collect();
        cart.write("coupons", &coupons)
    }
}
