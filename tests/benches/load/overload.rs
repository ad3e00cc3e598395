//! Ten times the adds that a slowed store can do, for half a minute, beside some readers. The figures are the useful
//! answers of the worst second beside the capacity, the time until a refusal, and what was lost.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rocket::futures::future::join_all;
use rocket::tokio;
use rocket::tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use rocket::tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use rocket::tokio::net::{TcpListener, TcpStream};
use rocket::tokio::runtime::Runtime;
use rocket::tokio::task::JoinSet;
use session_runtime::store::{SqliteStore, StoreError, StoreErrorKind};
use session_runtime::{PostgresStore, RedisStore, SessionError, Sessions, Store};
use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;

use crate::app::Cart;
use crate::table::{Goal, Table};

/// Sessions that the visitors use in turn.
const CARTS: usize = 16_384;
/// Visitors in a closed loop, for the capacity.
const VISITORS: usize = 64;
const CLOSED: Duration = Duration::from_secs(5);
const OFFERED: Duration = Duration::from_secs(30);
/// Offered adds, beside those that the store can do.
const TIMES: f64 = 10.0;
const READS_PER_SECOND: f64 = 100.0;
/// More than the answers of one measurement.
const ROOM: usize = 1 << 20;
/// Time after the overload in which the store may still be busy.
const RECOVERY: Duration = Duration::from_secs(1);

/// Makes each write of PostgreSQL take 5 ms.
const SLOW_POSTGRES: &str = "
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.005); RETURN NULL; END $$;
CREATE TRIGGER slow AFTER UPDATE ON session_record FOR EACH ROW EXECUTE FUNCTION slow();";

/// Makes each write of a head in SQLite take some milliseconds.
const SLOW_SQLITE: &str = "
CREATE TABLE slow (n);
WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 150) INSERT INTO slow SELECT n FROM c;
CREATE TRIGGER slow_insert AFTER INSERT ON entry BEGIN SELECT count(*) FROM slow a, slow b WHERE a.n + b.n > 0; END;
CREATE TRIGGER slow_update AFTER UPDATE ON entry BEGIN SELECT count(*) FROM slow a, slow b WHERE a.n + b.n > 0; END;";

pub(super) fn measure(table: &mut Table, runtime: &Runtime) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sessions.db");
    let sqlite = Arc::new(SqliteStore::open(&path).expect("a file"));
    let slow_sqlite = || {
        let file = rusqlite::Connection::open(&path).expect("the file");
        file.execute_batch(SLOW_SQLITE).expect("slow triggers");
    };
    runtime.block_on(beside_overload(table, "SQLite", sqlite, slow_sqlite));
    let postgres = Postgres::start("");
    let store = Arc::new(PostgresStore::open(postgres.url()).expect("a store"));
    let slow_postgres =
        || tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(postgres.execute(SLOW_POSTGRES)));
    runtime.block_on(beside_overload(table, "PostgreSQL", store, slow_postgres));
    let redis = Redis::start();
    let address = throttled(redis.address());
    let store = Arc::new(RedisStore::open(format!("redis://{address}")).expect("a store"));
    runtime.block_on(beside_overload(table, "Redis", store, || ()));
}

