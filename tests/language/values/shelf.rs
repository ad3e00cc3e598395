//! One visitor of an application, each request with a visit of its own at one memory store.

use session_runtime::{MemoryStore, Schema, Schemas, SessionError, Sessions, Visit};

pub struct Shelf {
    pub sessions: Sessions,
    cookie: Option<String>,
}

impl Shelf {
    pub fn new<S: Schemas>() -> Self {
        let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<S>().build().unwrap();
        Self { sessions, cookie: None }
    }

    pub fn open(&self) -> Visit {
        self.sessions.open(self.cookie.as_deref())
    }

    /// Ends a request; the error of its save.
    pub async fn close(&mut self, visit: Visit) -> Option<SessionError> {
        let finished = visit.finish(200).await;
        if let Some(header) = finished.cookie.header() {
            self.cookie = header.split(';').next().map(str::to_owned);
        }
        finished.error
    }

    /// A request that edits one schema.
    pub async fn edit<S: Schema>(&mut self, edit: impl FnOnce(&mut S::Mut)) -> Option<SessionError> {
        let visit = self.open();
        edit(&mut *visit.write::<S>().await.unwrap());
        self.close(visit).await
    }

    /// Another request's look at one schema.
    pub async fn read<S: Schema, R>(&self, look: impl FnOnce(&S) -> R) -> Result<R, SessionError> {
        self.open().read::<S>().await.map(look)
    }

    pub fn forget(&mut self) {
        self.cookie = None;
    }
}
