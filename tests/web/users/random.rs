//! Random handlers in which users come and go: no later session holds a value of a user's session.
//!
//! Each write of a case has a number of its own, below 64. A text that it writes holds the number in angle brackets, and a
//! sum gets the bit of that number. The numbers found in the record of a user may be found in no other record, nor in a
//! guard or snapshot of a request that has left that record. `lasting` schemas are not looked at. More cases:
//! `PROPTEST_CASES=100000`.

mod schemas;
mod steps;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use session_runtime::clock::Timestamp;
use session_runtime::cookie::CookieCommand;
use session_runtime::record::Record;
use session_runtime::{ErrorKind, MemoryStore, SessionError, SessionKey, Sessions, Store, Visit};

use schemas::{Auth, Cart, Look, Numbers, Orders, Staff, Written, numbers_in};
use steps::{Held, Round, Step, round};

/// One browser and its application.
struct Trial {
    store: Arc<MemoryStore>,
    sessions: Sessions,
    cookie: Option<String>,
    next_number: u32,
    /// All sessions that were ever stored.
    lives: BTreeMap<SessionKey, Life>,
}

/// Numbers and users that the record of a session has held so far.
#[derive(Default)]
struct Life {
    numbers: Numbers,
    users: [Option<String>; 2],
    had_user: bool,
}

/// A request that is in flight.
struct Tab<'v> {
    visit: &'v Visit,
    held: Held<'v>,
    /// Numbers of a visitor's session that another request has logged in: the next record of this request may hold them.
    of_visitor: Numbers,
    /// Numbers in transient fields, by guards that have ended.
    scratch: Numbers,
    /// Numbers in transient fields of before the user went.
    forgotten: Numbers,
    /// Another request has ended the session, or logged it in: this one goes on showing what it knew.
    overtaken: bool,
    finished: bool,
}

