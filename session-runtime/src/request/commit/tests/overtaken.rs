//! Reads of a new session match its stored values, whatever another request did to the old one.

use std::sync::Arc;

use crate::{MemoryStore, Session, Sessions, Visit};

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(renew)]
    user: Option<u8>,
    #[session(renew)]
    operator: Option<u8>,
    #[session(merge = sum)]
    visits: u32,
}

#[derive(Session)]
#[session(key = "prefs", version = 1, lasting)]
struct Prefs {
    #[session(merge = sum)]
    hints: u32,
}

fn sessions() -> Sessions {
    Sessions::builder().store(Arc::new(MemoryStore::new())).schemas::<(Auth, Prefs)>().build().unwrap()
}

/// Opens two requests of one browser, whose session has a user and two sums of 5.
async fn two_requests(sessions: &Sessions) -> [Visit; 2] {
    let first = sessions.open([]);
    {
        let mut auth = first.write::<Auth>().await.unwrap();
        auth.set_user(1);
        *auth.visits_mut() = 5;
        *first.write::<Prefs>().await.unwrap().hints_mut() = 5;
    }
    let finished = first.finish(200).await;
    let cookie = finished.cookie.header().unwrap().split(';').next().unwrap();
    [(); 2].map(|()| sessions.open([cookie]))
}

async fn finish(visit: &Visit) {
    assert!(visit.finish(200).await.error.is_none());
}

/// Returns the sums that a finished request reads. They must be those that are stored.
async fn sums(sessions: &Sessions, visit: &Visit) -> (u32, u32) {
    let key = visit.key().unwrap();
    let stored = sessions.read::<Auth>(&key).await.unwrap().map(|auth| *auth.visits());
    let lasting = sessions.read::<Prefs>(&key).await.unwrap().map(|prefs| *prefs.hints());
    let visits = *visit.read::<Auth>().await.unwrap().visits();
    let hints = *visit.read::<Prefs>().await.unwrap().hints();
    assert_eq!((visits, hints), (stored.unwrap_or(0), lasting.unwrap_or(0)));
    (visits, hints)
}

/// The login starts over because another request has renewed the id: the sum of the previous user is not read after it.
#[tokio::test]
async fn reads_after_an_overtaken_login_show_nothing_of_the_user_before() {
    let sessions = sessions();
    let [slow, other] = two_requests(&sessions).await;
    *slow.write::<Auth>().await.unwrap().visits_mut() += 1;
    other.renew();
    finish(&other).await;
    slow.write::<Auth>().await.unwrap().set_operator(2);
    finish(&slow).await;
    assert_eq!(sums(&sessions, &slow).await, (1, 5));
}

/// A logout keeps the amount that another request has added to a lasting sum meanwhile.
#[tokio::test]
async fn reads_after_a_logout_show_what_others_added_to_a_lasting_sum() {
    let sessions = sessions();
    let [slow, other] = two_requests(&sessions).await;
    *slow.write::<Prefs>().await.unwrap().hints_mut() += 1;
    *other.write::<Prefs>().await.unwrap().hints_mut() += 10;
    finish(&other).await;
    slow.write::<Auth>().await.unwrap().clear_user();
    finish(&slow).await;
    assert_eq!(sums(&sessions, &slow).await, (0, 16));
}

/// A restart begins a new session even if another request has ended the old one.
#[tokio::test]
async fn reads_after_a_restart_of_an_ended_session_show_only_what_was_added() {
    let sessions = sessions();
    let [slow, other] = two_requests(&sessions).await;
    *slow.write::<Prefs>().await.unwrap().hints_mut() += 1;
    other.destroy();
    finish(&other).await;
    slow.restart();
    finish(&slow).await;
    assert_eq!(sums(&sessions, &slow).await, (0, 1));
}
