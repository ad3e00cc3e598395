//! A visitor with a session, without the requests that lead to it.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;

use ::rocket::http::{Cookie, Method};
use ::rocket::local::asynchronous::Client;

use crate::error::{ErrorKind, SessionError};
use crate::request::handle::SessionHandle;
use crate::request::visit::{Finished, Visit};
use crate::schema::Schema;
use crate::sessions::Sessions;

/// A visitor of an application under test: the browser that a local client of Rocket stands for.
///
/// [`of`](Self::of) begins a session with values that the test chooses, such as a user who is logged in.
/// [`read`](Self::read) returns what is stored for the visitor now.
///
/// A client that tracks cookies is one browser: it receives the cookie of the session, and later responses may replace
/// it. With a client that does not, add [`cookie`](Self::cookie) to each request. So one application can have several
/// visitors.
///
/// # Examples
///
/// ```
/// use rocket::local::asynchronous::Client;
/// use rocket::{post, routes};
/// use session_runtime::testing::Visitor;
/// use session_runtime::{MemoryStore, Session, SessionError, Sessions};
///
/// #[derive(Session)]
/// #[session(key = "auth", version = 1)]
/// struct AuthSession {
///     #[session(renew)]
///     user: Option<String>,
/// }
///
/// #[post("/rename/<name>")]
/// fn rename(name: &str, mut auth: Session<AuthSession>) {
///     auth.set_user(name.into());
/// }
///
/// # #[rocket::main] async fn main() -> Result<(), SessionError> {
/// let fairing = Sessions::fairing::<AuthSession>().store(MemoryStore::new());
/// let rocket = rocket::build().attach(fairing).mount("/", routes![rename]);
/// let client = Client::tracked(rocket).await.unwrap();
///
/// let ann = Visitor::of(&client).with::<AuthSession>(|auth| auth.set_user("ann".into())).enter().await?;
/// client.post("/rename/bob").dispatch().await;
/// assert_eq!(ann.read::<AuthSession>().await?.user().as_deref(), Some("bob"));
/// # Ok(()) }
/// ```
pub struct Visitor<'c> {
    client: &'c Client,
    /// Cookie of the session, unless the client tracks cookies.
    cookie: Option<Cookie<'static>>,
}

impl<'c> Visitor<'c> {
    /// Returns a builder for a visitor of this client's application.
    pub fn of(client: &'c Client) -> VisitorBuilder<'c> {
        VisitorBuilder { client, changes: Vec::new() }
    }

    /// Returns the session cookie that the visitor's next request carries; `None` without a session.
    #[must_use]
    pub fn cookie(&self) -> Option<Cookie<'static>> {
        let tracked = || tracked_cookie(self.client, Sessions::fetch(self.client.rocket())?);
        self.cookie.clone().or_else(tracked)
    }

    /// Reads the stored values of a schema; without a session, its defaults. No deadline moves.
    ///
    /// # Errors
    ///
    /// The errors of the guard `&S`.
    pub async fn read<S: Schema>(&self) -> Result<ReadValues<S>, SessionError> {
        let line = self.cookie().map(|cookie| format!("{}={}", cookie.name(), cookie.value()));
        let visit = sessions_of(self.client)?.open(line.as_deref());
        visit.peek::<S>().await?;
        Ok(ReadValues { visit, schema: PhantomData })
    }
}

impl fmt::Debug for Visitor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor").finish_non_exhaustive()
    }
}

/// Builder of a [`Visitor`].
///
/// # Examples
///
/// ```
/// use rocket::local::asynchronous::Client;
/// use session_runtime::testing::Visitor;
/// use session_runtime::{Session, SessionError};
///
/// #[derive(Session)]
/// #[session(key = "cart", version = 1)]
/// struct Cart {
///     coupon: Option<String>,
/// }
///
/// async fn with_coupon(client: &Client) -> Result<Visitor<'_>, SessionError> {
///     Visitor::of(client).with::<Cart>(|cart| cart.set_coupon("SPRING".into())).enter().await
/// }
/// ```
#[must_use = "nothing is stored before `enter`"]
pub struct VisitorBuilder<'c> {
    client: &'c Client,
    changes: Vec<Change>,
}

