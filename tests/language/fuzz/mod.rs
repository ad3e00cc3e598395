//! The corpus of the fuzz targets, replayed: a finding stays found without the fuzzer.
//!
//! And each target for a while without the fuzzer. How they are run, and for how long they were, is in
//! `session-runtime/fuzz/README.md`.

#[path = "../../../session-runtime/fuzz/src/lib.rs"]
mod targets;

mod runs;

use std::path::Path;

/// Runs every file of a target's corpus and returns the number of files.
fn replay(target: &str, check: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../session-runtime/fuzz/corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let passes = std::panic::catch_unwind(|| check(&bytes)).is_ok();
        assert!(passes, "the target `{target}` fails on {}", file.file_name().unwrap().display());
    }
    files.len()
}

#[test]
fn the_cookie_corpus_passes() {
    assert!(replay("cookie", targets::cookie::check) > 20);
}

#[test]
fn the_id_corpus_passes() {
    assert!(replay("id", targets::id::check) > 15);
}

#[test]
fn the_record_corpus_passes() {
    assert!(replay("record", targets::record::check) > 20);
}

#[test]
fn the_merge_corpus_passes() {
    assert!(replay("merge", targets::merge::check) > 20);
}

#[test]
fn the_sealed_corpus_passes() {
    assert!(replay("sealed", targets::sealed::check) > 20);
}

/// A stack that grows with the input, or a walk that is not linear, would not come back in time.
#[test]
fn large_records_are_decoded_or_refused() {
    targets::record::check_large();
}

/// Ten megabytes of cookies, none of which or the last of which is the session's.
#[test]
fn a_large_cookie_header_is_read_once() {
    let started = std::time::Instant::now();
    for pair in [&b"a=b; "[..], b";", b" ", b"__Host-Http-i=\x02;", b"\x01"] {
        let mut header = vec![0];
        header.extend(pair.iter().cycle().take(2_000_000));
        targets::cookie::check(&header);
        header.extend_from_slice(b"; \x01=\x02");
        targets::cookie::check(&header);
    }
    assert!(started.elapsed().as_secs() < 30);
}
