//! One small write in a large session: its median beside that in a small session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use session_runtime::{Sessions, Store};

use crate::app::Cart;
use crate::table::{Goal, Table};

/// Time of one measurement, in which as many writes are made as fit.
const TIME: Duration = Duration::from_millis(1_500);
/// Writes before each measurement.
const WARM: usize = 20;

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
    let small = median_of(store, &SMALL).await;
    table.line(&format!("{name}: p50 of an add to a small session, ms"), small, 3, Goal::None);
    for size in LARGE {
        let goal = if matches!(name, "SQLite" | "Redis") { Goal::AtMost(size.most) } else { Goal::None };
        let ratio = median_of(store, &size).await / small;
        table.line(&format!("{name}: the same beside it with {}", size.what), ratio, 1, goal);
    }
}

/// Median of an add to a session of this size, in milliseconds.
async fn median_of(store: &Arc<dyn Store>, size: &Size) -> f64 {
    let cookie = filled(store, size).await;
    // As in another process than the one that filled the session.
    let sessions = sessions(store);
    for _ in 0..WARM {
        add(&sessions, &cookie).await;
    }
    let (started, mut times) = (Instant::now(), Vec::new());
    while started.elapsed() < TIME {
        times.push(add(&sessions, &cookie).await);
    }
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1_000.0
}

fn sessions(store: &Arc<dyn Store>) -> Sessions {
    Sessions::builder().store(Arc::clone(store)).schemas::<(Cart, Notes)>().build().expect("sessions")
}

/// Stores a session of this size, and returns its cookie.
async fn filled(store: &Arc<dyn Store>, size: &Size) -> String {
    let visit = sessions(store).open([]);
    visit.write::<Cart>().await.expect("a cart").items_mut().extend((0..size.lines).map(|line| (line, 1)));
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

async fn add(sessions: &Sessions, cookie: &str) -> Duration {
    let started = Instant::now();
    let visit = sessions.open([cookie]);
    *visit.write::<Cart>().await.expect("a cart").items_mut().entry(0).or_default() += 1;
    let finished = visit.finish(200).await;
    assert!(finished.error.is_none(), "an add failed");
    started.elapsed()
}
