//! A future for the end of a session is used up by `await`; `&mut` keeps it.
use session_runtime::{Ended, SessionHandle};

async fn twice(session: &SessionHandle) -> bool {
    let ended = session.ended();
    ended.await == Ended::Over || ended.await == Ended::LoggedOut
}

fn main() {}
