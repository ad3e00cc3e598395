//! Lookup by a field that the application indexes, without its schemas: `auth.user=ann`.
//!
//! A store indexes the text of a value. The text of `ann` is `"ann"` if the field holds text. That of `7` may be `"7"` or
//! `7`, so both are looked up. The index names candidates, and each of them is loaded and compared.

use super::exit::Failure;
use super::opened::{Opened, fraction};
use crate::clock::Timestamp;
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionKey;
use crate::record::{Text, key};
use crate::schema::deadline;
use crate::sessions::in_flight::InFlight;
use crate::store::{Cursor, Found, Loaded, StoreError, StoreErrorKind};

/// Number of sessions of a page.
const PAGE: usize = 500;
/// Number of sessions that are loaded at the same time.
const LOADED_AT_ONCE: usize = 64;

/// An indexed field and a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct By {
    /// Stored key of the field.
    name: Text,
    /// Texts as which the value may be stored.
    texts: Vec<Text>,
}

/// A session that holds the value.
pub(super) enum Candidate {
    Readable(SessionKey, Box<Loaded>),
    /// The head cannot be read.
    Damaged(SessionKey),
}

impl By {
    /// Parses `auth.user=ann`. The messages do not repeat the value.
    pub(super) fn parse(argument: &str) -> Result<Self, Failure> {
        let refused = || {
            Failure::usage(
                "--by takes a field and a value, as in `auth.user=ann`: the key of the schema, a dot, the field",
            )
        };
        let (name, value) = argument.split_once('=').ok_or_else(refused)?;
        let (schema, field) = (key::split_schema(name).0, key::field_in(name));
        let is_field = name.contains(key::BEFORE_FIELD) && !name.contains(['/', '~']);
        if !is_field || schema.is_empty() || field.is_empty() {
            return Err(refused());
        }
        Ok(Self { name: name.into(), texts: texts(value) })
    }

    /// Returns the text that a session holds, if it is one of these and has not expired.
    fn is_held(&self, loaded: &Loaded, text: &Text, now: Timestamp) -> bool {
        let values = &loaded.record.values;
        let schema = key::split_schema(&self.name).0;
        let is_lost = loaded.unreadable.iter().any(|name| **name == *self.name || **name == *schema);
        let is_over = || deadline::read(values, &key::of_deadline(&self.name), text).is_some_and(|at| now >= at);
        is_lost || values.get_text(&self.name) == Some(text) && !is_over()
    }
}

/// Returns the texts as which a value may be stored: as text, and as the number or truth value that it may be.
fn texts(value: &str) -> Vec<Text> {
    let text = serde_json::Value::from(value).to_string();
    let parsed = serde_json::from_str::<serde_json::Value>(value);
    let is_plain = parsed.is_ok_and(|parsed| parsed.is_number() || parsed.is_boolean());
    let plain = is_plain.then(|| Text::from(value.trim()));
    [Text::from(text)].into_iter().chain(plain).collect()
}

/// A lookup in progress.
pub(super) struct Search<'o> {
    opened: &'o Opened,
    by: By,
    /// Position among the texts, and in the pages of that text.
    at: usize,
    from: Option<Cursor>,
}

impl<'o> Search<'o> {
    pub(super) fn new(opened: &'o Opened, by: By) -> Self {
        opened.store.set_indexed_keys(std::slice::from_ref(&by.name));
        Self { opened, by, at: 0, from: None }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.opened.now()
    }

    /// Returns the part of the index that has been read, from 0 to 1.
    pub(super) fn fraction(&self) -> f64 {
        let texts = self.by.texts.len().max(1);
        #[expect(clippy::cast_precision_loss, reason = "at most two texts")]
        let fraction = (self.at as f64 + fraction(self.from.as_ref()).unwrap_or(0.0)) / texts as f64;
        fraction
    }

