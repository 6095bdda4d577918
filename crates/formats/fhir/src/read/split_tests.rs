//! What the splitter holds, and what it gives out.

use super::*;

/// Pushes blocks of 4096 bytes; how many bytes the units took, how many entries there were, and the most that was held.
fn run(splitter: &mut Splitter, parts: impl Iterator<Item = String>) -> (usize, usize, usize, usize) {
    let (mut bytes, mut taken, mut entries, mut highest) = (0, 0, 0, 0);
    for part in parts {
        for block in part.as_bytes().chunks(4096) {
            bytes += block.len();
            splitter.push(block);
            highest = highest.max(splitter.bytes.capacity());
            while let Some(unit) = splitter.next_unit(false) {
                entries += usize::from(matches!(unit, Unit::Entry(_)));
                taken += match unit {
                    Unit::Envelope(length) => length,
                    Unit::Head(range, None) | Unit::Entry(range) | Unit::Tail(range) => range.len(),
                    Unit::Oversized { length, .. } => length as usize,
                    other => panic!("{other:?}"),
                };
            }
        }
    }
    (bytes, taken, entries, highest)
}

/// A Bundle of many megabytes passes through a small buffer, whichever of `entry` and `resourceType` stands first.
#[test]
fn a_large_document_is_held_entry_by_entry() {
    let entry = format!("{{\"resource\":{{\"resourceType\":\"Binary\",\"data\":\"{}\"}}}}", "A".repeat(5000));
    for (head, tail) in [("{\"resourceType\":\"Bundle\",\n\"entry\":[", "]}"), ("{\"entry\":[", "],\"resourceType\":\"Bundle\"}")] {
        let mut splitter = Splitter::new(0, None, 1 << 20);
        let entries = std::iter::repeat_n(format!("{entry},\n"), 1999).chain([entry.clone()]);
        let parts = std::iter::once(head.to_owned()).chain(entries).chain([tail.to_owned()]);
        let (bytes, taken, entries, highest) = run(&mut splitter, parts);
        assert_eq!((entries, taken), (2000, bytes));
        assert!(highest < 64 << 10, "{highest} bytes were held");
        assert!(!splitter.ended_inside());
    }
}

/// Nothing is held that is over the limit: not a long line, not what stands behind the entries, not a string without end.
#[test]
fn no_more_is_held_than_the_limit() {
    let limit = 64 << 10;
    let many = || std::iter::repeat_n("x".repeat(1 << 16), 64);
    let begin = |text: &str| std::iter::once(text.to_owned());
    for text in [
        "{\"resourceType\":\"Basic\",\"x\":\"",
        "{\"resourceType\":\"Bundle\",\n\"entry\":[],\"x\":\"",
        "{\"resourceType\":\"Bundle\",\n\"entry\":[{\"x\":\"",
        "[\n\"",
        "{\"entry\":[{\"x",
        "x",
    ] {
        let mut splitter = Splitter::new(0, None, limit);
        let mut highest = 0;
        for part in begin(text).chain(many()) {
            for block in part.as_bytes().chunks(1 << 14) {
                splitter.push(block);
                highest = highest.max(splitter.bytes.capacity());
                while splitter.next_unit(false).is_some() {}
            }
        }
        while splitter.next_unit(true).is_some() {}
        assert!(highest <= 4 * limit, "{text}: {highest} bytes were held");
    }
}
