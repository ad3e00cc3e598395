//! The end of a session borrows nothing: a task, a stream or another thread can wait for it.
#![deny(warnings)]

use session_runtime::{EndReason, Ended, SessionHandle, Visit};

fn is_free<T: Send + Unpin + 'static>(ended: T) -> T {
    ended
}

pub fn watch(session: &SessionHandle) -> tokio::task::JoinHandle<&'static str> {
    let mut ended = is_free(session.ended());
    tokio::spawn(async move {
        let first: EndReason = (&mut ended).await;
        match ended.await {
            again if again != first => "never",
            Ended::Over => "over",
            Ended::LoggedOut => "logged out",
            Ended::Expired => "expired",
        }
    })
}

pub async fn beside(visit: &Visit, work: impl Future<Output = ()>) -> bool {
    let ended = is_free(visit.ended());
    tokio::select! {
        _ = ended => false,
        () = work => true,
    }
}

fn main() {}
