//! The reader on made-up files: nothing lost, Bundles unpacked, the same rows wherever the bytes are cut.
//! (Real files are in `tests/conformance`.)
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use arrow::{
    array::{Array, Float64Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray},
    compute::concat_batches,
};
use bytes::Bytes;
use proptest::prelude::*;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, Progress, ReadStats, Reject, Sha256Hash, TableRequest};
use sutura_fhir::{
    json::{JsonError, JsonErrorKind, Parser},
    read::{Decoder, Fhir},
};

#[derive(Debug, Default)]
struct Read {
    tables: BTreeMap<String, RecordBatch>,
    rejects: Vec<Reject>,
    stats: ReadStats,
}

fn spec(tables: &[&str], range: (u64, Option<u64>), options: serde_json::Value) -> DecoderSpec {
    let requests = tables.iter().map(|table| TableRequest::whole(*table)).collect();
    DecoderSpec { source: "test:file".into(), start: range.0, end: range.1, options, requests, batch_rows: 3 }
}

fn read_range(bytes: &[u8], spec: DecoderSpec, block: usize) -> (Vec<Decoded>, ReadStats) {
    let from = spec.start.saturating_sub(1) as usize;
    let mut decoder = Decoder::new(spec).unwrap();
    let mut out = Vec::new();
    for part in bytes[from..].chunks(block.max(1)) {
        if decoder.push(Bytes::copy_from_slice(part), &mut out).unwrap() == Progress::Done {
            break;
        }
    }
    let stats = decoder.finish(&mut out).unwrap();
    (out, stats)
}

fn collect(tables: &[&str], parts: Vec<(Vec<Decoded>, ReadStats)>) -> Read {
    let mut read = Read::default();
    let mut batches: Vec<Vec<RecordBatch>> = vec![Vec::new(); tables.len()];
    for (decoded, stats) in parts {
        assert!(stats.balances(), "{stats:?}");
        read.stats.merge(&stats);
        for item in decoded {
            match item {
                Decoded::Batch { request, batch } => batches[request].push(batch),
                Decoded::Reject(reject) => read.rejects.push(reject),
            }
        }
    }
    for (table, batches) in tables.iter().zip(batches) {
        let schema = Fhir.table(table).unwrap().schema();
        read.tables.insert((*table).to_owned(), concat_batches(&schema, &batches).unwrap());
    }
    read
}

fn read_with(bytes: &[u8], tables: &[&str], block: usize, options: serde_json::Value) -> Read {
    let read = collect(tables, vec![read_range(bytes, spec(tables, (0, None), options), block)]);
    assert_eq!(read.stats.bytes, bytes.len() as u64, "every byte is accounted for");
    // What a record says of itself is where its bytes are.
    for reject in &read.rejects {
        let (from, to) = (reject.id.offset as usize, (reject.id.offset + reject.id.length) as usize);
        assert_eq!(reject.id.sha256, Sha256Hash::of(&bytes[from..to]));
    }
    if let Some(resources) = read.tables.get("resources").filter(|_| !bytes.trim_ascii_start().starts_with(b"<")) {
        let json = text(resources, "json");
        for (row, (offset, length)) in integers(resources, "_offset").into_iter().zip(integers(resources, "_length")).enumerate() {
            assert_eq!(json[row].as_deref().unwrap().as_bytes(), &bytes[offset as usize..(offset + length) as usize]);
        }
    }
    read
}

fn read(bytes: &[u8], tables: &[&str]) -> Read {
    read_with(bytes, tables, 1 << 16, serde_json::Value::Null)
}

fn text(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let array = batch.column_by_name(name).unwrap().as_any().downcast_ref::<StringViewArray>().unwrap().clone();
    (0..array.len()).map(|at| array.is_valid(at).then(|| array.value(at).to_owned())).collect()
}

fn integers(batch: &RecordBatch, name: &str) -> Vec<i64> {
    batch.column_by_name(name).unwrap().as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec()
}

fn ids(read: &Read) -> Vec<String> {
    let (kinds, ids) = (text(&read.tables["resources"], "resource_type"), text(&read.tables["resources"], "id"));
    kinds.into_iter().zip(ids).map(|(kind, id)| format!("{}/{}", kind.unwrap(), id.unwrap_or_default())).collect()
}

fn codes(read: &Read) -> Vec<(&'static str, u64)> {
    read.rejects.iter().map(|reject| (reject.code, reject.id.offset)).collect()
}

const NDJSON: &str = concat!(
    "\u{FEFF}{\"resourceType\":\"Patient\",\"id\":\"1\",\"birthDate\":\"1980-02\"}\n",
    "\n  {\"resourceType\":\"Observation\",\"id\":\"2\",\"subject\":{\"reference\":\"Patient/1\"},\"valueQuantity\":{\"value\":1.50}}  \r\n",
    "{\"resourceType\":\"Patient\",\"id\":\"x\"\n",
    "{\"resourceType\":\"Patient\",\"id\":\"3\",\"id\":\"4\"}\n",
    "{\"id\":\"5\"}\n{\"resourceType\":\"Pet\"}\n\"text\"\n",
    "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{\"resource\":{\"resourceType\":\"Group\",\"id\":\"6\"}},{\"response\":{}}]}\n",
    "{\"resourceType\":\"Patient\",\"id\":\"7\"}",
);

