//! The reader as the engine uses it: tables, projection, blocks, rejects, the account.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::{cast, concat_batches},
    datatypes::{DataType, Float64Type, Int64Type},
    util::display::array_value_to_string,
};
use bytes::Bytes;
use proptest::prelude::*;
use sutura_ccda::{Ccda, CcdaErrorKind, Decoder};
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, ReadStats, Reject, Sha256Hash, TableRequest};

const DOCUMENT: &str = r##"<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:sdtc="urn:hl7-org:sdtc">
<templateId root="2.16.840.1.113883.10.20.22.1.1" extension="2015-08-01"/><templateId root="2.16.840.1.113883.10.20.22.1.2" extension="2015-08-01"/>
<id root="1.2.3" extension="doc1"/><code code="34133-9" codeSystem="2.16.840.1.113883.6.1" displayName="Summary"/><title>Summary of Ann</title>
<effectiveTime value="20240501103000-0500"/><confidentialityCode code="N"/><languageCode code="en-US"/><setId root="1.2.3" extension="s"/><versionNumber value="2"/>
<recordTarget><patientRole><id root="1.2.840"/><id root="1.2.840.1" extension="MRN7"/><addr use="HP"><streetAddressLine>1 Elm St</streetAddressLine><city>Boston</city><state>MA</state><postalCode>02115</postalCode></addr>
<telecom value="tel:+1(617)555-0100" use="HP"/><telecom value="mailto:ann@example.org"/><patient><name use="L"><given>Ann</given><given>B</given><family>Doe</family></name>
<administrativeGenderCode code="F"/><birthTime value="19800229"/><raceCode code="2106-3"/><sdtc:raceCode code="2029-7"/></patient></patientRole></recordTarget>
<author><time value="20240501"/><assignedAuthor><id root="2.16.840.1.113883.4.6" extension="999"/><assignedPerson><name><given>Al</given><family>Good</family></name></assignedPerson></assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization><id root="1.9"/><name>Good Clinic</name></representedCustodianOrganization></assignedCustodian></custodian>
<component><structuredBody>
<component><section><templateId root="2.16.840.1.113883.10.20.22.2.5.1"/><code code="11450-4"/><title>Problems</title><text><list><item><content ID="p1">High blood pressure</content></item></list></text>
<entry><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.3"/><id root="1.5" extension="a"/><statusCode code="active"/><entryRelationship typeCode="SUBJ">
<observation classCode="OBS" moodCode="EVN" negationInd="true"><templateId root="2.16.840.1.113883.10.20.22.4.4"/><id root="1.5" extension="b"/><text><reference value="#p1"/></text><statusCode code="completed"/>
<effectiveTime><low value="2019"/></effectiveTime><value xsi:type="CD" code="59621000" codeSystem="2.16.840.1.113883.6.96"><originalText><reference value="#p1"/></originalText><translation code="I10" codeSystem="2.16.840.1.113883.6.90"/></value></observation>
</entryRelationship></act></entry></section></component>
<component><section><templateId root="2.16.840.1.113883.10.20.22.2.3.1"/><code code="30954-2"/><title>Results</title><text/>
<entry><organizer classCode="BATTERY" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.1"/><code code="24321-2"/>
<component><observation><templateId root="2.16.840.1.113883.10.20.22.4.2"/><code code="2345-7" codeSystem="2.16.840.1.113883.6.1"/><effectiveTime value="20240430"/><value xsi:type="PQ" value="110.50" unit="mg/dL"/><interpretationCode code="H"/>
<referenceRange><observationRange><text>70 to 99</text><value xsi:type="IVL_PQ"><low value="70" unit="mg/dL"/><high value="99" unit="mg/dL"/></value></observationRange></referenceRange></observation></component>
<component><observation><code code="5778-6"/><value xsi:type="ST">yellow</value></observation></component></organizer></entry></section></component>
<component><section><templateId root="2.16.840.1.113883.10.20.22.2.1.1"/><code code="10160-0"/><title>Medications</title><text/>
<entry><substanceAdministration moodCode="INT"><templateId root="2.16.840.1.113883.10.20.22.4.16"/><effectiveTime xsi:type="IVL_TS"><low value="20240101"/></effectiveTime><effectiveTime xsi:type="PIVL_TS" operator="A"><period value="12" unit="h"/></effectiveTime>
<doseQuantity value="1.5" unit="mg"/><consumable><manufacturedProduct><manufacturedMaterial><code code="197361" displayName="Amlodipine"/></manufacturedMaterial></manufacturedProduct></consumable></substanceAdministration></entry></section></component>
<component><section><code code="99999-9"/><title>Odd</title><text>Nothing</text></section></component>
</structuredBody></component></ClinicalDocument>
"##;

