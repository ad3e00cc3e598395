//! Requests per second, as ratios of one run: rounds follow each other, each with all that is compared, and the middle
//! one of the ratios counts.

use std::time::Duration;

use crate::client::{Client, block_on, rate, visitors};
use crate::server::{App, Server};
use crate::table::{Goal, Table, median};

const CONNECTIONS: usize = 16;
const ROUNDS: usize = 7;
const TIME: Duration = Duration::from_secs(1);

/// The repeated request to a server.
struct Load {
    clients: Vec<Client>,
    method: &'static str,
    path: &'static str,
}

impl Load {
    async fn on(server: &Server, first: Option<&str>, method: &'static str, path: &'static str) -> Self {
        Self { clients: visitors(server.address, CONNECTIONS, first).await, method, path }
    }

    async fn rate(&mut self) -> f64 {
        rate(&mut self.clients, self.method, self.path, TIME).await
    }
}

/// Bare Rocket's `/ping`, asked without a cookie, is one.
pub(crate) fn beside_rocket(table: &mut Table) {
    let servers = [App::Bare, App::Memory, App::Sqlite, App::Redis, App::Postgres].map(Server::start);
    let [bare, memory, sqlite, redis, postgres] = &servers;
    let (ping, lines) = block_on(async {
        let first = Some("/cart/add/7");
        let loads = vec![
            ("memory: rate of a read", 0.90, Load::on(memory, first, "GET", "/cart").await),
            ("memory: rate of an add", 0.88, Load::on(memory, first, "POST", "/cart/add/7").await),
            ("SQLite: rate of a read", 0.65, Load::on(sqlite, first, "GET", "/cart").await),
            ("SQLite: rate of an add", 0.35, Load::on(sqlite, first, "POST", "/cart/add/7").await),
            ("Redis: rate of a read", 0.38, Load::on(redis, first, "GET", "/cart").await),
            ("Redis: rate of an add", 0.27, Load::on(redis, first, "POST", "/cart/add/7").await),
            ("PostgreSQL: rate of a read", 0.40, Load::on(postgres, first, "GET", "/cart").await),
            ("PostgreSQL: rate of an add", 0.25, Load::on(postgres, first, "POST", "/cart/add/7").await),
        ];
        compare(Load::on(bare, None, "GET", "/ping").await, loads).await
    });
    table.line("bare Rocket: `/ping` a second, 16 connections", ping, 0, Goal::None);
    for (what, ratio, goal) in lines {
        table.line(&format!("{what}, beside that `/ping`"), ratio, 2, Goal::AtLeast(goal));
    }
}

/// A small write in a session that holds little is one.
pub(crate) fn beside_empty(table: &mut Table) {
    for (app, name) in
        [(App::Memory, "memory"), (App::Sqlite, "SQLite"), (App::Redis, "Redis"), (App::Postgres, "PostgreSQL")]
    {
        let server = Server::start(app);
        let (write, lines) = block_on(async {
            let loads = vec![
                ("with 1,000 keys", 0.9, Load::on(&server, Some("/fill/keys"), "POST", "/theme").await),
                ("with 100 KB", 0.9, Load::on(&server, Some("/fill/page"), "POST", "/theme").await),
            ];
            compare(Load::on(&server, Some("/fill/empty"), "POST", "/theme").await, loads).await
        });
        table.line(&format!("{name}: small writes a second in a small session"), write, 0, Goal::None);
        for (what, ratio, goal) in lines {
            let what = format!("{name}: the same in a session {what} in a lazy schema, beside that");
            table.line(&what, ratio, 2, Goal::AtLeast(goal));
        }
    }
}

/// The rate of `one`, and of each load beside it.
async fn compare(mut one: Load, mut loads: Vec<(&str, f64, Load)>) -> (f64, Vec<(&str, f64, f64)>) {
    let mut ones = Vec::new();
    let mut ratios = vec![Vec::new(); loads.len()];
    for _ in 0..ROUNDS {
        let unit = one.rate().await;
        ones.push(unit);
        for ((_, _, load), ratios) in loads.iter_mut().zip(&mut ratios) {
            ratios.push(load.rate().await / unit);
        }
    }
    let lines = loads.iter().zip(ratios).map(|((what, goal, _), ratios)| (*what, median(ratios), *goal));
    (median(ones), lines.collect())
}
