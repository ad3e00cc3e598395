//! Several coupons in place of one: a breaking change.

use std::collections::{BTreeMap, BTreeSet};

use rocket::http::Status;
use rocket::serde::json::Json;
use rocket::{Build, Rocket, get, post, routes};
use session_runtime::{Session, SessionHandle, Sessions};

use super::program::{Auth, Prefs, append, change, common};
use super::visitor::Shown;

#[derive(Session)]
#[session(
    key = "cart",
    version = 3,
    previous = CartV2,
    retired("coupon"),
    layout = "items:118a68db tags:423d76ba count:7a336965 list:c7992f67 last:0d4abd04 curr:4fb0f3d8 coupons:d2185aaa note:ec0d589b"
)]
pub(super) struct Cart {
    #[session(merge = keys(sum))]
    pub(super) items: BTreeMap<u32, u32>,
    #[session(merge = keys, opaque = "set@1")]
    pub(super) tags: BTreeSet<String>,
    #[session(merge = sum)]
    pub(super) count: i64,
    #[session(merge = with = append)]
    pub(super) list: Vec<u32>,
    pub(super) last: f64,
    #[session(rename = "curr", default = "EUR".to_owned())]
    pub(super) currency: String,
    pub(super) coupons: Vec<String>,
    pub(super) note: Option<String>,
}

#[derive(Session)]
#[session(
    key = "cart",
    version = 2,
    archived,
    was(1 = "items:118a68db tags:423d76ba count:7a336965 list:c7992f67 last:0d4abd04 curr:4fb0f3d8 coupon:ec0d589b"),
    layout = "items:118a68db tags:423d76ba count:7a336965 list:c7992f67 last:0d4abd04 curr:4fb0f3d8 coupon:ec0d589b note:ec0d589b"
)]
pub(super) struct CartV2 {
    #[session(merge = keys(sum))]
    items: BTreeMap<u32, u32>,
    #[session(merge = keys, opaque = "set@1")]
    tags: BTreeSet<String>,
    #[session(merge = sum)]
    count: i64,
    #[session(merge = with = append)]
    list: Vec<u32>,
    last: f64,
    #[session(rename = "curr", default = "EUR".to_owned())]
    currency: String,
    coupon: Option<String>,
    note: Option<String>,
}

impl From<CartV2> for Cart {
    fn from(cart: CartV2) -> Self {
        let CartV2 { items, tags, count, list, last, currency, coupon, note } = cart;
        Self { items, tags, count, list, last, currency, coupons: coupon.into_iter().collect(), note }
    }
}

/// For the hold.
impl From<Cart> for CartV2 {
    fn from(cart: Cart) -> Self {
        let Cart { items, tags, count, list, last, currency, mut coupons, note } = cart;
        let coupon = coupons.pop();
        assert!(coupons.is_empty(), "version 2 has room for one coupon");
        Self { items, tags, count, list, last, currency, coupon, note }
    }
}

pub(super) fn build() -> Rocket<Build> {
    common().mount("/", routes![show, edit, coupon, another, note, login, renew]).attach(Sessions::fairing::<(
        Cart,
        Auth,
        Prefs,
    )>())
}

#[get("/")]
fn show(cart: &Cart, auth: &Auth) -> Json<Shown> {
    Json(Shown {
        items: cart.items().clone(),
        tags: cart.tags().clone(),
        count: *cart.count(),
        list: cart.list().clone(),
        last: *cart.last(),
        currency: cart.currency().clone(),
        coupons: cart.coupons().clone(),
        note: cart.note().clone(),
        user: *auth.user(),
    })
}

#[post("/edit/<field>/<number>")]
fn edit(field: &str, number: u32, mut cart: Session<Cart>) -> Status {
    change!(cart, field, number)
}

/// The one coupon, whatever there was before.
#[post("/coupon/<code>")]
fn coupon(code: String, mut cart: Session<Cart>) {
    cart.set_coupons(vec![code]);
}

/// Changes the cart and the id in one request, as `renew` does.
#[post("/login/<user>")]
fn login(user: u32, mut auth: Session<Auth>, mut cart: Session<Cart>) {
    auth.set_user(user);
    cart.list_mut().push(user);
}

#[post("/renew/<number>")]
fn renew(number: u32, session: &SessionHandle, mut cart: Session<Cart>) {
    session.renew();
    cart.list_mut().push(number);
}

#[post("/note/<text>")]
fn note(text: String, mut cart: Session<Cart>) {
    cart.set_note(text);
}

/// One more coupon, which only this version has room for.
#[post("/another/<code>")]
fn another(code: String, mut cart: Session<Cart>) {
    cart.coupons_mut().push(code);
}
