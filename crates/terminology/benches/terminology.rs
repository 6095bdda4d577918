//! Look-ups, validations and translations per second, and how fast an Athena download is loaded.
//!
//! The download is made here: codes and names of nothing, in the form and proportions of a real one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::format_push_string, clippy::semicolon_if_nothing_returned, missing_docs)]

use std::{
    hint::black_box,
    io::{Cursor, Write},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flate2::{Compression, Crc, write::DeflateEncoder};
use sutura_terminology::{AthenaOptions, Coding, ExpandOptions, Terminology, ValidateOptions, lab, ucum};

const CONCEPTS: u32 = 200_000;

fn questions(bench: &mut Criterion) {
    let all = Terminology::builtin();
    let mut group = bench.benchmark_group("questions");
    group.throughput(Throughput::Elements(1));
    let act = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    group.bench_function("lookup", |bench| bench.iter(|| all.lookup(black_box(act), black_box("AMB")).unwrap().display()));
    let coding =
        Coding { system: "http://hl7.org/fhir/administrative-gender", code: "female", display: Some("Female"), ..Coding::default() };
    let set = Some("http://hl7.org/fhir/ValueSet/administrative-gender");
    let options = ValidateOptions::default();
    group.bench_function("validate_code", |bench| bench.iter(|| all.validate_code(set, black_box(&coding), &options).unwrap().result));
    group.bench_function("contains, is-a", |bench| {
        bench.iter(|| all.contains("http://terminology.hl7.org/ValueSet/v3-ActEncounterCode", black_box(act), black_box("AMB")).unwrap())
    });
    let system = "http://terminology.hl7.org/CodeSystem/v2-0203";
    let map = all.concept_map("IdentifierType").unwrap();
    group.bench_function("translate", |bench| bench.iter(|| map.translate(black_box(system), black_box("MR")).is_some()));
    group.bench_function("uri_of_oid", |bench| bench.iter(|| sutura_terminology::uri_of_oid(black_box("2.16.840.1.113883.6.96"))));
    group.bench_function("unit, valid", |bench| bench.iter(|| ucum::is_valid(black_box("mg/dL"))));
    group.bench_function("lab, normalise", |bench| bench.iter(|| lab::normalise(black_box("2345-7"), black_box("100"), "mg/dL").unwrap()));
    group.bench_function("expand, all of v3-ActCode", |bench| {
        bench.iter(|| all.expand("http://terminology.hl7.org/ValueSet/v3-ActCode", &ExpandOptions::default()).unwrap().total)
    });
    group.finish();
}

/// An Athena download of made-up concepts: every concept has a parent, every second one maps to another.
fn download() -> Vec<u8> {
    let mut concepts = String::from(
        "concept_id\tconcept_name\tdomain_id\tvocabulary_id\tconcept_class_id\tstandard_concept\tconcept_code\tvalid_start_date\tvalid_end_date\tinvalid_reason\n",
    );
    let mut ancestors = String::from("ancestor_concept_id\tdescendant_concept_id\tmin_levels_of_separation\tmax_levels_of_separation\n");
    let mut relations = String::from("concept_id_1\tconcept_id_2\trelationship_id\tvalid_start_date\tvalid_end_date\tinvalid_reason\n");
    for id in 1..=CONCEPTS {
        let vocabulary = if id % 2 == 0 { "SNOMED" } else { "ICD10CM" };
        concepts.push_str(&format!(
            "{id}\tFinding of part {id} of the structure\tCondition\t{vocabulary}\tClinical Finding\tS\t{}\t20020131\t20991231\t\n",
            100_000_000 + id
        ));
        for level in 0..4 {
            ancestors.push_str(&format!("{}\t{id}\t{level}\t{level}\n", (id >> level).max(1)));
        }
        relations.push_str(&format!("{id}\t{}\tMaps to\t20020131\t20991231\t\n", id + 1 - id % 2));
        relations.push_str(&format!("{}\t{id}\tMapped from\t20020131\t20991231\t\n", id + 1 - id % 2));
    }
    zip(&[("CONCEPT.csv", &concepts), ("CONCEPT_ANCESTOR.csv", &ancestors), ("CONCEPT_RELATIONSHIP.csv", &relations)])
}

fn zip(files: &[(&str, &String)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let mut crc = Crc::new();
        crc.update(text.as_bytes());
        let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        let packed = packer.finish().unwrap();
        let at = out.len() as u32;
        let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0];
        for number in [crc.sum(), packed.len() as u32, text.len() as u32] {
            common.extend(number.to_le_bytes());
        }
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let at = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0\x03\0\x03\0");
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0, 0]);
    out
}

fn athena(bench: &mut Criterion) {
    let bytes = download();
    let mut group = bench.benchmark_group("athena");
    group.throughput(Throughput::Elements(u64::from(CONCEPTS)));
    group.sample_size(10);
    group.bench_function("load, concepts", |bench| {
        bench.iter(|| {
            let mut all = Terminology::empty();
            all.load_athena(Cursor::new(&bytes), &AthenaOptions::default()).unwrap()
        })
    });
    group.finish();
}

criterion_group!(benches, questions, athena);
criterion_main!(benches);
