//! Any text has its spans in order, within bounds and on characters; replacing keeps what is outside of them; a stream gives the same.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use sutura_privacy::text::{ClassSet, KnownPatient, Replacement, Replacements, Rules, Scrubber, Surrogates, TextClass};

fn scrubber() -> &'static Scrubber {
    static SCRUBBER: OnceLock<Scrubber> = OnceLock::new();
    SCRUBBER.get_or_init(|| Scrubber::new(Rules::builtin(&["en", "es"]).expect("built-in rules")).with_classes(ClassSet::all()))
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    // What the patient is called comes from the text too, so that the search for known values is reached.
    let (head, note) = text.split_once('\n').unwrap_or(("", &text));
    let mut known = KnownPatient::new();
    known.add_name(head);
    known.add_identifier(head, TextClass::Mrn);
    known.add_address(head);
    let mut spans = Vec::new();
    scrubber().spans(note, Some(&known), &mut spans).expect("no model");
    let mut last = 0;
    for span in &spans {
        assert!(last <= span.start && span.start < span.end && note.get(span.start..span.end).is_some());
        last = span.end;
    }
    let mut kept = String::new();
    scrubber().replace(note, &spans, &Replacements::all(Replacement::Keep), &mut kept);
    assert_eq!(kept, note);
    for replacement in [Replacement::Tag, Replacement::ShiftDate { days: 99 }, Replacement::Surrogate(Surrogates::new(&[1; 32], head, -7))] {
        scrubber().replace(note, &spans, &Replacements::all(replacement), &mut kept);
    }
    let mut streamed = Vec::new();
    scrubber().scrub(note.as_bytes(), Some(&known), &Replacements::all(Replacement::Keep), &mut streamed).expect("memory");
    assert_eq!(streamed, note.as_bytes());
});
