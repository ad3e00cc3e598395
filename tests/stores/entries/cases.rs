//! Single cases: entries that cannot be read or stored, older versions, users who leave, cookies and jobs.

use session_runtime::patch::Patch;

use session_runtime::{CookieStore, ErrorKind, RawSection, Schemas};

use super::*;

/// A store with one session, and a program on it.
struct Site {
    store: Arc<MemoryStore>,
    cookie: String,
    key: SessionKey,
}

impl Site {
    /// Begins with a session that `fill` has filled.
    async fn new<S: session_runtime::Schema + Schemas>(fill: impl FnOnce(&mut S::Mut)) -> Self {
        let store = Arc::new(MemoryStore::new());
        let visit = program::<S>(&store).open([]);
        fill(&mut visit.write::<S>().await.unwrap());
        let finished = visit.finish(200).await;
        let cookie = finished.cookie.header().unwrap().split(';').next().unwrap().to_owned();
        Self { store, cookie, key: visit.key().unwrap() }
    }

    fn visit<S: Schemas>(&self) -> Visit {
        program::<S>(&self.store).open([self.cookie.as_str()])
    }

    /// Stores a text that the program would not write.
    async fn plant(&self, name: &str, text: &str) {
        let patch = Patch::on_generation(0).set([(name, text)]);
        self.store.patch(self.key, patch, SystemTime::now().into()).await.unwrap();
    }

    async fn texts(&self, prefix: &str) -> Vec<String> {
        let loaded = self.store.load(self.key, &Wanted::all(), SystemTime::now().into()).await.unwrap().unwrap();
        loaded.record.values.prefix(prefix).map(|(name, text)| format!("{}={text}", &name[prefix.len()..])).collect()
    }
}

fn program<S: Schemas>(store: &Arc<MemoryStore>) -> Sessions {
    Sessions::builder().store(Arc::clone(store)).schemas::<S>().build().unwrap()
}

async fn outcome(visit: Visit) -> Option<ErrorKind> {
    visit.finish(200).await.error.map(|error| error.kind())
}

async fn shop_with_a_bad_entry() -> Site {
    let site = Site::new::<Shop>(|shop| shop.set_counts([(1, 1), (2, 2)].into())).await;
    site.plant("shop.counts/1", "\"one\"").await;
    site.plant("shop.prices/007", "7").await;
    site
}

/// C114: an entry that cannot be read fails no request that does not ask for it.
#[tokio::test]
async fn an_unreadable_entry_failed_a_request_that_asked_for_another() {
    let site = shop_with_a_bad_entry().await;
    let visit = site.visit::<Shop>();
    {
        let mut shop = visit.write::<Shop>().await.unwrap();
        assert_eq!((shop.counts_get(&2), shop.prices_get(&Sku(7))), (Some(2), None));
        *shop.counts_entry(3) = Some(3);
        *shop.theme_mut() += 1;
    }
    assert_eq!(visit.read_entries::<Shop>().await.unwrap().counts_get(&3), Some(3));
    assert_eq!(outcome(visit).await, None);
    assert_eq!(site.texts("shop.counts/").await, ["1=\"one\"", "2=2", "3=3"]);
}

/// C114: an entry that cannot be read fails the request that asks for it, and nothing is stored.
#[tokio::test]
async fn an_unreadable_entry_was_taken_for_none() {
    let uses: [fn(&mut ShopMut); 8] = [
        |shop| assert_eq!(shop.counts_get(&1), None),
        |shop| *shop.counts_entry(1) = Some(7),
        |shop| assert_eq!(shop.counts_entry(1).take(), None),
        |shop| assert_eq!(shop.counts().len(), 1),
        |shop| assert_eq!(shop.lines(), 1),
        |shop| _ = shop.counts_mut().insert(4, 4),
        |shop| shop.set_counts([(1, 7)].into()),
        |shop| shop.clear_counts(),
    ];
    for (at, uses) in uses.into_iter().enumerate() {
        let site = shop_with_a_bad_entry().await;
        let visit = site.visit::<Shop>();
        {
            let mut shop = visit.write::<Shop>().await.unwrap();
            uses(&mut shop);
            *shop.counts_entry(3) = Some(3);
            assert_eq!(shop.save().await.map_err(|error| error.kind()), Err(ErrorKind::Undecodable), "{at}");
        }
        assert_eq!(outcome(visit).await, Some(ErrorKind::Undecodable), "{at}");
        assert_eq!(site.texts("shop.counts/").await, ["1=\"one\"", "2=2"], "{at}");
    }
}

