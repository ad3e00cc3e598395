//! The patch of a save: values, precondition, deadline and secret.

use super::{Save, Secret};
use crate::error::SessionError;
use crate::id::SessionId;
use crate::record::expiry::StoredExpiry;
use crate::record::patch::unchanged::UnchangedHint;
use crate::record::patch::{Deadline, NewSecret, Patch, Precondition};
use crate::record::{Text, key};
use crate::request::changes::{IdentityChange, fill};
use crate::request::commit::PreconditionKind;
use crate::request::proof;
use crate::request::visit::Live;

impl Save<'_> {
    pub(super) fn choose_secret(&self) -> Result<Secret, SessionError> {
        let head = &self.live.head;
        let renewed = || SessionId::renewed(self.live.id.key, self.visit.core.random);
        let now = self.now;
        let unconfirmed = head.previous.as_ref().is_some_and(|previous| previous.until.is_none());
        // The secret from before the last renewal keeps its whole grace.
        let in_grace = head.previous.as_ref().is_some_and(|previous| previous.until.is_none_or(|until| now < until));
        Ok(match self.identity_change {
            IdentityChange::Login | IdentityChange::Renewal => Secret::Raise(renewed()?),
            _ if self.requested.renews_id() => Secret::Raise(renewed()?),
            _ if !self.answered || !self.live.presented => Secret::Keep,
            _ if unconfirmed => Secret::Presented,
            _ if self.used && !in_grace && self.visit.core.lifetime.renewal_due(head, now) => {
                Secret::Periodic(renewed()?)
            }
            IdentityChange::Same => Secret::Keep,
        })
    }

    pub(super) fn patch(&self) -> Result<Patch, SessionError> {
        let head = &self.live.head;
        let mut patch = Patch::on_generation(head.generation);
        patch.absolute_deadline = Some(head.absolute_deadline);
        if self.requested.dropped.is_empty() {
            fill(&mut patch, &self.requested.changes, &self.visit.core, &self.live.values, head.revision)?;
        } else {
            self.fill_dropping(&mut patch)?;
        }
        if self.precondition == PreconditionKind::Revision {
            patch.precondition = Precondition::Revision(head.revision);
        }
        if matches!(self.secret, Secret::Raise(_)) && self.visit.proves_identity(self.requested) {
            // The new secret raises the generation by one.
            patch.set.push(proof::stored(self.now, head.generation.wrapping_add(1)));
        }
        patch.deadline = self.deadline(patch.changes_values());
        patch.secret = self.new_secret();
        if !self.overtaken && patch.changes_values() {
            let Live { values, bytes, keys, .. } = &*self.live;
            patch.unchanged = UnchangedHint::since(&patch, head, values.stored(), *bytes, *keys);
        }
        Ok(patch)
    }

    /// Fills a patch that drops whole sections. Its precondition is the whole record, and later changes to the dropped
    /// schemas apply to empty sections.
    #[cold]
    fn fill_dropping(&self, patch: &mut Patch) -> Result<(), SessionError> {
        let (core, revision, changes) = (&self.visit.core, self.live.head.revision, &self.requested.changes);
        let dropped = self.requested.dropped.iter();
        let values = dropped.fold(self.live.values.clone(), |values, schema| values.without(schema, &core.versions));
        fill(patch, changes, core, &values, revision)?;
        let set = |name: &Text| patch.set.iter().any(|(set, _)| set == name);
        let dropped = self.requested.dropped.iter();
        let names = dropped.flat_map(|schema| self.live.keys_of(schema)).filter(|name| !set(name)).collect();
        let kept = std::mem::replace(&mut patch.remove, names);
        let dropped = &self.requested.dropped;
        patch
            .remove
            .extend(kept.into_iter().filter(|name| !dropped.iter().any(|schema| key::is_of_schema(name, schema.key))));
        patch.precondition = Precondition::Revision(revision);
        Ok(())
    }

    pub(super) fn deadline(&self, writes: bool) -> Option<Deadline> {
        let (head, now, lifetime) = (&self.live.head, self.now, &self.visit.core.lifetime);
        if let Some(expiry) = self.requested.expiry.map(StoredExpiry::from) {
            return Some(Deadline::Choose {
                expiry,
                touched: now,
                expires: lifetime.idle_deadline(expiry, head.span(), now),
            });
        }
        if !self.answered || !self.used {
            return None;
        }
        let due = lifetime.touch(head, writes, now);
        due.map(|expires| Deadline::Touch { seen: head.idle_deadline, touched: now, expires })
    }

    pub(super) fn new_secret(&self) -> Option<NewSecret> {
        let (head, at) = (&self.live.head, self.now);
        match self.secret {
            Secret::Keep => None,
            Secret::Raise(id) => Some(NewSecret::Raise { hash: id.secret_hash(), at }),
            Secret::Periodic(id) => Some(NewSecret::Periodic {
                seen: head.secret,
                seen_expires: head.idle_deadline,
                hash: id.secret_hash(),
                at,
            }),
            Secret::Presented => {
                Some(NewSecret::Presented { seen: head.secret, until: at.after(self.visit.core.lifetime.renew_grace) })
            }
        }
    }
}
