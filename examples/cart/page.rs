//! The page, and the routes behind its forms: each does one thing to the session and sends the browser back with 303, so
//! that a reload repeats nothing.
//!
//! Forms of other sites: the session cookie is `SameSite=Lax`, so a browser does not send it with a POST that comes from
//! elsewhere, and no foreign page can act in a visitor's session. It can still make a browser start a session of its own
//! here; an application for which that matters also looks at the `Sec-Fetch-Site` header.
#![allow(clippy::needless_pass_by_value, reason = "Rocket hands forms over by value")]

use std::fmt::Write;

use rocket::form::Form;
use rocket::http::{ContentType, Header};
use rocket::response::content::RawHtml;
use rocket::response::{Redirect, Responder};
use rocket::{FromForm, FromFormField, Route, UriDisplayQuery, get, post, routes, uri};
use session_runtime::{Session, SessionHandle};

use crate::html::{Escaped, Moment, Money};
use crate::session::{AuthSession, CartSession, Currency, PrefsSession};
use crate::shop::{MAX_COUPON_LETTERS, MAX_NAME_LETTERS, PRODUCTS, Product, UserName, reduction, tidy};

pub(crate) fn routes() -> Vec<Route> {
    routes![show, style, add, less, remove, clear, coupon, no_coupon, currency, login, logout]
}

/// HTML that may load its own style sheet and nothing else, wherever a text in it came from.
#[derive(Responder)]
struct Page {
    html: RawHtml<String>,
    policy: Header<'static>,
}

impl Page {
    fn new(html: String) -> Self {
        let policy = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";
        Self { html: RawHtml(html), policy: Header::new("Content-Security-Policy", policy) }
    }
}

/// What the page has to say about the form just sent. It travels in the address, as one of these words: nobody can make
/// the page say anything else.
#[derive(Clone, Copy, FromFormField, UriDisplayQuery)]
enum Notice {
    #[field(value = "name")]
    Name,
    #[field(value = "coupon")]
    Coupon,
    #[field(value = "goodbye")]
    Goodbye,
}

impl Notice {
    fn text(self) -> String {
        match self {
            Self::Name => format!("Please give a name of 1 to {MAX_NAME_LETTERS} letters."),
            Self::Coupon => format!("Please give a coupon of 1 to {MAX_COUPON_LETTERS} letters."),
            Self::Goodbye => "You are logged out, and your session is gone for good.".to_owned(),
        }
    }
}

fn back() -> Redirect {
    Redirect::to(uri!(show(notice = _)))
}

fn back_with(notice: Notice) -> Redirect {
    Redirect::to(uri!(show(notice = Some(notice))))
}

#[get("/style.css")]
fn style() -> (ContentType, &'static str) {
    (ContentType::CSS, include_str!("style.css"))
}

/// Four guards, one load.
#[get("/?<notice>")]
fn show(
    notice: Option<Notice>,
    cart: &CartSession,
    auth: &AuthSession,
    prefs: &PrefsSession,
    session: &SessionHandle,
) -> Page {
    Page::new(format!(
        include_str!("page.html"),
        notice = notice.map(said).unwrap_or_default(),
        account = account(auth),
        currencies = currencies(*cart.currency()),
        products = products(*cart.currency()),
        pieces = cart.pieces(),
        cart = lines(cart),
        facts = facts(session, prefs),
    ))
}

