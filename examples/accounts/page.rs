//! The frame of each page, its headers, and the parts that pages share.

use std::time::{Duration, SystemTime};

use maud::{DOCTYPE, Markup, html};
use rocket::http::{ContentType, Header};
use rocket::response::Responder;
use rocket::response::content::RawHtml;
use rocket::time::OffsetDateTime;
use rocket::{Route, get, routes};

use crate::users::Account;

pub(crate) fn routes() -> Vec<Route> {
    routes![style, script]
}

/// Only files of this site are loaded, and forms lead only here, even if a text in the page were not escaped.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Page of HTML. No browser and no proxy keeps a copy (RFC 9111 section 5.2.2.5): after a logout the back button shows
/// nothing of the user.
#[derive(Responder)]
pub(crate) struct Page {
    html: RawHtml<String>,
    policy: Header<'static>,
    caching: Header<'static>,
}

impl Page {
    fn new(html: Markup) -> Self {
        Self {
            html: RawHtml(html.into_string()),
            policy: Header::new("Content-Security-Policy", POLICY),
            caching: Header::new("Cache-Control", "no-store"),
        }
    }

    /// Page for visitors who are not logged in.
    pub(crate) fn public(title: &str, notices: &[String], main: &Markup) -> Self {
        Self::new(html! {
            (DOCTYPE)
            html lang="en" {
                (head(title))
                body .public {
                    header { (brand()) }
                    main { (shown(notices)) (main) }
                }
            }
        })
    }

    /// Page of a user. Its script follows the events of the session; without it, the page works all the same.
    pub(crate) fn of(account: &Account, title: &str, notices: &[String], main: &Markup) -> Self {
        Self::new(html! {
            (DOCTYPE)
            html lang="en" {
                (head(title))
                body {
                    header { (brand()) (menu(account, title)) }
                    main { (shown(notices)) (main) }
                    script src="/events.js" defer {}
                }
            }
        })
    }
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " – Accounts" }
            link rel="icon" href="data:,";
            link rel="stylesheet" href="/style.css";
        }
    }
}

fn brand() -> Markup {
    html! {
        a .brand href="/" {
            svg viewBox="0 0 24 24" aria-hidden="true" {
                circle cx="8" cy="12" r="4.5" {}
                path d="M12.5 12H22M18 12v3.5M21 12v2.5" {}
            }
            "Accounts"
        }
    }
}

fn menu(account: &Account, title: &str) -> Markup {
    let link = |name: &str, path: &str| {
        let is_here = name == title;
        html! { a href=(path) aria-current=[is_here.then_some("page")] { (name) } }
    };
    html! {
        nav aria-label="Account" {
            (link("Home", "/"))
            (link("Sessions", "/sessions"))
            (link("Password", "/password"))
            @if account.is_admin { (link("Users", "/users")) }
        }
        form method="post" action="/logout" { button .quiet { "Log out" } }
    }
}

/// Messages from the page before. The script adds those that arrive while the page is open.
fn shown(notices: &[String]) -> Markup {
    html! {
        div #notices role="status" {
            @for notice in notices { p .notice { (notice) } }
        }
    }
}

/// Reason why a form was refused, above it. The field that has to change names it by `aria-describedby`.
pub(crate) fn mistake(text: Option<&str>) -> Markup {
    html! { @if let Some(text) = text { p .mistake #mistake role="alert" { (text) } } }
}

/// Field of a form: a label, the input and a hint.
pub(crate) struct Field<'t> {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) autocomplete: &'static str,
    pub(crate) hint: Option<&'t str>,
    pub(crate) value: &'t str,
    pub(crate) is_refused: bool,
}

impl Field<'_> {
    pub(crate) const NAME: Self = Self {
        name: "name",
        label: "Name",
        kind: "text",
        autocomplete: "username",
        hint: None,
        value: "",
        is_refused: false,
    };
    pub(crate) const PASSWORD: Self = Self {
        name: "password",
        label: "Password",
        kind: "password",
        autocomplete: "current-password",
        hint: None,
        value: "",
        is_refused: false,
    };

    pub(crate) fn html(&self) -> Markup {
        let hint_id = self.hint.map(|_| format!("{}-hint", self.name));
        let mistake_id = self.is_refused.then(|| "mistake".to_owned());
        let described_by: Vec<String> = mistake_id.into_iter().chain(hint_id.clone()).collect();
        let described_by = (!described_by.is_empty()).then(|| described_by.join(" "));
        html! {
            div .field {
                label for=(self.name) { (self.label) }
                input id=(self.name) name=(self.name) type=(self.kind) required autocomplete=(self.autocomplete)
                    autocapitalize="none" spellcheck="false" value=(self.value)
                    aria-describedby=[described_by] aria-invalid=[self.is_refused.then_some("true")];
                @if let (Some(hint), Some(id)) = (self.hint, hint_id) { p .hint id=(id) { (hint) } }
            }
        }
    }
}

/// Name of the account for a password manager, in a form that asks for the password alone.
pub(crate) fn hidden_name(account: &Account) -> Markup {
    html! { input type="text" name="name" value=(account.name) autocomplete="username" hidden readonly; }
}

/// Picture at the start of a row, drawn by the path in a square of 24 units.
pub(crate) fn icon(path: &str) -> Markup {
    html! { svg viewBox="0 0 24 24" aria-hidden="true" { path d=(path) {} } }
}

/// Time in the past, as in "3 minutes ago".
pub(crate) fn ago(time: SystemTime) -> Markup {
    let age = SystemTime::now().duration_since(time).unwrap_or(Duration::ZERO).as_secs();
    let text = match age {
        0..60 => "just now".to_owned(),
        60..3_600 => counted(age / 60, "minute") + " ago",
        3_600..86_400 => counted(age / 3_600, "hour") + " ago",
        _ => counted(age / 86_400, "day") + " ago",
    };
    let moment = OffsetDateTime::from(time);
    let (date, hour, minute) = (moment.date(), moment.hour(), moment.minute());
    html! {
        time datetime=(format!("{date}T{hour:02}:{minute:02}Z")) title=(format!("{date} {hour:02}:{minute:02} UTC")) {
            (text)
        }
    }
}

/// Number with its noun, as in "1 session" and "2 sessions".
pub(crate) fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[get("/style.css")]
fn style() -> (ContentType, &'static str) {
    (ContentType::CSS, include_str!("style.css"))
}

#[get("/events.js")]
fn script() -> (ContentType, &'static str) {
    (ContentType::JavaScript, include_str!("events.js"))
}
