//! A visitor as the client remembers it: every change that was acknowledged, in every field.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use session_tests::cookie::Cookie;
use session_tests::http::{Answer, Request};
use session_tests::random::Random;

use super::program::Program;
use crate::process::Host;

/// Everything in a session but the preferences, as programs answer it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) items: BTreeMap<u32, u32>,
    pub(super) tags: BTreeSet<String>,
    pub(super) count: i64,
    pub(super) list: Vec<u32>,
    pub(super) last: f64,
    pub(super) currency: String,
    pub(super) coupons: Vec<String>,
    pub(super) note: Option<String>,
    pub(super) user: Option<u32>,
}

/// A request; the number in it is used once in a run, so that each change is one.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Show,
    Edit(&'static str, u32),
    Coupon(u32),
    /// On top of the coupons there are.
    Another(u32),
    Note(u32),
    Login(u32),
    /// A new id, and an entry in the list.
    Renew(u32),
    Prefs,
    Pref(u32),
}

#[derive(Debug)]
pub(super) struct Visitor {
    cookie: Option<Cookie>,
    cart: Shown,
    prefs: BTreeMap<u32, String>,
    /// The version in which the cart is stored; 0: it is not.
    pub(super) stored: u16,
}

const EDITS: [&str; 6] = ["items", "tags", "count", "list", "last", "currency"];

impl Ask {
    fn is_of_cart(&self) -> bool {
        !matches!(self, Self::Prefs | Self::Pref(_))
    }

    fn is_read(&self) -> bool {
        matches!(self, Self::Show | Self::Prefs)
    }

    /// The field that the request changes. Empty for a read.
    fn field(&self) -> &'static str {
        match self {
            Self::Show | Self::Prefs => "",
            Self::Edit(field, _) => field,
            Self::Coupon(_) | Self::Another(_) => "coupons",
            Self::Note(_) => "note",
            Self::Login(_) | Self::Renew(_) => "id",
            Self::Pref(_) => "prefs",
        }
    }

    /// True if the two have the same effect in any order, and the first does not end the id of the second.
    pub(super) fn commutes_with(&self, other: &Self) -> bool {
        let (a, b) = (self.field(), other.field());
        a != "id" && b != "id" && (a != b || matches!(a, "" | "items" | "tags" | "count" | "prefs"))
    }

    fn request(&self) -> Request {
        match self {
            Self::Show => Request::get("/"),
            Self::Edit(field, number) => Request::post(format!("/edit/{field}/{number}")),
            Self::Coupon(number) => Request::post(format!("/coupon/C{number}")),
            Self::Another(number) => Request::post(format!("/another/A{number}")),
            Self::Note(number) => Request::post(format!("/note/N{number}")),
            Self::Login(number) => Request::post(format!("/login/{number}")),
            Self::Renew(number) => Request::post(format!("/renew/{number}")),
            Self::Prefs => Request::get("/prefs"),
            Self::Pref(number) => Request::post(format!("/pref/{number}")),
        }
    }
}

impl Default for Visitor {
    fn default() -> Self {
        let cart = Shown { currency: "EUR".to_owned(), ..Shown::default() };
        Self { cookie: None, cart, prefs: BTreeMap::new(), stored: 0 }
    }
}

impl Visitor {
    /// Something that this program has a route for.
    pub(super) fn think(&self, program: Program, random: &mut Random, number: u32) -> Ask {
        let has_room = program.writes().max(self.stored) == 3;
        match random.below(14) {
            0 | 1 => Ask::Show,
            2 => Ask::Coupon(number),
            3 if program.version() == 3 && has_room => Ask::Another(number),
            4 if program.version() >= 2 => Ask::Note(number),
            // Another user would begin another session.
            5 if self.cart.user.is_none() => Ask::Login(number),
            6 => Ask::Renew(number),
            7 => Ask::Pref(number),
            8 => Ask::Prefs,
            _ => {
                let field = usize::try_from(random.below(EDITS.len() as u64)).unwrap();
                Ask::Edit(EDITS[field], number)
            }
        }
    }

    /// True if the visitor has a session.
    pub(super) fn is_stored(&self) -> bool {
        self.cookie.is_some()
    }

    /// Asserts that the stored cart has the version that the client expects, and no key of another version.
    pub(super) fn check_stored(&self, host: &Host) {
        let Some(cookie) = &self.cookie else { return };
        let values = host.stored(cookie);
        let has = |name: &str| values.get(name).is_some();
        match self.stored {
            0 => assert!(!has("cart")),
            version => assert!(values.get("cart").unwrap().starts_with(&format!("{{\"v\":{version},"))),
        }
        let coupons = !self.cart.coupons.is_empty();
        assert_eq!(
            (has("cart.coupon"), has("cart.coupons")),
            (coupons && self.stored < 3, coupons && self.stored == 3)
        );
        assert_eq!(has("cart.note"), self.cart.note.is_some());
    }

    pub(super) fn request(&self, ask: &Ask) -> Request {
        self.cookie.iter().fold(ask.request(), Request::cookie)
    }

    /// A program of an older version than what is stored, which it may not read: the one documented refusal.
    pub(super) fn is_refused(&self, ask: &Ask, program: Program) -> bool {
        ask.is_of_cart() && self.stored == 3 && program.version() < 3
    }

    /// Takes over what was acknowledged.
    pub(super) fn remember(&mut self, ask: &Ask, program: Program, answer: &Answer) {
        if !answer.set_cookies().is_empty() {
            self.cookie = Some(answer.new_cookie());
        }
        if ask.is_of_cart() && !ask.is_read() {
            self.stored = self.stored.max(program.writes());
        }
        let cart = &mut self.cart;
        match *ask {
            Ask::Edit("items", number) => *cart.items.entry(number % 5).or_default() += 1,
            Ask::Edit("tags", number) => drop(cart.tags.insert(format!("t{number}"))),
            Ask::Edit("count", number) => cart.count += i64::from(number),
            Ask::Edit("list", number) | Ask::Renew(number) => cart.list.push(number),
            Ask::Edit("last", number) => cart.last = f64::from(number) + 0.5,
            Ask::Edit(_, number) => cart.currency = format!("c{number}"),
            Ask::Coupon(number) => cart.coupons = vec![format!("C{number}")],
            Ask::Another(number) => cart.coupons.push(format!("A{number}")),
            Ask::Note(number) => cart.note = Some(format!("N{number}")),
            Ask::Login(number) => {
                cart.user = Some(number);
                cart.list.push(number);
            }
            Ask::Pref(number) => drop(self.prefs.insert(number, format!("p{number}"))),
            Ask::Show | Ask::Prefs => {}
        }
    }

    /// Nothing is lost and nothing is too much.
    #[track_caller]
    pub(super) fn check(&self, ask: &Ask, program: Program, answer: &Answer) {
        match ask {
            Ask::Show => {
                let mut expected = self.cart.clone();
                if program.version() == 1 {
                    expected.note = None;
                }
                assert_eq!(answer.json::<Shown>(), expected, "{program:?}");
            }
            Ask::Prefs => assert_eq!(answer.text(), format!("{:?}", self.prefs), "{program:?}"),
            _ => {}
        }
    }
}
