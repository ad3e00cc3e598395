//! Building blocks of the rules: a store, a current time, fresh keys, and checks with readable messages.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::Verdict;
use crate::clock::Timestamp;
use crate::id::{SecretHash, SessionKey};
use crate::record::patch::unchanged::UnchangedHint;
use crate::record::patch::{Expected, Patch, Patched, Precondition};
use crate::record::{Head, Record, Text, Values};
use crate::store::{Created, Loaded, Store, StoreError, Wanted};
use crate::testing::head_at;

pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);

/// Observed behaviour that violates the rule.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

/// Makes a failed operation break every rule that needs it.
impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        Self(format!("an operation failed: {error}{}", source.unwrap_or_default()))
    }
}

/// Ends a rule unless the condition holds; the text describes the observed behaviour.
macro_rules! ensure {
    ($holds:expr, $($seen:tt)+) => {
        if !$holds {
            return Err($crate::testing::conformance::trial::Broken(format!($($seen)+)));
        }
    };
}
pub(super) use ensure;

/// Creates a rule named after the function that checks it.
macro_rules! rule {
    ($name:ident, $demand:literal) => {
        Rule { name: stringify!($name), demand: $demand, run: |trial| Box::pin($name(trial)) }
    };
}
pub(super) use rule;

/// Single run of one rule.
#[derive(Clone)]
pub(super) struct Trial {
    pub(super) store: Arc<dyn Store>,
    pub(super) now: Timestamp,
}

impl Trial {
    pub(super) fn new(store: Arc<dyn Store>, now: Timestamp) -> Self {
        Self { store, now }
    }

    /// Head of a record that is created now and expires in an hour.
    pub(super) fn head(&self) -> Head {
        head_at(self.now.as_millis())
    }

    /// Stores a record with this head under a fresh key.
    pub(super) async fn stored_with(&self, head: Head, values: &[(&str, &str)]) -> Result<SessionKey, Broken> {
        let key = fresh_key();
        let created = self.store.create(key, Record { head, values: texts(values) }).await?;
        ensure!(created == Created::Done, "a fresh key was answered as taken");
        Ok(key)
    }

    /// Stores a record under a fresh key; it expires in an hour.
    pub(super) async fn stored(&self, values: &[(&str, &str)]) -> Result<SessionKey, Broken> {
        self.stored_with(self.head(), values).await
    }

    /// Stores records that expire at this time, each under its own key.
    pub(super) async fn expiring(&self, expires: Timestamp, count: usize) -> Result<Vec<SessionKey>, Broken> {
        let mut keys = Vec::with_capacity(count);
        for _ in 0..count {
            keys.push(self.stored_with(Head { idle_deadline: expires, ..self.head() }, &[("cart", "{}")]).await?);
        }
        Ok(keys)
    }

    pub(super) async fn load_at(&self, key: SessionKey, now: Timestamp) -> Result<Option<Loaded>, Broken> {
        Ok(self.store.load(key, &Wanted::all(), now).await?)
    }

    /// Loads the whole record, which must exist.
    pub(super) async fn load(&self, key: SessionKey) -> Result<Loaded, Broken> {
        self.load_at(key, self.now).await?.ok_or_else(|| Broken("a record that must be there was not loaded".into()))
    }

    pub(super) async fn must_be_gone(&self, key: SessionKey) -> Verdict {
        ensure!(self.load_at(key, self.now).await?.is_none(), "a record that must be gone was loaded");
        Ok(())
    }

    /// Requires the record to hold exactly these values, with their totals.
    pub(super) async fn must_hold(&self, key: SessionKey, values: &[(&str, &str)]) -> Verdict {
        let values = texts(values);
        let Loaded { record, bytes, keys, .. } = self.load(key).await?;
        ensure!(record.values == values, "the record holds {}, not {}", shown(&record.values), shown(&values));
        ensure!((bytes, keys) == (values.bytes(), values.len()), "the totals are {bytes} bytes and {keys} keys");
        Ok(())
    }