/// Forwards connections to a server, and its commands slowly. It has a thread of its own, so that it is as slow beside
/// many visitors as beside few.
fn throttled(server: SocketAddr) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its number");
    listener.set_nonblocking(true).expect("a listener for a runtime");
    let forward = async move {
        let listener = TcpListener::from_std(listener).expect("a listener");
        while let (Ok((client, _)), Ok(server)) = (listener.accept().await, TcpStream::connect(server).await) {
            let ((commands, mut client), (mut answers, server)) = (client.into_split(), server.into_split());
            tokio::spawn(forward_slowly(commands, server));
            tokio::spawn(async move { tokio::io::copy(&mut answers, &mut client).await });
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    std::thread::spawn(move || runtime.block_on(forward));
    address
}

/// Forwards a few commands at a time.
async fn forward_slowly(mut commands: OwnedReadHalf, mut server: OwnedWriteHalf) {
    let mut few = [0; 512];
    while let Ok(bytes @ 1..) = commands.read(&mut few).await {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if server.write_all(&few[..bytes]).await.is_err() {
            return;
        }
    }
}

async fn beside_overload(table: &mut Table, name: &str, store: Arc<dyn Store>, slow_down: impl FnOnce()) {
    let sessions = Sessions::builder().store(store).schemas::<Cart>().build().expect("sessions");
    let mut carts = Vec::new();
    while carts.len() < CARTS {
        carts.extend(join_all((0..VISITORS).map(|_| new_cart(&sessions))).await);
    }
    slow_down();
    let shop = Shop { sessions, carts: carts.into() };
    let before = shop.closed_loop().await;
    let capacity = before.rate();
    table.line(&format!("{name}, slowed: adds a second of {VISITORS} visitors"), capacity, 0, Goal::None);
    let overload = shop.open_loop(capacity * TIMES).await;
    print(table, name, capacity, &overload);
    tokio::time::sleep(RECOVERY).await;
    let after = shop.closed_loop().await;
    let what = format!("{name}: adds of {VISITORS} visitors a second later, beside those before");
    table.line(&what, after.rate() / capacity, 2, Goal::AtLeast(0.9));
    let adds: Vec<_> = [before.adds, overload.adds, after.adds].concat();
    let [lost, written] = shop.differences(&adds).await;
    table.line(&format!("{name}: acknowledged adds that are lost"), lost, 0, Goal::AtMost(0.0));
    table.line(&format!("{name}: refused adds that were written"), written, 0, Goal::AtMost(0.0));
}

fn print(table: &mut Table, name: &str, capacity: f64, overload: &Measured) {
    let useful = overload.worst_second() / capacity;
    table.line(&format!("{name}: useful adds in the worst second of ten times that"), useful, 2, Goal::AtLeast(0.9));
    let of = |outcome| overload.adds.iter().filter(move |add| add.outcome == outcome);
    let refused = p99(of(Outcome::Refused));
    table.line(&format!("{name}: p99 until a refusal, ms"), refused, 0, Goal::AtMost(100.0));
    table.line(&format!("{name}: p99 of a useful add, ms"), p99(of(Outcome::Done)), 0, Goal::None);
    table.line(&format!("{name}: adds with an unknown outcome"), count(of(Outcome::Unknown)), 0, Goal::None);
    let reads = overload.reads.iter();
    let answered = count(reads.clone().filter(|read| read.outcome == Outcome::Done)) / count(reads.clone());
    table.line(&format!("{name}: share of the reads meanwhile that are answered"), answered, 2, Goal::None);
    table.line(&format!("{name}: p99 of these reads, ms"), p99(reads), 0, Goal::None);
    table.line(&format!("{name}: memory at the end beside the fifth second"), overload.memory, 2, Goal::AtMost(1.2));
}

async fn new_cart(sessions: &Sessions) -> String {
    let visit = sessions.open([]);
    visit.write::<Cart>().await.expect("a cart").items_mut().insert(7, 0);
    let finished = visit.finish(200).await;
    finished.cookie.header().and_then(|header| header.split(';').next()).expect("a cookie").to_owned()
}

/// The visitors' application, and the cookies of its sessions.
#[derive(Clone)]
struct Shop {
    sessions: Sessions,
    carts: Arc<[String]>,
}

#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Done,
    /// Failed before anything was written.
    Refused,
    Unknown,
}

#[derive(Clone, Copy)]
struct Answer {
    cart: usize,
    outcome: Outcome,
    took: Duration,
    /// Since the start of the measurement.
    ended: Duration,
}

impl Answer {
    const NONE: Self = Self { cart: 0, outcome: Outcome::Unknown, took: Duration::ZERO, ended: Duration::ZERO };
}

#[derive(Default)]
struct Measured {
    time: Duration,
    adds: Vec<Answer>,
    reads: Vec<Answer>,
    /// Resident memory at the end, beside that after five seconds.
    memory: f64,
}

impl Shop {
    /// Visitors who wait for each answer before they add again.
    async fn closed_loop(&self) -> Measured {
        let begun = Instant::now();
        let visitors = (0..VISITORS).map(|visitor| {
            let shop = self.clone();
            tokio::spawn(async move {
                let mut adds = Vec::new();
                while begun.elapsed() < CLOSED {
                    adds.push(shop.add(visitor, begun).await);
                }
                adds
            })
        });
        let adds: Vec<_> = join_all(visitors).await.into_iter().map(|adds| adds.expect("a visitor")).collect();
        Measured { time: begun.elapsed(), adds: adds.concat(), ..Measured::default() }
    }

    /// Visitors who come at a fixed rate, however many still wait.
    async fn open_loop(&self, per_second: f64) -> Measured {
        let begun = Instant::now();
        let adds = self.at_rate(begun, per_second, |shop, cart| async move { shop.add(cart, begun).await });
        let reads = self.at_rate(begun, READS_PER_SECOND, |shop, cart| async move { shop.read(cart, begun).await });
        let memory = async {
            tokio::time::sleep(OFFERED / 6).await;
            let early = resident();
            tokio::time::sleep_until((begun + OFFERED).into()).await;
            resident() / early
        };
        let (adds, reads, memory) = tokio::join!(adds, reads, memory);
        Measured { time: OFFERED, adds, reads, memory }
    }

