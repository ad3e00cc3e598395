//! The cost of a session: `cargo bench` prints one table. Callgrind counts instructions and must be installed
//! (`apt-get install valgrind`). Rates and latencies are ratios within one run, since machines are noisy.
//!
//! | file | contents |
//! |---|---|
//! | `app.rs` | the servers that are measured: bare Rocket, and the same routes with a session |
//! | `server.rs` | a server as a process of its own, under callgrind or not |
//! | `client.rs` | the load: connections that are kept alive, a session each |
//! | `accessors.rs` | generated accessors beside plain fields |
//! | `instructions.rs` | instructions per request, all threads |
//! | `rates.rs` | requests per second beside bare Rocket's `/ping`, and beside those of an empty session |
//! | `pages.rs` | one page of a scan, of few sessions and of many |
//! | `index.rs` | lookups of the sessions of a user, of few sessions and of many |
//! | `load.rs` | visitors beside a sweep: the share of their adds that they keep |
//! | `load/overload.rs` | ten times the adds that a slowed store can do |
//! | `load/large.rs` | one small write in a large session, beside one in a small session |
//! | `load/million.rs` | ten thousand sessions beside a million: reads, adds and a census |
//! | `memory.rs` | a million sessions: their resident memory, and requests while they are swept |
//! | `compile.rs` | CPU seconds of the compiler for the derive, beside serde's |
//! | `table.rs` | the lines that are printed, each beside its goal |
//!
//! `cargo bench -- rates` runs one part: `accessors`, `instructions`, `rates`, `growth`, `pages`, `index`,
//! `load`, `memory` or `compile`. `load` has four sections; the variable `LOAD` names those to run, such as `overload,large`.
//! `INDEX` names the stores of the part `index`, such as `memory,sqlite`.

mod accessors;
mod app;
mod client;
mod compile;
mod index;
mod instructions;
mod load;
mod memory;
mod pages;
mod rates;
mod server;
mod table;

use std::env;
use std::process::Command;

use table::Table;

/// A part of the table.
type Part = (&'static str, fn(&mut Table));

const PARTS: [Part; 9] = [
    ("accessors", accessors::measure),
    ("instructions", instructions::measure),
    ("rates", rates::beside_rocket),
    ("growth", rates::beside_empty),
    ("pages", pages::measure),
    ("index", index::measure),
    ("load", load::measure),
    ("memory", memory::measure),
    ("compile", compile::measure),
];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", app, store, workers] => app::serve(app, store, workers),
        ["accessors-child"] => accessors::run(),
        ["memory-child"] => memory::run(),
        _ => print(&words),
    }
}

fn print(wanted: &[&str]) {
    if let Some(unknown) = wanted.iter().find(|word| !PARTS.iter().any(|(name, _)| name == *word)) {
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no part `{unknown}`: choose of {}", names.join(", "));
        std::process::exit(2);
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("instructions are counted by callgrind: install valgrind (`apt-get install valgrind`)");
        std::process::exit(2);
    }
    let mut table = Table::new();
    for (_, measure) in PARTS.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name)) {
        measure(&mut table);
    }
    table.end();
}
