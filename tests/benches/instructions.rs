//! Instructions that a session adds to a request, all threads of the server counted.
//!
//! Two things are subtracted that are not this library's: what Rocket does with any `Cookie` header, and one block of
//! SHA-256, which callgrind's processor has no instruction for. Both are measured here.

use crate::accessors;
use crate::client::{Client, block_on};
use crate::server::{App, Server};
use crate::table::{Goal, Table, median};

/// They differ by some hundred instructions a request: the middle one holds.
const PROCESSES: usize = 3;
const WARM: u32 = 100;
/// Each route is counted this often, and the middle one holds.
const CHUNKS: usize = 5;
const REQUESTS: u32 = 80;

type Route = (&'static str, &'static str);

const PING: Route = ("GET", "/ping");
const READ: Route = ("GET", "/cart");
const ADD: Route = ("POST", "/cart/add/7");
const ROUTES: [Route; 3] = [PING, READ, ADD];

pub(crate) fn measure(table: &mut Table) {
    let bare = requests(App::Bare, false);
    let with_cookie = requests(App::Bare, true);
    let cookie = with_cookie[0] - bare[0];
    let hash = accessors::sha256_block();
    table.line("bare Rocket: instructions for `/ping`", bare[0], 0, Goal::None);
    table.line("bare Rocket: one `Cookie` header", cookie, 0, Goal::None);
    table.line("one SHA-256 block, in software", hash, 0, Goal::None);
    let goals = [
        (App::Memory, "memory", [900.0, 5_000.0, 9_000.0].map(Goal::AtMost)),
        (App::Sqlite, "SQLite", [900.0, 20_000.0, 45_000.0].map(Goal::AtMost)),
        (App::Redis, "Redis", [Goal::AtMost(900.0), Goal::None, Goal::None]),
        (App::Postgres, "PostgreSQL", [Goal::AtMost(900.0), Goal::None, Goal::None]),
    ];
    for (app, name, goals) in goals {
        let counted = requests(app, true);
        for (at, (what, hashed)) in [("`/ping`", 0.0), ("a read", hash), ("an add", hash)].into_iter().enumerate() {
            let added = counted[at] - bare[at] - cookie - hashed;
            table.line(&format!("{name}: instructions added to {what}"), added, 0, goals[at]);
        }
    }
}

/// Instructions of a request of each route.
fn requests(app: App, cookie: bool) -> [f64; 3] {
    let counted: Vec<[f64; 3]> = (0..PROCESSES).map(|_| requests_of_one(app, cookie)).collect();
    [0, 1, 2].map(|route| median(counted.iter().map(|of| of[route]).collect()))
}

fn requests_of_one(app: App, cookie: bool) -> [f64; 3] {
    let server = Server::counted(app);
    block_on(async {
        let mut client = Client::connect(server.address).await;
        match app {
            App::Bare if cookie => client.give_cookie(&format!("id={}", "A".repeat(43))),
            App::Bare => {}
            _ => client.ask("POST", "/cart/add/7").await,
        }
        for (method, path) in ROUTES {
            repeat(&mut client, method, path, WARM).await;
            client.ask("GET", "/mark").await;
            for _ in 0..CHUNKS {
                repeat(&mut client, method, path, REQUESTS).await;
                client.ask("GET", "/mark").await;
            }
        }
    });
    // Before the chunks of each route comes the mark at the end of its warm-up.
    [0, 1, 2].map(|route| {
        let chunks = (0..CHUNKS).map(|chunk| route * (CHUNKS + 1) + chunk + 2);
        median(chunks.map(|mark| server.counted_up_to_mark(mark) / f64::from(REQUESTS)).collect())
    })
}

async fn repeat(client: &mut Client, method: &str, path: &str, times: u32) {
    let request = client.request(method, path);
    for _ in 0..times {
        client.send(&request).await;
    }
}
