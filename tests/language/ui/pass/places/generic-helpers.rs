//! Helpers that are generic over schemas, for reading, for writing, and where nothing can be awaited.

use rocket::Request;
use session_runtime::{NewestSchema, Schema, Session, SessionError, SessionHandle, Visit};

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    coupon: Option<String>,
}

async fn shown<S: Schema>(session: &SessionHandle, show: fn(&S) -> String) -> Result<String, SessionError> {
    session.read::<S>().await.map(show)
}

async fn change<S: Schema>(session: &SessionHandle, change: fn(&mut S::Mut)) -> Result<(), SessionError> {
    let mut guard = session.write::<S>().await?;
    change(&mut guard);
    guard.save().await
}

fn loaded<S: Schema>(session: &SessionHandle) -> bool {
    session.loaded::<S>().is_some()
}

async fn guard<S: NewestSchema>(request: &Request<'_>) -> bool {
    request.guard::<Session<S>>().await.is_success()
}

async fn visit<S: Schema>(visit: &Visit) -> Result<(), SessionError> {
    visit.clear::<S>().await
}

async fn all(request: &Request<'_>, session: &SessionHandle, at: &Visit) -> Result<(), SessionError> {
    shown::<Cart>(session, |cart| cart.coupon().clone().unwrap_or_default()).await?;
    change::<Cart>(session, |cart| cart.set_coupon("SPRING".into())).await?;
    session.clear::<Cart>().await?;
    session.restart();
    assert!(loaded::<Cart>(session) || guard::<Cart>(request).await);
    visit::<Cart>(at).await
}

fn main() {
    let _ = all;
}
