//! A new password, and the page that asks for the present one again.

use maud::html;
use rocket::form::Form;
use rocket::response::Redirect;
use rocket::{FromForm, Route, State, get, post, routes};
use session_runtime::{Recent, Session, SessionHandle, Sessions};

use crate::entrance::{Answer, WRONG_LENGTH, new_password_hint};
use crate::guards::User;
use crate::hashes::NewPassword;
use crate::local_path::LocalPath;
use crate::page::{Field, Page, counted, hidden_name, mistake};
use crate::refusals::Failure;
use crate::session::{Attempts, AuthSession, Notices, has_succeeded, may_try};
use crate::users::{Account, Users};

pub(crate) fn routes() -> Vec<Route> {
    routes![show, change, confirm_page, confirm]
}

/// Form for a new password. The user has entered the present one in the last ten minutes.
#[get("/password")]
fn show(user: User, _recent: Recent<10>, mut notices: Session<Notices>) -> Page {
    new_password_form(&user, None, &notices.take_notices())
}

fn new_password_form(account: &Account, reason: Option<&str>, notices: &[String]) -> Page {
    let (hint, is_refused) = (new_password_hint(), reason.is_some());
    let field =
        Field { label: "New password", autocomplete: "new-password", hint: Some(&hint), is_refused, ..Field::PASSWORD };
    let main = html! {
        h1 { "Change your password" }
        section .card {
            p { "All other sessions will be logged out." }
            form .stack method="post" action="/password" {
                (mistake(reason))
                (hidden_name(account))
                (field.html())
                button .primary { "Change the password" }
            }
        }
    };
    Page::of(account, "Password", notices, &main)
}

#[derive(FromForm)]
struct PasswordForm<'r> {
    password: &'r str,
}

/// Stores the new password, then ends the other sessions. In this order a login with the old one is refused from here on.
#[post("/password", data = "<form>")]
async fn change(
    user: User,
    _recent: Recent<10>,
    form: Form<PasswordForm<'_>>,
    users: &State<Users>,
    sessions: &State<Sessions>,
    session: &SessionHandle,
    mut notices: Session<'_, Notices>,
) -> Result<Answer, Failure> {
    let Some(password) = NewPassword::new(form.password) else {
        return Ok(Answer::Refused(new_password_form(&user, Some(WRONG_LENGTH), &[])));
    };
    let number = users.set_password(user.id, password).await?;
    let mut auth = session.write::<AuthSession>().await?;
    auth.set_password(number);
    // Saved at once: until then this session has the number of the old password.
    auth.save().await?;
    let mine = AuthSession::by_account(user.id);
    let others = session.key().map_or(mine.clone(), |this| mine.except(&this));
    let ended = sessions.destroy_all(others).await?;
    notices.add(format!("Your password is changed. {} logged out.", counted(ended, "other session")));
    Ok(Answer::Done(Redirect::to("/")))
}

/// Asks for the password again, before a page that needs a recent proof of identity.
#[get("/confirm?<back>")]
fn confirm_page(user: User, back: LocalPath) -> Page {
    confirm_form(&user, &back, None)
}

fn confirm_form(account: &Account, back: &LocalPath, reason: Option<&str>) -> Page {
    let main = html! {
        h1 { "Is it you?" }
        section .card {
            p { "Please enter your password to go on." }
            form .stack method="post" action=(back.behind("/confirm")) {
                (mistake(reason))
                (hidden_name(account))
                (Field { is_refused: reason.is_some(), ..Field::PASSWORD }.html())
                button .primary { "Go on" }
            }
        }
    };
    Page::of(account, "Confirm", &[], &main)
}

#[post("/confirm?<back>", data = "<form>")]
async fn confirm(
    user: User,
    back: LocalPath,
    form: Form<PasswordForm<'_>>,
    users: &State<Users>,
    session: &SessionHandle,
    mut attempts: Session<'_, Attempts>,
) -> Result<Answer, Failure> {
    if !may_try(&mut attempts).await? {
        return Ok(Answer::too_many(|reason| confirm_form(&user, &back, Some(reason))));
    }
    if users.log_in(&user.name, form.password).await?.is_none() {
        return Ok(Answer::Refused(confirm_form(&user, &back, Some("This is not your password."))));
    }
    has_succeeded(&mut attempts);
    session.reauthenticated();
    Ok(Answer::Done(Redirect::to(back.to_string())))
}
