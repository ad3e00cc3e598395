//! The shop of the example `cart` on axum: `cargo run --example axum-cart`, then `curl -i -X POST
//! http://127.0.0.1:8000/cart/add/3`.
//!
//! | file | content |
//! |---|---|
//! | `session.rs` | the schemas of a visitor's session, as in `cart` |
//! | `api.rs` | the interface for programs, as in `cart` |
//!
//! `PORT` is the port, 8000 by default. The settings of the session come from the environment:
//! `CART_SESSION__STORE=memory:`, `CART_SESSION__IDLE=1h`. Without a store, the sessions are in the file `sessions.db`.

mod api;
mod session;

use std::error::Error;
use std::net::Ipv4Addr;

use session_runtime::axum::SessionLayer;
use session_runtime::{SessionConfig, SessionError, Sessions};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::session::{AuthSession, CartSession, PrefsSession};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sessions = sessions()?;
    sessions.prepare().await?;
    sessions.sweep_in_background(stopped());
    let port = std::env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("launched from http://{}", listener.local_addr()?);
    let app = api::routes().layer(SessionLayer::new(sessions.clone()));
    axum::serve(listener, app).with_graceful_shutdown(stopped()).await?;
    // A client that left during a save has no connection that the server would wait for.
    sessions.settled().await;
    Ok(())
}

fn sessions() -> Result<Sessions, SessionError> {
    let mut config = SessionConfig::from_env("CART")?;
    if std::env::var_os("CART_SESSION").or(std::env::var_os("CART_SESSION__STORE")).is_none() {
        config = config.store("sqlite://sessions.db");
    }
    Sessions::builder().config(config).schemas::<(CartSession, AuthSession, PrefsSession)>().build()
}

/// Completes when the program is asked to stop, by Ctrl-C or by a service manager.
async fn stopped() {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
