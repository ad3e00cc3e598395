//! Guards of routes: the user, the administrator, the name of the browser.

use std::convert::Infallible;
use std::ops::Deref;

use rocket::Request;
use rocket::http::Status;
use rocket::outcome::try_outcome;
use rocket::request::{FromRequest, Outcome};
use session_runtime::SessionError;

use crate::session::AuthSession;
use crate::users::{Account, Error, Users};

/// The visitor's account. Without a login the route is skipped, with 401 if there is no other one.
pub(crate) struct User(Account);

impl Deref for User {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.0
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for User {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, SessionError> {
        let auth = try_outcome!(request.guard::<&AuthSession>().await);
        let users = request.rocket().state::<Users>().expect("the launch has opened the accounts");
        match account_of(auth, users).await {
            Ok(Some(account)) => Outcome::Success(Self(account)),
            Ok(None) => Outcome::Forward(Status::Unauthorized),
            Err(error) => {
                rocket::error!("the accounts cannot be read: {error}");
                Outcome::Forward(Status::ServiceUnavailable)
            }
        }
    }
}

/// Returns the account, if the session began with its present password.
///
/// A new password ends the other sessions. A login that had compared the old one just before may be stored after that;
/// the number of its password gives it away.
async fn account_of(auth: &AuthSession, users: &Users) -> Result<Option<Account>, Error> {
    let Some(id) = *auth.account() else { return Ok(None) };
    let account = users.find(id).await?;
    Ok(account.filter(|account| account.password == *auth.password()))
}

/// The administrator's account. For any other user the route is skipped, with 403 if there is no other one.
pub(crate) struct Admin(Account);

impl Deref for Admin {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.0
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Admin {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, SessionError> {
        let User(account) = try_outcome!(request.guard::<User>().await);
        if account.is_admin { Outcome::Success(Self(account)) } else { Outcome::Forward(Status::Forbidden) }
    }
}

/// Name of the browser, as in "Firefox on Windows". The browser states it, so it is a hint for the user and no proof.
pub(crate) struct Browser(pub(crate) String);

const BROWSERS: [(&str, &str); 6] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];
const SYSTEMS: [(&str, &str); 6] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Browser {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Infallible> {
        let agent = request.headers().get_one("User-Agent").unwrap_or_default();
        let name =
            |names: &[(&str, &'static str)]| names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
        let browser = name(&BROWSERS).unwrap_or("Unknown browser");
        let text = name(&SYSTEMS).map_or_else(|| browser.to_owned(), |system| format!("{browser} on {system}"));
        Outcome::Success(Self(text))
    }
}
