//! The end of a session is a future, and is known once it is awaited.
#![deny(unused_must_use)]

use session_runtime::{SessionHandle, Visit};

async fn until_the_end(session: &SessionHandle, visit: &Visit) {
    session.ended();
    visit.ended();
}

fn main() {}
