//! Routes behind the forms of the page.
//!
//! Each route does one thing to the session and answers 303, so that a reload repeats nothing. The redirect names the
//! control that was used (`/#product-3`): browsers scroll to it and give it the focus, so that the visitor stays in
//! place without any script.
//!
//! The session cookie is `SameSite=Lax`, so a browser does not send it with a POST from another site, and no form of
//! such a site can act in a visitor's session. It can still make a browser start a session of its own here; an
//! application for which that matters also checks the `Sec-Fetch-Site` header.
#![allow(clippy::needless_pass_by_value, reason = "Rocket hands forms over by value")]

use std::fmt::Display;

use rocket::form::Form;
use rocket::response::Redirect;
use rocket::{FromForm, Route, post, routes};
use session_runtime::{Session, SessionHandle};

use crate::page::{COUPON, TextField, USER};
use crate::session::{AuthSession, CartSession, Currency, NoticeSession, NoticeSessionMut};
use crate::shop::{Coupon, UserName};

pub(crate) fn routes() -> Vec<Route> {
    routes![add, more, less, remove, clear, coupon, no_coupon, currency, login, logout]
}

/// Redirects to the page, at the element with this id.
fn back_to(id: impl Display) -> Redirect {
    Redirect::to(format!("/#{id}"))
}

/// Keeps a refused text for the page, up to the length of the field.
fn refuse(notices: &mut NoticeSessionMut, field: &TextField, text: &str) {
    let text = text.chars().take(field.max_letters).collect();
    notices.refused_mut().insert(field.id.to_owned(), text);
}

#[derive(FromForm)]
struct Chosen {
    product: u32,
}

#[post("/shop/add", data = "<chosen>")]
fn add(chosen: Form<Chosen>, mut cart: Session<CartSession>, mut notices: Session<NoticeSession>) -> Redirect {
    cart.put(chosen.product);
    notices.changed_mut().insert(chosen.product);
    back_to(format_args!("product-{}", chosen.product))
}

#[post("/shop/more", data = "<chosen>")]
fn more(chosen: Form<Chosen>, mut cart: Session<CartSession>, mut notices: Session<NoticeSession>) -> Redirect {
    cart.put(chosen.product);
    notices.changed_mut().insert(chosen.product);
    back_to(format_args!("more-{}", chosen.product))
}

/// Removes one piece. The last one removes the entry and its button, so the redirect leads to the cart.
#[post("/shop/less", data = "<chosen>")]
fn less(chosen: Form<Chosen>, mut cart: Session<CartSession>, mut notices: Session<NoticeSession>) -> Redirect {
    cart.take_one(chosen.product);
    notices.changed_mut().insert(chosen.product);
    if cart.items().contains_key(&chosen.product) {
        return back_to(format_args!("less-{}", chosen.product));
    }
    back_to("cart")
}

#[post("/shop/remove", data = "<chosen>")]
fn remove(chosen: Form<Chosen>, mut cart: Session<CartSession>, mut notices: Session<NoticeSession>) -> Redirect {
    cart.items_mut().remove(&chosen.product);
    notices.changed_mut().insert(chosen.product);
    back_to("cart")
}

#[post("/shop/clear")]
fn clear(mut cart: Session<CartSession>) -> Redirect {
    cart.clear_items();
    cart.clear_coupon();
    back_to("cart")
}

#[derive(FromForm)]
struct CouponForm<'r> {
    coupon: &'r str,
}

#[post("/shop/coupon", data = "<form>")]
fn coupon(form: Form<CouponForm<'_>>, mut cart: Session<CartSession>, mut notices: Session<NoticeSession>) -> Redirect {
    match Coupon::find(form.coupon) {
        Some(coupon) => cart.set_coupon(coupon.code.to_owned()),
        None => refuse(&mut notices, &COUPON, form.coupon),
    }
    back_to(COUPON.id)
}

#[post("/shop/no-coupon")]
fn no_coupon(mut cart: Session<CartSession>) -> Redirect {
    cart.clear_coupon();
    back_to(COUPON.id)
}

#[derive(FromForm)]
struct CurrencyForm {
    currency: Currency,
}

#[post("/shop/currency", data = "<form>")]
fn currency(form: Form<CurrencyForm>, mut cart: Session<CartSession>) -> Redirect {
    cart.set_currency(form.currency);
    back_to(format_args!("{:?}", form.currency))
}

#[derive(FromForm)]
struct LoginForm<'r> {
    user: &'r str,
}

#[post("/shop/login", data = "<form>")]
fn login(form: Form<LoginForm<'_>>, mut auth: Session<AuthSession>, mut notices: Session<NoticeSession>) -> Redirect {
    let Some(user) = UserName::new(form.user) else {
        refuse(&mut notices, &USER, form.user);
        return back_to(USER.id);
    };
    auth.set_user(user.into());
    back_to("account")
}

#[post("/shop/logout")]
fn logout(session: &SessionHandle) -> Redirect {
    session.destroy();
    back_to(USER.id)
}
