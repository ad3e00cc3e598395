//! The write-ahead log that a killed server leaves: was it in the middle of a transaction?
//!
//! The format is that of <https://www.sqlite.org/fileformat2.html#walformat>: a header of 32 bytes, then frames of 24
//! bytes and a page. A frame is valid if it has the header's salts and continues the checksum. A frame that ends a
//! transaction holds the new size of the database.

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The header's first word if checksums are of little-endian words.
const LITTLE_ENDIAN: u32 = 0x377f_0682;

/// The number of valid frames after the last one that ends a transaction.
pub(super) fn frames_of_an_unfinished_transaction(log: &[u8]) -> usize {
    let Some((header, frames)) = log.split_at_checked(HEADER) else { return 0 };
    let (little_endian, page) = (word(header, 0) == LITTLE_ENDIAN, word(header, 2) as usize);
    let mut sum = checksum([0, 0], &header[..HEADER - 8], little_endian);
    assert_eq!(sum, [word(header, 6), word(header, 7)], "the log's header is damaged");
    let mut open = 0;
    for frame in frames.chunks_exact(FRAME_HEADER + page) {
        sum = checksum(sum, &frame[..8], little_endian);
        sum = checksum(sum, &frame[FRAME_HEADER..], little_endian);
        let is_next = frame[8..16] == header[16..24] && sum == [word(frame, 4), word(frame, 5)];
        if !is_next {
            break;
        }
        let ends_a_transaction = word(frame, 1) != 0;
        open = if ends_a_transaction { 0 } else { open + 1 };
    }
    open
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[4 * at..][..4].try_into().unwrap())
}

fn checksum([mut first, mut second]: [u32; 2], bytes: &[u8], little_endian: bool) -> [u32; 2] {
    let read = if little_endian { u32::from_le_bytes } else { u32::from_be_bytes };
    for pair in bytes.chunks_exact(8) {
        first = first.wrapping_add(read(pair[..4].try_into().unwrap())).wrapping_add(second);
        second = second.wrapping_add(read(pair[4..].try_into().unwrap())).wrapping_add(first);
    }
    [first, second]
}
