//! `session list`: sessions with their times and schemas.

use std::collections::BTreeMap;

use serde::Serialize;

use super::args::ListArgs;
use super::exit::{Exit, Failure};
use super::lookup::{By, Candidate, Search};
use super::opened::Opened;
use super::output::{Cell, Column, Output, time};
use super::progress::{Stop, grouped};
use crate::id::SessionKey;
use crate::record::{Record, key};
use crate::version::status::stored_version;

const COLUMNS: [Column; 5] = [
    Column::text("KEY", 22),
    Column::text("CREATED", 20),
    Column::text("USED", 20),
    Column::text("EXPIRES", 20),
    Column::text("SCHEMAS", 0),
];

/// A session as JSON.
#[derive(Serialize)]
struct Line {
    key: SessionKey,
    created: String,
    used: String,
    expires: String,
    /// Versions of the schemas; `None` if one cannot be read.
    schemas: BTreeMap<String, Option<u16>>,
}

/// Sessions that have been printed, and their limit.
struct List<'o> {
    output: &'o mut Output,
    printed: u64,
    limit: u64,
}

pub(super) async fn run(opened: &Opened, args: ListArgs, output: &mut Output) -> Result<Exit, Failure> {
    let by = args.by.as_deref().map(By::parse).transpose()?;
    let (mut list, stop) = (List { output, printed: 0, limit: args.limit }, Stop::listen());
    let is_whole = match by {
        Some(by) => list.of_search(Search::new(opened, by), &stop).await?,
        None => list.of_all(opened, &stop).await?,
    };
    if stop.is_wished() {
        anstream::eprintln!("session: interrupted after {} sessions", grouped(list.printed));
        return Ok(Exit::Interrupted);
    }
    if !is_whole {
        anstream::eprintln!("session: there are more than these {}; --limit N shows more", grouped(list.printed));
    }
    Ok(if list.printed == 0 && list.limit > 0 { Exit::Nothing } else { Exit::Done })
}

impl List<'_> {
    /// Prints the sessions of a lookup; false if there are more.
    async fn of_search(&mut self, mut search: Search<'_>, stop: &Stop) -> Result<bool, Failure> {
        while let Some(page) = search.next_page(search.now()).await?.filter(|_| !stop.is_wished()) {
            for candidate in page {
                match candidate {
                    Candidate::Readable(key, loaded) if self.print(key, &loaded.record)? => {}
                    Candidate::Readable(..) => return Ok(false),
                    Candidate::Damaged(key) => anstream::eprintln!("session: {key} cannot be read"),
                }
            }
        }
        Ok(true)
    }

    /// Prints all sessions; false if there are more.
    async fn of_all(&mut self, opened: &Opened, stop: &Stop) -> Result<bool, Failure> {
        let mut pages = opened.pages(opened.now());
        while let Some(page) = pages.next().await?.filter(|_| !stop.is_wished()) {
            for (key, record) in page.sessions {
                if !self.print(key, &record)? {
                    return Ok(false);
                }
            }
            for (key, damage) in page.unreadable {
                anstream::eprintln!("session: {key} cannot be read: {damage}");
            }
        }
        Ok(true)
    }

    /// Prints a session; false if the limit has been reached before.
    fn print(&mut self, key: SessionKey, record: &Record) -> Result<bool, Failure> {
        if self.printed == self.limit {
            return Ok(false);
        }
        if self.printed == 0 {
            self.output.header(&COLUMNS)?;
        }
        self.printed += 1;
        let line = Line::new(key, record);
        if self.output.is_json() {
            self.output.json_line(&line)?;
        } else {
            self.output.row(&COLUMNS, &line.cells())?;
        }
        Ok(true)
    }
}

impl Line {
    fn new(key: SessionKey, record: &Record) -> Self {
        let head = &record.head;
        let (created, used, expires) = (time(head.created), time(head.touched), time(head.idle_deadline));
        Self { key, created, used, expires, schemas: schemas(record) }
    }

    fn cells(&self) -> [Cell; 5] {
        let version = |version: Option<u16>| version.map_or("?".to_owned(), |version| version.to_string());
        let schemas = self.schemas.iter().map(|(schema, known)| format!("{schema} {}", version(*known)));
        let schemas = schemas.collect::<Vec<_>>().join(", ");
        let (created, used, expires) = (self.created.clone(), self.used.clone(), self.expires.clone());
        [self.key.to_string(), created, used, expires, schemas].map(Cell::from)
    }
}

/// Returns the schemas of a record and their versions.
fn schemas(record: &Record) -> BTreeMap<String, Option<u16>> {
    let names = record.values.iter().map(|(name, _)| key::split_schema(name).0);
    let names = names.filter(|schema| *schema != key::RESERVED);
    names.map(|schema| (schema.to_owned(), record.values.get(schema).and_then(stored_version))).collect()
}
