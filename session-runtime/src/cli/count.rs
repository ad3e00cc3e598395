//! `session count`: sessions by schema and version.

use std::collections::BTreeMap;

use serde::Serialize;

use super::exit::{Exit, Failure};
use super::opened::{NONE_EXPIRED, Opened, fraction};
use super::output::{Cell, Column, Output};
use super::progress::{Progress, Stop, grouped};
use crate::clock::Timestamp;
use crate::record::{Record, key};
use crate::store::Page;
use crate::version::status::stored_version;

const COLUMNS: [Column; 6] = [
    Column::text("SCHEMA", 16),
    Column::text("VERSION", 7),
    Column::number("ALIVE", 11),
    Column::number("EXPIRED", 11),
    Column::number("UNREADABLE", 10),
    Column::number("BYTES", 15),
];

/// Sessions that have something in common.
#[derive(Clone, Copy, Default, Serialize)]
struct Tally {
    alive: u64,
    expired: u64,
    /// Stored keys and values.
    bytes: u64,
}

/// Counts of all sessions.
#[derive(Default)]
struct Census {
    all: Tally,
    unreadable: u64,
    /// Sections by schema and version; `None` if the version cannot be read.
    schemas: BTreeMap<(String, Option<u16>), Tally>,
}

/// Counts as JSON.
#[derive(Serialize)]
struct Report<'c> {
    #[serde(flatten)]
    all: Tally,
    unreadable: u64,
    schemas: Vec<SchemaReport<'c>>,
}

#[derive(Serialize)]
struct SchemaReport<'c> {
    schema: &'c str,
    version: Option<u16>,
    #[serde(flatten)]
    tally: Tally,
}

pub(super) async fn run(opened: &Opened, output: &mut Output) -> Result<Exit, Failure> {
    let (mut census, mut pages, now) = (Census::default(), opened.pages(NONE_EXPIRED), opened.now());
    let (progress, stop) = (Progress::new("counted"), Stop::listen());
    let mut exit = Exit::Done;
    while let Some(page) = pages.next().await? {
        census.add(&page, now);
        progress.show(census.sessions(), fraction(page.next.as_ref()));
        if stop.is_wished() {
            exit = Exit::Interrupted;
            break;
        }
    }
    drop(progress);
    census.print(output)?;
    if exit == Exit::Interrupted {
        anstream::eprintln!(
            "session: interrupted after {} sessions; the counts are of these",
            grouped(census.sessions())
        );
    }
    Ok(exit)
}

impl Tally {
    fn add(&mut self, is_alive: bool, bytes: u64) {
        self.alive += u64::from(is_alive);
        self.expired += u64::from(!is_alive);
        self.bytes += bytes;
    }
}

impl Census {
    fn sessions(&self) -> u64 {
        self.all.alive + self.all.expired + self.unreadable
    }

    fn add(&mut self, page: &Page, now: Timestamp) {
        self.unreadable += page.unreadable.len() as u64;
        for (_, record) in &page.sessions {
            self.add_record(record, now);
        }
    }

    fn add_record(&mut self, record: &Record, now: Timestamp) {
        let is_alive = now < record.head.idle_deadline;
        let mut schemas = BTreeMap::<&str, u64>::new();
        for (name, text) in record.values.iter() {
            *schemas.entry(key::split_schema(name).0).or_default() += (name.len() + text.len()) as u64;
        }
        self.all.add(is_alive, schemas.values().sum());
        for (schema, bytes) in schemas.into_iter().filter(|(schema, _)| *schema != key::RESERVED) {
            let version = record.values.get(schema).and_then(stored_version);
            self.schemas.entry((schema.to_owned(), version)).or_default().add(is_alive, bytes);
        }
    }

    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        if output.is_json() {
            return output.json(&self.report());
        }
        output.header(&COLUMNS)?;
        output.row(&COLUMNS, &cells("*", "*", &self.all, self.unreadable))?;
        for ((schema, version), tally) in &self.schemas {
            let version = version.map_or("?".to_owned(), |version| version.to_string());
            output.row(&COLUMNS, &cells(schema, &version, tally, 0))?;
        }
        Ok(())
    }

    fn report(&self) -> Report<'_> {
        let schemas = self.schemas.iter();
        let schemas =
            schemas.map(|((schema, version), tally)| SchemaReport { schema, version: *version, tally: *tally });
        Report { all: self.all, unreadable: self.unreadable, schemas: schemas.collect() }
    }
}

fn cells(schema: &str, version: &str, tally: &Tally, unreadable: u64) -> [Cell; 6] {
    [
        schema.to_owned().into(),
        version.to_owned().into(),
        tally.alive.into(),
        tally.expired.into(),
        unreadable.into(),
        tally.bytes.into(),
    ]
}
