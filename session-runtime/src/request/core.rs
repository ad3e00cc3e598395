//! The store, the settings and the schemas of an application, shared by all requests and jobs.

use std::any::TypeId;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::config::cross_site::CrossSiteRules;
use crate::config::transport::TransportRules;
use crate::config::{Limits, OnSaveError};
use crate::error::{ErrorKind, SessionError};
use crate::id::Random;
use crate::pace::{give_way, output_or_step};
use crate::record::expiry::Lifetime;
use crate::request::backend::Backend;
use crate::request::budget::{Budget, catch_panic};
use crate::request::conflict_queue::Queues;
use crate::request::load_set::LoadSets;
use crate::request::saving::Saves;
use crate::request::watches::Watches;
use crate::schema::codec::IdSource;
use crate::schema::{OnlyNewest, Schema, SchemaSpec};
use crate::store::{Store, StoreError, StoreErrorKind};
use crate::version::versioned::Versions;

/// The store, the settings and the schemas of one application.
pub(crate) struct Core {
    pub(crate) backend: Backend,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Random,
    pub(crate) lifetime: Lifetime,
    pub(crate) limits: Limits,
    pub(crate) deadline: Duration,
    pub(crate) on_save_error: OnSaveError,
    pub(crate) transport: TransportRules,
    /// True if a logout also clears the browser's cache.
    pub(crate) clear_site_data: bool,
    #[cfg_attr(
        not(any(feature = "rocket", feature = "axum")),
        expect(dead_code, reason = "the adapter to a framework runs the check")
    )]
    pub(crate) cross_site: CrossSiteRules,
    pub(crate) schemas: Vec<&'static SchemaSpec>,
    /// True if any schema has a field that names the user.
    pub(crate) has_user: bool,
    pub(crate) load_sets: LoadSets,
    pub(crate) versions: Versions,
    /// Queues in which conflicting saves of one session take turns.
    pub(crate) queues: Queues,
    pub(crate) watches: Watches,
    /// Saves that have begun and not ended.
    pub(crate) saves: Saves,
}

impl Core {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    /// Returns the source of the ids of new list elements.
    pub(crate) fn ids(&self) -> IdSource<'_> {
        IdSource::Drawn { clock: &*self.clock, random: self.random }
    }

    /// Returns the store that jobs and most requests work on.
    pub(crate) fn store(&self) -> &dyn Store {
        self.backend.store()
    }

    pub(crate) fn schemas(&self) -> &[&'static SchemaSpec] {
        &self.schemas
    }

    /// Returns the index of the schema among the schemas of the application.
    pub(crate) fn index_of<S: Schema>(&self) -> Result<usize, SessionError> {
        let () = OnlyNewest::<S>::CHECKED;
        let id = TypeId::of::<S>();
        let found = self.schemas.iter().position(|schema| (schema.type_id)() == id);
        found.ok_or_else(|| SessionError::at_schema(ErrorKind::UnknownSchema, S::SPEC))
    }

    /// Runs one store operation within the remaining budget. A panic in it becomes an error.
    pub(crate) async fn run<T>(
        &self,
        budget: &Budget,
        work: impl Future<Output = Result<T, StoreError>> + Unpin,
    ) -> Result<T, SessionError> {
        match budget.wait(catch_panic(work)).await {
            Some(outcome) => self.outcome(budget, outcome),
            None => Err(self.unavailable(Some(budget.used_up()))),
        }
    }

    /// Runs one store operation of a job. The deadline applies to each round trip that the store notes, not to all of
    /// them together.
    pub(crate) async fn run_in_steps<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Unpin,
    ) -> Result<T, SessionError> {
        let mut work = catch_panic(work);
        loop {
            let budget = Budget::new(self.deadline);
            match budget.wait(output_or_step(&mut work)).await {
                // A step is complete, and the next one has a budget of its own. Polling at once would undo a yield of the
                // work.
                Some(None) => give_way().await,
                Some(Some(outcome)) => return self.outcome(&budget, outcome),
                None => return Err(self.unavailable(Some(budget.used_up()))),
            }
        }
    }

    /// Returns the result of an operation; `None` is a panic.
    fn outcome<T>(&self, budget: &Budget, outcome: Option<Result<T, StoreError>>) -> Result<T, SessionError> {
        match outcome {
            Some(Ok(done)) => Ok(done),
            Some(Err(error)) => Err(self.failed(budget, error)),
            None => Err(SessionError::new(ErrorKind::Panicked)),
        }
    }

    /// Converts an error of the store into an error of the request.
    fn failed(&self, budget: &Budget, error: StoreError) -> SessionError {
        match error.kind() {
            // An operator can correct a rejected password or a missing table while the program runs, so `Setup` counts
            // as an outage.
            StoreErrorKind::Unavailable | StoreErrorKind::Setup => self.unavailable(budget.suspicion()).because(error),
            StoreErrorKind::Overloaded => self.unavailable(Some("overloaded".to_owned())).because(error),
            _ => error.into(),
        }
    }

    /// Returns an `Unavailable` error that names the store, so that an operator can find it, and gives the reason if
    /// there is one.
    fn unavailable(&self, why: Option<String>) -> SessionError {
        let store = self.store().describe();
        SessionError::with(ErrorKind::Unavailable, why.map_or(store.clone(), |why| format!("{store}: {why}")))
    }
}