/// C114: a guard that reads an entry that cannot be read fails the request, and `&S` cannot be opened.
#[tokio::test]
async fn a_guard_that_reads_took_an_unreadable_entry_for_none() {
    let site = shop_with_a_bad_entry().await;
    let visit = site.visit::<Shop>();
    assert_eq!(visit.read_entries::<Shop>().await.unwrap().counts_get(&1), None);
    assert_eq!(outcome(visit).await, Some(ErrorKind::Undecodable));
    let visit = site.visit::<Shop>();
    assert_eq!(visit.read::<Shop>().await.map(drop).map_err(|error| error.kind()), Err(ErrorKind::Undecodable));
}

#[derive(Session)]
#[session(key = "shop", version = 1, on_invalid = "reset")]
struct Lenient {
    #[session(merge = keys, entries)]
    prices: BTreeMap<Sku, u8>,
    #[session(merge = keys(sum), entries)]
    counts: HashMap<u8, i8>,
    theme: u32,
}

/// A handler, and the entries that remain stored after it.
type Use = (fn(&mut LenientMut), &'static [&'static str]);

/// C114: with `on_invalid = "reset"` an entry that cannot be read is skipped and stays stored, until it is set.
#[tokio::test]
async fn an_unreadable_entry_that_is_skipped_was_removed() {
    let uses: [Use; 6] = [
        (|shop| assert_eq!(shop.counts_get(&1), None), &["1=\"one\"", "2=2", "3=3"]),
        (|shop| assert_eq!(shop.counts_entry(1).take(), None), &["1=\"one\"", "2=2", "3=3"]),
        (|shop| assert_eq!(shop.counts().len(), 1), &["1=\"one\"", "2=2", "3=3"]),
        (|shop| *shop.counts_entry(1) = Some(7), &["1=7", "2=2", "3=3"]),
        (|shop| _ = shop.counts_mut().insert(1, 7), &["1=7", "2=2", "3=3"]),
        (|shop| shop.clear_counts(), &["3=3"]),
    ];
    for (at, (uses, stored)) in uses.into_iter().enumerate() {
        let site = shop_with_a_bad_entry().await;
        let visit = site.visit::<Lenient>();
        {
            let mut shop = visit.write::<Lenient>().await.unwrap();
            uses(&mut shop);
            *shop.counts_entry(3) = Some(3);
            *shop.theme_mut() += 1;
            assert!(shop.prices_get(&Sku(7)).is_none());
        }
        assert_eq!(outcome(visit).await, None, "{at}");
        assert_eq!(site.texts("shop.counts/").await, stored, "{at}");
        assert_eq!(site.texts("shop.prices/").await, ["007=7"], "{at}");
    }
}

#[derive(Session)]
#[session(key = "shop", version = 2, migrate(from = 1, with = double), unreleased)]
struct Doubled {
    #[session(merge = keys, entries)]
    prices: BTreeMap<u8, u32>,
    theme: u32,
}

/// Version 1 kept half of each price.
fn double(shop: &mut RawSection) -> Result<(), serde_json::Error> {
    let keys: Vec<String> = shop.keys().filter(|key| key.starts_with("prices/")).map(str::to_owned).collect();
    for key in keys {
        let price: u32 = shop.read(&key)?.unwrap_or_default();
        shop.write(&key, &(price * 2))?;
    }
    Ok(())
}

/// C115: an older section is upgraded as a whole, and its entries are those of the new version.
#[tokio::test]
async fn an_entry_of_an_older_version_was_read_before_its_upgrade() {
    let site = Site::new::<Shop>(|shop| shop.set_prices([(Sku(1), 10), (Sku(2), 20)].into())).await;
    let visit = site.visit::<Doubled>();
    assert_eq!(visit.read_entries::<Doubled>().await.unwrap().prices_get(&1), Some(20));
    *visit.write::<Doubled>().await.unwrap().prices_entry(2).get_or_insert_default() += 1;
    assert_eq!(outcome(visit).await, None);
    assert_eq!(site.texts("shop.prices/").await, ["1=20", "2=41"]);
    assert!(site.texts("shop").await[0].starts_with("={\"v\":2"));
}

#[derive(Session)]
#[session(key = "ratings", version = 1)]
struct Ratings {
    #[session(merge = keys, entries)]
    of: BTreeMap<u8, f64>,
}

