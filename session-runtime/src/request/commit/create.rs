//! Creation of a session under a new id.

use std::sync::Arc;

use super::Outcome;
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionId;
use crate::record::expiry::{Span, StoredExpiry};
use crate::record::{Head, Record, Values};
use crate::request::core::Core;
use crate::request::visit::{Live, SessionStatus, Visit};
use crate::store::Created;
use crate::version::versioned::VersionedValues;

impl Visit {
    /// Creates a session under a new id. `before`: the record from which values were taken over. Creates nothing if
    /// there is nothing to store.
    pub(in crate::request) async fn create(
        &self,
        values: Values,
        before: &Values,
        expiry: StoredExpiry,
    ) -> Result<Outcome, SessionError> {
        if values.is_empty() {
            return Ok(Outcome::Done);
        }
        let values = self.core.versions.to_store(values, before, self.now)?;
        self.core.limits.check(values.bytes(), values.len())?;
        let (id, record) = self.core.create(self, values, expiry).await?;
        let mut state = self.state();
        state.cookie = self.new_cookie(id, &record.head, record.head.created);
        state.session_status = SessionStatus::Live(Arc::new(Live::created(id, record)));
        drop(state);
        self.set_all_fetched();
        Ok(Outcome::Done)
    }
}

impl Live {
    /// Returns the session that this request has created.
    fn created(id: SessionId, Record { head, values }: Record) -> Self {
        let (bytes, keys, stored) = (values.bytes(), values.len(), head.clone());
        let values = VersionedValues::new(values, head.created);
        Self { id, presented: false, head, values, stored, bytes, keys, unreadable: Vec::new() }
    }
}

impl Core {
    /// Creates a record under a new id, drawn at most four times until one is free. The record under a taken id is
    /// never touched.
    async fn create(
        &self,
        visit: &Visit,
        values: Values,
        expiry: StoredExpiry,
    ) -> Result<(SessionId, Record), SessionError> {
        const TRIES: usize = 4;
        for _ in 0..TRIES {
            let id = SessionId::new(self.random)?;
            let record = Record { head: self.first_head(id, expiry), values: values.clone() };
            if self.run(&visit.budget, visit.store().create(id.key, record.clone())).await? == Created::Done {
                self.lifetime.report_cut(expiry, record.head.span(), record.head.created);
                return Ok((id, record));
            }
            tracing::error!("a new session id was taken already; drawing another");
        }
        Err(SessionError::with(ErrorKind::Unavailable, "four random ids in a row were taken"))
    }

    /// Returns the head of a record that is created now.
    fn first_head(&self, id: SessionId, expiry: StoredExpiry) -> Head {
        let now = self.now();
        let absolute_deadline = self.lifetime.absolute_deadline(now);
        let span = Span { created: now, absolute_deadline };
        Head {
            created: now,
            touched: now,
            idle_deadline: self.lifetime.idle_deadline(expiry, span, now),
            absolute_deadline,
            expiry,
            secret: id.secret_hash(),
            secret_since: now,
            previous: None,
            generation: 0,
            generation_since: None,
            revision: 0,
        }
    }
}
