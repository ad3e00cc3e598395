//! The shop without its sessions: products, prices, coupons and names.

use rocket::request::FromParam;

use crate::session::Currency;

/// Product for sale.
pub(crate) struct Product {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Price in euro cents.
    pub(crate) eur: u64,
    /// Price in United States cents.
    pub(crate) usd: u64,
    /// Outline in a square of 48 units, as an SVG path.
    pub(crate) outline: &'static str,
}

pub(crate) const PRODUCTS: &[Product] = &[
    Product {
        number: 1,
        name: "Stoneware mug",
        about: "Thrown by hand, holds a third of a litre",
        eur: 18_50,
        usd: 19_90,
        outline: "M11 14h22v18a7 7 0 0 1-7 7h-8a7 7 0 0 1-7-7zM33 19h3a5 5 0 0 1 0 11h-3M17 9c0-2 2-2 2-4M25 9c0-2 2-2 2-4",
    },
    Product {
        number: 2,
        name: "Field notebook",
        about: "160 pages that lie flat, dotted",
        eur: 12_00,
        usd: 13_00,
        outline: "M13 7h20a3 3 0 0 1 3 3v28a3 3 0 0 1-3 3H13zM19 7v34M24 15h7M24 20h7",
    },
    Product {
        number: 3,
        name: "Cedar pencil",
        about: "Soft and dark, for first drafts",
        eur: 2_40,
        usd: 2_60,
        outline: "M9 39l3-10L31 10l7 7-19 19zM27 14l7 7M12 29l7 7",
    },
    Product {
        number: 4,
        name: "Desk lamp",
        about: "Warm light, a switch that clicks",
        eur: 64_00,
        usd: 69_00,
        outline: "M18 8h12l7 15H11zM24 23v15M15 39h18",
    },
    Product {
        number: 5,
        name: "Potted fig",
        about: "Forgives a forgotten week",
        eur: 27_90,
        usd: 29_90,
        outline: "M15 28h18l-3 13H18zM24 28V15M24 18c0-6 4-9 11-10 0 7-4 10-11 10zM24 23c0-5-4-8-10-9 0 6 4 9 10 9z",
    },
    Product {
        number: 6,
        name: "Wall clock",
        about: "Silent, and two minutes fast if you like",
        eur: 39_00,
        usd: 42_00,
        outline: "M24 7a17 17 0 1 0 .1 0zM24 14v10l7 5M24 37v1",
    },
];

impl Product {
    pub(crate) fn find(number: u32) -> Option<&'static Self> {
        PRODUCTS.iter().find(|product| product.number == number)
    }

    /// Returns the name to show. A cart may hold numbers that are not in the shop.
    pub(crate) fn name(number: u32) -> String {
        Self::find(number).map_or_else(|| format!("Product {number}"), |product| product.name.to_owned())
    }

    pub(crate) fn cents(&self, currency: Currency) -> u64 {
        match currency {
            Currency::Eur => self.eur,
            Currency::Usd => self.usd,
        }
    }
}

/// Code for a price reduction.
pub(crate) struct Coupon {
    pub(crate) code: &'static str,
    pub(crate) percent: u64,
}

const COUPONS: &[Coupon] = &[Coupon { code: "SPRING", percent: 10 }, Coupon { code: "FRIENDS", percent: 25 }];

impl Coupon {
    /// Finds the coupon for a text. Letter case and spaces around it do not matter.
    pub(crate) fn find(text: &str) -> Option<&'static Self> {
        COUPONS.iter().find(|coupon| coupon.code.eq_ignore_ascii_case(text.trim()))
    }
}

pub(crate) const MAX_NAME_LETTERS: usize = 40;
pub(crate) const MAX_COUPON_LETTERS: usize = 20;

/// Name for a login: trimmed, not empty, not too long, without control characters.
pub(crate) struct UserName(String);

impl UserName {
    pub(crate) fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= MAX_NAME_LETTERS && !text.contains(char::is_control);
        fits.then(|| Self(text.to_owned()))
    }
}

impl From<UserName> for String {
    fn from(name: UserName) -> Self {
        name.0
    }
}

impl<'a> FromParam<'a> for UserName {
    type Error = &'static str;

    fn from_param(param: &'a str) -> Result<Self, Self::Error> {
        Self::new(param).ok_or("a name has 1 to 40 letters")
    }
}