/// C116: a value that cannot be stored fails the save, and can be replaced.
#[tokio::test]
async fn a_value_that_cannot_be_stored_was_lost_without_an_error() {
    let site = Site::new::<Ratings>(|ratings| ratings.set_of([(1, 0.5)].into())).await;
    let visit = site.visit::<Ratings>();
    {
        let mut ratings = visit.write::<Ratings>().await.unwrap();
        *ratings.of_entry(1) = Some(f64::NAN);
        assert_eq!(ratings.save().await.map_err(|error| error.kind()), Err(ErrorKind::Unencodable));
        *ratings.of_entry(1) = Some(1.5);
        ratings.save().await.unwrap();
        assert_eq!(ratings.of_get(&1), Some(1.5));
    }
    assert_eq!(outcome(visit).await, None);
    assert_eq!(site.texts("ratings.of/").await, ["1=1.5"]);
    for is_shown in [false, true] {
        let visit = site.visit::<Ratings>();
        {
            let mut ratings = visit.write::<Ratings>().await.unwrap();
            *ratings.of_entry(1) = Some(f64::INFINITY);
            assert!(!is_shown || ratings.of().is_empty());
        }
        assert_eq!(outcome(visit).await, Some(ErrorKind::Unencodable));
        assert_eq!(site.texts("ratings.of/").await, ["1=1.5"]);
    }
}

#[derive(Session)]
#[session(key = "member", version = 1)]
struct Member {
    #[session(renew)]
    user: Option<String>,
    #[session(merge = keys, entries)]
    seats: BTreeMap<u8, u8>,
    #[session(merge = keys(sum), entries)]
    points: BTreeMap<u8, u8>,
}

/// A handler of a request of Ann.
type Work = fn(&mut MemberMut);

/// Error of a request, and the two maps that the next session holds.
type Left = (Option<ErrorKind>, Option<(BTreeMap<u8, u8>, BTreeMap<u8, u8>)>);

/// Runs `work` in a session of Ann, and then logs the next user in, if there is one.
async fn leave(work: Work, next: Option<&str>) -> Left {
    let site = Site::new::<Member>(|member| {
        member.set_user("ann".to_owned());
        member.set_seats([(1, 1)].into());
        member.set_points([(1, 10)].into());
    })
    .await;
    let visit = site.visit::<Member>();
    {
        let mut member = visit.write::<Member>().await.unwrap();
        work(&mut member);
        if let Some(next) = next {
            member.set_user(next.to_owned());
        }
    }
    let error = visit.finish(200).await.error.map(|error| error.kind());
    let Some(key) = visit.key() else { return (error, None) };
    let next = program::<Member>(&site.store).read::<Member>(&key).await.unwrap();
    (error, next.map(|next| (next.seats, next.points)))
}

/// The same edit of an entry, by itself and in its map.
const SAME: [(Work, Work); 7] = [
    (|member| *member.seats_entry(1) = Some(2), |member| _ = member.seats_mut().insert(1, 2)),
    (|member| *member.seats_entry(2) = Some(2), |member| _ = member.seats_mut().insert(2, 2)),
    (|member| _ = member.seats_entry(1).take(), |member| _ = member.seats_mut().remove(&1)),
    (
        |member| *member.points_entry(1).get_or_insert_default() += 5,
        |member| *member.points_mut().entry(1).or_default() += 5,
    ),
    (|member| *member.points_entry(2) = Some(1), |member| _ = member.points_mut().insert(2, 1)),
    (|member| assert_eq!(member.seats_get(&1), Some(1)), |member| assert_eq!(member.seats().len(), 1)),
    (|_| {}, |_| {}),
];

/// C117: entries of a user who leaves are treated as their whole map is.
#[tokio::test]
async fn an_entry_of_a_user_who_has_left_reached_the_next() {
    for (at, (by_entry, in_map)) in SAME.into_iter().enumerate() {
        assert_eq!(leave(by_entry, None).await, leave(in_map, None).await, "{at}");
        let (one, other) = (leave(by_entry, Some("bob")).await, leave(in_map, Some("bob")).await);
        assert_eq!(one, other, "{at}");
    }
    assert_eq!(leave(SAME[0].0, Some("bob")).await.0, Some(ErrorKind::PreviousUser));
}

