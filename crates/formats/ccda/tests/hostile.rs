//! Hostile documents: a typed error or a bounded result, in bounded time and memory. One test, alone in its process: it counts
//! every allocation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::format_collect, unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use sutura_ccda::{CcdaErrorKind, Document, Limits};

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counted;

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(HELD.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

const MIB: usize = 1 << 20;

/// What comes of a document, and the most bytes held for it as a multiple of its size.
fn read(body: &str) -> (Result<Document, CcdaErrorKind>, f64) {
    let text = format!("<ClinicalDocument xmlns='urn:hl7-org:v3'>{body}</ClinicalDocument>");
    raw(text)
}

fn raw(text: String) -> (Result<Document, CcdaErrorKind>, f64) {
    let size = text.len();
    let before = HELD.load(Relaxed);
    MOST.store(before, Relaxed);
    let begun = Instant::now();
    let document = Document::parse(text, &Limits::default()).map_err(|error| error.kind);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?} for {size} bytes", begun.elapsed());
    let most = MOST.load(Relaxed).saturating_sub(before);
    (document, most as f64 / size as f64)
}

#[test]
fn memory_and_time_are_bounded() {
    // Elements as small as can be: each takes 32 bytes and vectors double.
    let (document, factor) = read(&"<a/>".repeat(MIB));
    assert!(document.is_ok() && factor < 26.0, "{factor}");
    let (document, _) = read(&"<a/>".repeat(4 * MIB));
    assert_eq!(document.unwrap_err(), CcdaErrorKind::TooMany);
    let (document, factor) = read(&"<a b='' c='' d=''/>".repeat(MIB / 4));
    assert!(document.is_ok() && factor < 12.0, "{factor}");
    assert_eq!(read(&"<a>".repeat(MIB)).0.unwrap_err(), CcdaErrorKind::TooDeep);
    // Long texts are not copied, decoded ones once.
    let (document, factor) = read(&format!("<title>{}</title>", "x".repeat(2 * MIB)));
    assert!(document.is_ok() && factor < 2.5, "{factor}");
    let (document, factor) = read(&format!("<title>{}</title>", "&amp;".repeat(MIB)));
    assert!(document.is_ok() && factor < 3.5, "{factor}");
    // Many entities that are none, many that are not closed.
    let (document, _) = read(&format!("<title>{}</title>", "&lol;".repeat(MIB)));
    assert!(document.unwrap().findings().iter().any(|finding| finding.code == "entity-unresolved"));
    let (document, _) = read(&"&".repeat(2 * MIB));
    assert!(document.unwrap().findings().iter().any(|finding| finding.code == "ampersand"));
    // Findings are bounded.
    let (document, factor) = read(&"<section><entry/><entry/></section>".repeat(100_000));
    let document = document.unwrap();
    assert!(document.sections().len() == 100_000 && document.findings().len() < 300 && factor < 20.0, "{factor}");
    let (document, _) = read(&"<x><reference value='#nowhere'/><time value='x'/></x>".repeat(100_000));
    assert!(document.unwrap().findings().len() < 150);
    // The same ID everywhere, and references to it.
    let (document, _) = read(&"<x ID='a'><reference value='#a'/></x>".repeat(200_000));
    assert!(document.unwrap().findings().iter().all(|finding| finding.code != "reference-unresolved"));
    // Prefixes declared again and again.
    let declared: String = (0..100).map(|n| format!(" xmlns:p{n}='u{n}'")).collect();
    let (document, _) = read(&format!("<x{declared}>{}</x>", "<q:a/>".repeat(500_000)));
    assert!(document.is_ok());
    let nested = format!("<x{declared}>").repeat(200);
    assert_eq!(read(&nested).0.unwrap_err(), CcdaErrorKind::TooMany);
    // Billion laughs, in the document type and in use.
    let laughs: String = (1..40).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let bomb = format!(
        "<!DOCTYPE x [<!ENTITY l0 'lol'>{laughs}]><ClinicalDocument xmlns='urn:hl7-org:v3'><title>&l39;</title></ClinicalDocument>"
    );
    let document = raw(bomb).0.unwrap();
    assert_eq!(document.root().child("title").unwrap().text(), "&l39;");
    // An external entity and an external subset are never looked at.
    let external = "<!DOCTYPE x SYSTEM 'file:///dev/zero' [<!ENTITY f SYSTEM 'file:///etc/passwd'><!ENTITY % p SYSTEM 'http://localhost/'> %p;]>\
        <ClinicalDocument xmlns='urn:hl7-org:v3'><title>&f;</title></ClinicalDocument>";
    assert_eq!(raw(external.to_owned()).0.unwrap().root().child("title").unwrap().text(), "&f;");
}
