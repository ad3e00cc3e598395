//! A record in one block of memory.

use triomphe::{Arc, ThinArc};

use crate::record::patch::Patch;
use crate::record::{Head, Text};

/// Head and entries of a record in one allocation, which clones share.
///
/// A store that holds a record as a few small allocations frees millions of them in a sweep. Allocators keep small
/// blocks for reuse, and merge them later while other threads wait.
#[derive(Clone)]
pub(crate) struct RecordBlock(ThinArc<Fixed, (Text, Text)>);

/// Part of a block whose size does not depend on the record.
struct Fixed {
    head: Head,
    bytes: usize,
}

impl RecordBlock {
    /// Creates a block of entries in bytewise order of their keys. `bytes`: size of their keys and texts.
    pub(super) fn new(head: Head, bytes: usize, entries: impl ExactSizeIterator<Item = (Text, Text)>) -> Self {
        Self(ThinArc::from_header_and_iter(Fixed { head, bytes }, entries))
    }

    pub(crate) fn head(&self) -> &Head {
        &self.0.header.header.head
    }

    /// Returns the size of all keys and texts, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.header.header.bytes
    }

    pub(super) fn entries(&self) -> &[(Text, Text)] {
        &self.0.slice
    }

    /// Applies a patch in place. False, with nothing changed, if a load shares the block, or if the patch adds or
    /// removes a key. Copying 10,000 keys of another schema took 70 µs of an add.
    pub(crate) fn patch_in_place(&mut self, patch: &Patch) -> bool {
        self.0.with_arc_mut(|shared| {
            let Some(own) = Arc::get_mut(shared) else { return false };
            let Some((came, went)) = patch.replace_texts(own.slice_mut()) else { return false };
            let fixed = own.header_mut();
            fixed.bytes = fixed.bytes + came - went;
            patch.apply_head(&mut fixed.head);
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::testing::head_at;

    const LINE: &str = "cart.items/7";

    fn record(text: &str) -> Record {
        Record::new(head_at(0), [("cart".into(), "1".into()), (LINE.into(), text.into())].into_iter().collect())
    }

    #[test]
    fn a_record_comes_back_from_its_block() {
        let (own, shared) = (record("1"), record("a text that is too long to be in place"));
        for (record, kept) in [(own, None), (shared.clone(), Some(shared))] {
            let (head, values) = (record.head.clone(), record.values.iter().cloned().collect());
            let block = record.into_block(40);
            let read = Record::of_block(&block);
            assert_eq!((read.head, read.values, block.bytes()), (head, values, 40));
            drop(kept);
        }
    }

    #[test]
    fn loads_share_the_block_and_a_change_leaves_it_as_it_was() {
        let block = record("1").into_block(20);
        let [before, mut changed] = [(); 2].map(|()| Record::of_block(&block).values);
        assert_eq!(before.get(LINE).map(str::as_ptr), changed.get(LINE).map(str::as_ptr));
        changed.set(LINE.into(), "2".into());
        assert_eq!((before.get(LINE), changed.get(LINE)), (Some("1"), Some("2")));
        assert_eq!(Record::of_block(&block).values.get(LINE), Some("1"));
    }

    #[test]
    fn a_patch_changes_a_block_in_place_if_it_is_not_shared_and_keeps_its_keys() {
        let patch = || Patch::on_generation(0);
        let mut block = record("1").into_block(20);
        let shared = block.clone();
        assert!(!block.patch_in_place(&patch().set([(LINE, "22")])));
        drop(shared);
        for refused in [patch().set([(LINE, "22"), ("cart.coupon", "3")]), patch().set([(LINE, "22")]).remove(["cart"])]
        {
            assert!(!block.patch_in_place(&refused));
        }
        assert_eq!(
            (Record::of_block(&block).values.get(LINE), block.bytes(), block.head().revision),
            (Some("1"), 20, 0)
        );
        let before = block.entries().as_ptr();
        assert!(block.patch_in_place(&patch().set([(LINE, "22")])));
        assert_eq!(
            (Record::of_block(&block).values.get(LINE), block.bytes(), block.head().revision),
            (Some("22"), 21, 1)
        );
        assert_eq!(block.entries().as_ptr(), before);
    }

    /// The texts of a small session lie in its block. Otherwise a sweep frees each of them.
    #[test]
    fn short_keys_and_texts_have_no_memory_of_their_own() {
        let is_in_place = |text: &Text| {
            let at = (&raw const *text).addr();
            (at..at + size_of::<Text>()).contains(&text.as_ptr().addr())
        };
        let block = record(&"x".repeat(Text::IN_PLACE)).into_block(40);
        assert!(block.entries().iter().all(|(name, text)| is_in_place(name) && is_in_place(text)));
        assert!(!is_in_place(&"x".repeat(Text::IN_PLACE + 1).into()));
    }
}
