//! Random requests of two browsers, up to three in flight at once, on both stores, against a plain model of sessions.
//!
//! The model predicts the values of every guard, the answer and the cookie of each request, and the stored data after
//! it: which write wins, and that none is lost. More cases: `PROPTEST_CASES=10000`.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use session_runtime::cookie::CookieCommand;
use session_runtime::expiry::TouchEvery;
use session_runtime::testing::ManualClock;
use session_runtime::visit::Finished;
use session_runtime::{Expiry, MemoryStore, Session, SessionConfig, SessionKey, Sessions, SqliteStore, Store, Visit};

mod merge;
mod model;

use self::merge::{Emptied, lasting};
use self::model::{Model, Out, Request, SessionStatus, Values};

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    coupon: Option<u8>,
    #[session(merge = sum)]
    visits: i64,
    #[session(merge = keys(sum))]
    items: BTreeMap<u8, u32>,
    #[session(merge = reject)]
    address: Option<u8>,
}

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(renew)]
    user: Option<u8>,
}

/// Carried over into the session of the next user.
#[derive(Session)]
#[session(key = "prefs", version = 1, lasting)]
struct Prefs {
    language: Option<u8>,
}

const IDLE: i64 = 100;
const ABSOLUTE: i64 = 250;
const GRACE: i64 = 10;

