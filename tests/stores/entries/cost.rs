//! The values that an access to one entry decodes and compares.

use std::cell::Cell;

use super::*;

thread_local! {
    /// Number of values that were decoded, and of those that were encoded, by this thread.
    static COUNTS: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// A value that counts each time that it is decoded or encoded.
#[derive(Clone, Default)]
struct Counted(u32);

impl Serialize for Counted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        COUNTS.set((COUNTS.get().0, COUNTS.get().1 + 1));
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        COUNTS.set((COUNTS.get().0 + 1, COUNTS.get().1));
        u32::deserialize(deserializer).map(Self)
    }
}

#[derive(Session)]
#[session(key = "log", version = 1)]
struct Log {
    #[session(merge = keys, entries)]
    lines: BTreeMap<u32, Counted>,
    title: Option<String>,
}

/// Returns the numbers of values that are decoded and encoded by a request that runs `work` on a log of this length, and
/// by its save.
async fn counts(length: u32, work: fn(&mut LogMut)) -> (usize, usize) {
    let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Log>().build().unwrap();
    let visit = sessions.open([]);
    visit.write::<Log>().await.unwrap().set_lines((0..length).map(|line| (line, Counted(line))).collect());
    let cookie = visit.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    COUNTS.set((0, 0));
    let visit = sessions.open([cookie.as_str()]);
    work(&mut visit.write::<Log>().await.unwrap());
    assert!(visit.finish(200).await.error.is_none());
    COUNTS.get()
}

/// C113: the entries beside the one that is asked for are neither decoded nor compared, however many there are.
#[tokio::test]
async fn an_access_to_one_entry_met_others() {
    for (what, work) in [
        ("a read", (|log| assert_eq!(log.lines_get(&7).unwrap().0, 7)) as fn(&mut LogMut)),
        ("a read of none", |log| assert!(log.lines_get(&5_000).is_none())),
        ("an edit", |log| log.lines_entry(7).as_mut().unwrap().0 += 1),
        ("an insertion", |log| *log.lines_entry(5_000) = Some(Counted(1))),
        ("a removal", |log| _ = log.lines_entry(7).take()),
        ("an edit of another field", |log| log.set_title("a".to_owned())),
    ] {
        let (short, long) = (counts(10, work).await, counts(2_000, work).await);
        assert_eq!(short, long, "{what}");
        // A build with debug assertions reads back what it writes.
        assert!(long.0 <= 4 && long.1 <= 3, "{what}: {long:?}");
    }
    assert_eq!(counts(10, |log| _ = log.lines_get(&7)).await, (1, 0));
    assert!(counts(10, |log| assert_eq!(log.lines().len(), 10)).await.0 == 10, "a whole map is decoded once");
}

/// C113: a guard that reads one entry decodes that one.
#[tokio::test]
async fn a_guard_that_reads_one_entry_decoded_others() {
    let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Log>().build().unwrap();
    let visit = sessions.open([]);
    visit.write::<Log>().await.unwrap().set_lines((0..100).map(|line| (line, Counted(line))).collect());
    let cookie = visit.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    COUNTS.set((0, 0));
    let visit = sessions.open([cookie.as_str()]);
    assert_eq!(visit.read_entries::<Log>().await.unwrap().lines_get(&42).unwrap().0, 42);
    assert_eq!(COUNTS.get(), (1, 0));
}
