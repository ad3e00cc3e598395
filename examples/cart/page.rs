//! The page: one address, `/`, with everything that a visitor can see and do.
//!
//! Browsers and proxies must not keep a copy: after a logout, the next user of the browser finds no page of the
//! previous one.

use std::fmt::Write;

use rocket::http::{ContentType, Header};
use rocket::response::Responder;
use rocket::response::content::RawHtml;
use rocket::{Route, get, routes};
use session_runtime::{Session, SessionHandle};

use crate::html::{Escaped, Moment, Money};
use crate::session::{AuthSession, CartSession, Currency, NoticeSession, PrefsSession};
use crate::shop::{Coupon, MAX_COUPON_LETTERS, MAX_NAME_LETTERS, PRODUCTS, Product};

pub(crate) fn routes() -> Vec<Route> {
    routes![show, style]
}

/// HTML that loads only its own style sheet, even if a text in it were not escaped.
#[derive(Responder)]
struct Page {
    html: RawHtml<String>,
    policy: Header<'static>,
    caching: Header<'static>,
}

impl Page {
    fn new(html: String) -> Self {
        let policy = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";
        Self {
            html: RawHtml(html),
            policy: Header::new("Content-Security-Policy", policy),
            caching: Header::new("Cache-Control", "no-store"),
        }
    }
}

/// Text field of a form. Its `id` is also the name of its value.
pub(crate) struct TextField {
    pub(crate) id: &'static str,
    pub(crate) max_letters: usize,
    autocomplete: &'static str,
    mistake: &'static str,
}

pub(crate) const USER: TextField = TextField {
    id: "user",
    max_letters: MAX_NAME_LETTERS,
    autocomplete: "username",
    mistake: "Please give a name of 1 to 40 letters.",
};

pub(crate) const COUPON: TextField = TextField {
    id: "coupon",
    max_letters: MAX_COUPON_LETTERS,
    autocomplete: "off",
    mistake: "This is not one of our coupons.",
};

