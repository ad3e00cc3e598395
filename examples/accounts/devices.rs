//! The page "where you are logged in" (OWASP ASVS 5.0, 7.5.2).

use maud::{Markup, html};
use rocket::form::{self, Form, FromFormField, ValueField};
use rocket::response::Redirect;
use rocket::{FromForm, Route, State, get, post, routes};
use session_runtime::{Recent, Session, SessionError, SessionHandle, SessionInfo, SessionKey, Sessions};

use crate::guards::User;
use crate::page::{Page, ago, counted, icon};
use crate::refusals::Failure;
use crate::session::{AuthSession, Notices};

/// Sessions on one page; a user with more ends them all at once.
const SHOWN: usize = 50;

pub(crate) fn routes() -> Vec<Route> {
    routes![show, end]
}

#[get("/sessions")]
async fn show(
    user: User,
    session: &SessionHandle,
    sessions: &State<Sessions>,
    mut notices: Session<'_, Notices>,
) -> Result<Page, Failure> {
    let mut list = sessions.list(AuthSession::by_account(user.id)).limit(SHOWN).await?;
    list.sort_by_key(|info| Some(info.key()) != session.key());
    let mut rows = Vec::new();
    for info in &list {
        rows.push(row(info, &browser_of(info, sessions).await?, Some(info.key()) == session.key()));
    }
    let main = html! {
        h1 { "Where you are logged in" }
        form .card method="post" action="/sessions" {
            ul .rows { @for row in &rows { li { (row) } } }
            @if rows.len() > 1 { button .danger name="end" value="others" { "Log out all other sessions" } }
            @else { p .hint { "There is no other session." } }
        }
    };
    Ok(Page::of(&user, "Sessions", &notices.take_notices(), &main))
}

/// Returns the name that the session's own values hold. A session that has ended meanwhile has none.
async fn browser_of(info: &SessionInfo, sessions: &Sessions) -> Result<String, SessionError> {
    if info.is_unreadable() {
        return Ok("Unknown browser".to_owned());
    }
    let auth = sessions.read::<AuthSession>(&info.key()).await?;
    Ok(auth.map_or_else(|| "Logged out".to_owned(), |auth| auth.browser))
}

const COMPUTER: &str = "M3 5h18v11H3zM9 20h6M12 16v4";
const PHONE: &str = "M7 3h10v18H7zM11 17.5h2";

fn row(info: &SessionInfo, browser: &str, is_this: bool) -> Markup {
    let is_phone = ["Android", "iPhone"].iter().any(|system| browser.ends_with(system));
    html! {
        (icon(if is_phone { PHONE } else { COMPUTER }))
        div {
            p { strong { (browser) } @if is_this { " " span .badge { "This session" } } }
            p .hint {
                "Began " (ago(info.created_at())) ", last used " (ago(info.last_used_at()))
            }
        }
        @if !is_this {
            button name="end" value=(info.key()) aria-label={ "Log out " (browser) } { "Log out" }
        }
    }
}

#[derive(FromForm)]
struct EndForm {
    end: End,
}

/// Sessions to end: one, or all others.
enum End {
    One(SessionKey),
    Others,
}

impl<'r> FromFormField<'r> for End {
    fn from_value(field: ValueField<'r>) -> form::Result<'r, Self> {
        match field.value {
            "others" => Ok(Self::Others),
            key => Ok(Self::One(key.parse().map_err(form::Error::custom)?)),
        }
    }
}

/// Ends sessions of the user, who has proved their identity lately: a stolen session cannot lock its user out.
#[post("/sessions", data = "<form>")]
async fn end(
    user: User,
    _recent: Recent<10>,
    form: Form<EndForm>,
    session: &SessionHandle,
    sessions: &State<Sessions>,
    mut notices: Session<'_, Notices>,
) -> Result<Redirect, SessionError> {
    let mine = AuthSession::by_account(user.id);
    let ended = match form.end {
        End::One(key) => end_one(key, &user, sessions).await?,
        End::Others => match session.key() {
            Some(this) => sessions.destroy_all(mine.except(&this)).await?,
            None => 0,
        },
    };
    notices.add(format!("{} logged out.", counted(ended, "session")));
    Ok(Redirect::to("/sessions"))
}

/// Ends a session if it is one of the user's: a key is no secret, and no proof of whose session it names.
async fn end_one(key: SessionKey, user: &User, sessions: &Sessions) -> Result<u64, SessionError> {
    let mine = sessions.list(AuthSession::by_account(user.id)).await?;
    if !mine.iter().any(|info| info.key() == key) {
        return Ok(0);
    }
    sessions.destroy(&key).await?;
    Ok(1)
}
