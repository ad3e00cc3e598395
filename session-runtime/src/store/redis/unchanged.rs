//! Fast path for the usual patch: it sets few keys of a session that is unchanged since it was loaded. One script
//! compares and sets. It costs the server half as much as the script for all patches.
//!
//! It applies to a patch that carries the revision and totals of an unchanged session, and returns the new head. It
//! returns `None` for any other patch and for a changed session: then nothing is written, and the script for all
//! patches decides.
//!
//! The second script is a second round trip. It is needed only if another request has changed the session
//! since the load, if its keys are in two hashes, or if the main hash has become large.

use ::redis::Cmd;

use super::RedisStore;
use super::fault::Fault;
use super::head;
use super::name::{Name, check};
use super::{read, script};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::patch::Patch;
use crate::record::patch::unchanged::UnchangedHint;
use crate::record::{Head, key};

/// Most keys that this script takes. The check that no name occurs twice is a linear search.
const FEW: usize = 16;

/// Bytes of now, generation and revision, the next revision and the totals.
const FIXED_PART: usize = 48;

impl RedisStore {
    pub(super) async fn patched_unchanged(
        &self,
        key: SessionKey,
        patch: &Patch,
        now: Timestamp,
    ) -> Result<Option<Head>, Fault> {
        let main = self.namespace.main(key);
        let Some(command) = set(main, patch, now, self.lazy()) else { return Ok(None) };
        read::head(&self.servers.run(&script::SET, main, &command).await?)
    }
}

/// Builds the command; `None` unless the patch only sets few keys, and none of a `lazy` schema, whose hash may have to
/// be created.
fn set(main: Name<'_>, patch: &Patch, now: Timestamp, lazy: &[&'static str]) -> Option<Cmd> {
    let unchanged = UnchangedHint::of_sets(patch, FEW)?;
    let in_main = |name: &str| check(name).is_ok() && !lazy.contains(&key::split_schema(name).0);
    if !patch.set.iter().all(|(name, _)| in_main(name)) {
        return None;
    }
    let bytes: usize = patch.set.iter().map(|(name, text)| name.len() + text.len()).sum();
    let mut command = script::SET.command(main, 1 + 2 * patch.set.len(), FIXED_PART + bytes);
    command.arg(&fixed_part(patch, unchanged, now));
    for (name, text) in &patch.set {
        command.arg(&**name).arg(&**text);
    }
    Some(command)
}

fn fixed_part(patch: &Patch, unchanged: UnchangedHint, now: Timestamp) -> [u8; FIXED_PART] {
    let UnchangedHint { revision, bytes, keys } = unchanged;
    let numbers = [patch.generation, revision, revision.wrapping_add(1), bytes as u64, keys as u64];
    let parts = std::iter::once(head::moment(now)).chain(numbers.map(u64::to_be_bytes));
    let mut out = [0; FIXED_PART];
    for (slot, part) in out.chunks_exact_mut(8).zip(parts) {
        slot.copy_from_slice(&part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::patch::{Deadline, NewSecret, Precondition};
    use crate::store::redis::name::Namespace;

    const NOW: Timestamp = Timestamp::from_millis(5);

    fn usual() -> Patch {
        let unchanged = Some(UnchangedHint { revision: u64::MAX, bytes: 300, keys: 2 });
        Patch { set: vec![("cart.a".into(), "1".into())], unchanged, ..Patch::on_generation(3) }
    }

    fn is_short(patch: &Patch) -> bool {
        let namespace = Namespace::new("session").unwrap();
        set(namespace.main(SessionKey::from_bytes([0; 16])), patch, NOW, &["history"]).is_some()
    }

    #[test]
    fn numbers_stand_as_in_the_head() {
        let patch = usual();
        let numbers = [(1 << 63) + 5, 3, u64::MAX, 0, 300, 2].map(u64::to_be_bytes).concat();
        assert_eq!(&fixed_part(&patch, patch.unchanged.unwrap(), NOW)[..], numbers);
    }

    #[test]
    fn only_the_usual_patch_is_short() {
        assert!(is_short(&usual()));
        assert!(is_short(&Patch { precondition: Precondition::Revision(u64::MAX), ..usual() }));
        let secret = NewSecret::Presented { seen: crate::id::SecretHash::from_bytes([0; 32]), until: NOW };
        let touch = Deadline::Touch { seen: NOW, touched: NOW, expires: NOW };
        let one = |name: &str| vec![(name.into(), "1".into())];
        let many = (0..=FEW).map(|number| (format!("cart.{number}").into(), "1".into())).collect();
        let others = [
            Patch { unchanged: None, ..usual() },
            Patch { precondition: Precondition::Revision(0), ..usual() },
            Patch { remove: vec!["cart.b".into()], ..usual() },
            Patch { deadline: Some(touch), ..usual() },
            Patch { secret: Some(secret), ..usual() },
            Patch { set: Vec::new(), ..usual() },
            Patch { set: many, ..usual() },
            Patch { set: [one("cart.a"), one("cart.a")].concat(), ..usual() },
            Patch { set: one("history.a"), ..usual() },
            Patch { set: one("history"), ..usual() },
            Patch { set: one("\0"), ..usual() },
        ];
        for (number, patch) in others.iter().enumerate() {
            assert!(!is_short(patch), "case {number}");
        }
    }
}