    /// Reads the next page: the sessions that hold the value and have not expired at `now`. `None` after the last page.
    pub(super) async fn next_page(&mut self, now: Timestamp) -> Result<Option<Vec<Candidate>>, Failure> {
        let Some(text) = self.by.texts.get(self.at).cloned() else { return Ok(None) };
        let page = self.opened.run(self.read_page(&text, now)).await;
        let (candidates, next) = page.map_err(|error| self.failure(error))?;
        self.at += usize::from(next.is_none());
        self.from = next;
        Ok(Some(candidates))
    }

    /// Returns the number of sessions that the index names, at most about `most`.
    pub(super) async fn count_at_most(&mut self, most: usize) -> Result<usize, Failure> {
        let mut count = 0;
        while let Some(text) = self.by.texts.get(self.at).cloned().filter(|_| count < most) {
            let found = self.opened.run(self.find(&text)).await.map_err(|error| self.failure(error))?;
            count += found.keys.len();
            self.at += usize::from(found.next.is_none());
            self.from = found.next;
        }
        (self.at, self.from) = (0, None);
        Ok(count)
    }

    async fn find(&self, text: &Text) -> Result<Found, StoreError> {
        self.opened.store.find(&self.by.name, text, self.from.as_ref(), PAGE).await
    }

    async fn read_page(&self, text: &Text, now: Timestamp) -> Result<(Vec<Candidate>, Option<Cursor>), StoreError> {
        let Found { keys, next } = self.find(text).await?;
        let (mut waiting, mut in_flight, mut candidates) = (keys.into_iter(), InFlight::default(), Vec::new());
        loop {
            for key in waiting.by_ref().take(LOADED_AT_ONCE - in_flight.len()) {
                in_flight.push(self.look(key, text, now));
            }
            match in_flight.next().await {
                Some(found) => candidates.extend(found?),
                None => return Ok((candidates, next)),
            }
        }
    }

    /// Loads a session; `None` if it does not hold the value or has expired.
    async fn look(&self, key: SessionKey, text: &Text, now: Timestamp) -> Result<Option<Candidate>, StoreError> {
        match self.opened.load(key, now).await {
            Ok(loaded) => {
                let holder = loaded.filter(|loaded| self.by.is_held(loaded, text, self.opened.now()));
                Ok(holder.map(|loaded| Candidate::Readable(key, Box::new(loaded))))
            }
            Err(error) if error.kind() == StoreErrorKind::Corrupt => Ok(Some(Candidate::Damaged(key))),
            Err(error) => Err(error),
        }
    }

    /// Loads a session again, whichever of the texts it holds.
    pub(super) async fn look_again(&self, key: SessionKey, now: Timestamp) -> Result<Option<Candidate>, StoreError> {
        for text in &self.by.texts {
            let found = self.look(key, text, now).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn failure(&self, error: SessionError) -> Failure {
        if error.kind() == ErrorKind::Unsupported {
            return Failure::usage(format!(
                "`{}` has no index in this store: the application declares one with `#[session(index)]`, and its launch \
                 creates it",
                self.by.name
            ));
        }
        error.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts_of(argument: &str) -> Vec<String> {
        By::parse(argument).unwrap().texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_value_is_text_and_perhaps_a_number() {
        assert_eq!(texts_of("auth.user=ann"), ["\"ann\""]);
        assert_eq!(texts_of("auth.user=a=\"b"), ["\"a=\\\"b\""]);
        assert_eq!(texts_of("auth.tenant=7"), ["\"7\"", "7"]);
        assert_eq!(texts_of("auth.staff=true"), ["\"true\"", "true"]);
        for text in ["auth.user=null", "auth.user=[1]", "auth.user=", "auth.user=07"] {
            assert_eq!(texts_of(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn another_form_is_refused_without_its_value() {
        for argument in ["secret", "auth=secret", ".user=secret", "auth.=secret", "cart.items/7=secret", "a.b~=secret"]
        {
            let failure = By::parse(argument).unwrap_err();
            assert!(!failure.message().contains("secret"), "{argument}");
        }
    }
}