/// C117: after a login of the next user, the entries are those of a new session.
#[tokio::test]
async fn an_entry_of_the_previous_user_was_shown_to_the_next() {
    let work: Work = |member| {
        member.set_user("bob".to_owned());
        assert_eq!((member.seats_get(&1), member.points_get(&1)), (None, None));
        *member.seats_entry(3) = Some(3);
    };
    assert_eq!(leave(work, None).await, (None, Some((BTreeMap::from([(3, 3)]), BTreeMap::new()))));
}

#[derive(Session)]
#[session(key = "marks", version = 1)]
struct Marks {
    #[session(merge = keys, entries)]
    seen: std::collections::BTreeSet<String>,
    #[session(transient)]
    note: Option<u8>,
}

/// C118: entries in a cookie, and those of a set.
#[tokio::test]
async fn an_entry_in_a_cookie_was_not_found() {
    let store = CookieStore::new([CookieStore::random_key().unwrap()]).unwrap();
    let sessions = Sessions::builder().cookie_store(store).schemas::<Marks>().build().unwrap();
    let (mut cookie, present) = (String::new(), session_runtime::codec::Present);
    for round in 0..3 {
        let visit = sessions.open((round > 0).then_some(cookie.as_str()));
        {
            let mut marks = visit.write::<Marks>().await.unwrap();
            let last = format!("page \"{}\"", round - 1);
            assert_eq!(marks.seen_get(&last), (round > 0).then_some(present));
            *marks.seen_entry(format!("page \"{round}\"")) = Some(present);
            *marks.seen_entry(last) = None;
            marks.set_note(round.try_into().unwrap());
        }
        assert_eq!(*visit.write::<Marks>().await.unwrap().note(), Some(round.try_into().unwrap()));
        let finished = visit.finish(200).await;
        cookie = finished.cookie.header().unwrap().split(';').next().unwrap().to_owned();
        assert_eq!(visit.read::<Marks>().await.unwrap().seen().len(), 1);
    }
}

/// C118: a job edits single entries, and one that cannot be read fails it.
#[tokio::test]
async fn a_job_took_an_unreadable_entry_for_none() {
    let site = shop_with_a_bad_entry().await;
    let sessions = program::<Shop>(&site.store);
    let add = |shop: &mut ShopMut| *shop.counts_entry(2).get_or_insert_default() += 1;
    sessions.update::<Shop, _>(&site.key, add).await.unwrap().unwrap();
    assert_eq!(site.texts("shop.counts/").await, ["1=\"one\"", "2=3"]);
    let read = sessions.update::<Shop, _>(&site.key, |shop| shop.counts_get(&1)).await;
    assert_eq!(read.map_err(|error| error.kind()), Err(ErrorKind::Undecodable));
}

/// C118: `update_now` runs again on the values of another request, entry by entry.
#[tokio::test]
async fn a_repeated_run_edited_an_entry_of_the_first_load() {
    let site = Site::new::<Shop>(|shop| shop.set_prices([(Sku(1), 1)].into())).await;
    let (first, second) = (site.visit::<Shop>(), site.visit::<Shop>());
    let mut shop = first.write::<Shop>().await.unwrap();
    *shop.prices_entry(Sku(2)) = Some(2);
    *second.write::<Shop>().await.unwrap().prices_entry(Sku(1)) = Some(10);
    assert_eq!(outcome(second).await, None);
    let price = shop.update_now(|shop| {
        let mut price = shop.prices_entry(Sku(1));
        *price = price.map(|price| price + 1);
        *price
    });
    assert_eq!(price.await.unwrap(), Some(11));
    assert_eq!((shop.prices_get(&Sku(1)), shop.prices_get(&Sku(2))), (Some(11), Some(2)));
    drop(shop);
    assert_eq!(outcome(first).await, None);
    assert_eq!(site.texts("shop.prices/").await, ["1=11", "2=2"]);
}

/// C118: a panic while an entry is open discards it with all else.
#[tokio::test]
async fn an_entry_that_was_open_in_a_panic_was_stored() {
    let site = Site::new::<Shop>(|shop| shop.set_theme(1)).await;
    let visit = site.visit::<Shop>();
    let mut shop = visit.write::<Shop>().await.unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let mut entry = shop.prices_entry(Sku(1));
        *entry = Some(1);
        panic!("in a handler");
    }));
    assert!(panicked.is_err());
    assert_eq!(outcome(visit).await, None);
    assert!(site.texts("shop.prices/").await.is_empty());
}
