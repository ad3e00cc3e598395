//! An application of our own behind a socket, in this process: routes and stores that the shop does not have.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rocket::fairing::AdHoc;
use rocket::http::Status;
use rocket::response::stream::TextStream;
use rocket::serde::json::Json;
use rocket::{Build, Rocket, Shutdown, State, catchers, get, post, routes};
use session_runtime::testing::RecordingStore;
use session_runtime::{
    MemoryStore, PostgresStore, RedisStore, Session, SessionConfig, SessionHandle, Sessions, SqliteStore, Store,
};
use session_tests::http::{Answer, Connection, Request};
use session_tests::launch::quiet_config;
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::axum_app;
use crate::cross_site;
use crate::process::{Program, Storage};

#[derive(Session)]
#[session(key = "own", version = 1)]
pub(crate) struct Work {
    /// The requests so far, each with an entry of its own.
    #[session(merge = keys)]
    pub(crate) done: BTreeSet<u32>,
    #[session(merge = sum)]
    pub(crate) count: u64,
    /// In the order of saving.
    #[session(merge = with = append)]
    pub(crate) list: Vec<u32>,
    pub(crate) last: u32,
    #[session(renew)]
    pub(crate) user: Option<String>,
    #[session(redact)]
    pub(crate) secret: Option<String>,
}

#[expect(clippy::ptr_arg, reason = "the signature of a merge function")]
fn append(base: &Vec<u32>, theirs: &Vec<u32>, ours: Vec<u32>) -> Vec<u32> {
    let new = ours.into_iter().filter(|item| !base.contains(item));
    theirs.iter().copied().chain(new).collect()
}

/// The description of the application's store.
pub(crate) const STORE: &str = "a recording store at 192.0.2.1:7";

/// A recording store around this one, described as [`STORE`].
pub(crate) fn recording(store: impl Store) -> RecordingStore {
    RecordingStore::new(store).described(STORE)
}

/// A gate at which a handler waits in the middle.
#[derive(Default)]
pub(crate) struct Gate {
    pub(crate) reached: Notify,
    pub(crate) open: Notify,
    /// Number of handlers on axum that have reached the gate, and have neither ended nor been dropped.
    pub(crate) inside: AtomicUsize,
}

impl Gate {
    /// Counts a handler until the result is dropped.
    pub(crate) fn enter(&self) -> Inside<'_> {
        self.inside.fetch_add(1, SeqCst);
        Inside(self)
    }
}

/// A handler at a gate.
pub(crate) struct Inside<'g>(&'g Gate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, SeqCst);
    }
}

/// The running application; dropping it shuts it down.
pub(crate) struct TestApp {
    pub(crate) store: RecordingStore,
    pub(crate) gate: Arc<Gate>,
    address: SocketAddr,
    stop: Option<Box<dyn FnOnce() + Send + Sync>>,
    thread: Option<JoinHandle<()>>,
    _folder: TempDir,
}

impl TestApp {
    pub(crate) fn launch(storage: Storage, config: SessionConfig) -> Self {
        Self::launch_on(Program::chosen(), storage, config)
    }

    pub(crate) fn launch_on(program: Program, storage: Storage, config: SessionConfig) -> Self {
        let folder = TempDir::new().unwrap();
        let store = match storage {
            Storage::Memory => recording(MemoryStore::new()),
            Storage::Sqlite => recording(SqliteStore::open(folder.path().join("sessions.db")).unwrap()),
            Storage::Postgres => recording(PostgresStore::open(storage.server().unwrap()).unwrap()),
            Storage::Redis | Storage::Cluster => recording(RedisStore::open(storage.server().unwrap()).unwrap()),
        };
        let gate = Arc::new(Gate::default());
        let Started { port, stop, thread } = match program {
            Program::Rocket => launch(store.clone(), config, &gate),
            Program::Axum => axum_app::launch(store.clone(), config, &gate),
        };
        let address = ([127, 0, 0, 1], port).into();
        Self { store, gate, address, stop: Some(stop), thread: Some(thread), _folder: folder }
    }

    #[cfg(feature = "http2")]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address).unwrap()
    }

    #[track_caller]
    pub(crate) fn ask(&self, request: &Request) -> Answer {
        self.connect().ask(request).unwrap_or_else(|error| panic!("no answer to {request:?}: {error}"))
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An application that listens on this port.
pub(crate) struct Started {
    pub(crate) port: u16,
    pub(crate) stop: Box<dyn FnOnce() + Send + Sync>,
    pub(crate) thread: JoinHandle<()>,
}

/// Four threads for an application.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

fn launch(store: RecordingStore, config: SessionConfig, gate: &Arc<Gate>) -> Started {
    let (send, receive) = mpsc::channel();
    let where_it_is = AdHoc::on_liftoff("where", move |rocket| {
        send.send((rocket.config().port, rocket.shutdown())).unwrap();
        Box::pin(async {})
    });
    let fairing = Sessions::fairing::<Work>().store(store).config(config);
    let rocket = application().manage(Arc::clone(gate)).attach(fairing).attach(where_it_is);
    let thread = std::thread::spawn(|| {
        // The caller reports a failed launch.
        let _ = runtime().block_on(rocket.launch());
    });
    let (port, shutdown): (u16, Shutdown) = receive.recv().expect("the application should launch");
    Started { port, stop: Box::new(|| shutdown.notify()), thread }
}

fn application() -> Rocket<Build> {
    rocket::custom(quiet_config())
        .mount("/", routes![work, show, slow, stream, login, renew, logout, keep_secret, crash])
        .mount("/", cross_site::routes())
        .register("/", catchers![cross_site::forbidden])
}

/// Leaves its number in every field.
#[post("/job/<number>")]
fn work(number: u32, mut session: Session<Work>) {
    session.done_mut().insert(number);
    *session.count_mut() += 1;
    session.list_mut().push(number);
    session.set_last(number);
}

#[get("/show")]
fn show(session: &Work) -> Json<(usize, u64, Vec<u32>, u32)> {
    Json((session.done().len(), *session.count(), session.list().clone(), *session.last()))
}

#[post("/slow")]
async fn slow(mut session: Session<'_, Work>, gate: &State<Arc<Gate>>) {
    *session.count_mut() += 1;
    gate.reached.notify_one();
    gate.open.notified().await;
}

/// Writes, and then answers with a stream that has an end only once the gate is open.
#[post("/stream")]
fn stream<'r>(mut session: Session<'_, Work>, gate: &'r State<Arc<Gate>>) -> TextStream![&'static str + 'r] {
    *session.count_mut() += 1;
    drop(session);
    TextStream! {
        yield "first";
        gate.open.notified().await;
        yield "last";
    }
}

#[post("/login/<user>")]
fn login(user: &str, mut session: Session<Work>) {
    session.set_user(user.into());
}

#[post("/renew")]
fn renew(session: &SessionHandle) {
    session.renew();
}

#[post("/logout")]
fn logout(session: &SessionHandle) {
    session.destroy();
}

#[post("/secret/<value>?<status>")]
fn keep_secret(value: &str, status: Option<u16>, mut session: Session<Work>) -> Status {
    session.set_secret(value.into());
    Status::new(status.unwrap_or(200))
}

#[post("/crash")]
fn crash(mut session: Session<Work>) {
    *session.count_mut() += 1;
    panic!("the handler panics");
}

/// Time enough for whatever the machine does beside.
pub(crate) fn patient() -> SessionConfig {
    SessionConfig::new().deadline(Duration::from_secs(60))
}