fn said(notice: Notice) -> String {
    format!(r#"<p class="notice" role="status">{}</p>"#, notice.text())
}

fn account(auth: &AuthSession) -> String {
    match auth.user() {
        Some(user) => format!(
            r#"<form class="account" method="post" action="/shop/logout">
  <span>Logged in as <strong>{}</strong></span>
  <button>Log out</button>
</form>"#,
            Escaped(user)
        ),
        None => format!(
            r#"<form class="account" method="post" action="/shop/login">
  <label for="user">Your name</label>
  <input id="user" name="user" required maxlength="{MAX_NAME_LETTERS}" autocomplete="nickname">
  <button>Log in</button>
</form>"#
        ),
    }
}

fn currencies(chosen: Currency) -> String {
    let option = |currency: Currency, name: &str, label: &str| {
        let pressed = currency == chosen;
        format!(r#"<button name="currency" value="{name}" aria-pressed="{pressed}">{label}</button>"#)
    };
    option(Currency::Eur, "Eur", "EUR") + &option(Currency::Usd, "Usd", "USD")
}

fn products(currency: Currency) -> String {
    let mut html = String::new();
    for product in PRODUCTS {
        let Product { number, name, about, outline, .. } = product;
        let price = Money(product.cents(currency), currency);
        let item = format_args!(
            r#"<li class="product">
  <svg viewBox="0 0 48 48" aria-hidden="true"><path d="{outline}"/></svg>
  <h3>{name}</h3>
  <p>{about}</p>
  <div class="buy">
    <span class="price">{price}</span>
    <form method="post" action="/shop/add">
      <button class="primary" name="product" value="{number}" aria-label="Add {name} to the cart">Add</button>
    </form>
  </div>
</li>
"#
        );
        append(&mut html, item);
    }
    html
}

fn append(html: &mut String, text: std::fmt::Arguments<'_>) {
    html.write_fmt(text).expect("writing into a String does not fail");
}

fn lines(cart: &CartSession) -> String {
    if cart.items().is_empty() && cart.coupon().is_none() {
        return r#"<p class="empty">Nothing in here yet. Everything you add stays, in this browser and in all its tabs.</p>"#
            .to_owned();
    }
    let currency = *cart.currency();
    let mut html = String::from("<ul class=\"lines\">\n");
    let mut total = 0;
    for (&number, &quantity) in cart.items() {
        let product = Product::find(number);
        let cents = product.map_or(0, |product| product.cents(currency) * u64::from(quantity));
        let name = product.map_or_else(|| format!("Product {number}"), |product| product.name.to_owned());
        total += cents;
        append(&mut html, format_args!("{}", line(number, &name, quantity, &Money(cents, currency))));
    }
    html.push_str("</ul>\n");
    html.push_str(&sums(total, cart.coupon().as_deref(), currency));
    html
}

fn line(number: u32, name: &str, quantity: u32, price: &Money) -> String {
    format!(
        r#"<li>
  <span class="name">{name}</span>
  <form class="quantity" method="post">
    <input type="hidden" name="product" value="{number}">
    <button formaction="/shop/less" aria-label="One {name} less">−</button>
    <span aria-label="Quantity">{quantity}</span>
    <button formaction="/shop/add" aria-label="One {name} more">+</button>
    <button class="quiet" formaction="/shop/remove" aria-label="Remove {name}">Remove</button>
  </form>
  <span class="price">{price}</span>
</li>
"#
    )
}

fn sums(total: u64, coupon: Option<&str>, currency: Currency) -> String {
    let percent = coupon.and_then(reduction).unwrap_or(0);
    let off = total * percent / 100;
    let coupon = match coupon {
        Some(coupon) => coupon_given(coupon, percent, &Money(off, currency)),
        None => coupon_form(),
    };
    let due = Money(total - off, currency);
    format!(
        r#"{coupon}
<p class="total"><span>Total</span> <strong class="price">{due}</strong></p>
<form method="post" action="/shop/clear"><button class="quiet">Empty the cart</button></form>"#
    )
}

fn coupon_given(coupon: &str, percent: u64, off: &Money) -> String {
    let worth = match percent {
        0 => "not one of ours, so nothing off".to_owned(),
        _ => format!("{percent} % off: −{off}"),
    };
    format!(
        r#"<form class="coupon" method="post" action="/shop/no-coupon">
  <span>Coupon <strong>{}</strong>, {worth}</span>
  <button class="quiet">Remove coupon</button>
</form>"#,
        Escaped(coupon)
    )
}

fn coupon_form() -> String {
    format!(
        r#"<form class="coupon" method="post" action="/shop/coupon">
  <label for="coupon">Coupon <span class="hint">try SPRING</span></label>
  <input id="coupon" name="coupon" required maxlength="{MAX_COUPON_LETTERS}" autocomplete="off">
  <button>Apply</button>
</form>"#
    )
}

/// What is known about the session itself. Its key is safe to show: it names the session and opens nothing.
fn facts(session: &SessionHandle, prefs: &PrefsSession) -> String {
    let (Some(key), Some(created), Some(expires)) = (session.key(), session.created_at(), session.expires_at()) else {
        return "<p>Nothing is stored about you: looking around makes no session. The first thing you add does.</p>"
            .to_owned();
    };
    let mut html = format!(
        "<dl>
<div><dt>Created</dt><dd>{}</dd></div>
<div><dt>Ends, if not used again</dt><dd>{}</dd></div>
<div><dt>Key, for a support request</dt><dd><code>{key}</code></dd></div>
",
        Moment(created),
        Moment(expires)
    );
    for (key, value) in prefs.values() {
        let (key, value) = (Escaped(key), Escaped(value));
        append(&mut html, format_args!("<div><dt>Preference {key}</dt><dd>{value}</dd></div>\n"));
    }
    html + "</dl>"
}

#[derive(FromForm)]
struct Chosen {
    product: u32,
}

#[post("/shop/add", data = "<chosen>")]
fn add(chosen: Form<Chosen>, mut cart: Session<CartSession>) -> Redirect {
    cart.put(chosen.product);
    back()
}

#[post("/shop/less", data = "<chosen>")]
fn less(chosen: Form<Chosen>, mut cart: Session<CartSession>) -> Redirect {
    cart.take_one(chosen.product);
    back()
}

#[post("/shop/remove", data = "<chosen>")]
fn remove(chosen: Form<Chosen>, mut cart: Session<CartSession>) -> Redirect {
    cart.items_mut().remove(&chosen.product);
    back()
}

#[post("/shop/clear")]
fn clear(mut cart: Session<CartSession>) -> Redirect {
    cart.clear_items();
    cart.clear_coupon();
    back()
}

#[derive(FromForm)]
struct CouponForm<'r> {
    coupon: &'r str,
}

#[post("/shop/coupon", data = "<form>")]
fn coupon(form: Form<CouponForm<'_>>, mut cart: Session<CartSession>) -> Redirect {
    match tidy(form.coupon, MAX_COUPON_LETTERS) {
        Some(coupon) => cart.set_coupon(coupon),
        None => return back_with(Notice::Coupon),
    }
    back()
}

#[post("/shop/no-coupon")]
fn no_coupon(mut cart: Session<CartSession>) -> Redirect {
    cart.clear_coupon();
    back()
}

#[derive(FromForm)]
struct CurrencyForm {
    currency: Currency,
}

#[post("/shop/currency", data = "<form>")]
fn currency(form: Form<CurrencyForm>, mut cart: Session<CartSession>) -> Redirect {
    cart.set_currency(form.currency);
    back()
}

#[derive(FromForm)]
struct LoginForm<'r> {
    user: &'r str,
}

#[post("/shop/login", data = "<form>")]
fn login(form: Form<LoginForm<'_>>, mut auth: Session<AuthSession>) -> Redirect {
    match UserName::new(form.user) {
        Some(user) => auth.set_user(user.into()),
        None => return back_with(Notice::Name),
    }
    back()
}

#[post("/shop/logout")]
fn logout(session: &SessionHandle) -> Redirect {
    session.destroy();
    back_with(Notice::Goodbye)
}
