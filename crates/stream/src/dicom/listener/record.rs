//! Records of the log: a line of the journal and the bytes of its file, so that what is there after a crash can be told from what is not.
//!
//! ```text
//! 8  magic            8  length of the line
//! 8  epoch            8  length of the file, 0 if the record has none
//! 8  sequence        32  SHA-256 of all of this and of the line
//! line, zeros up to the next block; file, zeros up to the next block
//! ```
//!
//! Numbers are little endian, a block is 4,096 bytes. The file is checked against the SHA-256 of its line. A segment of the log is written from its
//! beginning again and again: records of one round have the same epoch, so that the rest of an earlier round is none of it.

use sha2::{Digest, Sha256};

use super::{buffer::BLOCK, journal::Received, store::hex};

const MAGIC: &[u8; 8] = b"SUTLOG1\n";
/// Bytes before the line.
const FIXED: usize = 72;
/// Bytes of a line. None comes near it: names and codes are short.
const LONGEST_LINE: usize = 1 << 20;

/// A record in the bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'s> {
    pub(super) epoch: u64,
    /// Grows from record to record, over all segments.
    pub(super) sequence: u64,
    /// A line of a journal, with its end.
    pub(super) line: &'s [u8],
    /// The file, where it is in the log and not on the disk already.
    pub(super) file: Option<&'s [u8]>,
}

impl Record<'_> {
    pub(super) fn received(&self) -> Option<Received> {
        serde_json::from_slice(self.line).ok()
    }
}

/// Bytes that a record takes.
pub(super) fn size_of(line: usize, file: usize) -> usize {
    (FIXED + line).next_multiple_of(BLOCK) + file.next_multiple_of(BLOCK)
}

/// What stands before the file, without the zeros up to the next block.
pub(super) fn head(epoch: u64, sequence: u64, line: &[u8], file: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(FIXED + line.len());
    head.extend(MAGIC);
    for number in [epoch, sequence, line.len() as u64, file as u64] {
        head.extend(number.to_le_bytes());
    }
    let check = check(&head, line);
    head.extend(check);
    head.extend(line);
    head
}

fn check(numbers: &[u8], line: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(numbers).chain_update(line).finalize().into()
}

/// The records from the beginning of a segment, and where each begins. Every record was durable before the next one was written: the first that is not
/// whole was never answered, and behind it is nothing.
pub(super) fn records(segment: &[u8]) -> impl Iterator<Item = (usize, Record<'_>)> {
    let (mut at, mut before) = (0, None);
    std::iter::from_fn(move || {
        let begin = at;
        let record = record(segment.get(begin..)?)?;
        if before.is_some_and(|(epoch, sequence)| epoch != record.epoch || sequence >= record.sequence) {
            return None;
        }
        before = Some((record.epoch, record.sequence));
        at += size_of(record.line.len(), record.file.map_or(0, <[u8]>::len));
        Some((begin, record))
    })
}

