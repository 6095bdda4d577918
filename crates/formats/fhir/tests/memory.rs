//! How much memory hostile input takes at most. One test, alone in its process: it counts every allocation.
#![allow(clippy::unwrap_used, clippy::expect_used, unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ops::ControlFlow,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, TableRequest, ViewText};
use sutura_fhir::{
    bundle::{BundleKind, BundleWriter, Options},
    fhirpath::{Context, Expression, Item},
    json::Parser,
    read::{Decoder, Fhir},
    validate::Validator,
    xml::to_json,
};

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

/// The most bytes held at once beyond those held before.
fn most_held<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.load(Relaxed);
    MOST.store(before, Relaxed);
    let result = run();
    (result, MOST.load(Relaxed).saturating_sub(before))
}

const MIB: usize = 1 << 20;

/// Reads a beginning, then the same MiB many times; the most that is held.
fn read(beginning: &str, repeated: &[u8], times: usize, limit: usize) -> usize {
    let requests = vec![TableRequest::whole("patients")];
    let options = serde_json::json!({ "max_record_bytes": limit });
    let spec = DecoderSpec { source: "test:file".into(), start: 0, end: None, options, requests, batch_rows: 1024 };
    let mut decoder = Decoder::new(spec).unwrap();
    let mut rejects = 0;
    let mut sink = |decoded: Decoded| {
        rejects += usize::from(matches!(decoded, Decoded::Reject(_)));
        ControlFlow::Continue(())
    };
    let (stats, most) = most_held(|| {
        decoder.push(Bytes::copy_from_slice(beginning.as_bytes()), &mut sink).unwrap();
        for _ in 0..times {
            decoder.push(Bytes::copy_from_slice(repeated), &mut sink).unwrap();
        }
        decoder.finish(&mut sink).unwrap()
    });
    assert!(stats.balances() && stats.bytes == (beginning.len() + times * repeated.len()) as u64);
    assert!(rejects > 0 || stats.accepted > 0);
    most
}

/// One patient of so many names through a view that has each of them beside each; the most that is held.
fn multiply(names: usize, columns: usize) -> usize {
    let columns: Vec<String> = (1..columns).map(|at| format!(r#"{{"name":"c{at}","path":"family"}}"#)).collect();
    let view = format!(
        r#"{{"name":"product","resource":"Patient","select":[{{"forEach":"name","column":[{{"name":"c0","path":"family"}}]}},{{"forEach":"name","column":[{}]}}]}}"#,
        columns.join(",")
    );
    let format = Fhir.with_views(&[ViewText { origin: "test".into(), name: None, text: view.into_bytes() }]).unwrap();
    let family = vec![format!(r#"{{"family":"{}"}}"#, "x".repeat(100)); names];
    let patient = format!(r#"{{"resourceType":"Patient","name":[{}]}}"#, family.join(","));
    let requests = vec![TableRequest::whole("product")];
    let options = serde_json::Value::Null;
    let mut decoder =
        format.decoder(DecoderSpec { source: "test:file".into(), start: 0, end: None, options, requests, batch_rows: 1024 }).unwrap();
    let mut rows = 0;
    let ((), most) = most_held(|| {
        let mut sink = |decoded: Decoded| {
            let Decoded::Batch { batch, .. } = decoded else { panic!("a reject") };
            assert!(batch.num_rows() <= 1024);
            rows += batch.num_rows();
            ControlFlow::Continue(())
        };
        decoder.push(Bytes::from(patient), &mut sink).unwrap();
        decoder.finish(&mut sink).unwrap();
    });
    assert_eq!(rows, names * names);
    most
}

#[test]
fn memory_is_bounded() {
    // The definitions are loaded once, and stay.
    let patient = br#"{"resourceType":"Patient","id":"1"}"#;
    assert!(Validator::default().validate(Parser::default().parse(patient).unwrap().root()).len() < 100);

    // A record is held twice at most while its buffer grows, beside a block and what the parser keeps; 16 MiB of one line or value pass through.
    let limit = 4 * MIB;
    let text = vec![b'x'; MIB];
    for beginning in [
        "{\"resourceType\":\"Patient\",\"id\":\"",
        "{\"resourceType\":\"Patient\"}\n{\"resourceType\":\"Patient\",\"id\":\"",
        "{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"id\":\"",
        "{\"resourceType\":\"Bundle\",\"entry\":[],\"x\":\"",
        "{\n\"x\":\"",
        "[\n\"",
        "",
    ] {
        let most = read(beginning, &text, 16, limit);
        assert!(most <= 4 * limit + 4 * MIB, "{beginning}: {most}");
    }

    // A Bundle of any length: its entries pass through, with the type before or behind them.
    let entry = "{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"1\"}},".repeat(20_000);
    for beginning in ["{\"resourceType\":\"Bundle\",\"entry\":[", "{\"entry\":["] {
        let most = read(beginning, entry.as_bytes(), 10, limit);
        assert!(most <= 16 * MIB, "{beginning}: {most}");
    }

    // A value takes 16 bytes on the tape whatever it is; the tape doubles when it grows. Four million are the limit.
    let many = format!("[{}1]", "1,".repeat(4 * MIB));
    let (result, most) = most_held(|| Parser::default().parse(many.as_bytes()).map(drop).unwrap_err());
    assert!(most <= 2 * 16 * 4 * MIB + MIB, "{result}: {most}");

    // XML: a million elements and attributes, about a hundred bytes each and twice that where a list grows.
    let xml = format!("<Patient>{}</Patient>", "<a/>".repeat(3 * MIB));
    let (result, most) = most_held(|| to_json(xml.as_bytes()).unwrap_err());
    assert!(most <= 300 * MIB, "{result}: {most}");

    // FHIRPath: a collection holds a million items.
    let document = Parser::default().parse_owned(patient.to_vec()).unwrap();
    for text in
        ["repeatAll(%resource | id)", "repeatAll(id.combine(%resource))", "(1 | 2 | 3 | 4).repeatAll(($this + 1).combine($this + 2))"]
    {
        let expression = Expression::parse(text).unwrap();
        let (result, most) = most_held(|| expression.evaluate(Item::resource(document.document().root()), &mut Context::new()).map(drop));
        assert!(result.is_err() && most <= 512 * MIB, "{text}: {result:?}, {most}");
    }

    // A view that multiplies: 90,000 rows of 41 columns with a text of 100 bytes each come from one resource of 40 KB. As cells and columns they are 550 MB.
    let most = multiply(300, 41);
    assert!(most <= 128 * MIB, "{most}");

    // A Bundle that is written: one entry, and 72 bytes for each that is remembered.
    let options = Options { remembered_entries: 1000, ..Options::default() };
    let ((), most) = most_held(|| {
        let mut writer = BundleWriter::new(std::io::sink(), BundleKind::Transaction, options).unwrap();
        for number in 0..20_000 {
            writer.push(format!("{{\"resourceType\":\"Patient\",\"id\":\"{number}\"}}").as_bytes()).unwrap();
        }
        assert_eq!(writer.finish().unwrap().1.entries, 20_000);
    });
    assert!(most <= MIB, "{most}");
}
