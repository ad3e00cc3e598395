//! One user after another in one browser: nothing of the first reaches the second, but what is marked `lasting`.

mod carried;
mod clear;
mod deadlines;
mod open_guards;
mod races;
mod random;
mod refused;
mod restart;

use std::collections::{BTreeMap, BTreeSet};

use session_runtime::record::Values;
use session_runtime::testing::{ManualClock, RecordingStore};
use session_runtime::{CookieStore, ErrorKind, Schema, Session, SessionConfig, Sessions, Visit};

use crate::app::{Answer, Browser, patient};
use crate::store::recording_store;

#[derive(Session)]
#[session(key = "account", version = 1)]
pub struct Account {
    #[session(renew)]
    pub(crate) user: Option<String>,
    pub(crate) roles: Vec<String>,
    #[session(renew(keep))]
    pub(crate) level: u8,
    #[session(merge = sum)]
    pub(crate) points: i64,
    #[session(merge = keys)]
    pub(crate) rights: BTreeSet<String>,
    #[session(transient)]
    pub(crate) scratch: Option<String>,
}

#[derive(Session)]
#[session(key = "staff", version = 1)]
pub struct Staff {
    #[session(renew)]
    pub(crate) operator: Option<String>,
}

#[derive(Session)]
#[session(key = "basket", version = 1)]
pub struct Basket {
    #[session(merge = keys(sum))]
    pub(crate) items: BTreeMap<u32, u32>,
    #[session(merge = keys)]
    pub(crate) tags: BTreeSet<String>,
    pub(crate) notes: Vec<String>,
    #[session(merge = with = longest)]
    pub(crate) remark: String,
    #[session(merge = reject)]
    pub(crate) address: Option<String>,
    #[session(merge = sum)]
    pub(crate) visits: u32,
    #[session(transient)]
    pub(crate) scratch: Option<String>,
}

#[expect(clippy::ptr_arg, reason = "the signature of a merge function")]
fn longest(_base: &String, theirs: &String, ours: String) -> String {
    if theirs.len() > ours.len() { theirs.clone() } else { ours }
}

/// Fetched only when a guard asks for it.
#[derive(Session)]
#[session(key = "orders", version = 1, lazy)]
pub struct Orders {
    pub(crate) pages: Vec<String>,
}

#[derive(Session)]
#[session(key = "look", version = 1, lasting)]
pub struct Look {
    pub(crate) language: Option<String>,
    #[session(merge = keys)]
    pub(crate) settings: BTreeMap<String, u32>,
    #[session(merge = reject)]
    pub(crate) theme: Option<String>,
}

#[derive(Session)]
#[session(key = "notices", version = 1, lasting, lazy)]
pub struct Notices {
    pub(crate) lines: Vec<String>,
}

pub type All = (Account, Staff, Basket, Orders, Look, Notices);

/// The sessions of an application, in a store or in the cookie.
pub struct Site {
    sessions: Sessions,
    store: Option<RecordingStore>,
    clock: ManualClock,
}

impl Site {
    fn served() -> Self {
        Self::served_with(patient())
    }

    fn served_with(config: SessionConfig) -> Self {
        let (store, clock) = (recording_store(), ManualClock::new());
        let builder = Sessions::builder().store(store.clone()).config(config).clock(clock.clone());
        Self { sessions: builder.schemas::<All>().build().unwrap(), store: Some(store), clock }
    }

    fn in_cookie_with(config: SessionConfig) -> Self {
        let (store, clock) = (CookieStore::new([CookieStore::random_key().unwrap()]).unwrap(), ManualClock::new());
        let builder = Sessions::builder().cookie_store(store).config(config).clock(clock.clone());
        Self { sessions: builder.schemas::<All>().build().unwrap(), store: None, clock }
    }

    /// One whose sessions are in a store, and one whose sessions are in cookies.
    fn both() -> [Self; 2] {
        [Self::served(), Self::in_cookie_with(patient())]
    }

