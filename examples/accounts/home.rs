//! The first page of a user, and the stream of events that ends with the session.

use maud::html;
use rocket::response::stream::{Event, EventStream};
use rocket::tokio::select;
use rocket::tokio::sync::broadcast;
use rocket::{Route, Shutdown, State, get, routes};
use session_runtime::{Session, SessionHandle, Sessions};

use crate::guards::{Browser, User};
use crate::page::{Page, ago, counted};
use crate::refusals::Failure;
use crate::session::{AuthSession, Notices};
use crate::users::Account;

pub(crate) fn routes() -> Vec<Route> {
    routes![show, events]
}

#[get("/")]
async fn show(
    user: User,
    session: &SessionHandle,
    sessions: &State<Sessions>,
    mut notices: Session<'_, Notices>,
) -> Result<Page, Failure> {
    let count = sessions.count(AuthSession::by_account(user.id)).await?;
    let main = html! {
        h1 { "Hello, " (user.name) }
        section .card {
            h2 { "Where you are logged in" }
            p { "You have " (counted(count, "session")) "." }
            a .button href="/sessions" { "See your sessions" }
        }
        section .card {
            h2 { "Password" }
            @match session.authenticated_at() {
                Some(time) => p { "You entered it " (ago(time)) "." },
                None => p { "You have not entered it in this session." },
            }
            a .button href="/password" { "Change your password" }
        }
    };
    Ok(Page::of(&user, "Home", &notices.take_notices(), &main))
}

/// Logins of this process, for the pages that are open. Several processes would share a channel of their own.
pub(crate) struct Logins(broadcast::Sender<Login>);

#[derive(Clone)]
struct Login {
    account: i64,
    browser: String,
}

impl Default for Logins {
    fn default() -> Self {
        Self(broadcast::Sender::new(64))
    }
}

impl Logins {
    /// Sends a login to the open pages of its user.
    pub(crate) fn announce(&self, account: &Account, browser: &Browser) {
        // An error means that no page is open.
        let _ = self.0.send(Login { account: account.id, browser: browser.0.clone() });
    }
}

/// Sends the new logins of the user, until the session is over. Then the page asks again, and a page whose user is
/// logged out gets 401.
#[get("/events")]
fn events(user: User, session: &SessionHandle, logins: &State<Logins>, mut shutdown: Shutdown) -> EventStream![] {
    let (mut ended, mut logins) = (session.ended(), logins.0.subscribe());
    EventStream! {
        loop {
            select! {
                login = logins.recv() => match login {
                    Ok(login) if login.account == user.id => yield Event::data(login.browser).event("login"),
                    // Of another user; or so many at once that some were missed.
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                _ = &mut ended => {
                    yield Event::data("").event("over");
                    break;
                }
                () = &mut shutdown => break,
            }
        }
    }
}
