//! `session sweep`: removes expired sessions.

use serde::Serialize;

use super::exit::{Exit, Failure};
use super::opened::Opened;
use super::output::Output;
use super::progress::{Progress, Stop, grouped};
use crate::pace::Pace;
use crate::sync::Instant;

/// Outcome as JSON.
#[derive(Serialize)]
struct Report {
    removed: u64,
}

pub(super) async fn run(opened: &Opened, output: &mut Output) -> Result<Exit, Failure> {
    let mut removed = 0;
    let outcome = sweep(opened, &Stop::listen(), &mut removed).await;
    let exit = outcome.map_err(|failure| if removed > 0 { failure.after(&sentence(removed)) } else { failure })?;
    if exit == Exit::Interrupted {
        anstream::eprintln!("session: interrupted: {}; the command may be run again", sentence(removed));
    }
    output.outcome(&sentence(removed), removed, &Report { removed })?;
    Ok(exit)
}

fn sentence(removed: u64) -> String {
    if removed == 1 {
        "1 session was removed".to_owned()
    } else {
        format!("{} sessions were removed", grouped(removed))
    }
}

/// Removes expired sessions in steps, with pauses for requests.
async fn sweep(opened: &Opened, stop: &Stop, removed: &mut u64) -> Result<Exit, Failure> {
    let (mut pace, progress) = (Pace::of_sweep(), Progress::new("removed"));
    loop {
        let (limit, started) = (pace.size(), Instant::now());
        let step = opened.core().run_in_steps(opened.store.sweep(limit, opened.now())).await?;
        *removed += step as u64;
        progress.show(*removed, None);
        if step < limit && opened.store.is_swept() {
            return Ok(Exit::Done);
        }
        if stop.is_wished() {
            return Ok(Exit::Interrupted);
        }
        pace.pause_after(started.elapsed()).await;
    }
}
