//! All accounts, for the administrator.

use maud::{Markup, html};
use rocket::form::Form;
use rocket::response::Redirect;
use rocket::{FromForm, Route, State, get, post, routes};
use session_runtime::{Recent, Session, SessionError, SessionHandle, Sessions};

use crate::guards::Admin;
use crate::page::{Page, counted, icon};
use crate::refusals::Failure;
use crate::session::{AuthSession, Notices};
use crate::users::{Account, Users};

/// Accounts on the page.
const SHOWN: u32 = 100;

pub(crate) fn routes() -> Vec<Route> {
    routes![show, end]
}

#[get("/users")]
async fn show(
    admin: Admin,
    users: &State<Users>,
    sessions: &State<Sessions>,
    mut notices: Session<'_, Notices>,
) -> Result<Page, Failure> {
    let mut rows = Vec::new();
    for account in users.list(SHOWN).await? {
        let count = sessions.count(AuthSession::by_account(account.id)).await?;
        rows.push(row(&account, count, account.id == admin.id));
    }
    let main = html! {
        h1 { "Users" }
        form .card method="post" action="/users" {
            ul .rows { @for row in &rows { li { (row) } } }
        }
    };
    Ok(Page::of(&admin, "Users", &notices.take_notices(), &main))
}

const PERSON: &str = "M12 12a4 4 0 1 0-.1 0zM4.5 20c1-4 4-5.5 7.5-5.5s6.5 1.5 7.5 5.5";

fn row(account: &Account, sessions: u64, is_this: bool) -> Markup {
    html! {
        (icon(PERSON))
        div {
            p { strong { (account.name) } @if is_this { " " span .badge { "You" } } }
            p .hint { (counted(sessions, "session")) }
        }
        @if !is_this && sessions > 0 {
            button name="account" value=(account.id) aria-label={ "Log out " (account.name) } { "Log out" }
        }
    }
}

#[derive(FromForm)]
struct EndForm {
    account: i64,
}

/// Ends all sessions of an account, except the one that asks for it.
#[post("/users", data = "<form>")]
async fn end(
    _admin: Admin,
    _recent: Recent<10>,
    form: Form<EndForm>,
    session: &SessionHandle,
    sessions: &State<Sessions>,
    mut notices: Session<'_, Notices>,
) -> Result<Redirect, SessionError> {
    let all = AuthSession::by_account(form.account);
    let others = session.key().map_or(all.clone(), |this| all.except(&this));
    let ended = sessions.destroy_all(others).await?;
    notices.add(format!("{} logged out.", counted(ended, "session")));
    Ok(Redirect::to("/users"))
}