impl TextField {
    /// Renders the input. After a refusal it holds the refused text, with the reason beside it.
    fn html(&self, refused: Option<&String>) -> String {
        let Self { id, max_letters, autocomplete, mistake } = self;
        let input =
            format!(r#"<input id="{id}" name="{id}" required maxlength="{max_letters}" autocomplete="{autocomplete}""#);
        let Some(text) = refused else { return input + ">" };
        format!(
            r#"{input} value="{}" aria-invalid="true" aria-describedby="{id}-mistake">
  <p class="mistake" id="{id}-mistake">{mistake}</p>"#,
            Escaped(text)
        )
    }
}

#[get("/style.css")]
fn style() -> (ContentType, &'static str) {
    (ContentType::CSS, include_str!("style.css"))
}

/// Shows the page: five guards, one load. Taking the notices is a write, which happens only if there are any.
#[get("/")]
fn show(
    cart: &CartSession,
    auth: &AuthSession,
    prefs: &PrefsSession,
    mut notices: Session<NoticeSession>,
    session: &SessionHandle,
) -> Page {
    let (changed, refused) = (notices.take_changed(), notices.take_refused());
    Page::new(format!(
        include_str!("page.html"),
        news = changed.into_iter().map(|product| news(product, cart)).collect::<String>(),
        account = account(auth, refused.get(USER.id)),
        currencies = currencies(*cart.currency()),
        products = products(*cart.currency()),
        pieces = cart.pieces(),
        cart = contents(cart, refused.get(COUPON.id)),
        facts = facts(session, prefs),
    ))
}

/// Describes the current quantity in the cart, which another tab may have changed as well.
fn news(product: u32, cart: &CartSession) -> String {
    let name = Product::name(product);
    match cart.items().get(&product) {
        Some(quantity) => format!("{name}: {quantity} in your cart. "),
        None => format!("{name}: not in your cart any more. "),
    }
}

fn account(auth: &AuthSession, refused: Option<&String>) -> String {
    match auth.user() {
        Some(user) => format!(
            r#"<form class="account" aria-label="Account" method="post" action="/shop/logout">
  <span id="account" tabindex="-1">Logged in as <strong>{}</strong></span>
  <button>Log out</button>
</form>"#,
            Escaped(user)
        ),
        None => format!(
            r#"<form class="account" aria-label="Account" method="post" action="/shop/login">
  <label for="user">Your name</label>
  {}
  <button>Log in</button>
</form>"#,
            USER.html(refused)
        ),
    }
}

fn currencies(chosen: Currency) -> String {
    let option = |currency: Currency, name: &str, label: &str| {
        let pressed = currency == chosen;
        format!(r#"<button id="{name}" name="currency" value="{name}" aria-pressed="{pressed}">{label}</button>"#)
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
      <button class="primary" id="product-{number}" name="product" value="{number}" aria-label="Add {name} to the cart">Add</button>
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

fn contents(cart: &CartSession, refused: Option<&String>) -> String {
    let coupon = cart.coupon().as_deref().and_then(Coupon::find);
    if cart.items().is_empty() && coupon.is_none() && refused.is_none() {
        return r#"<p class="empty">Nothing in here yet. Everything you add stays, in this browser and in all its tabs.</p>"#
            .to_owned();
    }
    let (mut lines, mut total) = (String::new(), 0);
    for (&number, &quantity) in cart.items() {
        let cents = Product::find(number).map_or(0, |product| product.cents(*cart.currency()) * u64::from(quantity));
        total += cents;
        lines += &line(number, quantity, &Money(cents, *cart.currency()));
    }
    let off = coupon.map_or(0, |coupon| total * coupon.percent / 100);
    let coupon =
        coupon.map_or_else(|| coupon_form(refused), |coupon| coupon_given(coupon, &Money(off, *cart.currency())));
    format!(
        r#"<ul class="lines">
{lines}</ul>
{coupon}
<p class="total"><span>Total</span> <strong class="price">{}</strong></p>
<form method="post" action="/shop/clear"><button class="quiet">Empty the cart</button></form>"#,
        Money(total - off, *cart.currency())
    )
}

fn line(number: u32, quantity: u32, price: &Money) -> String {
    let name = Product::name(number);
    format!(
        r#"<li>
  <span class="name">{name}</span>
  <form class="quantity" method="post">
    <input type="hidden" name="product" value="{number}">
    <button id="less-{number}" formaction="/shop/less" aria-label="One {name} less">−</button>
    <output aria-label="Quantity">{quantity}</output>
    <button id="more-{number}" formaction="/shop/more" aria-label="One {name} more">+</button>
    <button class="quiet" formaction="/shop/remove" aria-label="Remove {name}">Remove</button>
  </form>
  <span class="price">{price}</span>
</li>
"#
    )
}

fn coupon_given(coupon: &Coupon, off: &Money) -> String {
    let Coupon { code, percent } = coupon;
    format!(
        r#"<form class="coupon" method="post" action="/shop/no-coupon">
  <span id="coupon" tabindex="-1">Coupon <strong>{code}</strong>, {percent} % off: −{off}</span>
  <button class="quiet">Remove coupon</button>
</form>"#
    )
}

fn coupon_form(refused: Option<&String>) -> String {
    format!(
        r#"<form class="coupon" method="post" action="/shop/coupon">
  <label for="coupon">Coupon <span class="hint">try SPRING</span></label>
  {}
  <button>Apply</button>
</form>"#,
        COUPON.html(refused)
    )
}

/// Shows dates and key of the session. The key is safe to show: it names the session and proves nothing.
fn facts(session: &SessionHandle, prefs: &PrefsSession) -> String {
    let (Some(key), Some(created), Some(expires)) = (session.key(), session.created_at(), session.expires_at()) else {
        return "<p>Nothing is stored about you: looking around makes no session. The first form you send does.</p>"
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
