//! Any bytes that are read as a document of CDA become a Bundle that is strict JSON, with an account of every leaf and every
//! entry; the same bytes give the same Bundle.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sutura_ccda::{Document, Limits};
use sutura_convert::{
    ccda::{Converter, Options},
    fhir::Source,
    report::Report,
};
use sutura_core::Sha256Hash;
use sutura_fhir::json::Parser;

static CONVERTER: LazyLock<Converter> = LazyLock::new(|| Converter::new(Options::default()));

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = Document::parse(bytes.to_vec(), &Limits::default()) else { return };
    let source = Source { uri: "file:///a.xml", offset: 0, length: bytes.len() as u64, sha256: Sha256Hash::of(bytes) };
    let (mut report, mut out) = (Report::new(), Vec::new());
    let converted = CONVERTER.convert(&document, &source, &mut report, &mut out).expect("a document");
    assert_eq!(converted.leaves, converted.mapped + converted.dropped + converted.unmapped);
    let entries = converted.entries_mapped + converted.entries_dropped + converted.entries_unmapped + converted.entries_refused;
    assert_eq!(entries, document.entries().len() as u64);
    Parser::default().parse(&out).expect("the Bundle is JSON");
    let mut again = Vec::new();
    CONVERTER.convert(&document, &source, &mut Report::new(), &mut again).expect("a document");
    assert_eq!(out, again);
});
