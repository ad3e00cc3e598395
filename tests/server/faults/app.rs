//! The application: a basket that every visitor reads and changes, a lazy history beside it, and a gate at which a
//! handler waits between its load and its save.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use rocket::fairing::AdHoc;
use rocket::http::Status;
use rocket::serde::json::Json;
use rocket::{Build, Rocket, Shutdown, State, get, post, routes};
use session_runtime::{Session, SessionConfig, SessionError, SessionHandle, Sessions, Store};
use session_tests::cookie::Cookie;
use session_tests::http::{Answer, Connection, Request};
use session_tests::launch::quiet_config;
use session_tests::random::Random;
use tokio::sync::Semaphore;

use crate::process::poll;

/// Far above the deadline of a request, and far below what would be called hanging.
pub(crate) const BOUNDED: Duration = Duration::from_secs(20);

#[derive(Session)]
#[session(key = "basket", version = 1)]
struct Basket {
    #[session(merge = sum)]
    count: u64,
    #[session(merge = keys)]
    prefs: BTreeMap<String, String>,
    #[session(renew)]
    user: Option<String>,
}

#[derive(Session)]
#[session(key = "history", version = 1, lazy)]
struct History {
    pages: String,
}

/// The session in the answer of `GET /show`.
pub(crate) type Shown = (u64, Option<String>, BTreeMap<String, String>);

/// A gate at which a handler waits between its load and its save.
pub(crate) struct Gate {
    waiting: AtomicUsize,
    places: Semaphore,
}

impl Gate {
    fn new() -> Self {
        Self { waiting: AtomicUsize::new(0), places: Semaphore::new(0) }
    }

    async fn pass(&self) {
        self.waiting.fetch_add(1, SeqCst);
        self.places.acquire().await.unwrap().forget();
    }

    /// Waits until so many handlers wait.
    pub(crate) fn wait_for(&self, handlers: usize) {
        poll("handlers at the gate", || (self.waiting.load(SeqCst) == handlers).then_some(()));
    }

    /// Lets all that wait go on.
    pub(crate) fn open(&self) {
        self.places.add_permits(self.waiting.swap(0, SeqCst));
    }
}

