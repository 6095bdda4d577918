//! Views over Bundles: what stands around the resources as rows, beside the tables of the resources.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use arrow::util::display::array_value_to_string;
use bytes::Bytes;
use sutura_core::{Decoded, DecoderSpec, Format, ReadStats, Reject, TableRequest, ViewText};
use sutura_fhir::read::Fhir;

const VIEW: &str = r#"{"name":"found","resource":"Bundle","select":[
    {"column":[{"name":"kind","path":"type"},{"name":"total","path":"total"}]},
    {"forEach":"entry","column":[{"name":"url","path":"fullUrl"},{"name":"mode","path":"search.mode"},
        {"name":"id","path":"resource.ofType(Patient).id"}]}]}"#;

const SEARCHSET: &str = r#"{"resourceType":"Bundle","type":"searchset","entry":[
    {"fullUrl":"http://a/Patient/1","resource":{"resourceType":"Patient","id":"1"},"search":{"mode":"match"}},
    {"fullUrl":"http://a/Group/2","resource":{"resourceType":"Group","id":"2"},"search":{"mode":"include"}}],
    "total":7}"#;

#[derive(Debug, Default)]
struct Read {
    /// Rows of each table, the cells joined.
    rows: Vec<Vec<String>>,
    rejects: Vec<Reject>,
    stats: ReadStats,
}

fn read(bytes: &[u8], view: &str, tables: &[(&str, &[usize])], block: usize, most: usize) -> Read {
    let format = Fhir.with_views(&[ViewText { origin: "test".into(), name: None, text: view.as_bytes().to_vec() }]).unwrap();
    let request = |(table, columns): &(&str, &[usize])| TableRequest { columns: Some(columns.to_vec()), ..TableRequest::whole(*table) };
    let (requests, options) = (tables.iter().map(request).collect(), serde_json::json!({ "max_record_bytes": most }));
    let spec = DecoderSpec { source: "test:file".into(), start: 0, end: None, options, requests, batch_rows: 3 };
    let mut decoder = format.decoder(spec).unwrap();
    let mut out = Vec::new();
    for part in bytes.chunks(block) {
        decoder.push(Bytes::copy_from_slice(part), &mut out).unwrap();
    }
    let stats = decoder.finish(&mut out).unwrap();
    assert!(stats.balances() && stats.bytes == bytes.len() as u64, "{stats:?}");
    let mut read = Read { rows: vec![Vec::new(); tables.len()], stats, ..Read::default() };
    for decoded in out {
        match decoded {
            Decoded::Batch { request, batch } => {
                let cells = |row| batch.columns().iter().map(move |column| array_value_to_string(column, row).unwrap());
                read.rows[request].extend((0..batch.num_rows()).map(|row| cells(row).collect::<Vec<_>>().join(" ")));
            }
            Decoded::Reject(reject) => read.rejects.push(reject),
        }
    }
    read
}

const FOUND: (&str, &[usize]) = ("found", &[0, 1, 2, 3, 4]);

/// Columns of `resources`: the type and the id.
fn resources() -> [usize; 2] {
    let table = Fhir.table("resources").unwrap();
    ["resource_type", "id"].map(|name| table.index_of(name).unwrap())
}

#[test]
fn a_view_over_bundles_has_their_rows_and_the_tables_have_theirs() {
    let resources = resources();
    let line = SEARCHSET.replace('\n', " ");
    let nested = format!(r#"{{"resourceType":"Bundle","type":"batch-response","entry":[{{"resource":{SEARCHSET}}}]}}"#);
    let empty = r#"{"resourceType":"Bundle","type":"searchset"}"#;
    let here = ["searchset 7 http://a/Patient/1 match 1", "searchset 7 http://a/Group/2 include "];
    let outer = ["batch-response    "];
    for (text, expected) in [
        (SEARCHSET.to_owned(), here.to_vec()),
        (format!("{line}\n{{\"resourceType\":\"Patient\",\"id\":\"3\"}}\n"), here.to_vec()),
        (nested, [&outer[..], &here].concat()),
        (format!("[{SEARCHSET},{empty}]"), here.to_vec()),
    ] {
        for block in [1, 100, 1 << 16] {
            let both = read(text.as_bytes(), VIEW, &[FOUND, ("resources", &resources)], block, 1 << 20);
            assert_eq!(both.rows[0], expected, "{text}");
            assert_eq!(both.rows[1][..2], ["Patient 1", "Group 2"]);
            assert!(both.rejects.is_empty(), "{:?}", both.rejects);
            // The account is that of the resources, with the view and without the tables.
            let alone = read(text.as_bytes(), VIEW, &[FOUND], block, 1 << 20);
            let tables = read(text.as_bytes(), VIEW, &[("resources", &resources)], block, 1 << 20);
            assert_eq!((&alone.rows[0], &alone.stats), (&both.rows[0], &both.stats));
            assert_eq!((&tables.rows[0], &tables.stats), (&both.rows[1], &both.stats));
        }
    }
}

/// In a Bundle the resources that others refer to are at hand.
#[test]
fn references_between_entries_are_resolved() {
    let view = r#"{"name":"found","resource":"Bundle","select":[{"forEach":"entry.resource.ofType(Condition)","column":[
        {"name":"id","path":"id"},{"name":"patient","path":"subject.resolve().id"}]}]}"#;
    let bundle = r#"{"resourceType":"Bundle","type":"transaction","entry":[
        {"fullUrl":"urn:uuid:8c3d1a52-0000-4000-8000-000000000001","resource":{"resourceType":"Patient","id":"p"}},
        {"resource":{"resourceType":"Condition","id":"c","subject":{"reference":"urn:uuid:8c3d1a52-0000-4000-8000-000000000001"}}}]}"#;
    let got = read(bundle.as_bytes(), view, &[("found", &[0, 1])], 1 << 16, 1 << 20);
    assert_eq!(got.rows[0], ["c p"]);
}

#[test]
fn a_bundle_that_a_view_cannot_show_is_a_reject() {
    let resources = resources();
    // Two values where the column holds one: neither the Bundle nor its resources have rows.
    let view = VIEW.replace(r#""path":"total""#, r#""path":"entry.fullUrl""#);
    let got = read(SEARCHSET.as_bytes(), &view, &[FOUND, ("resources", &resources)], 10, 1 << 20);
    assert_eq!((got.rows.concat().len(), got.rejects.len(), got.rejects[0].code), (0, 1, "view-refused"));
    assert_eq!(got.rejects[0].bytes, SEARCHSET.as_bytes());

    // One that cannot be held whole is read by its entries; what stands before them is the reject, so that the view's loss is told.
    let entry = r#"{"resource":{"resourceType":"Group","id":"2"}}"#;
    let head = r#"{"resourceType":"Bundle","type":"searchset","entry":["#;
    let large = format!("{head}{}]}}", vec![entry; 40].join(","));
    let cut = format!("{head}{entry},{entry}");
    for (text, groups) in [(large, 40), (cut, 2)] {
        for block in [1, 100, 1 << 16] {
            let got = read(text.as_bytes(), VIEW, &[FOUND, ("resources", &resources)], block, 1024);
            assert_eq!((got.rows[0].len(), got.rows[1].len()), (0, groups));
            assert_eq!((got.rejects.len(), got.rejects[0].code, &got.rejects[0].bytes[..]), (1, "bundle-not-whole", head.as_bytes()));
            assert_eq!(got.stats.rejects_by_code["bundle-not-whole"], 1);
        }
    }
}