type Change = Box<dyn for<'v> FnOnce(&'v Visit) -> Changing<'v> + Send>;
type Changing<'v> = Pin<Box<dyn Future<Output = Result<(), SessionError>> + Send + 'v>>;

impl<'c> VisitorBuilder<'c> {
    /// Sets values of a schema. A `renew` field that is set here is a login, with a proof of identity.
    pub fn with<S: Schema>(mut self, set: impl FnOnce(&mut S::Mut) + Send + 'static) -> Self {
        self.changes.push(Box::new(move |visit| Box::pin(change::<S>(visit, set))));
        self
    }

    /// Stores the session, and gives its cookie to the client. A visitor without values has no session.
    ///
    /// The client dispatches a `TRACE` request for that, which no route should handle. In a client that tracks cookies,
    /// the new visitor replaces the one before.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the fairing is not attached, or if the setting `transport` is not `cookie`; otherwise the
    /// errors of a save.
    pub async fn enter(self) -> Result<Visitor<'c>, SessionError> {
        let sessions = sessions_of(self.client)?;
        let visit = sessions.open([]);
        for change in self.changes {
            change(&visit).await?;
        }
        let Finished { cookie, error, .. } = visit.finish(200).await;
        if let Some(error) = error {
            return Err(error);
        }
        let cookie = cookie.header().and_then(|line| Cookie::parse(line.to_owned()).ok());
        hand_over(self.client, visit).await;
        let is_tracked = cookie.is_some() && tracked_cookie(self.client, sessions) == cookie.as_ref().map(plain);
        Ok(Visitor { client: self.client, cookie: cookie.filter(|_| !is_tracked) })
    }
}

impl fmt::Debug for VisitorBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisitorBuilder").finish_non_exhaustive()
    }
}

/// Values of a schema as a [`Visitor`] has read them.
///
/// # Examples
///
/// ```
/// use session_runtime::testing::{ReadValues, Visitor};
/// use session_runtime::{Session, SessionError};
///
/// #[derive(Session)]
/// #[session(key = "cart", version = 1)]
/// struct Cart {
///     coupon: Option<String>,
/// }
///
/// async fn has_coupon(visitor: &Visitor<'_>) -> Result<bool, SessionError> {
///     let cart: ReadValues<Cart> = visitor.read().await?;
///     Ok(cart.coupon().is_some())
/// }
/// ```
pub struct ReadValues<S> {
    visit: Visit,
    schema: PhantomData<fn() -> S>,
}

impl<S: Schema> Deref for ReadValues<S> {
    type Target = S;

    fn deref(&self) -> &S {
        self.visit.loaded::<S>().expect("`read` has loaded the values")
    }
}

impl<S> fmt::Debug for ReadValues<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadValues").finish_non_exhaustive()
    }
}

async fn change<S: Schema>(visit: &Visit, set: impl FnOnce(&mut S::Mut)) -> Result<(), SessionError> {
    let mut guard = visit.write::<S>().await?;
    set(&mut guard);
    Ok(())
}

fn sessions_of(client: &Client) -> Result<&Sessions, SessionError> {
    let refused = |detail| SessionError::with(ErrorKind::Config, detail);
    let sessions = Sessions::fetch(client.rocket()).ok_or_else(|| refused("`Sessions::fairing` is not attached"))?;
    match sessions.core.transport.cookie() {
        Some(_) => Ok(sessions),
        None => Err(refused("a `Visitor` has its id in a cookie: the tests need `transport = \"cookie\"`")),
    }
}

/// Dispatches a request whose response carries the cookie of the visit.
async fn hand_over(client: &Client, visit: Visit) {
    let request = client.req(Method::Trace, "/");
    SessionHandle::adopt(&request, visit);
    request.dispatch().await;
}

/// Returns name and value of the session cookie that the client tracks.
fn tracked_cookie(client: &Client, sessions: &Sessions) -> Option<Cookie<'static>> {
    // Rocket's jar keeps a removed cookie, without its value.
    client.cookies().get(sessions.cookie_name()).filter(|cookie| !cookie.value().is_empty()).map(plain)
}

/// Returns the cookie without its attributes.
fn plain(cookie: &Cookie<'static>) -> Cookie<'static> {
    Cookie::new(cookie.name().to_owned(), cookie.value().to_owned())
}
