//! Each target for a chosen number of executions, without the fuzzer: files of the corpus, mutated.
//!
//! `SESSION_FUZZ_RUNS` sets the number (2,000). `SESSION_TESTS_SEED` repeats a run. The release build is many times
//! faster:
//!
//! ```console
//! $ SESSION_FUZZ_RUNS=10000000 cargo test --release -p session-tests --test language fuzz::runs:: -- --nocapture
//! ```

use std::path::Path;
use std::time::Instant;

use session_tests::random::{Random, number_from};

use super::targets;

/// Texts that break parsers: separators, names, ends of numbers, pieces of records.
const WORDS: [&[u8]; 28] = [
    b";",
    b"; ",
    b"=",
    b" ",
    b"\t",
    b"\"",
    b"%5F",
    b"__Host-Http-id=",
    b"__Host-Http-id",
    b"id=",
    b"__Secure-id=",
    b"\x1f",
    b"\0",
    b"\x7f",
    b"\xff",
    b"\x80",
    b"\xc2\xa0",
    b"\xed\xa0\x80",
    b"\\u0000",
    b"{\"v\":1}",
    b"{\"v\":65536}",
    b"null",
    b"-0",
    b"1e999",
    b"18446744073709551616",
    b"[[[[",
    b"cart.items/",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02",
];
const MOST_BYTES: usize = 512;

struct Corpus {
    files: Vec<Vec<u8>>,
    random: Random,
}

impl Corpus {
    fn of(target: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../session-runtime/fuzz/corpus").join(target);
        let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        // In one order, so that a seed repeats a run.
        paths.sort();
        let files = paths.iter().map(|path| std::fs::read(path).unwrap()).filter(|file| file.len() <= 2 * MOST_BYTES);
        Self { files: files.collect(), random: Random::seeded(target) }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.below(bound.max(1) as u64)).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.random.next().to_le_bytes()[0]
    }

    /// A file with a few changes; now and then bytes that were never in one.
    fn next(&mut self) -> Vec<u8> {
        if self.below(32) == 0 {
            let length = self.below(128);
            return (0..length).map(|_| self.byte()).collect();
        }
        let at = self.below(self.files.len());
        let mut bytes = self.files[at].clone();
        for _ in 0..=self.below(6) {
            self.change(&mut bytes);
        }
        bytes.truncate(2 * MOST_BYTES);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let end = at + self.below((bytes.len() - at).min(16) + 1);
        match self.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.byte(),
            2 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add([1, 255, 128][self.below(3)]),
            3 => bytes.insert(at, self.byte()),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let copy = bytes[at..end].to_vec();
                let to = self.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            6 => bytes.truncate(at.max(1)),
            7 => {
                let (other, from) = (self.below(self.files.len()), self.below(MOST_BYTES));
                let tail = self.files[other].iter().skip(from).copied();
                bytes.truncate(at);
                bytes.extend(tail);
            }
            _ => {
                let word = WORDS[self.below(WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
        }
    }
}

fn run(target: &str, check: fn(&[u8])) {
    let runs = number_from("SESSION_FUZZ_RUNS").unwrap_or(2_000);
    let (mut corpus, started) = (Corpus::of(target), Instant::now());
    for done in 0..runs {
        let bytes = corpus.next();
        let passes = std::panic::catch_unwind(|| check(&bytes)).is_ok();
        assert!(passes, "the target `{target}` fails after {done} executions on {}", bytes.escape_ascii());
    }
    println!("{target}: {runs} executions in {} s, no finding", started.elapsed().as_secs());
}

#[test]
fn sealed() {
    run("sealed", targets::sealed::check);
}

#[test]
fn cookie() {
    run("cookie", targets::cookie::check);
}

#[test]
fn record() {
    run("record", targets::record::check);
}

#[test]
fn id() {
    run("id", targets::id::check);
}

#[test]
fn merge() {
    run("merge", targets::merge::check);
}