#[test]
fn lines_become_records_and_bad_ones_rejects() {
    let got = read(NDJSON.as_bytes(), &["resources", "patients"]);
    assert_eq!(ids(&got), ["Patient/1", "Observation/2", "Group/6", "Patient/7"]);
    let at = |line: &str| NDJSON.find(line).unwrap() as u64;
    assert_eq!(
        codes(&got),
        [
            ("json-unterminated", at("{\"resourceType\":\"Patient\",\"id\":\"x\"")),
            ("json-duplicate-key", at("{\"resourceType\":\"Patient\",\"id\":\"3\"")),
            ("resource-type-missing", at("{\"id\":\"5\"}")),
            ("resource-type-unknown", at("{\"resourceType\":\"Pet\"}")),
            ("not-a-resource", at("\"text\"")),
        ]
    );
    assert_eq!(got.rejects[1].reason, "byte 35 of the record: the name stands twice in one object; keep one of them");
    assert_eq!((got.stats.accepted, got.stats.rejected), (4, 5));
    assert_eq!(text(&got.tables["resources"], "patient_id")[..2], [Some("1".to_owned()), Some("1".to_owned())]);
    assert_eq!(text(&got.tables["patients"], "birth_date")[0].as_deref(), Some("1980-02"));
}

/// No line goes without a trace: an array of nothing is a reject, an array of resources is read.
#[test]
fn lines_may_hold_arrays() {
    const LINES: &str = "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n[]\n[{\"resourceType\":\"Patient\",\"id\":\"2\"}]\n [ ] \n";
    let got = read(LINES.as_bytes(), &["resources"]);
    assert_eq!(ids(&got), ["Patient/1", "Patient/2"]);
    let at = |text: &str| LINES.find(text).unwrap() as u64;
    assert_eq!(codes(&got), [("not-a-resource", at("[]")), ("not-a-resource", at("[ ]"))]);
    // A document that is an empty array is an export without resources.
    assert!(read(b"[]\n", &["resources"]).rejects.is_empty());
}

/// Bundles in and around one another, elements that are none, in one document.
const DOCUMENT: &str = r#"[
  {"resourceType": "Patient", "id": "1", "contained": [{"resourceType": "Organization", "id": "o"}]},
  {
    "resourceType": "Bundle", "type": "searchset", "meta": {"entry": [1]}, "link": [{"url": "a]}\"\\"}],
    "entry": [
      {"fullUrl": "urn:uuid:2", "resource": {"resourceType": "Patient", "id": "2"}, "search": {"mode": "match"}},
      {"response": {"status": "204"}},
      {"resource": {"resourceType": "Patient", "id": "bad", "active": tru}},
      7, null,
      {"resource": {"resourceType": "Bundle", "entry": [
        {"resource": {"resourceType": "Group", "id": "3"}},
        {"resource": {"resourceType": "Bundle", "id": "4", "entry": [{"resource": {"resourceType": "Group", "id": "no"}}]}}]}}
    ],
    "signature": {"data": "]}"}
  },
  {"entry": [{"resource": {"resourceType": "Group", "id": "5"}}], "resourceType": "Bundle"},
  {"resourceType": "List", "id": "6", "entry": [{"item": {"display": "x"}}]},
  {"resourceType": "Bundle", "entry": []}, "junk, more", 3 ]
{"resourceType": "Patient", "id": "7"}
oops
{"resourceType": "Patient", "id": "8"}"#;

#[test]
fn bundles_and_arrays_are_unpacked_once() {
    let got = read(DOCUMENT.as_bytes(), &["resources"]);
    assert_eq!(ids(&got), ["Patient/1", "Patient/2", "Group/3", "Bundle/4", "Group/5", "List/6", "Patient/7", "Patient/8"]);
    assert_eq!(text(&got.tables["resources"], "full_url")[1].as_deref(), Some("urn:uuid:2"));
    let modes = text(&got.tables["resources"], "search_mode");
    assert_eq!((modes[1].as_deref(), modes.iter().flatten().count()), (Some("match"), 1), "only where an entry says it");
    let at = |bytes: &str| DOCUMENT.find(bytes).unwrap() as u64;
    let found = codes(&got);
    assert_eq!(found[0], ("json-syntax", at("{\"resource\": {\"resourceType\": \"Patient\", \"id\": \"bad\"")));
    assert_eq!(found[1..3], [("not-a-resource", at("7, null")), ("not-a-resource", at("null,"))]);
    assert_eq!(found[3..], [("not-a-resource", at("\"junk, more\"")), ("not-a-resource", at("3 ]")), ("json-syntax", at("oops"))]);
}