impl Trial {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let sessions = Sessions::builder().store(store.clone()).schemas::<(Auth, Staff, Cart, Orders, Look)>();
        let sessions = sessions.build().unwrap();
        Self { store, sessions, cookie: None, next_number: 0, lives: BTreeMap::new() }
    }

    async fn run(&mut self, rounds: &[Round]) {
        for round in rounds {
            self.round(round).await;
        }
    }

    /// One request, or two of the same browser that overlap.
    async fn round(&mut self, round: &Round) {
        let visits = [(); 2].map(|()| self.sessions.open(self.cookie.as_deref()));
        let mut tabs = visits.each_ref().map(Tab::new);
        for (second, step) in &round.steps {
            let at = usize::from(*second && round.two);
            if tabs[at].finished {
                continue;
            }
            if let Step::Finish { failed } = step {
                self.finish(&mut tabs, at, *failed).await;
            } else {
                self.step(&mut tabs, at, step, round.two).await;
            }
        }
        for at in 0..=usize::from(round.two) {
            if !tabs[at].finished {
                self.finish(&mut tabs, at, round.failed).await;
            }
        }
    }

    async fn step(&mut self, tabs: &mut [Tab<'_>; 2], at: usize, step: &Step, two: bool) {
        let tab = &mut tabs[at];
        let (user, scratch) = (self.user_of(tab.visit), tab.scratch);
        let mut written = Written::new(self.next_number);
        let saved = tab.held.step(tab.visit, step, two, &mut written).await;
        self.next_number += 1;
        if written.opened.is_some() {
            tab.scratch |= written.scratch;
        }
        if !two && user.is_some() && user != self.user_of(tab.visit) && !matches!(step, Step::Destroy) {
            tab.forgotten |= scratch;
        }
        tab.check_error(saved.err().as_ref());
        if let Some((key, seen)) = written.opened {
            self.check_seen(&tabs[at], key, seen);
        }
        self.check_records(tabs, at).await;
        self.check_loaded(&tabs[at]);
    }

    async fn finish(&mut self, tabs: &mut [Tab<'_>; 2], at: usize, failed: bool) {
        tabs[at].held = Held::default();
        tabs[at].finished = true;
        let finished = tabs[at].visit.finish(if failed { 500 } else { 200 }).await;
        match finished.cookie {
            CookieCommand::Set(line) => self.cookie = line.split(';').next().map(str::to_owned),
            CookieCommand::Remove(_) => self.cookie = None,
            CookieCommand::Keep => {}
        }
        tabs[at].check_error(finished.error.as_ref());
        self.check_records(tabs, at).await;
        self.check_loaded(&tabs[at]);
    }

    /// The session that the request goes on from, if it is a user's.
    fn user_of(&self, visit: &Visit) -> Option<SessionKey> {
        visit.key().filter(|key| self.lives.get(key).is_some_and(|life| life.had_user))
    }

    /// The numbers of all users' sessions but this one.
    fn of_others(&self, own: Option<SessionKey>) -> Numbers {
        let others = self.lives.iter().filter(|(key, life)| life.had_user && Some(**key) != own);
        others.fold(0, |all, (_, life)| all | life.numbers)
    }

    fn check_loaded(&self, tab: &Tab<'_>) {
        self.check_seen(tab, tab.visit.key(), loaded(tab.visit));
        let (auth, cart) = (tab.visit.loaded::<Auth>(), tab.visit.loaded::<Cart>());
        let scratch = auth.map_or(0, Auth::scratch_numbers) | cart.map_or(0, Cart::scratch_numbers);
        assert_eq!(scratch & tab.forgotten, 0, "a transient field shows a value of another user");
    }

    /// `key`: the session that the request goes on from.
    fn check_seen(&self, tab: &Tab<'_>, key: Option<SessionKey>, seen: Numbers) {
        if key.is_none() && tab.overtaken {
            return;
        }
        let own = key.and_then(|key| self.lives.get(&key)).map_or(0, |life| life.numbers);
        let forbidden = self.of_others(key) & !own & !tab.of_visitor;
        assert_eq!(seen & forbidden, 0, "a guard shows a value of another user");
    }

    /// The request `at` has changed what is stored, if anything has.
    async fn check_records(&mut self, tabs: &mut [Tab<'_>; 2], at: usize) {
        let stored = self.store.scan(None, 100, Timestamp::from_millis(0)).await.unwrap().sessions;
        let is_stored = |key| stored.iter().any(|(stored, _)| *stored == key);
        for tab in tabs.iter_mut() {
            tab.overtaken |= tab.visit.key().is_some_and(|key| !is_stored(key));
        }
        for (key, record) in stored {
            let (numbers, users) = (stored_numbers(&record), users(&record));
            let others = self.of_others(Some(key));
            let is_new = !self.lives.contains_key(&key);
            let life = self.lives.entry(key).or_default();
            let allowed = if is_new { std::mem::take(&mut tabs[at].of_visitor) } else { 0 };
            assert_eq!(numbers & !life.numbers & others & !allowed, 0, "a record holds a value of another user");
            let has_user = users.iter().any(Option::is_some);
            if has_user && !life.had_user && !is_new {
                tabs[1 - at].of_visitor |= life.numbers;
            }
            let stays = life.users.iter().zip(&users).all(|(before, now)| before.is_none() || before == now);
            assert!(stays, "a record has changed its user");
            life.numbers |= numbers;
            life.had_user |= has_user;
            life.users = users;
        }
    }
}

impl<'v> Tab<'v> {
    fn new(visit: &'v Visit) -> Self {
        Self {
            visit,
            held: Held::default(),
            of_visitor: 0,
            scratch: 0,
            forgotten: 0,
            overtaken: false,
            finished: false,
        }
    }

    /// A save may refuse an edit, or come after another request's login or logout.
    fn check_error(&mut self, error: Option<&SessionError>) {
        match error.map(SessionError::kind) {
            None | Some(ErrorKind::PreviousUser | ErrorKind::Rejected) => {}
            Some(ErrorKind::Renewed | ErrorKind::Gone) => self.overtaken = true,
            Some(_) => panic!("{error:?}"),
        }
    }
}

/// The numbers in everything that the request has loaded.
fn loaded(visit: &Visit) -> Numbers {
    let auth = visit.loaded::<Auth>().map_or(0, Auth::numbers);
    let staff = visit.loaded::<Staff>().map_or(0, Staff::numbers);
    let cart = visit.loaded::<Cart>().map_or(0, Cart::numbers);
    auth | staff | cart | visit.loaded::<Orders>().map_or(0, Orders::numbers)
}

fn stored_numbers(record: &Record) -> Numbers {
    let is_own = |name: &str| !name.starts_with("look") && name != "session.proof";
    let own = record.values.iter().filter(|(name, _)| is_own(name));
    own.fold(0, |all, (name, text)| {
        let is_sum = ["auth.level", "cart.visits"].contains(&&**name) || name.starts_with("cart.items/");
        all | if is_sum { text.parse::<u64>().unwrap() } else { numbers_in(name) | numbers_in(text) }
    })
}

fn users(record: &Record) -> [Option<String>; 2] {
    let user = |name| record.values.get(name).filter(|text| !["0", "null"].contains(text)).map(str::to_owned);
    [user("auth.user"), user("staff.operator")]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_of_one_user_reaches_the_next(rounds in prop::collection::vec(round(), 1..5)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(Trial::new().run(&rounds));
    }
}