struct Read {
    stats: ReadStats,
    batches: BTreeMap<String, RecordBatch>,
    rejects: Vec<Reject>,
}

impl Read {
    /// Cells of one column as text.
    fn column(&self, table: &str, column: &str) -> Vec<String> {
        let batch = &self.batches[table];
        let mut array = std::sync::Arc::clone(batch.column_by_name(column).unwrap_or_else(|| panic!("{table} has no {column}")));
        // Instants as microseconds.
        if matches!(array.data_type(), DataType::Timestamp(_, _)) {
            array = cast(&array, &DataType::Int64).unwrap();
        }
        (0..batch.num_rows())
            .map(|row| if array.is_null(row) { "-".to_owned() } else { array_value_to_string(&array, row).unwrap() })
            .collect()
    }
}

fn read(bytes: &[u8], block: usize, options: serde_json::Value, requests: &[TableRequest]) -> Read {
    let spec = DecoderSpec { source: "test:file".into(), start: 0, end: None, options, requests: requests.to_vec(), batch_rows: 3 };
    let mut decoder = Decoder::new(spec).unwrap();
    let mut out = Vec::new();
    for part in bytes.chunks(block.max(1)) {
        decoder.push(Bytes::copy_from_slice(part), &mut out).unwrap();
    }
    let stats = decoder.finish(&mut out).unwrap();
    assert!(stats.balances() && stats.bytes == bytes.len() as u64, "{stats:?}");
    let (mut batches, mut rejects) = (BTreeMap::<String, Vec<RecordBatch>>::new(), Vec::new());
    for item in out {
        match item {
            Decoded::Batch { request, batch } => batches.entry(requests[request].table.clone()).or_default().push(batch),
            Decoded::Reject(reject) => rejects.push(reject),
        }
    }
    let join = |(table, batches): (String, Vec<RecordBatch>)| (table, concat_batches(&batches[0].schema(), &batches).unwrap());
    Read { stats, batches: batches.into_iter().map(join).collect(), rejects }
}

fn everything() -> Vec<TableRequest> {
    Ccda.tables().iter().map(|table| TableRequest::whole(table.name.clone())).collect()
}

fn whole(bytes: &[u8]) -> Read {
    read(bytes, 1 << 20, serde_json::Value::Null, &everything())
}