#[derive(Clone, Debug)]
enum Step {
    Open { request: usize, browser: usize },
    Read(usize),
    Write { request: usize, edit: Edit },
    Renew(usize),
    Destroy(usize),
    Restart(usize),
    Expire { request: usize, seconds: i64 },
    Finish { request: usize, failed: bool },
    Pass(i64),
    Sweep,
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum Edit {
    Coupon(Option<u8>),
    Visits(i8),
    Item(u8, u32),
    NoItem(u8),
    Address(Option<u8>),
    User(Option<u8>),
    Language(Option<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let small = || prop::option::of(1..4_u8);
    let edit = prop_oneof![
        1 => small().prop_map(Edit::Coupon),
        4 => (-2..3_i8).prop_map(Edit::Visits),
        3 => (0..3_u8, 0..4_u32).prop_map(|(item, count)| Edit::Item(item, count)),
        2 => (0..3_u8).prop_map(Edit::NoItem),
        1 => small().prop_map(Edit::Address),
        2 => prop::option::weighted(0.6, 1..3_u8).prop_map(Edit::User),
        1 => small().prop_map(Edit::Language),
    ];
    let request = || 0..3_usize;
    // Multiples of five seconds, so that a deadline is often met to the millisecond.
    let fives = |most: i64| (1..=most).prop_map(|fives| fives * 5);
    prop_oneof![
        8 => (request(), prop::bool::weighted(0.2)).prop_map(|(request, other)| Step::Open { request, browser: other.into() }),
        3 => request().prop_map(Step::Read),
        16 => (request(), edit).prop_map(|(request, edit)| Step::Write { request, edit }),
        1 => request().prop_map(Step::Renew),
        1 => request().prop_map(Step::Destroy),
        1 => request().prop_map(Step::Restart),
        1 => (request(), fives(80)).prop_map(|(request, seconds)| Step::Expire { request, seconds }),
        8 => (request(), prop::bool::weighted(0.1)).prop_map(|(request, failed)| Step::Finish { request, failed }),
        2 => prop_oneof![fives(2), fives(25)].prop_map(Step::Pass),
        1 => Just(Step::Sweep),
        1 => Just(Step::Reopen),
    ]
}

/// The library beside the model.
struct Trial<S, O> {
    open: O,
    store: std::marker::PhantomData<S>,
    sessions: Option<Sessions>,
    clock: ManualClock,
    model: Model,
    keys: BTreeMap<usize, SessionKey>,
    /// The cookie of each browser, with the session and the secret in it.
    browsers: [Option<(String, (usize, u32))>; 2],
    requests: [Option<(Visit, Request)>; 3],
}

impl<S: Store, O: Fn() -> S> Trial<S, O> {
    async fn new(open: O) -> Self {
        let mut trial = Self {
            open,
            store: std::marker::PhantomData,
            sessions: None,
            clock: ManualClock::new(),
            model: Model::default(),
            keys: BTreeMap::new(),
            browsers: [const { None }; 2],
            requests: [const { None }; 3],
        };
        trial.reopen().await;
        trial
    }

    /// Requests in flight do not survive it, and what they wrote is not stored.
    async fn reopen(&mut self) {
        let seconds = |seconds: i64| Duration::from_secs(seconds.unsigned_abs());
        self.requests = [const { None }; 3];
        self.sessions = None;
        let config = SessionConfig::new().idle(seconds(IDLE)).absolute(seconds(ABSOLUTE)).renew_grace(seconds(GRACE));
        let config = config.touch_every(TouchEvery::Off).deadline(Duration::from_secs(60));
        let sessions = Sessions::builder().store((self.open)()).config(config).clock(self.clock.clone());
        self.sessions = Some(sessions.schemas::<(Cart, Auth, Prefs)>().build().unwrap());
        self.ask_for_all().await;
    }

    /// Makes requests of each kind load all schemas at once, as in the model: others have asked for all of them.
    async fn ask_for_all(&self) {
        let unknown = format!("{}={}", self.sessions().cookie_name(), "A".repeat(43));
        for first in 0..3 {
            let visit = self.sessions().open([unknown.as_str()]);
            for schema in [first, 0, 1, 2] {
                match schema {
                    0 => _ = visit.read::<Cart>().await.unwrap(),
                    1 => _ = visit.read::<Auth>().await.unwrap(),
                    _ => _ = visit.read::<Prefs>().await.unwrap(),
                }
            }
            visit.finish(200).await;
        }
    }

    fn sessions(&self) -> &Sessions {
        self.sessions.as_ref().unwrap()
    }

    async fn run(&mut self, step: &Step) {
        match *step {
            Step::Open { request, browser } => self.open(request, browser),
            Step::Read(request) => self.read(request).await,
            Step::Write { request, edit } => self.write(request, edit).await,
            Step::Renew(request) => {
                if let Some((visit, request)) = &mut self.requests[request] {
                    visit.renew();
                    request.renew = true;
                }
            }
            Step::Destroy(request) => {
                if let Some((visit, request)) = &mut self.requests[request] {
                    visit.destroy();
                    (request.destroy, request.renew, request.expire) = (true, false, None);
                    (request.starts_over, request.restart, request.refused) = (false, false, false);
                    request.values = Values::default();
                }
            }
            Step::Restart(request) => {
                if let Some((visit, request)) = &mut self.requests[request] {
                    visit.restart();
                    if !request.destroy {
                        (request.starts_over, request.restart, request.refused) = (true, true, false);
                        request.values = lasting(&request.values);
                    }
                }
            }
            Step::Expire { request, seconds } => {
                if let Some((visit, request)) = &mut self.requests[request] {
                    visit.set_expiry(Expiry::After(Duration::from_secs(seconds.unsigned_abs())));
                    request.expire = Some(seconds);
                }
            }
            Step::Finish { request, failed } => self.finish(request, failed).await,
            Step::Pass(seconds) => {
                self.clock.advance(Duration::from_secs(seconds.unsigned_abs()));
                self.model.now += seconds;
            }
            Step::Sweep => {
                let (before, now) = (self.model.sessions.len(), self.model.now);
                self.model.sessions.retain(|_, stored| stored.expires > now - 60);
                let removed = self.sessions().sweep().await.unwrap();
                assert_eq!(usize::try_from(removed).unwrap(), before - self.model.sessions.len());
            }
            Step::Reopen => self.reopen().await,
        }
    }

    /// Unless that one is still in flight.
    fn open(&mut self, request: usize, browser: usize) {
        if self.requests[request].is_some() {
            return;
        }
        let held = self.browsers[browser].as_ref();
        let visit = self.sessions().open(held.map(|(cookie, _)| cookie.as_str()));
        let cookie = held.map(|(_, cookie)| *cookie);
        let status = if cookie.is_some() { SessionStatus::Unread } else { SessionStatus::Anonymous };
        let (values, now) = (Values::default(), self.model.now);
        let (renew, destroy, starts_over, restart, refused) = (false, false, false, false, false);
        let model = Request {
            browser,
            now,
            cookie,
            status,
            values,
            renew,
            destroy,
            expire: None,
            starts_over,
            restart,
            refused,
            emptied: Emptied::default(),
        };
        self.requests[request] = Some((visit, model));
    }

    async fn read(&mut self, request: usize) {
        let Some((visit, request)) = &mut self.requests[request] else { return };
        self.model.load(request);
        let (cart, auth) = (visit.read::<Cart>().await.unwrap(), visit.read::<Auth>().await.unwrap());
        let prefs = visit.read::<Prefs>().await.unwrap();
        assert_eq!(values(cart, auth, prefs), request.values);
    }

    async fn write(&mut self, request: usize, edit: Edit) {
        let Some((visit, request)) = &mut self.requests[request] else { return };
        // What has been ended is not loaded for its own sake.
        if !request.starts_over || matches!(edit, Edit::Language(_)) {
            self.model.load(request);
        }
        let mut seen = request.values.clone();
        if let Edit::User(user) = edit {
            *visit.write::<Auth>().await.unwrap().user_mut() = user;
            if let SessionStatus::Live(_, loaded) = request.status.clone()
                && !request.starts_over
                && !request.destroy
                && loaded.values.user.is_some_and(|before| Some(before) != user)
            {
                request.leave(&loaded.values);
                seen = request.values.clone();
            }
            seen.user = user;
        } else if let Edit::Language(language) = edit {
            *visit.write::<Prefs>().await.unwrap().language_mut() = language;
            seen.language = language;
        } else {
            let mut cart = visit.write::<Cart>().await.unwrap();
            request.emptied.note(edit);
            match edit {
                Edit::Coupon(coupon) => (*cart.coupon_mut(), seen.coupon) = (coupon, coupon),
                Edit::Visits(more) => {
                    *cart.visits_mut() += i64::from(more);
                    seen.visits += i64::from(more);
                }
                Edit::Item(item, count) => {
                    cart.items_mut().insert(item, count);
                    seen.items.insert(item, count);
                }
                Edit::NoItem(item) => {
                    cart.items_mut().remove(&item);
                    seen.items.remove(&item);
                }
                Edit::Address(address) => (*cart.address_mut(), seen.address) = (address, address),
                Edit::User(_) | Edit::Language(_) => {}
            }
        }
        // What is written after `destroy` has nowhere to go.
        if !request.destroy {
            request.values = seen;
        }
    }

    async fn finish(&mut self, request: usize, failed: bool) {
        let Some((visit, request)) = self.requests[request].take() else { return };
        let browser = request.browser;
        let finished = visit.finish(if failed { 500 } else { 200 }).await;
        let (out, error) = self.model.finish(request, failed);
        assert_eq!(finished.error.as_ref().map(session_runtime::SessionError::kind), error);
        self.check_cookie(browser, &visit, &finished, &out);
        self.compare().await;
    }

    /// The browser takes what comes, and remembers which session that is.
    fn check_cookie(&mut self, browser: usize, visit: &Visit, finished: &Finished, out: &Out) {
        let pair = |header: &str| header.split(';').next().unwrap().to_owned();
        match (&finished.cookie, out) {
            (CookieCommand::Keep, Out::Keep) => {}
            // Another `Max-Age` for the id that the browser has.
            (CookieCommand::Set(header), Out::Keep) => {
                assert!(header.contains("Max-Age"), "{out:?}");
                let known = visit.key();
                assert!(self.keys.values().any(|key| Some(*key) == known));
            }
            (CookieCommand::Set(header), Out::New(session) | Out::Renewed(session)) => {
                let key = visit.key().unwrap();
                let known = self.keys.insert(*session, key);
                assert_eq!(known, matches!(out, Out::Renewed(_)).then_some(key));
                let secret = self.model.sessions[session].secret;
                self.browsers[browser] = Some((pair(header), (*session, secret)));
            }
            (CookieCommand::Remove(_), Out::Remove) => self.browsers[browser] = None,
            (cookie, _) => panic!("{cookie:?} instead of {out:?}"),
        }
    }

    /// Every session of the past equals the model or is gone.
    async fn compare(&mut self) {
        let now = self.model.now;
        for (session, key) in &self.keys {
            let cart = self.sessions().read::<Cart>(key).await.unwrap();
            let auth = self.sessions().read::<Auth>(key).await.unwrap();
            let prefs = self.sessions().read::<Prefs>(key).await.unwrap();
            let stored = cart.zip(auth).zip(prefs).map(|((cart, auth), prefs)| values(&cart, &auth, &prefs));
            let expected = self.model.sessions.get(session).filter(|stored| now < stored.expires);
            assert_eq!(stored.as_ref(), expected.map(|stored| &stored.values), "session {session}");
        }
    }
}

fn values(cart: &Cart, auth: &Auth, prefs: &Prefs) -> Values {
    let (coupon, address) = (*cart.coupon(), *cart.address());
    Values {
        coupon,
        visits: *cart.visits(),
        items: cart.items().clone(),
        address,
        user: *auth.user(),
        language: *prefs.language(),
    }
}

fn check<S: Store>(open: impl Fn() -> S, steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut trial = Trial::new(open).await;
        for step in steps {
            trial.run(step).await;
        }
    });
}

proptest! {
    /// C76: every guard, answer and record is the model's.
    #[test]
    fn visits_in_memory_follow_the_model(steps in prop::collection::vec(step(), 1..120)) {
        let store = std::sync::Arc::new(MemoryStore::new());
        check(|| store.clone(), &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, ..ProptestConfig::default() })]

    /// C76: every guard, answer and record is the model's.
    #[test]
    fn visits_in_sqlite_follow_the_model(steps in prop::collection::vec(step(), 1..120)) {
        let folder = tempfile::tempdir().unwrap();
        check(|| SqliteStore::open(folder.path().join("sessions.db")).unwrap(), &steps);
    }
}