/// The record that begins here, if it is whole.
pub(super) fn record(bytes: &[u8]) -> Option<Record<'_>> {
    let (numbers, rest) = bytes.split_at_checked(40)?;
    let (check_there, rest) = rest.split_at_checked(32)?;
    let number = |place: usize| numbers.get(8 * place..).and_then(|from| from.first_chunk()).map(|bytes| u64::from_le_bytes(*bytes));
    let length = |place: usize| number(place).and_then(|length| usize::try_from(length).ok());
    let (line, file) = (length(3)?, length(4)?);
    if !numbers.starts_with(MAGIC) || line > LONGEST_LINE || file > bytes.len() {
        return None;
    }
    let line = rest.get(..line)?;
    if check(numbers, line) != check_there {
        return None;
    }
    let mut record = Record { epoch: number(1)?, sequence: number(2)?, line, file: None };
    if file > 0 {
        let begin = (FIXED + line.len()).next_multiple_of(BLOCK);
        let file = bytes.get(begin..)?.get(..file)?;
        if hex(&Sha256::digest(file)) != record.received()?.sha256 {
            return None;
        }
        record.file = Some(file);
    }
    Some(record)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dicom::listener::journal::Outcome;

    fn line_of(file: &[u8]) -> Vec<u8> {
        let received = Received {
            received_at: String::new(),
            outcome: Outcome::Stored,
            path: "abc/def.dcm".to_owned(),
            bytes: file.len() as u64,
            sha256: hex(&Sha256::digest(file)),
            sop_class_uid: String::new(),
            sop_instance_uid: String::new(),
            study_instance_uid: None,
            series_instance_uid: None,
            transfer_syntax_uid: String::new(),
            calling_ae_title: String::new(),
            called_ae_title: String::new(),
            codes: Vec::new(),
            reason: None,
            status: 0,
        };
        let mut line = Vec::new();
        received.append_to(&mut line).unwrap();
        line
    }

    fn add(segment: &mut Vec<u8>, epoch: u64, sequence: u64, file: &[u8]) {
        let line = line_of(file);
        let end = segment.len() + size_of(line.len(), file.len());
        segment.extend(head(epoch, sequence, &line, file.len()));
        segment.resize(segment.len().next_multiple_of(BLOCK), 0);
        segment.extend(file);
        segment.resize(end, 0);
    }

    fn files(segment: &[u8]) -> Vec<Vec<u8>> {
        records(segment).map(|(_, record)| record.file.unwrap_or_default().to_vec()).collect()
    }

    #[test]
    fn the_rest_of_an_earlier_round_is_not_read() {
        let mut earlier = Vec::new();
        for sequence in 0..5 {
            add(&mut earlier, 1, sequence, b"before");
        }
        let mut now = Vec::new();
        add(&mut now, 2, 5, b"now");
        earlier[..now.len()].copy_from_slice(&now);
        assert_eq!(files(&earlier), [b"now".to_vec()]);
        earlier[..BLOCK].fill(0);
        assert_eq!(files(&earlier).len(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn of_a_damaged_log_what_is_before_the_damage_is_read(
            sizes in proptest::collection::vec(0usize..10_000, 1..8),
            cut in any::<prop::sample::Index>(),
            damaged in any::<prop::sample::Index>(),
            bits in 1u8..,
        ) {
            let (mut segment, mut ends, mut expected) = (Vec::new(), Vec::new(), Vec::new());
            for (sequence, size) in sizes.iter().enumerate() {
                let file: Vec<u8> = (0..*size).map(|at| (at * 31 + sequence) as u8).collect();
                add(&mut segment, 7, sequence as u64, &file);
                ends.push(segment.len());
                expected.push(file);
            }
            prop_assert_eq!(&files(&segment), &expected);
            // Cut off anywhere: only zeros at the end of the last block may be missing.
            let cut = cut.index(segment.len());
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let found = files(&segment[..cut]);
            prop_assert!(found.len() >= whole && found.len() <= whole + 1);
            prop_assert_eq!(&found[..], &expected[..found.len()]);
            // A torn write: zeros from there on.
            let mut torn = segment.clone();
            torn[cut..].fill(0);
            let found = files(&torn);
            prop_assert!(found.len() >= whole);
            prop_assert_eq!(&found[..], &expected[..found.len()]);
            // One byte is another one: of that record nothing, or all if it is among the zeros.
            let damaged = damaged.index(segment.len());
            segment[damaged] ^= bits;
            let before = ends.iter().filter(|end| **end <= damaged).count();
            let found = files(&segment);
            prop_assert!(found.len() == before || found == expected);
            prop_assert_eq!(&found[..], &expected[..found.len()]);
        }

        #[test]
        fn nothing_is_too_odd_to_read(bytes in proptest::collection::vec(any::<u8>(), 0..300), lengths in any::<[u64; 4]>()) {
            prop_assert_eq!(records(&bytes).count(), 0);
            let mut numbers = MAGIC.to_vec();
            for number in lengths {
                numbers.extend(number.to_le_bytes());
            }
            numbers.extend(&bytes);
            prop_assert_eq!(records(&numbers).count(), 0);
        }
    }
}