    /// Returns whether nothing at all is stored under the key. This distinguishes a removed record from an expired one.
    pub(super) async fn is_vacant(&self, key: SessionKey) -> Result<bool, Broken> {
        let record = Record { head: self.head(), values: Values::new() };
        let vacant = self.store.create(key, record).await? == Created::Done;
        if vacant {
            self.store.delete(key).await?;
        }
        Ok(vacant)
    }

    pub(super) async fn patch(&self, key: SessionKey, patch: Patch) -> Result<Patched, Broken> {
        Ok(self.store.patch(key, patch, self.now).await?)
    }

    /// Applies a patch that must succeed, and requires that a load afterwards returns the same head.
    pub(super) async fn done(&self, key: SessionKey, patch: Patch) -> Result<Head, Broken> {
        let answer = self.patch(key, patch).await?;
        let Patched::Done(head) = answer else { return Err(unexpected("done", &answer)) };
        let loaded = self.load(key).await?.record.head;
        ensure!(head == loaded, "the answer has another head than the one that is loaded");
        Ok(head)
    }

    pub(super) async fn must_conflict(&self, key: SessionKey, patch: Patch) -> Result<Record, Broken> {
        match self.patch(key, patch).await? {
            Patched::Conflict(record) => Ok(record),
            answer => Err(unexpected("a conflict", &answer)),
        }
    }
}

pub(super) fn unexpected(wanted: &str, answer: &Patched) -> Broken {
    let got = match answer {
        Patched::Done(_) => "done",
        Patched::Gone => "gone",
        Patched::Renewed => "renewed",
        Patched::Conflict(_) => "a conflict",
    };
    Broken(format!("a patch answered {got} instead of {wanted}"))
}

/// Returns a random key that no record has.
pub(super) fn fresh_key() -> SessionKey {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("an operating system that runs tests gives random bytes");
    SessionKey::from_bytes(bytes)
}

pub(super) fn hash(byte: u8) -> SecretHash {
    SecretHash::from_bytes([byte; 32])
}

pub(super) fn texts(values: &[(&str, &str)]) -> Values {
    values.iter().map(|(name, text)| (Text::from(*name), Text::from(*text))).collect()
}

/// Returns a patch of generation 0 that sets these keys.
pub(super) fn setting(values: &[(&str, &str)]) -> Patch {
    let set = values.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
    Patch { set, ..Patch::on_generation(0) }
}

pub(super) fn removing(names: &[&str]) -> Patch {
    Patch { remove: names.iter().map(|name| (*name).into()).collect(), ..Patch::on_generation(0) }
}

/// Adds the hint that a request attaches to a patch of the record that it has loaded.
pub(super) fn with_hint(patch: Patch, loaded: &Loaded) -> Patch {
    let Loaded { record: Record { head, values }, bytes, keys, .. } = loaded;
    let unchanged = UnchangedHint::since(&patch, head, values, *bytes, *keys);
    Patch { unchanged, ..patch }
}

/// Adds the precondition that these keys have these values; `None` means absent.
pub(super) fn expecting(patch: Patch, on: &[(&str, Option<&str>)]) -> Patch {
    let expected = |(name, base): &(&str, Option<&str>)| Expected {
        name: (*name).into(),
        base: base.map(Text::from),
        or_ours: false,
    };
    Patch { precondition: Precondition::Values(on.iter().map(expected).collect()), ..patch }
}

/// Formats values for a message. Cuts long ones: only one value of the rules is long, and it is not worth reading.
fn shown(values: &Values) -> String {
    let cut = |text: &str| text.chars().take(40).collect::<String>();
    let pairs = values.iter().take(20).map(|(name, text)| format!("{}={}", cut(name), cut(text)));
    format!("[{}]", pairs.collect::<Vec<_>>().join(", "))
}

/// Runs the futures concurrently; returns their results in order.
pub(super) async fn together<F>(futures: impl IntoIterator<Item = F>) -> Result<Vec<F::Output>, Broken>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.map_err(|_| Broken("the store panicked".into()))?);
    }
    Ok(results)
}

/// Returns the verdict; a panic is a violation.
pub(super) async fn caught(rule: impl Future<Output = Verdict> + Send + 'static) -> Verdict {
    together([rule]).await?.pop().unwrap_or(Ok(()))
}