    async fn at_rate<F: Future<Output = Answer> + Send + 'static>(
        &self,
        begun: Instant,
        per_second: f64,
        request: impl Fn(Self, usize) -> F,
    ) -> Vec<Answer> {
        let (mut tasks, mut sent) = (JoinSet::new(), 0_u32);
        // Its memory is used from the start, so that only that of the store grows.
        let mut answers = vec![Answer::NONE; ROOM];
        answers.clear();
        while begun.elapsed() < OFFERED {
            answers.extend(std::iter::from_fn(|| tasks.try_join_next()).map(|answer| answer.expect("a request")));
            while f64::from(sent) < begun.elapsed().as_secs_f64() * per_second {
                tasks.spawn(request(self.clone(), sent as usize % CARTS));
                sent += 1;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        answers.extend(tasks.join_all().await);
        answers
    }

    async fn add(&self, cart: usize, begun: Instant) -> Answer {
        let sent = Instant::now();
        let outcome = match self.try_add(cart).await {
            Ok(()) => Outcome::Done,
            Err(Failed::Load) => Outcome::Refused,
            Err(Failed::Save(error)) if is_overload(&error) => Outcome::Refused,
            Err(Failed::Save(_)) => Outcome::Unknown,
        };
        Answer { cart, outcome, took: sent.elapsed(), ended: begun.elapsed() }
    }

    async fn try_add(&self, cart: usize) -> Result<(), Failed> {
        let visit = self.sessions.open([self.carts[cart].as_str()]);
        *visit.write::<Cart>().await.map_err(|_| Failed::Load)?.items_mut().entry(7).or_default() += 1;
        visit.finish(200).await.error.map_or(Ok(()), |error| Err(Failed::Save(error)))
    }

    async fn read(&self, cart: usize, begun: Instant) -> Answer {
        let sent = Instant::now();
        let visit = self.sessions.open([self.carts[cart].as_str()]);
        let outcome = if visit.read::<Cart>().await.is_ok() { Outcome::Done } else { Outcome::Refused };
        drop(visit.finish(200).await);
        Answer { cart, outcome, took: sent.elapsed(), ended: begun.elapsed() }
    }

    /// Compares the stored carts with the answers: acknowledged adds that are missing, and stored adds that neither were
    /// acknowledged nor have an unknown outcome.
    async fn differences(&self, adds: &[Answer]) -> [f64; 2] {
        let mut differences = [0.0, 0.0];
        for cart in 0..CARTS {
            let stored = f64::from(self.stored(cart).await);
            let of = |outcome| count(adds.iter().filter(|add| add.cart == cart && add.outcome == outcome));
            let acknowledged = of(Outcome::Done);
            differences[0] += (acknowledged - stored).max(0.0);
            differences[1] += (stored - acknowledged - of(Outcome::Unknown)).max(0.0);
        }
        differences
    }

    async fn stored(&self, cart: usize) -> u32 {
        let visit = self.sessions.open([self.carts[cart].as_str()]);
        visit.read::<Cart>().await.expect("a cart").items()[&7]
    }
}

enum Failed {
    Load,
    Save(SessionError),
}

/// True if the store refused the operation before it began.
fn is_overload(error: &SessionError) -> bool {
    let mut sources = std::iter::successors(error.source(), |&error| error.source());
    sources
        .any(|error| error.downcast_ref().is_some_and(|error: &StoreError| error.kind() == StoreErrorKind::Overloaded))
}

impl Measured {
    fn rate(&self) -> f64 {
        count(self.adds.iter().filter(|add| add.outcome == Outcome::Done)) / self.time.as_secs_f64()
    }

    /// Useful adds of the second with the fewest, without the first one.
    fn worst_second(&self) -> f64 {
        let done = |second| {
            let adds = self.adds.iter().filter(|add| add.outcome == Outcome::Done);
            count(adds.filter(|add| add.ended.as_secs() == second))
        };
        (1..OFFERED.as_secs()).map(done).fold(f64::INFINITY, f64::min)
    }
}

fn count<'a>(answers: impl Iterator<Item = &'a Answer>) -> f64 {
    u32::try_from(answers.count()).map_or(f64::INFINITY, f64::from)
}

/// In milliseconds.
fn p99<'a>(answers: impl Iterator<Item = &'a Answer>) -> f64 {
    let mut times: Vec<_> = answers.map(|answer| answer.took).collect();
    times.sort_unstable();
    times.get(times.len() * 99 / 100).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
}

/// Resident memory of this process, in kilobytes.
fn resident() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    kilobytes.unwrap_or(f64::NAN)
}
