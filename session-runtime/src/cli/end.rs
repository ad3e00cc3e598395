//! `session end`: ends sessions by their keys, or those that hold a value.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use super::args::EndArgs;
use super::exit::{Exit, Failure};
use super::lookup::{By, Candidate, Search};
use super::opened::{NONE_EXPIRED, Opened};
use super::output::Output;
use super::progress::{Progress, Stop, grouped};
use super::show::parse_key;
use crate::error::SessionError;
use crate::id::SessionKey;
use crate::sessions::in_flight::InFlight;
use crate::store::{SWEEP_GRACE, StoreErrorKind};

/// Number of sessions that are ended at the same time.
const ENDED_AT_ONCE: usize = 16;
/// Number of sessions that are counted before the question.
const MOST_COUNTED: usize = 10_000;

/// Outcome as JSON.
#[derive(Serialize)]
struct Report {
    ended: u64,
}

pub(super) async fn run(opened: &Opened, args: EndArgs, output: &mut Output) -> Result<Exit, Failure> {
    let mut ended = 0;
    let outcome = match args.by.as_deref().map(By::parse).transpose()? {
        Some(by) => end_found(opened, by, args.yes, &mut ended).await,
        None => end_named(opened, &args.keys, args.yes, &mut ended).await,
    };
    let exit = outcome.map_err(|failure| if ended > 0 { failure.after(&sentence(ended)) } else { failure })?;
    if exit == Exit::Interrupted {
        anstream::eprintln!("session: interrupted: {}; the command may be run again", sentence(ended));
    }
    output.outcome(&sentence(ended), ended, &Report { ended })?;
    Ok(exit)
}

fn sentence(ended: u64) -> String {
    if ended == 1 { "1 session has ended".to_owned() } else { format!("{} sessions have ended", grouped(ended)) }
}

/// Ends the sessions with these keys.
async fn end_named(opened: &Opened, keys: &[String], yes: bool, ended: &mut u64) -> Result<Exit, Failure> {
    let keys = keys.iter().map(|key| parse_key(key)).collect::<Result<Vec<_>, _>>()?;
    let question = if keys.len() == 1 { "End this session?" } else { "End these sessions?" };
    if !confirm(yes, question)? {
        return Ok(Exit::Nothing);
    }
    let mut exit = Exit::Done;
    for key in keys {
        if exists(opened, key).await? {
            opened.run(opened.store.delete(key)).await?;
            *ended += 1;
        } else {
            anstream::eprintln!("session: there is no session {key}");
            exit = Exit::Nothing;
        }
    }
    Ok(exit)
}

/// True if there is a record, readable or not, expired or not.
async fn exists(opened: &Opened, key: SessionKey) -> Result<bool, SessionError> {
    opened
        .run(async {
            match opened.load(key, NONE_EXPIRED).await {
                Ok(loaded) => Ok(loaded.is_some()),
                Err(error) if error.kind() == StoreErrorKind::Corrupt => Ok(true),
                Err(error) => Err(error),
            }
        })
        .await
}

/// Ends the sessions that hold a value.
async fn end_found(opened: &Opened, by: By, yes: bool, ended: &mut u64) -> Result<Exit, Failure> {
    let mut search = Search::new(opened, by);
    let exit = match search.count_at_most(MOST_COUNTED).await? {
        0 => return Ok(Exit::Nothing),
        count if !confirm(yes, &question(count))? => return Ok(Exit::Nothing),
        // Before the answer to the question, Ctrl-C ends the program at once.
        _ => end_pages(opened, &mut search, &Stop::listen(), ended).await?,
    };
    Ok(if *ended == 0 && exit == Exit::Done { Exit::Nothing } else { exit })
}

/// The index may name sessions that hold the value no longer.
fn question(count: usize) -> String {
    match count {
        1 => "End 1 session?".to_owned(),
        ..MOST_COUNTED => format!("End up to {} sessions?", grouped(count as u64)),
        _ => format!("End {} or more sessions?", grouped(MOST_COUNTED as u64)),
    }
}

async fn end_pages(opened: &Opened, search: &mut Search<'_>, stop: &Stop, ended: &mut u64) -> Result<Exit, Failure> {
    let progress = Progress::new("ended");
    // The clock of another node may be behind.
    while let Some(page) = search.next_page(opened.now().before(SWEEP_GRACE)).await? {
        end_page(opened, search, page, stop, ended).await?;
        progress.show(*ended, Some(search.fraction()));
        if stop.is_wished() {
            return Ok(Exit::Interrupted);
        }
    }
    Ok(Exit::Done)
}

/// Ends the sessions of a page, several at the same time. After an error, starts no further session, and returns once
/// those in flight are finished.
async fn end_page(
    opened: &Opened,
    search: &Search<'_>,
    page: Vec<Candidate>,
    stop: &Stop,
    ended: &mut u64,
) -> Result<(), SessionError> {
    let (mut waiting, mut in_flight, mut outcome) = (page.into_iter(), InFlight::default(), Ok(()));
    loop {
        let goes_on = outcome.is_ok() && !stop.is_wished();
        let free = if goes_on { ENDED_AT_ONCE - in_flight.len() } else { 0 };
        for candidate in waiting.by_ref().take(free) {
            in_flight.push(end(opened, search, candidate));
        }
        match in_flight.next().await {
            None => return outcome,
            Some(Ok(is_ended)) => *ended += u64::from(is_ended),
            Some(Err(error)) => outcome = outcome.and(Err(error)),
        }
    }
}

/// Ends a session, unless it no longer holds the value after another login. Returns whether this call has ended it.
async fn end(opened: &Opened, search: &Search<'_>, found: Candidate) -> Result<bool, SessionError> {
    let mut candidate = Some(found);
    while let Some(found) = candidate {
        let (key, is_ended) = match found {
            Candidate::Damaged(key) => (key, opened.run(opened.store.delete(key)).await.map(|()| true)?),
            Candidate::Readable(key, loaded) => {
                (key, opened.run(opened.store.delete_if(key, loaded.record.head.generation)).await?)
            }
        };
        if is_ended {
            return Ok(true);
        }
        candidate = opened.run(search.look_again(key, opened.now().before(SWEEP_GRACE))).await?;
    }
    Ok(false)
}

/// Asks on a terminal. A script states that it means it.
fn confirm(yes: bool, question: &str) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "`end` asks before it ends sessions, and there is no terminal to ask on: add --yes",
        ));
    }
    let mut answer = String::new();
    anstream::eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    std::io::stdin().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}