    fn both_with(config: &SessionConfig) -> [Self; 2] {
        [Self::served_with(config.clone()), Self::in_cookie_with(config.clone())]
    }

    fn store(&self) -> &RecordingStore {
        self.store.as_ref().unwrap()
    }

    fn open(&self, browser: &Browser) -> Visit {
        let line = browser.0.as_ref().map(|id| format!("{}={id}", self.sessions.cookie_name()));
        self.sessions.open(line.as_deref())
    }

    async fn close(&self, visit: Visit, browser: &mut Browser) -> Option<ErrorKind> {
        self.close_as(200, visit, browser).await
    }

    async fn close_as(&self, status: u16, visit: Visit, browser: &mut Browser) -> Option<ErrorKind> {
        let finished = visit.finish(status).await;
        let set_cookie = finished.cookie.header().map(str::to_owned).into_iter().collect();
        browser.take(&Answer { status, body: String::new(), set_cookie, headers: Vec::new() });
        finished.error.map(|error| error.kind())
    }

    /// A whole request that edits one schema.
    async fn edit<S: Schema>(&self, browser: &mut Browser, edit: impl FnOnce(&mut S::Mut)) {
        let visit = self.open(browser);
        edit(&mut *visit.write::<S>().await.unwrap());
        assert_eq!(self.close(visit, browser).await, None);
    }

    /// A browser in which Ada is logged in, with something in every field.
    async fn of_ada(&self) -> Browser {
        let mut browser = Browser::default();
        let visit = self.open(&browser);
        {
            let mut account = visit.write::<Account>().await.unwrap();
            account.set_user("ada".into());
            account.set_roles(vec!["admin".into()]);
            account.set_level(1);
            account.set_points(100);
            let mut basket = visit.write::<Basket>().await.unwrap();
            basket.set_items([(7, 2), (8, 1)].into());
            basket.set_tags(["gift".to_owned()].into());
            basket.set_notes(vec!["ada's note".into()]);
            basket.set_remark("ada's remark".into());
            basket.set_address("ada's street".into());
            basket.set_visits(5);
            visit.write::<Orders>().await.unwrap().set_pages(vec!["ada's order".into()]);
            let mut look = visit.write::<Look>().await.unwrap();
            look.set_language("de".into());
            look.settings_mut().insert("size".into(), 12);
            visit.write::<Notices>().await.unwrap().set_lines(vec!["welcome".into()]);
        }
        assert_eq!(self.close(visit, &mut browser).await, None);
        browser
    }

    async fn user(&self, browser: &Browser) -> Option<String> {
        self.open(browser).read::<Account>().await.unwrap().user().clone()
    }

    async fn language(&self, browser: &Browser) -> Option<String> {
        self.open(browser).read::<Look>().await.unwrap().language().clone()
    }

    /// All that is stored for the browser.
    async fn values(&self, browser: &Browser) -> Values {
        let visit = self.open(browser);
        visit.load().await.unwrap();
        match visit.key() {
            Some(key) => self.store().record(key).await.unwrap().values,
            None => Values::new(),
        }
    }
}

/// The stored keys that do not belong to a lasting schema, without the proof of the login.
fn not_lasting(values: &Values) -> Vec<(&str, &str)> {
    let lasting = |name: &str| ["look", "notices", "session"].iter().any(|key| name.split('.').next() == Some(key));
    values.iter().filter(|(name, _)| !lasting(name)).map(|(name, text)| (&**name, &**text)).collect()
}

