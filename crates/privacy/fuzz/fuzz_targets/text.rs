//! Any text has its spans in order, within bounds and on characters; replacing keeps what is outside of them; a stream gives the same.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use sutura_privacy::text::{ClassSet, KnownPatient, Replacement, Replacements, Rules, Scrubber, Surrogates, TextClass};
use sutura_privacy_fuzz::document;

fn scrubber() -> &'static Scrubber {
    static SCRUBBER: OnceLock<Scrubber> = OnceLock::new();
    SCRUBBER.get_or_init(|| Scrubber::new(Rules::builtin(&["en", "es"]).expect("built-in rules")).with_classes(ClassSet::all()))
}

const SEEDS: [&str; 2] = [
    "Rhonda M. Shea^257475, 12 Elm St, Boston\nDISCHARGE SUMMARY\nPatient: Shea, Rhonda  MRN: 257475 DOB 3/14/1950 (72 y.o.)\n\
Seen 03/14/2018 by Dr. Stevens at St. Mary's Hospital, 12 Elm Street, Boston, MA 02139. Call (617) 555-0100 x12, fax 617.555.0101,\n\
r.shea@example.org, http://example.org/p?id=1, 10.0.0.12, SSN 123-45-6789, MBI 1EG4-TE5-MK73, VIN 1HGCM82633A004352, plate 7ABC123.\n\
Her sister Ana van der Berg, a teacher, visited on the 4th of July. Parkinson's disease, BP 120/80, HbA1c 7.2 %. Signed: J. Doe, MD\n",
    "N\u{fa}\u{f1}ez\nPaciente: Mar\u{ed}a N\u{fa}\u{f1}ez L\u{f3}pez, NHC 4711936, DNI 12345678Z, naci\u{f3} el 14 de marzo de 1950, calle Mayor 3, 28013 Madrid. Dra. Garc\u{ed}a.\n",
];

fuzz_target!(|data: &[u8]| {
    let data = document(&SEEDS, data);
    let text = String::from_utf8_lossy(&data);
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
    for replacement in [Replacement::Keep, Replacement::Tag] {
        let (mut streamed, mut whole) = (Vec::new(), String::new());
        scrubber().scrub(note.as_bytes(), Some(&known), &Replacements::all(replacement.clone()), &mut streamed).expect("memory");
        scrubber().replace(note, &spans, &Replacements::all(replacement), &mut whole);
        assert_eq!(streamed, whole.as_bytes());
    }
});
