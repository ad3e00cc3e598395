//! The application behind a port of its own, and a browser.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rocket::Shutdown;
use rocket::fairing::AdHoc;
use session_runtime::testing::ManualClock;
use session_runtime::{CookieConfig, CookieStore, SessionConfig, Sessions};
use session_tests::cookie::Cookie;
use session_tests::http::{Answer, Connection, Request};
use session_tests::launch::quiet_config;
use session_tests::log::Log;

use super::routes::{All, routes};

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A fresh key.
pub fn key() -> String {
    CookieStore::random_key().unwrap()
}

/// The settings of a site.
pub struct Plan {
    pub keys: Vec<String>,
    pub application: &'static str,
    pub cookie: CookieConfig,
    pub config: SessionConfig,
    pub clock: ManualClock,
}

impl Plan {
    pub fn new(keys: &[&str]) -> Self {
        Self {
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            application: "",
            cookie: CookieConfig::new(),
            config: SessionConfig::new().deadline(MINUTE),
            clock: ManualClock::new(),
        }
    }

    pub fn launch(&self) -> Site {
        Site::launch(self)
    }

    pub fn fairing(&self) -> session_runtime::SessionFairing {
        let store = CookieStore::new(&self.keys).unwrap().application(self.application);
        let config = self.config.clone().cookie(self.cookie.clone());
        Sessions::fairing::<All>().cookie_store(store).config(config).clock(self.clock.clone())
    }
}

/// The running application; dropping it shuts it down.
pub struct Site {
    pub clock: ManualClock,
    address: SocketAddr,
    shutdown: Shutdown,
    name: String,
    thread: Option<JoinHandle<()>>,
}

impl Site {
    fn launch(plan: &Plan) -> Self {
        static SITES: AtomicUsize = AtomicUsize::new(0);
        let name = format!("site {}", SITES.fetch_add(1, Ordering::Relaxed));
        let (send, receive) = mpsc::channel();
        let says_where = AdHoc::on_liftoff("where", move |rocket| {
            send.send((rocket.config().port, rocket.shutdown())).unwrap();
            Box::pin(async {})
        });
        let rocket = rocket::custom(quiet_config()).mount("/", routes()).attach(plan.fairing()).attach(says_where);
        let mut workers = tokio::runtime::Builder::new_multi_thread();
        let runtime = workers.worker_threads(2).thread_name(&name).enable_all().build().unwrap();
        let thread = std::thread::Builder::new().name(name.clone()).spawn(move || {
            // The caller reports a failed launch. A connection that is still open does not matter.
            if let Err(error) = runtime.block_on(rocket.launch()) {
                error.kind();
            }
        });
        let (port, shutdown) = receive.recv().expect("the application should launch");
        let address = ([127, 0, 0, 1], port).into();
        Self { clock: plan.clock.clone(), address, shutdown, name, thread: Some(thread.unwrap()) }
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.address).unwrap()
    }

    #[track_caller]
    pub fn ask(&self, request: &Request) -> Answer {
        self.connect().ask(request).unwrap_or_else(|error| panic!("no answer to {request:?}: {error}"))
    }

    /// The library's log lines of this site.
    pub fn log_lines(&self) -> Vec<String> {
        Log::listen().of_threads(&self.name)
    }

    pub fn browser(&self) -> Browser<'_> {
        Browser { site: self, cookie: None }
    }

    /// A browser that has this cookie.
    pub fn browser_with(&self, cookie: &Cookie) -> Browser<'_> {
        Browser { site: self, cookie: Some(cookie.clone()) }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shutdown.clone().notify();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Keeps the one cookie as browsers do.
pub struct Browser<'s> {
    site: &'s Site,
    pub cookie: Option<Cookie>,
}

impl Browser<'_> {
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path))
    }

    #[track_caller]
    pub fn post(&mut self, path: &str) -> Answer {
        self.send(Request::post(path))
    }

    #[track_caller]
    fn send(&mut self, request: Request) -> Answer {
        let request = match &self.cookie {
            Some(cookie) => request.cookie(cookie),
            None => request,
        };
        let answer = self.site.ask(&request);
        for line in answer.set_cookies() {
            let cookie = Cookie::of(line);
            self.cookie = (!line.contains("Max-Age=0")).then_some(cookie);
        }
        answer
    }

    #[track_caller]
    pub fn cookie(&self) -> Cookie {
        self.cookie.clone().expect("the browser has a session cookie")
    }

    /// The cart, and who is logged in.
    #[track_caller]
    pub fn shown(&mut self) -> (String, String) {
        let cart = self.get("/cart").expect(200).text();
        (cart, self.get("/whoami").expect(200).text())
    }
}

/// The pages of a visitor without a session.
pub fn anonymous() -> (String, String) {
    ("{}".into(), "anonymous".into())
}