fn read_whole(bytes: &[u8], block: usize, most: usize) -> Read {
    read_with(bytes, &["resources"], block, serde_json::json!({ "bundles": "whole", "max_record_bytes": most }))
}

#[test]
fn bundles_are_records_where_that_is_asked_for() {
    let at = |bytes: &str| DOCUMENT.find(bytes).unwrap() as u64;
    for block in [1, 7, 300, 1 << 16] {
        let got = read_whole(NDJSON.as_bytes(), block, 1 << 20);
        assert_eq!(ids(&got), ["Patient/1", "Observation/2", "Bundle/", "Patient/7"]);
        let got = read_whole(DOCUMENT.as_bytes(), block, 1 << 20);
        assert_eq!(ids(&got), ["Patient/1", "Bundle/", "List/6", "Bundle/", "Patient/7", "Patient/8"]);
        // The first Bundle is no JSON; it is one record, so it is one reject.
        let found = codes(&got);
        assert_eq!(found[0], ("json-syntax", at("{\n    \"resourceType\": \"Bundle\"")));
        assert_eq!(found[1..], [("not-a-resource", at("\"junk, more\"")), ("not-a-resource", at("3 ]")), ("json-syntax", at("oops"))]);
        assert!(got.stats.findings.is_empty(), "{:?}", got.stats.findings);
        for empty in [r#"{"resourceType":"Bundle","type":"collection"}"#, r#"{"resourceType":"Bundle","entry":7}"#] {
            assert_eq!(ids(&read_whole(empty.as_bytes(), block, 1 << 20)), ["Bundle/"]);
        }
    }
}

/// A Bundle that is larger than what is held, or that does not end, is read by its entries, whichever of `entry` and `resourceType` stands first.
#[test]
fn bundles_that_cannot_be_whole_are_read_by_their_entries() {
    let entries: Vec<String> = (0..60).map(|id| format!("{{\"resource\":{{\"resourceType\":\"Group\",\"id\":\"{id}\"}}}}")).collect();
    let expected: Vec<String> = (0..60).map(|id| format!("Group/{id}")).collect();
    let small = r#"{"resourceType":"Bundle","id":"small","entry":[{"resource":{"resourceType":"Group"}}]}"#;
    let list = format!("{{\"resourceType\":\"List\",\"entry\":[{}]}}", entries.join(","));
    let joined = entries.join(",\n");
    for (head, tail) in [("{\"resourceType\":\"Bundle\",\n\"entry\":[", "]}"), ("{\"entry\":[", "],\"resourceType\":\"Bundle\"}")] {
        for block in [1, 100, 1 << 16] {
            let text = format!("{head}{joined}{tail}\n{small}\n{list}");
            let got = read_whole(text.as_bytes(), block, 1024);
            assert_eq!(ids(&got), [&expected[..], &["Bundle/small".to_owned()]].concat());
            // What is no Bundle is not entered.
            assert_eq!(codes(&got), [("record-too-large", text.len() as u64 - list.len() as u64)]);
            let findings: Vec<_> = got.stats.findings.iter().map(|((code, _), count)| (code.as_str(), *count)).collect();
            assert_eq!(findings, [("bundle-not-whole", 1)]);

            let cut = format!("{head}{joined}");
            for most in [1024, 1 << 20] {
                let got = read_whole(cut.as_bytes(), block, most);
                assert_eq!((ids(&got), codes(&got).len()), (expected.clone(), 0));
                let findings: Vec<_> = got.stats.findings.keys().map(|(code, _)| code.as_str()).collect();
                assert_eq!(findings, ["bundle-not-whole", "document-unterminated"]);
            }
        }
    }
}