/// The running application; dropping it shuts it down.
pub(crate) struct App {
    pub(crate) gate: Arc<Gate>,
    address: SocketAddr,
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl App {
    /// On the store of a URL, with the defaults of everything else.
    pub(crate) fn at(url: &str) -> Self {
        Self::with(SessionConfig::new().store(url))
    }

    /// The same, patient with whatever the machine does beside.
    pub(crate) fn patient(url: &str) -> Self {
        Self::with(SessionConfig::new().store(url).deadline(BOUNDED))
    }

    pub(crate) fn with(config: SessionConfig) -> Self {
        Self::launch(application().attach(fairing().config(config)))
    }

    /// On a store over the pool that the handlers use, too.
    pub(crate) fn sharing(pool: Pool, store: impl Store, config: SessionConfig) -> Self {
        Self::launch(
            application().manage(pool).mount("/", routes![holding]).attach(fairing().store(store).config(config)),
        )
    }

    fn launch(rocket: Rocket<Build>) -> Self {
        let gate = Arc::new(Gate::new());
        let (send, receive) = mpsc::channel();
        let says_where = AdHoc::on_liftoff("where", move |rocket| {
            send.send((rocket.config().port, rocket.shutdown())).unwrap();
            Box::pin(async {})
        });
        let rocket = rocket.manage(Arc::clone(&gate)).attach(says_where);
        let thread = thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
            // Rocket panics if a launch error is dropped unread. The caller reports a failed launch, and a shutdown
            // without grace leaves connections open.
            let _ = runtime.block_on(rocket.launch()).map_err(|error| error.kind().to_string());
        });
        let (port, shutdown) = receive.recv().expect("the application should launch");
        Self { gate, address: ([127, 0, 0, 1], port).into(), shutdown, thread: Some(thread) }
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address).unwrap()
    }

    #[track_caller]
    pub(crate) fn ask(&self, request: &Request) -> Answer {
        self.connect().ask(request).unwrap_or_else(|error| panic!("no answer to {request:?}: {error}"))
    }

    /// Sends a request, and gives the connection on which its answer will come.
    pub(crate) fn send(&self, request: &Request) -> Connection {
        let mut connection = self.connect();
        connection.send(&request.bytes()).unwrap();
        connection
    }

    /// A new visitor who has counted once.
    #[track_caller]
    pub(crate) fn visitor(&self) -> Cookie {
        self.ask(&Request::post("/do/add")).expect(200).new_cookie()
    }

    #[track_caller]
    pub(crate) fn shown(&self, cookie: &Cookie) -> Shown {
        self.ask(&show(cookie)).expect_silent(200).json()
    }

    #[track_caller]
    pub(crate) fn count(&self, cookie: &Cookie) -> u64 {
        self.shown(cookie).0
    }

    /// Reads until there is an answer: nothing is started anew but what the test starts.
    #[track_caller]
    pub(crate) fn shown_at_last(&self, cookie: &Cookie) -> Shown {
        self.at_last(&show(cookie)).expect_silent(200).json()
    }

    /// Asks until the answer is not a 503. Each 503 must state a time to retry.
    #[track_caller]
    pub(crate) fn at_last(&self, request: &Request) -> Answer {
        poll("an answer that the store is needed for", || {
            let answer = self.ask(request);
            if answer.status == 503 {
                answer.expect_unavailable();
                thread::sleep(Duration::from_millis(20));
                return None;
            }
            Some(answer)
        })
    }

    /// Asks so many times at once, on connections that are open before.
    pub(crate) fn at_once(&self, count: usize, request: impl Fn(usize) -> Request + Sync) -> Vec<(Answer, Duration)> {
        let connections: Vec<Connection> = (0..count).map(|_| self.connect()).collect();
        let ask = |at: usize, mut connection: Connection| {
            let (request, start) = (request(at), Instant::now());
            let answer = connection.ask(&request).unwrap_or_else(|error| panic!("no answer: {error}"));
            (answer, start.elapsed())
        };
        let ask = &ask;
        thread::scope(|scope| {
            let numbered = connections.into_iter().enumerate();
            let clients: Vec<_> = numbered.map(|(at, connection)| scope.spawn(move || ask(at, connection))).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        })
    }

    /// A route without a guard works, whatever the store does.
    #[track_caller]
    pub(crate) fn assert_others_go_on(&self) {
        assert_eq!(self.ask(&Request::get("/ping")).expect_silent(200).text(), "pong");
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.shutdown.clone().notify();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(crate) fn show(cookie: &Cookie) -> Request {
    Request::get("/show").cookie(cookie)
}

/// One change, at once.
pub(crate) fn change(what: &str, cookie: &Cookie) -> Request {
    Request::post(format!("/do/{what}")).cookie(cookie)
}

/// One change whose handler waits at the gate.
pub(crate) fn slow(what: &str, cookie: &Cookie) -> Request {
    Request::post(format!("/do/{what}?wait=true")).cookie(cookie)
}

/// The body of the answer to a change.
pub(crate) const DONE: &str = "the handler is done";

fn fairing() -> session_runtime::SessionFairing {
    Sessions::fairing::<(Basket, History)>()
}

fn application() -> Rocket<Build> {
    rocket::custom(quiet_config()).mount("/", routes![ping, show_basket, act, set_pref, fill, history])
}

#[get("/ping")]
fn ping() -> &'static str {
    "pong"
}

#[get("/show")]
fn show_basket(basket: &Basket) -> Json<Shown> {
    Json((*basket.count(), basket.user().clone(), basket.prefs().clone()))
}

#[post("/do/<what>?<wait>")]
async fn act(
    what: &str,
    wait: bool,
    mut basket: Session<'_, Basket>,
    session: &SessionHandle,
    gate: &State<Arc<Gate>>,
) -> Result<&'static str, Status> {
    match what {
        "add" => *basket.count_mut() += 1,
        "login" => basket.set_user("anna".into()),
        "renew" => session.renew(),
        "logout" => session.destroy(),
        _ => return Err(Status::NotFound),
    }
    if wait {
        gate.pass().await;
    }
    Ok(DONE)
}

#[post("/pref/<name>/<value>")]
fn set_pref(name: String, value: String, mut basket: Session<Basket>) {
    basket.prefs_mut().insert(name, value);
}

/// 100 KB that no compression makes less of.
#[post("/fill/<seed>")]
fn fill(seed: u64, mut history: Session<History>) {
    let mut random = Random::from(seed);
    let letters = std::iter::repeat_with(|| char::from(b'0' + random.next().to_le_bytes()[0] % 42));
    history.set_pages(letters.take(100 * 1024).collect());
}

#[get("/history")]
fn history(history: &History) -> String {
    history.pages().len().to_string()
}

/// Saves while it has a connection of the pool that the store takes its own from.
#[post("/holding")]
async fn holding(pool: &State<Pool>, mut basket: Session<'_, Basket>) -> Result<&'static str, SessionError> {
    let held = pool.get().await;
    *basket.count_mut() += 1;
    basket.save().await?;
    drop(held);
    Ok(DONE)
}