/// The obvious logout, in all its spellings, and another user after it.
#[rocket::async_test]
async fn after_a_logout_by_field_the_next_user_has_nothing_of_the_first() {
    let logouts: [fn(&mut AccountMut); 4] = [
        |account| drop(account.take_user()),
        AccountMut::clear_user,
        |account| *account.user_mut() = None,
        |account| account.update(|account| account.user = None),
    ];
    for site in Site::both() {
        for (at, logout) in logouts.into_iter().enumerate() {
            let mut browser = site.of_ada().await;
            let first = browser.clone();
            site.edit::<Account>(&mut browser, logout).await;
            assert_eq!(site.user(&browser).await, None, "logout {at}");
            let visit = site.open(&browser);
            assert_eq!(visit.read::<Basket>().await.unwrap().items().len(), 0, "logout {at}");
            assert_eq!(visit.read::<Orders>().await.unwrap().pages().len(), 0, "logout {at}");
            assert_eq!(visit.read::<Account>().await.unwrap().roles().len(), 0, "logout {at}");
            site.edit::<Account>(&mut browser, |account| account.set_user("bob".into())).await;
            assert_eq!(site.language(&browser).await.as_deref(), Some("de"), "logout {at}");
            if let Some(store) = &site.store {
                let account = [("account", r#"{"v":1}"#), ("account.user", r#""bob""#)];
                assert_eq!(not_lasting(&site.values(&browser).await), account, "logout {at}");
                assert_eq!(site.user(&first).await, None, "logout {at}");
                let left = store.all().await.len();
                assert_eq!(left, at + 1, "logout {at}: one record for each browser");
            }
        }
    }
}

/// The setter of the user is seen by the guard itself, by guards opened later, and by readers.
#[rocket::async_test]
async fn after_the_setter_of_another_user_the_other_fields_are_defaults() {
    for site in Site::both() {
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        visit.write::<Account>().await.unwrap().set_scratch("ada's".into());
        visit.write::<Basket>().await.unwrap().set_scratch("ada's".into());
        {
            let mut account = visit.write::<Account>().await.unwrap();
            assert_eq!(account.scratch().as_deref(), Some("ada's"));
            account.set_user("bob".into());
            assert!(account.roles().is_empty() && account.scratch().is_none());
            assert_eq!((*account.points(), *account.level()), (0, 0));
            account.roles_mut().push("user".into());
            *account.points_mut() += 1;
        }
        {
            let mut basket = visit.write::<Basket>().await.unwrap();
            assert!(basket.items().is_empty() && basket.notes().is_empty() && basket.scratch().is_none());
            basket.notes_mut().push("bob's".into());
            *basket.items_mut().entry(7).or_default() += 1;
        }
        assert_eq!(visit.read::<Basket>().await.unwrap().address(), &None);
        assert!(visit.read::<Orders>().await.unwrap().pages().is_empty());
        assert_eq!(visit.read::<Look>().await.unwrap().language().as_deref(), Some("de"));
        assert_eq!(site.close(visit, &mut browser).await, None);
        let visit = site.open(&browser);
        let account = visit.read::<Account>().await.unwrap();
        assert_eq!((account.user().as_deref(), account.roles().as_slice()), (Some("bob"), &["user".to_owned()][..]));
        assert_eq!((*account.points(), *account.level()), (1, 0));
        let basket = visit.read::<Basket>().await.unwrap();
        assert_eq!((basket.items(), basket.notes().as_slice()), (&[(7, 1)].into(), &["bob's".to_owned()][..]));
        assert_eq!(visit.read::<Notices>().await.unwrap().lines().as_slice(), ["welcome"]);
    }
}

/// A set that is stored element by element and a transient field stay too, if they were set before the user.
#[rocket::async_test]
async fn entries_and_transient_values_set_before_the_user_are_kept() {
    for site in Site::both() {
        let mut browser = site.of_ada().await;
        site.edit::<Account>(&mut browser, |account| {
            account.set_rights(["read".to_owned()].into());
            account.set_scratch("bob's".into());
            account.set_user("bob".into());
            assert_eq!((account.rights().len(), account.scratch().as_deref()), (1, Some("bob's")));
        })
        .await;
        let visit = site.open(&browser);
        assert_eq!(visit.read::<Account>().await.unwrap().rights(), &["read".to_owned()].into());
    }
}

/// A guard that is held while another one stores the user does not hand on the transient fields either.
#[rocket::async_test]
async fn a_user_stored_after_the_guard_was_opened_leaves_no_transient_value() {
    for site in Site::both() {
        let mut browser = Browser::default();
        let visit = site.open(&browser);
        {
            let mut account = visit.write::<Account>().await.unwrap();
            account.set_user("ada".into());
            account.set_scratch("ada's".into());
        }
        let mut account = visit.write::<Account>().await.unwrap();
        visit.write::<Basket>().await.unwrap().save().await.unwrap();
        account.set_user("bob".into());
        account.save().await.unwrap();
        assert_eq!((account.user().as_deref(), account.scratch()), (Some("bob"), &None));
        drop(account);
        assert_eq!(visit.read::<Account>().await.unwrap().scratch(), &None);
        assert_eq!(site.close(visit, &mut browser).await, None);
    }
}

/// Free editing goes on from what the second user has, too.
#[rocket::async_test]
async fn free_editing_after_the_setter_stores_nothing_of_the_first_user() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    site.edit::<Account>(&mut browser, |account| {
        *account.user_mut() = Some("bob".into());
        account.update(|account| account.roles.push("user".into()));
    })
    .await;
    let account = [("account", r#"{"v":1}"#), ("account.roles", r#"["user"]"#), ("account.user", r#""bob""#)];
    assert_eq!(not_lasting(&site.values(&browser).await), account);
}

/// A whole field that is set counts, before the user's or after, even if the first user had the same.
#[rocket::async_test]
async fn fields_that_were_set_count_whenever_they_were_set() {
    for site in Site::both() {
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        {
            let mut basket = visit.write::<Basket>().await.unwrap();
            basket.set_items([(7, 2), (9, 3)].into());
            basket.set_notes(vec!["ada's note".into()]);
            basket.set_remark("mine".into());
        }
        {
            let mut account = visit.write::<Account>().await.unwrap();
            account.set_roles(vec!["admin".into()]);
            account.set_user("bob".into());
            account.set_points(100);
        }
        visit.write::<Basket>().await.unwrap().notes_mut().push("more".into());
        assert_eq!(site.close(visit, &mut browser).await, None);
        let visit = site.open(&browser);
        let basket = visit.read::<Basket>().await.unwrap();
        assert_eq!(basket.items(), &[(7, 2), (9, 3)].into());
        assert_eq!(basket.notes().as_slice(), ["ada's note", "more"]);
        assert_eq!((basket.remark().as_str(), *basket.visits(), basket.tags().len()), ("mine", 0, 0));
        let account = visit.read::<Account>().await.unwrap();
        assert_eq!(
            (account.roles().as_slice(), *account.points(), *account.level()),
            (&["admin".to_owned()][..], 100, 0)
        );
    }
}

/// The next user gets the difference of a sum, in a field or in an entry, and the added entries.
#[rocket::async_test]
async fn a_sum_carries_only_the_part_of_this_request() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let visit = site.open(&browser);
    {
        let mut basket = visit.write::<Basket>().await.unwrap();
        *basket.visits_mut() += 2;
        *basket.items_mut().entry(7).or_default() += 3;
        basket.items_mut().remove(&8);
        basket.tags_mut().insert("own".into());
    }
    {
        let mut account = visit.write::<Account>().await.unwrap();
        *account.points_mut() += 5;
        account.set_user("bob".into());
        *account.points_mut() += 1;
    }
    assert_eq!(*visit.read::<Basket>().await.unwrap().visits(), 2);
    assert_eq!(site.close(visit, &mut browser).await, None);
    let account = [("account", r#"{"v":1}"#), ("account.points", "6"), ("account.user", r#""bob""#)];
    let basket =
        [("basket", r#"{"v":1}"#), ("basket.items/7", "3"), ("basket.tags/own", "true"), ("basket.visits", "2")];
    assert_eq!(not_lasting(&site.values(&browser).await), [&account[..], &basket].concat());
}

/// One user goes and another kind of user comes, in one request.
#[rocket::async_test]
async fn two_user_fields_one_cleared_and_one_set_start_over() {
    for order in [false, true] {
        let site = Site::served();
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        for step in [order, !order] {
            if step {
                visit.write::<Account>().await.unwrap().clear_user();
            } else {
                visit.write::<Staff>().await.unwrap().set_operator("eve".into());
            }
        }
        assert_eq!(site.close(visit, &mut browser).await, None);
        let staff = [("staff", r#"{"v":1}"#), ("staff.operator", r#""eve""#)];
        assert_eq!(not_lasting(&site.values(&browser).await), staff);
    }
}

/// A logout that is saved, and a login after that in the same handler.
#[rocket::async_test]
async fn a_login_after_a_saved_logout_begins_a_fresh_session() {
    for site in Site::both() {
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        let mut basket = visit.write::<Basket>().await.unwrap();
        let mut account = visit.write::<Account>().await.unwrap();
        account.clear_user();
        account.save().await.unwrap();
        assert!(account.roles().is_empty());
        account.set_user("bob".into());
        account.roles_mut().push("user".into());
        basket.tags_mut().insert("own".into());
        drop((account, basket));
        assert_eq!(site.close(visit, &mut browser).await, None);
        let visit = site.open(&browser);
        let account = visit.read::<Account>().await.unwrap();
        assert_eq!((account.user().as_deref(), account.roles().as_slice()), (Some("bob"), &["user".to_owned()][..]));
        let basket = visit.read::<Basket>().await.unwrap();
        assert_eq!((basket.tags(), basket.items().len()), (&["own".to_owned()].into(), 0));
        assert_eq!(site.language(&browser).await.as_deref(), Some("de"));
    }
}

/// Another user in the work of an `update_now`, which runs again after a conflict.
#[rocket::async_test]
async fn another_user_by_update_now_begins_with_defaults() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let visit = site.open(&browser);
    let mut basket = visit.write::<Basket>().await.unwrap();
    let mut account = visit.write::<Account>().await.unwrap();
    let mut meanwhile = browser.clone();
    let mut runs = 0;
    let logged_in = account.update_now(|account| {
        runs += 1;
        account.set_user("bob".into());
        account.roles_mut().push("user".into());
    });
    let change = site.edit::<Look>(&mut meanwhile, |look| look.set_language("fr".into()));
    let (logged_in, ()) = site.store().before_write(logged_in, change).await;
    logged_in.unwrap();
    basket.visits_mut();
    *basket.visits_mut() += 1;
    drop((account, basket));
    assert_eq!(site.close(visit, &mut browser).await, None);
    assert_eq!(runs, 2, "the first run had read another record");
    let account = [("account", r#"{"v":1}"#), ("account.roles", r#"["user"]"#), ("account.user", r#""bob""#)];
    let basket = [("basket", r#"{"v":1}"#), ("basket.visits", "1")];
    assert_eq!(not_lasting(&site.values(&browser).await), [&account[..], &basket].concat());
    assert_eq!(site.language(&browser).await.as_deref(), Some("fr"));
    assert_eq!(site.store().all().await.len(), 1, "nothing is left of the first run");
}

/// A guard that was open during such an `update_now` has seen the first user's values, and hands none of them on.
#[rocket::async_test]
async fn an_edit_of_the_first_users_value_after_an_update_now_is_refused() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    let visit = site.open(&browser);
    let mut basket = visit.write::<Basket>().await.unwrap();
    let mut account = visit.write::<Account>().await.unwrap();
    account.update_now(|account| account.set_user("bob".into())).await.unwrap();
    basket.notes_mut().push("more".into());
    drop((account, basket));
    assert_eq!(site.close(visit, &mut browser).await, Some(ErrorKind::PreviousUser));
    assert_eq!(site.user(&browser).await.as_deref(), Some("bob"));
    assert!(site.values(&browser).await.get("basket.notes").is_none());
}