/// What stands around entries and elements is checked as strictly as a whole document: whatever is wrong there is a reject with
/// its place, and the entries themselves are read.
#[test]
fn what_stands_around_entries_is_checked() {
    const HEAD: &str = "{\n\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[";
    let entry = |id: u8| format!("{{\"resource\":{{\"resourceType\":\"Group\",\"id\":\"{id}\"}}}}");
    let (one, two) = (entry(1), entry(2));
    let bundle = |between: &str, tail: &str| format!("{HEAD}{one}{between}{two}{tail}");
    let good = bundle(" ,\n", "],\"total\":1}");
    assert_eq!((ids(&read(good.as_bytes(), &["resources"])).len(), codes(&read(good.as_bytes(), &["resources"])).len()), (2, 0));
    // The document, the records that are read, the rejects: code and bytes.
    let tail = |bytes: &str, code: &'static str| (bundle(",", &format!("]{bytes}")), 2, vec![(code, bytes.trim().to_owned())]);
    let cases = [
        (bundle("", "]}"), 1, vec![("json-syntax", two.clone())]),
        (bundle(",,", "]}"), 2, vec![("json-syntax", ",".to_owned())]),
        (bundle(",", ",]}"), 2, vec![("json-syntax", "]".to_owned())]),
        (bundle(", oops,", "]}"), 2, vec![("json-syntax", "oops".to_owned())]),
        (bundle(",\"a]{\",", "]}"), 2, vec![("not-a-resource", "\"a]{\"".to_owned())]),
        (bundle(",{},", "]}"), 2, vec![("not-a-resource", "{}".to_owned())]),
        (bundle(" } ,", "]}"), 2, vec![("json-syntax", "}".to_owned())]),
        tail(",}", "json-syntax"),
        tail(" \"total\":1}", "json-syntax"),
        tail(",\"total\":01}", "json-syntax"),
        tail(",\"type\":\"history\"}", "json-duplicate-key"),
        tail(",\"resourceType\":\"List\"}", "json-duplicate-key"),
        tail(",\"entry\":[{\"resource\":{\"resourceType\":\"Group\",\"id\":\"3\"}}]}", "json-duplicate-key"),
        tail(",\"meta\":{\"a\":1,\"a\":2}}", "json-duplicate-key"),
        tail(",\"total\":1", "json-unterminated"),
        tail("]", "json-syntax"),
        (bundle(",", "]}}"), 2, vec![("json-syntax", "}".to_owned())]),
        (bundle(",", "]}\noops"), 2, vec![("json-syntax", "oops".to_owned())]),
        (good.replacen("\"batch\"", "batch", 1), 2, vec![("json-syntax", HEAD.replace("\"batch\"", "batch"))]),
        (good.replacen("\"batch\",", "\"batch\"", 1), 2, vec![("json-syntax", HEAD.replace("\"batch\",", "\"batch\""))]),
        (
            good.replacen("\"type\"", "\"resourceType\"", 1),
            0,
            vec![("json-duplicate-key", good.replacen("\"type\"", "\"resourceType\"", 1))],
        ),
    ];
    for (document, records, rejects) in cases {
        for block in [1, 7, 1 << 16] {
            let got = read_with(document.as_bytes(), &["resources"], block, serde_json::Value::Null);
            let found: Vec<_> =
                got.rejects.iter().map(|reject| (reject.code, std::str::from_utf8(&reject.bytes).unwrap().to_owned())).collect();
            assert_eq!((ids(&got).len(), &found), (records, &rejects), "{document}");
        }
    }
}

#[test]
fn entries_may_stand_before_the_type() {
    let document = |first: &str, tail: &str| format!("{{ \"entry\" : [ {{ {first} }} , {{\"response\":{{}}}} ]{tail}");
    let resource = "\"resource\":{\"resourceType\":\"Group\",\"id\":\"1\"}";
    let url = format!("\"fullUrl\":\"urn:uuid:1\",{resource}");
    for first in [resource, &url] {
        for block in [1, 3, 1 << 16] {
            let text = document(first, ", \"resourceType\" : \"Bundle\"}");
            let got = read_with(text.as_bytes(), &["resources"], block, serde_json::Value::Null);
            assert_eq!((ids(&got), codes(&got)), (vec!["Group/1".to_owned()], vec![]));
            for (tail, code) in [
                (", \"resourceType\":\"List\"}", "resource-type-unknown"),
                ("}", "resource-type-unknown"),
                (", \"resourceType\":\"Bundle\"", "json-unterminated"),
            ] {
                let got = read_with(document(first, tail).as_bytes(), &["resources"], block, serde_json::Value::Null);
                assert_eq!((ids(&got).len(), got.rejects.len(), got.rejects[0].code), (1, 1, code), "{tail}");
            }
        }
    }
    // A List is not taken for a Bundle.
    let list = document("\"item\":{\"display\":\"x\"}", ",\"resourceType\":\"List\",\"id\":\"2\"}");
    let got = read(list.as_bytes(), &["resources"]);
    assert_eq!((ids(&got), codes(&got)), (vec!["List/2".to_owned()], vec![]));
}

#[test]
fn a_document_reads_the_same_in_blocks_of_any_size() {
    for document in [DOCUMENT, NDJSON, &DOCUMENT[..400], "", "{", "[", "{\"resourceType\":\n\"Bundle\",\"entry\":[", "\u{FEFF}", "]", "}{"]
    {
        let whole = read(document.as_bytes(), &["resources"]);
        for block in 1..document.len().min(90) {
            let got = read_with(document.as_bytes(), &["resources"], block, serde_json::Value::Null);
            assert_eq!((got.tables, codes_of(&got.rejects)), (whole.tables.clone(), codes_of(&whole.rejects)), "blocks of {block}");
            assert_eq!(got.stats, whole.stats, "blocks of {block}");
        }
    }
}

fn codes_of(rejects: &[Reject]) -> Vec<(u64, u64, &'static str, String)> {
    rejects.iter().map(|reject| (reject.id.offset, reject.id.length, reject.code, reject.reason.clone())).collect()
}