#[test]
fn a_document_becomes_rows_of_every_table() {
    let found = whole(DOCUMENT.as_bytes());
    assert_eq!((found.stats.records, found.stats.accepted, found.rejects.len()), (1, 1, 0));
    let one = |table: &str, column: &str| found.column(table, column).join(" / ");
    for (column, value) in [
        ("_length", DOCUMENT.len().to_string().as_str()),
        ("_sha256", Sha256Hash::of(DOCUMENT.as_bytes()).to_string().as_str()),
        ("document_id", "1.2.3|doc1"),
        ("patient_id", "MRN7"),
        ("patient_ids", "1.2.840\n1.2.840.1|MRN7"),
        ("kind", "continuity-of-care"),
        ("release", "R2.1"),
        ("effective_time", "2024-05-01T10:30:00-05:00"),
        ("effective_time_utc", "1714577400000000"),
        ("full_name", "Ann B Doe"),
        ("birth_date", "1980-02-29"),
        ("race", "2106-3\n2029-7"),
        ("city", "Boston"),
        ("phone", "+1(617)555-0100"),
        ("email", "ann@example.org"),
        ("custodian", "Good Clinic"),
        ("author_name", "Al Good"),
        ("sections", "4"),
        ("entries", "3"),
        ("encounter_id", "-"),
    ] {
        assert_eq!(one("documents", column), value, "{column}");
    }
    assert_eq!(one("sections", "kind"), "problems / results / medications / unknown");
    assert_eq!(found.column("sections", "text")[0], "High blood pressure");
    assert_eq!(one("entries", "kind"), "problem-concern / result-organizer / medication-activity");
    let (at, length) = (&found.column("entries", "byte_offset")[2], &found.column("entries", "byte_length")[2]);
    let (at, length): (usize, usize) = (at.parse().unwrap(), length.parse().unwrap());
    assert!(
        DOCUMENT[at..at + length].starts_with("<substanceAdministration")
            && DOCUMENT[at..at + length].ends_with("</substanceAdministration>")
    );
    for (table, column, value) in [
        ("problems", "code", "59621000"),
        ("problems", "code_display", "High blood pressure"),
        ("problems", "code_translations", "2.16.840.1.113883.6.90|I10"),
        ("problems", "negated", "true"),
        ("problems", "concern_status", "active"),
        ("problems", "start", "2019"),
        ("results", "code", "2345-7 / 5778-6"),
        ("results", "value_number", "110.5 / -"),
        ("results", "value_text", "110.50 / yellow"),
        ("results", "range_low", "70.0 / -"),
        ("results", "panel", "24321-2 / 24321-2"),
        ("medications", "drug_display", "Amlodipine"),
        ("medications", "period", "12.0"),
        ("medications", "dose", "1.5"),
        ("medications", "start", "2024-01-01"),
        ("findings", "code", "section-unknown"),
    ] {
        assert_eq!(one(table, column), value, "{table}.{column}");
    }
}

#[test]
fn columns_are_unique_described_and_classed() {
    for table in Ccda.tables() {
        let names: BTreeSet<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names.len(), table.columns.len(), "{} repeats a column", table.name);
        assert!(table.columns.iter().all(|column| !column.doc.is_empty()), "{}", table.name);
        assert_eq!(table.columns.iter().filter(|column| column.patient).count(), 1, "{}", table.name);
        for field in table.schema().fields() {
            assert!(field.metadata().contains_key("sutura.phi"), "{}.{}", table.name, field.name());
        }
    }
}

/// The reference names every table and every code of a reject.
#[test]
fn the_reference_page_is_whole() {
    let page = include_str!("../../../../docs/src/reference/ccda.md");
    for table in Ccda.tables() {
        assert!(page.contains(&format!("| `{}` |", table.name)), "{}", table.name);
    }
    use CcdaErrorKind::*;
    for kind in [Malformed, Unbalanced, Trailing, TooLarge, TooDeep, TooMany, TooLong, Encoding, NotCda] {
        assert!(page.contains(&format!("`{}`", kind.code())), "{}", kind.code());
    }
}

#[test]
fn only_what_is_asked_for_is_given() {
    let entries = Ccda.table("entries").unwrap();
    let columns: Vec<usize> = ["code", "_offset"].iter().map(|name| entries.index_of(name).unwrap()).collect();
    let requests = vec![
        TableRequest { table: "entries".into(), columns: Some(columns), filter: Vec::new() },
        TableRequest { table: "sections".into(), columns: Some(Vec::new()), filter: Vec::new() },
    ];
    let found = read(DOCUMENT.as_bytes(), 100, serde_json::Value::Null, &requests);
    let schema = found.batches["entries"].schema();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["code", "_offset"]);
    assert!(found.batches["entries"].column(1).as_primitive::<Int64Type>().iter().all(|offset| offset == Some(0)));
    assert_eq!((found.batches["sections"].num_rows(), found.batches["sections"].num_columns()), (4, 0));
    let unknown = |table: &str, columns| {
        let requests = vec![TableRequest { table: table.into(), columns, filter: Vec::new() }];
        Decoder::new(DecoderSpec { source: "x".into(), start: 0, end: None, options: serde_json::Value::Null, requests, batch_rows: 1 })
            .is_err()
    };
    assert!(unknown("nothing", None) && unknown("entries", Some(vec![999])));
}

