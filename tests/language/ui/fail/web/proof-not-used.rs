//! A check of the last proof of identity is an answer, which a handler must not drop.
#![deny(unused_must_use)]

use std::time::Duration;

use session_runtime::{SessionHandle, Visit};

async fn forgets(session: &SessionHandle, visit: &Visit) {
    session.authenticated_at();
    visit.authenticated_at();
    visit.authenticated_within(Duration::from_secs(600));
    visit.authenticated_within(Duration::from_secs(600)).await;
}

fn main() {}