#[test]
fn a_document_of_xml_is_read_as_its_json() {
    let patient = r#"<Patient xmlns="http://hl7.org/fhir"><id value="1"/><birthDate value="1980-02"/></Patient>"#;
    let observation = "<Observation><id value='2'/><valueQuantity><value value='1.50'/></valueQuantity></Observation>";
    let bundle = format!(
        "<?xml version='1.0'?>\n<Bundle xmlns='http://hl7.org/fhir'>\n<entry><fullUrl value='urn:uuid:1'/><resource>{patient}</resource></entry>\n\
         <entry><resource>{observation}</resource></entry><entry><response><status value='200'/></response></entry><entry><id value='x'/></entry></Bundle>\n"
    );
    for block in [1, 7, 1 << 16] {
        let got = read_with(bundle.as_bytes(), &["resources", "observations"], block, serde_json::Value::Null);
        assert_eq!(ids(&got), ["Patient/1", "Observation/2"]);
        let resources = &got.tables["resources"];
        assert_eq!(text(resources, "full_url"), [Some("urn:uuid:1".to_owned()), None]);
        assert_eq!(text(resources, "json")[0].as_deref(), Some(r#"{"resourceType":"Patient","id":"1","birthDate":"1980-02"}"#));
        // A record is where its XML is.
        for (row, sent) in [patient, observation].into_iter().enumerate() {
            assert_eq!(integers(resources, "_offset")[row], bundle.find(sent).unwrap() as i64);
            assert_eq!(integers(resources, "_length")[row], sent.len() as i64);
            assert_eq!(text(resources, "_sha256")[row], Some(Sha256Hash::of(sent.as_bytes()).to_string()));
        }
        assert_eq!(codes(&got), [("not-a-resource", bundle.find("<entry><id").unwrap() as u64)]);
    }
    let whole = read_whole(bundle.as_bytes(), 1 << 16, 1 << 20);
    assert_eq!((whole.stats.accepted, ids(&whole)), (1, vec!["Bundle/".to_owned()]));
}

#[test]
fn xml_that_is_no_resource_is_a_reject_with_its_reason() {
    let one = |text: &str, options: serde_json::Value| {
        let got = read_with(text.as_bytes(), &["resources"], 5, options);
        assert_eq!((got.stats.records, got.rejects.len(), got.rejects[0].bytes.len()), (1, 1, got.rejects[0].id.length as usize), "{text}");
        got.rejects[0].code
    };
    let plain = |text: &str| one(text, serde_json::Value::Null);
    assert_eq!(plain("<ClinicalDocument xmlns='urn:hl7-org:v3'><id root='1'/></ClinicalDocument>"), "resource-type-unknown");
    assert_eq!(plain("\u{FEFF}<Patient><id value='1'></Patient>"), "xml-syntax");
    assert_eq!(plain("<!DOCTYPE a [<!ENTITY b 'c'>]><Patient/>"), "xml-document-type");
    assert_eq!(plain(&format!("<Patient>{}</Patient>", "<contact>".repeat(300))), "xml-too-large");
    assert_eq!(plain("<Patient/><Patient/>"), "xml-syntax");
    let large = format!("<Patient><id value='{}'/></Patient>", "a".repeat(2000));
    assert_eq!(one(&large, serde_json::json!({ "max_record_bytes": 1024 })), "record-too-large");
    // What is out of order is read, and counted.
    let got = read_with(b"<Patient><birthDate value='1980'/><active value='true'/></Patient>", &["resources"], 9, serde_json::Value::Null);
    assert_eq!((got.stats.accepted, got.stats.findings.values().sum::<u64>()), (1, 1), "{:?}", got.stats);
    // A line that looks like XML does not take the lines behind it with it.
    let lines = "<html>504</html>\n{\"resourceType\":\"Group\",\"id\":\"1\"}\n";
    assert_eq!((ids(&read(lines.as_bytes(), &["resources"])).len(), Fhir.splittable_from(lines.as_bytes())), (1, true));
    assert!(!Fhir.splittable_from(b"<Patient xmlns='http://hl7.org/fhir'/>"));
}

#[test]
fn a_document_that_is_cut_off_says_so() {
    let cut = &DOCUMENT[..DOCUMENT.find("    \"signature").unwrap()];
    let key = ("document-unterminated".to_owned(), "error".to_owned());
    assert_eq!(read(cut.as_bytes(), &["resources"]).stats.findings.get(&key), Some(&1));
    assert_eq!(read(DOCUMENT.as_bytes(), &["resources"]).stats.findings.get(&key), None);
    for end in 0..DOCUMENT.len() {
        let whole = read(DOCUMENT.as_bytes(), &["resources"]);
        let got = read(&DOCUMENT.as_bytes()[..end], &["resources"]);
        assert_eq!(ids(&got)[..], ids(&whole)[..ids(&got).len()], "cut at {end}");
    }
}

#[test]
fn only_lines_can_be_read_by_range() {
    let lines = [
        "{\"resourceType\":\"Patient\"",
        "{\"id\":1}\n{",
        "",
        "junk",
        "{\"a\":\"x\n",
        "{\"resourceType\":\"Patient\",\n{\"resourceType\":\"Patient\"}",
    ];
    let documents = ["[{", " [", "{\n", "{ \"a\": 1,\n", "{\"resourceType\":\"Bundle\"", "{\"type\":\"x\",\"entry\":["];
    assert!(lines.iter().all(|beginning| Fhir.splittable_from(beginning.as_bytes())));
    assert!(documents.iter().all(|beginning| !Fhir.splittable_from(beginning.as_bytes())));
}

/// A damaged line costs itself only, also where each line is a Bundle or a List; and such files can be read by range.
#[test]
fn lines_of_bundles_and_lists_are_lines() {
    let bundle = |id: usize| {
        format!(
            r#"{{"resourceType": "Bundle", "entry": [{{"resource": {{"resourceType": "Patient", "id": "p{id}", "name": [{{"text": "a"}}]}}}}]}}"#
        )
    };
    let untyped = |id: usize| format!(r#"{{"entry":[{{"resource":{{"resourceType":"Patient","id":"u{id}"}}}}],"resourceType":"Bundle"}}"#);
    let list = |id: usize| format!(r#"{{"resourceType":"List","id":"l{id}","entry":[{{"item":{{"reference":"Patient/1"}}}}]}}"#);
    for line in [&bundle as &dyn Fn(usize) -> String, &untyped, &list] {
        let whole: Vec<String> = (0..20).map(line).collect();
        for damaged in [0, 1, 7] {
            let good = &whole[damaged];
            let cuts = [
                good[..good.len() - 1].to_owned(),
                good.replacen("}]", "]", 1),
                good.replacen("\"}", "}", 1),
                good[..good.len() - 6].to_owned(),
            ];
            for bad in cuts.into_iter().chain((damaged > 0).then(|| "\0\0{".to_owned())) {
                let mut lines = whole.clone();
                lines[damaged].clone_from(&bad);
                let file = lines.join("\n");
                let got = read(file.as_bytes(), &["resources"]);
                assert_eq!((ids(&got).len(), got.rejects.len()), (19, 1), "line {damaged}: {bad}");
                assert!(Fhir.splittable_from(file.as_bytes()), "line {damaged}: {bad}");
            }
        }
    }
    // Documents stay documents: one Bundle on a line, printed ones one after another, a resource on a line of its own.
    let printed = "{\n \"resourceType\": \"Bundle\"\n}\n";
    for document in [
        format!("{}\n", bundle(1)),
        format!("{}\n{printed}", bundle(1)),
        printed.repeat(2),
        bundle(1).replace("{\"resourceType\": \"Pa", "\n{\"resourceType\": \"Pa"),
    ] {
        assert!(!Fhir.splittable_from(document.as_bytes()), "{document}");
        assert!(read(document.as_bytes(), &["resources"]).rejects.is_empty(), "{document}");
    }
}

/// A long line that looks like XML does not take the lines behind it with it.
#[test]
fn a_line_of_html_costs_itself_only() {
    let file = format!("<html>{}</html>\n{}", "x".repeat(430), "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n".repeat(50));
    let got = read(file.as_bytes(), &["resources"]);
    assert_eq!((got.stats.accepted, got.rejects.len()), (50, 1));
}

#[test]
fn what_is_too_large_or_too_deep_costs_itself_only() {
    let large = format!("{{\"resourceType\":\"Binary\",\"data\":\"{}\"}}", "A".repeat(5000));
    let deep = format!("{{\"resourceType\":\"Basic\",\"x\":{}1{}}}", "[".repeat(100), "]".repeat(100));
    let small = "{\"resourceType\":\"Patient\",\"id\":\"1\"}";
    let options = serde_json::json!({ "max_record_bytes": 2000 });
    for document in [
        format!("{small}\n{large}\n{deep}\n{small}\n"),
        format!("[{small},\n{large}, {deep}, {small}]"),
        format!(
            "{{\n\"resourceType\":\"Bundle\",\"entry\":[{{\"resource\":{small}}},{large},{{\"resource\":{deep}}},{{\"resource\":{small}}}]}}"
        ),
    ] {
        for block in [1, 64, 1000, 1 << 16] {
            let got = read_with(document.as_bytes(), &["resources"], block, options.clone());
            assert_eq!(ids(&got), ["Patient/1", "Patient/1"]);
            assert_eq!(
                codes(&got),
                [
                    ("record-too-large", document.find("{\"resourceType\":\"Binary").unwrap() as u64),
                    ("json-too-deep", got.rejects[1].id.offset)
                ]
            );
            assert!(got.rejects[0].truncated && got.rejects[0].bytes.starts_with(b"{\"resourceType\":\"Binary"));
        }
    }
}

#[test]
fn tables_hold_typed_values() {
    let pressure = r#"{"resourceType":"Observation","id":"bp","status":"final","category":[{"coding":[{"code":"vital-signs"}]}],
      "code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"BP"}],"text":"Blood \u0042P"},
      "subject":{"reference":"urn:uuid:p-1"},"encounter":{"reference":"https://x/Encounter/e/_history/2"},
      "effectiveDateTime":"2020-01-01T10:00:00+01:00","issued":"2020-01-01T09:00:00.5Z","performer":[{"display":"Dr X"}],
      "component":[{"code":{"coding":[{"code":"8480-6"}]},"valueQuantity":{"value":120.50,"unit":"mmHg","code":"mm[Hg]"}},
        {"code":{"coding":[{"code":"8462-4"}]},"valueCodeableConcept":{"coding":[{"code":"L"}],"text":"low"}}]}"#;
    let patient = r#"{"resourceType":"Patient","id":"p-1","name":[{"family":"Doe","given":["Ann","B."]}],"gender":"female",
      "identifier":[{"value":"0"},{"type":{"coding":[{"code":"MR"}]},"value":"m1"}],"telecom":[{"system":"email","value":"a@b"},{"system":"phone","value":"1"}],
      "extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","extension":[{"url":"ombCategory","valueCoding":{"code":"2106-3","display":"White"}}]}],
      "deceasedDateTime":"2021-01-01","multipleBirthInteger":2}"#;
    let got = read(format!("[{pressure},{patient}]").as_bytes(), &["observations", "observation_components", "patients", "resources"]);
    let one = |table: &str, column: &str| text(&got.tables[table], column)[0].clone().unwrap_or_default();
    assert_eq!(one("observations", "loinc_code"), "85354-9");
    assert_eq!(one("observations", "code_text"), "Blood BP");
    assert_eq!((one("observations", "patient_id"), one("observations", "encounter_id")), ("p-1".into(), "e".into()));
    assert_eq!((one("observations", "performer_display"), one("observations", "performer_id")), ("Dr X".into(), String::new()));
    let instants = got.tables["observations"].column_by_name("effective_datetime_utc").unwrap().clone();
    assert_eq!(instants.as_any().downcast_ref::<TimestampMicrosecondArray>().unwrap().value(0), 1_577_869_200_000_000);
    let components = &got.tables["observation_components"];
    let numbers = components.column_by_name("value_number").unwrap().as_any().downcast_ref::<Float64Array>().unwrap().clone();
    assert_eq!((components.num_rows(), numbers.value(0), numbers.is_null(1)), (2, 120.5, true));
    for (sent, expected) in
        [("1e400", None), ("-1e400", None), (r#""inf""#, None), (r#""NaN""#, None), ("0.10000000000000000001", Some(0.1))]
    {
        let text = format!(r#"{{"resourceType":"Observation","valueQuantity":{{"value":{sent}}}}}"#);
        let got = read(text.as_bytes(), &["observations"]);
        let numbers = got.tables["observations"].column_by_name("value_number").unwrap().clone();
        let numbers = numbers.as_any().downcast_ref::<Float64Array>().unwrap();
        assert_eq!(numbers.iter().collect::<Vec<_>>(), [expected], "{sent}");
    }
    assert_eq!(text(components, "value_code"), [None, Some("L".to_owned())]);
    assert_eq!(text(components, "observation_id"), vec![Some("bp".to_owned()); 2]);
    assert_eq!(integers(components, "ordinal"), [1, 2]);
    let patients = |column: &str| one("patients", column);
    assert_eq!((patients("mrn"), patients("identifier"), patients("given_names")), ("m1".into(), "0".into(), "Ann B.".into()));
    assert_eq!((patients("phone"), patients("email"), patients("race")), ("1".into(), "a@b".into(), "White".into()));
    assert_eq!((patients("deceased_datetime"), integers(&got.tables["patients"], "birth_order")[0]), ("2021-01-01".into(), 2));
}

#[test]
fn only_requested_columns_are_made() {
    let table = Fhir.table("patients").unwrap();
    let columns = vec![table.index_of("gender").unwrap(), table.index_of("id").unwrap()];
    for columns in [columns, Vec::new()] {
        let requests = vec![TableRequest { table: "patients".to_owned(), columns: Some(columns.clone()), filter: Vec::new() }];
        let spec = DecoderSpec { requests, ..spec(&[], (0, None), serde_json::Value::Null) };
        let (decoded, _) = read_range(NDJSON.as_bytes(), spec, 1 << 16);
        let rows = decoded.iter().find_map(|item| if let Decoded::Batch { batch, .. } = item { Some(batch) } else { None }).unwrap();
        assert_eq!((rows.num_columns(), rows.num_rows()), (columns.len(), 2));
    }
    let unknown = DecoderSpec { requests: vec![TableRequest::whole("pets")], ..spec(&[], (0, None), serde_json::Value::Null) };
    assert!(Decoder::new(unknown).unwrap_err().to_string().contains("patients"));
}

#[test]
fn ranges_meet_at_every_byte() {
    let whole = read(NDJSON.as_bytes(), &["resources"]);
    for cut in 1..NDJSON.len() as u64 {
        let part = |start, end| read_range(NDJSON.as_bytes(), spec(&["resources"], (start, end), serde_json::Value::Null), 7);
        let got = collect(&["resources"], vec![part(0, Some(cut)), part(cut, None)]);
        assert_eq!((got.tables, codes_of(&got.rejects)), (whole.tables.clone(), codes_of(&whole.rejects)), "cut at {cut}");
        assert_eq!(got.stats, whole.stats, "cut at {cut}");
    }
}

/// Pieces that make interesting files of lines.
fn lines() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{\"resourceType\":\"Patient\",\"id\":\"a\"}"),
        Just("{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"resourceType\":\"Group\"}}]}"),
        Just("[{\"resourceType\":\"Patient\"},1]"),
        Just("{\"a\":\"\\"),
        Just("\""),
        Just("}"),
        Just("é"),
        Just(" "),
        Just("\r"),
        Just("\n"),
        Just("\n"),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| format!("{{}}\n{}", pieces.concat()))
}

proptest! {
    #[test]
    fn lines_are_the_same_in_any_ranges_and_blocks(file in lines(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4), block in 1usize..60) {
        let whole = read(file.as_bytes(), &["resources"]);
        let mut cuts: Vec<u64> = cuts.iter().map(|cut| cut.index(file.len()) as u64).filter(|cut| *cut > 0).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let starts = std::iter::once(0).chain(cuts.iter().copied());
        let ends = cuts.iter().map(|cut| Some(*cut)).chain([None]);
        let parts = starts.zip(ends).map(|range| read_range(file.as_bytes(), spec(&["resources"], range, serde_json::Value::Null), block));
        let got = collect(&["resources"], parts.collect());
        prop_assert_eq!((got.tables, codes_of(&got.rejects), got.stats), (whole.tables.clone(), codes_of(&whole.rejects), whole.stats.clone()));
    }

    #[test]
    fn any_text_is_accounted_for_in_any_blocks(text in r#"[\[\]{}:,"\\a \n]{0,40}|\[?\{("resourceType":"(Bundle|Group)",)?[\n ]"entry":\[(\{"search)?[{}\[\]," \n1]{0,20}"#, block in 1usize..20) {
        let whole = read(text.as_bytes(), &["resources"]);
        let got = read_with(text.as_bytes(), &["resources"], block, serde_json::Value::Null);
        prop_assert_eq!((codes_of(&got.rejects), got.stats), (codes_of(&whole.rejects), whole.stats));
        let (whole, got) = (read_whole(text.as_bytes(), 1 << 16, 1024), read_whole(text.as_bytes(), block, 1024));
        prop_assert_eq!((codes_of(&got.rejects), got.stats), (codes_of(&whole.rejects), whole.stats));
    }

    /// A document of which some bytes are changed: the parts find what the whole finds, and nothing else.
    #[test]
    fn a_document_in_parts_is_read_as_strictly_as_the_whole(
        typed_first in any::<bool>(), in_array in any::<bool>(), block in 1usize..80,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..3, "[\\[\\]{}:,\"\\\\ \n1a]{1,2}"), 0..3),
    ) {
        let entry = |id: u8| format!("{{\"fullUrl\":\"urn:uuid:{id}\",\"resource\":{{\"resourceType\":\"Group\",\"id\":\"{id}\"}}}}");
        let entries = format!("\"entry\":[\n {} , {} ]", entry(1), entry(2));
        let kind = "\"resourceType\":\"Bundle\"";
        let mut text = if typed_first {
            format!("{{\n{kind},\"type\":\"batch\",{entries},\"link\":[{{\"url\":\"]\"}}]}}")
        } else {
            format!("{{{entries},\"link\":[{{\"url\":\"]\"}}],{kind}}}")
        };
        if in_array {
            text = format!("[{{\"resourceType\":\"Group\"}}, {text}]");
        }
        let mut bytes = text.into_bytes();
        for (place, removed, inserted) in edits {
            let from = place.index(bytes.len());
            let to = (from + removed).min(bytes.len());
            bytes.splice(from..to, inserted.into_bytes());
        }
        prop_assume!(!Fhir.splittable_from(&bytes));
        let by_entries = read_with(&bytes, &["resources"], block, serde_json::Value::Null);
        for got in [by_entries, read_whole(&bytes, block, 1 << 20)] {
            match Parser::default().parse(&bytes) {
                Ok(_) => prop_assert!(got.rejects.iter().all(|reject| !reject.code.starts_with("json-")), "{:?}", codes(&got)),
                // Several documents may stand one after another.
                Err(JsonError { kind: JsonErrorKind::TrailingBytes, .. }) => {}
                Err(error) => prop_assert!(!got.rejects.is_empty() || !got.stats.findings.is_empty(), "{error}"),
            }
        }
    }
}