#[test]
fn what_cannot_be_read_is_a_reject_with_its_place() {
    let cut = DOCUMENT.len() / 2;
    for (bytes, code) in [
        (&DOCUMENT.as_bytes()[..cut], "xml-unbalanced"),
        (b"<Patient xmlns='http://hl7.org/fhir'/>".as_slice(), "not-a-clinical-document"),
        (b"%PDF-1.4 \xff\xfe", "xml-syntax"),
        (b"<?xml version='1.0' encoding='EBCDIC'?><a/>", "encoding-unsupported"),
        (b"<ClinicalDocument xmlns='urn:hl7-org:v3'/><ClinicalDocument/>", "xml-trailing"),
    ] {
        let found = whole(bytes);
        let reject = &found.rejects[0];
        assert_eq!((reject.code, found.stats.rejected, found.batches.len()), (code, 1, 0));
        assert_eq!((&reject.bytes[..], reject.id.sha256), (bytes, Sha256Hash::of(bytes)));
        assert!(reject.reason.starts_with("byte ") && !reject.truncated, "{}", reject.reason);
    }
    let blank = whole(b"\xEF\xBB\xBF \n");
    assert_eq!((blank.stats.records, blank.stats.envelope_bytes), (0, 5));
    assert_eq!(whole(b"").stats.records, 0);
}

#[test]
fn a_document_over_the_limit_is_rejected_and_not_held() {
    let large = DOCUMENT.repeat(40);
    for block in [1000, 70_000, 1 << 20] {
        let found = read(large.as_bytes(), block, serde_json::json!({ "max_record_bytes": 4096 }), &everything());
        let reject = &found.rejects[0];
        assert_eq!((reject.code, reject.truncated, reject.id.length), ("record-too-large", true, large.len() as u64));
        assert_eq!(reject.id.sha256, Sha256Hash::of(large.as_bytes()), "{block}");
        assert!(large.as_bytes().starts_with(&reject.bytes) && reject.bytes.len() <= 64 << 10);
    }
}

#[test]
fn a_range_within_a_file_has_nothing() {
    let spec =
        DecoderSpec { source: "x".into(), start: 10, end: None, options: serde_json::Value::Null, requests: everything(), batch_rows: 1 };
    let mut decoder = Ccda.decoder(spec).unwrap();
    let mut out = Vec::new();
    decoder.push(Bytes::from_static(DOCUMENT.as_bytes()), &mut out).unwrap();
    assert_eq!((decoder.finish(&mut out).unwrap(), out.len()), (ReadStats::default(), 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// The size of the blocks does not change what is read; a changed document never panics, and every byte is accounted for.
    #[test]
    fn blocks_and_damage(block in 1usize..5000, at in 0..DOCUMENT.len(), byte: u8, cut in 0..DOCUMENT.len()) {
        let mut bytes = DOCUMENT.as_bytes().to_vec();
        bytes[at] = byte;
        for bytes in [&bytes[..], &bytes[..cut]] {
            let (all, parts) = (whole(bytes), read(bytes, block, serde_json::Value::Null, &everything()));
            prop_assert_eq!(&all.batches, &parts.batches);
            prop_assert_eq!(all.stats, parts.stats);
            let numbers = all.batches.get("results").map(|batch| batch.column_by_name("value_number").unwrap().as_primitive::<Float64Type>().len());
            prop_assert!(numbers.is_none_or(|rows| rows <= 2));
        }
    }
}
