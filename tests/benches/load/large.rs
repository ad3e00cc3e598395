//! One small write in a large session: its median beside that in a small session. The write edits the whole map, or one
//! entry of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use session_runtime::{Sessions, Store};

use crate::app::Cart;
use crate::table::{Goal, Table};

/// Number of times that each of two sessions takes its turn.
const ROUNDS: u32 = 5;
/// Turn of a small session, in which as many adds are made as fit.
const SHORT: Duration = Duration::from_millis(60);
/// Turn of a large session.
const LONG: Duration = Duration::from_millis(300);
/// Adds before each measurement.
const WARM: usize = 20;

/// A cart whose entries are decoded when they are asked for.
#[derive(session_runtime::Session)]
#[session(key = "entries", version = 1)]
struct ByEntry {
    #[session(merge = keys(sum), entries)]
    items: std::collections::BTreeMap<u32, u32>,
}

/// A schema beside the cart, which the writes do not ask for. It is not lazy.
#[derive(session_runtime::Session)]
#[session(key = "notes", version = 1)]
struct Notes {
    #[session(merge = keys)]
    lines: std::collections::BTreeMap<u32, String>,
    page: String,
}

/// Contents of a session.
struct Size {
    what: &'static str,
    /// Lines of the cart.
    lines: u32,
    /// Entries of the other schema.
    notes: u32,
    /// Bytes of one value of the other schema.
    page: usize,
    /// Goal for SQLite and Redis.
    most: f64,
}

const SMALL: Size = Size { what: "", lines: 1, notes: 0, page: 0, most: 1.0 };

const LARGE: [Size; 4] = [
    Size { what: "1,000 lines", lines: 1_000, most: 3.0, ..SMALL },
    Size { what: "9,990 lines", lines: 9_990, most: 20.0, ..SMALL },
    Size { what: "9,980 keys in another schema", notes: 9_980, most: 1.5, ..SMALL },
    Size { what: "1 MiB in another schema", page: 1_040_000, most: 1.5, ..SMALL },
];

pub(super) async fn measure(table: &mut Table, name: &str, store: &Arc<dyn Store>) {
    let small = Visitor::new(store, &SMALL, Way::Whole).await;
    let small_by_entry = Visitor::new(store, &SMALL, Way::ByEntry).await;
    let adds = small.adds(ROUNDS * SHORT).await;
    table.line(&format!("{name}: p50 of an add to a small session, ms"), median_of(adds), 3, Goal::None);
    for size in LARGE {
        let goal = if matches!(name, "SQLite" | "Redis") { Goal::AtMost(size.most) } else { Goal::None };
        let ratio = beside(&small, &Visitor::new(store, &size, Way::Whole).await).await;
        let goal_of_whole = if size.lines > 1 { Goal::None } else { goal };
        table.line(&format!("{name}: the same beside it with {}", size.what), ratio, 1, goal_of_whole);
        if size.lines > 1 {
            let ratio = beside(&small_by_entry, &Visitor::new(store, &size, Way::ByEntry).await).await;
            table.line(&format!("{name}: the same with {}, entry by entry", size.what), ratio, 1, goal);
        }
    }
}

/// Median of an add to the large session, as a multiple of that to the small one. They take turns, since other programs
/// may use the machine.
async fn beside(small: &Visitor, large: &Visitor) -> f64 {
    let (mut of_small, mut of_large) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_small.extend(small.adds(SHORT).await);
        of_large.extend(large.adds(LONG).await);
    }
    median_of(of_large) / median_of(of_small)
}

/// Median in milliseconds.
fn median_of(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1_000.0
}

/// A visitor with a session, of another process than the one that filled the session.
struct Visitor {
    sessions: Sessions,
    cookie: String,
    way: Way,
}

/// Form of an add.
#[derive(Clone, Copy)]
enum Way {
    /// Edits the map.
    Whole,
    /// Edits one entry of it.
    ByEntry,
}

impl Visitor {
    async fn new(store: &Arc<dyn Store>, size: &Size, way: Way) -> Self {
        let visitor = Self { cookie: filled(store, size, way).await, sessions: sessions(store), way };
        for _ in 0..WARM {
            visitor.add().await;
        }
        visitor
    }

    /// Returns the time of each add in this time.
    async fn adds(&self, time: Duration) -> Vec<Duration> {
        let (started, mut times) = (Instant::now(), Vec::new());
        while started.elapsed() < time {
            times.push(self.add().await);
        }
        times
    }

    async fn add(&self) -> Duration {
        let started = Instant::now();
        let visit = self.sessions.open([&*self.cookie]);
        match self.way {
            Way::Whole => *visit.write::<Cart>().await.expect("a cart").items_mut().entry(0).or_default() += 1,
            Way::ByEntry => {
                *visit.write::<ByEntry>().await.expect("a cart").items_entry(0).get_or_insert_default() += 1;
            }
        }
        let finished = visit.finish(200).await;
        assert!(finished.error.is_none(), "an add failed");
        started.elapsed()
    }
}

fn sessions(store: &Arc<dyn Store>) -> Sessions {
    Sessions::builder().store(Arc::clone(store)).schemas::<(Cart, ByEntry, Notes)>().build().expect("sessions")
}

/// Stores a session of this size, and returns its cookie.
async fn filled(store: &Arc<dyn Store>, size: &Size, way: Way) -> String {
    let visit = sessions(store).open([]);
    let lines = (0..size.lines).map(|line| (line, 1));
    match way {
        Way::Whole => visit.write::<Cart>().await.expect("a cart").items_mut().extend(lines),
        Way::ByEntry => visit.write::<ByEntry>().await.expect("a cart").items_mut().extend(lines),
    }
    {
        let mut notes = visit.write::<Notes>().await.expect("notes");
        notes.lines_mut().extend((0..size.notes).map(|line| (line, "a line of the past..".to_owned())));
        if size.page > 0 {
            notes.set_page("x".repeat(size.page));
        }
    }
    let finished = visit.finish(200).await;
    assert!(finished.error.is_none(), "{:?}", finished.error);
    let header = finished.cookie.header().expect("a cookie of a new session");
    header.split(';').next().unwrap_or_default().to_owned()
}
