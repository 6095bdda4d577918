//! Generated FHIR records: valid, linked, the truth about them, and the same people as in the feeds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use serde_json::Value;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, TableRequest};
use sutura_fhir::{
    json::Parser,
    read::Decoder,
    validate::{IssueSeverity, Options, ProfileStore, Validator},
};
use sutura_synthetic::{
    CLINICIAN_SYSTEM, Compression, Feed, FeedOptions, FhirExport, FhirOptions, FhirTruth, Layout, SyntheticError, mrn_system,
};

fn write(options: FhirOptions) -> (tempfile::TempDir, FhirTruth) {
    let folder = tempfile::tempdir().unwrap();
    let truth = FhirExport::new(options).unwrap().write_to(folder.path(), &|_| ControlFlow::Continue(())).unwrap();
    (folder, truth)
}

fn options(patients: u64) -> FhirOptions {
    FhirOptions { patients, seed: 11, ..FhirOptions::default() }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn lines(folder: &Path) -> Vec<Value> {
    let texts = files(&folder.join("ndjson")).into_iter().map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()).collect()
}

fn lines_of(folder: &Path, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.join(format!("ndjson/{kind}.ndjson"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn bundles(folder: &Path) -> Vec<Value> {
    files(&folder.join("bundles")).into_iter().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect()
}

/// FNV-1a over names and contents.
fn hash(folder: &Path) -> u64 {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for path in files(folder) {
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
        for byte in name.into_bytes().into_iter().chain(fs::read(path).unwrap()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
    hash
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let hash_of = |seed, compression| {
        let (folder, _) = write(FhirOptions { seed, compression, ..options(8) });
        hash(folder.path())
    };
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        assert_eq!(hash_of(3, compression), hash_of(3, compression));
        assert_ne!(hash_of(3, compression), hash_of(4, compression));
    }
    // Another number means that the same seed gives other records than before: say so in the change log.
    assert_eq!(hash_of(3, Compression::None), 11_089_222_903_881_862_650);
}

#[test]
fn other_seeds_give_other_people() {
    let names = |seed| {
        let (folder, _) = write(FhirOptions { seed, layout: Layout::Ndjson, ..options(200) });
        let patients = lines_of(folder.path(), "Patient").into_iter();
        patients.map(|patient| patient["name"][0].to_string() + patient["birthDate"].as_str().unwrap()).collect::<BTreeSet<_>>()
    };
    let (one, other) = (names(1), names(2));
    assert!(one.len() > 195 && one.intersection(&other).count() < 3);
}

fn problems(validator: &Validator, parser: &mut Parser, text: &[u8]) -> Vec<String> {
    let document = parser.parse(text).unwrap();
    let found = validator.validate(document.root());
    let bad = found.into_iter().filter(|issue| issue.severity >= IssueSeverity::Error);
    bad.map(|issue| format!("{}: {}", issue.expression, issue.diagnostics)).collect()
}

/// Every line and every Bundle, against what the validator knows.
fn assert_valid(validator: &Validator, folder: &Path) -> usize {
    let mut parser = Parser::default();
    let mut bad: BTreeMap<String, usize> = BTreeMap::new();
    let mut checked = 0;
    for path in files(&folder.join("ndjson")).into_iter().chain(files(&folder.join("bundles"))) {
        let text = fs::read(&path).unwrap();
        let is_lines = path.extension().is_some_and(|extension| extension == "ndjson");
        let documents: Vec<&[u8]> = if is_lines { text.split(|byte| *byte == b'\n').collect() } else { vec![&text] };
        for document in documents.into_iter().filter(|document| !document.is_empty()) {
            checked += 1;
            for problem in problems(validator, &mut parser, document) {
                *bad.entry(problem).or_default() += 1;
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
    checked
}

#[test]
fn every_resource_and_bundle_is_valid() {
    let (folder, truth) = write(options(50));
    let checked = assert_valid(&Validator::default(), folder.path());
    assert_eq!(checked as u64, truth.resources + truth.bundles);
}

#[test]
fn resources_conform_to_the_us_core_profiles_they_claim() {
    let data = std::env::var_os("SUTURA_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    if !data.is_dir() {
        println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", data.display());
        return;
    }
    let mut base = ProfileStore::new();
    for name in ["profiles-types", "profiles-others", "extension-definitions", "valuesets", "v3-codesystems", "v2-tables"] {
        base.load(&data.join(format!("fhir/definitions/{name}.json.gz"))).unwrap();
    }
    let mut store = ProfileStore::over(Arc::new(base));
    store.load(&data.join("fhir/us-core/resources")).unwrap();
    let validator = Validator::new(Options::default()).with_profiles(store);
    let (folder, _) = write(options(12));
    let mut claimed = BTreeSet::new();
    for resource in lines(folder.path()) {
        if let Some(url) = resource["meta"]["profile"][0].as_str() {
            claimed.insert(url.to_owned());
        }
        // The profiles are looked at: a patient without identifiers, say, does not conform.
        if resource["resourceType"] == "Patient" {
            let text = resource.to_string().replace("\"identifier\":", "\"photo\":");
            assert!(!problems(&validator, &mut Parser::default(), text.as_bytes()).is_empty());
        }
    }
    for url in &claimed {
        let text = format!(r#"{{"resourceType":"Basic","code":{{"text":"x"}},"meta":{{"profile":["{url}"]}}}}"#);
        assert!(!problems(&validator, &mut Parser::default(), text.as_bytes()).is_empty(), "{url} is not loaded");
    }
    assert!(claimed.len() >= 28, "{claimed:?}");
    assert_valid(&validator, folder.path());
}

/// How many rows the reader makes of each table from one file, and how many resources it finds.
fn read(bytes: Vec<u8>, tables: &[&str], rows: &mut BTreeMap<String, u64>) -> u64 {
    let requests = tables.iter().map(|table| TableRequest::whole(*table)).collect();
    let spec = DecoderSpec { source: "test:file".into(), start: 0, end: None, options: Value::Null, requests, batch_rows: 1000 };
    let mut decoder = Decoder::new(spec).unwrap();
    let mut out = Vec::new();
    decoder.push(Bytes::from(bytes), &mut out).unwrap();
    let stats = decoder.finish(&mut out).unwrap();
    assert!(stats.balances() && stats.rejected == 0, "{stats:?}");
    for item in out {
        if let Decoded::Batch { request, batch } = item {
            *rows.entry(tables[request].to_owned()).or_default() += batch.num_rows() as u64;
        }
    }
    stats.accepted
}

#[test]
fn the_reader_finds_what_the_truth_says() {
    let (folder, truth) = write(options(40));
    let tables = ["patients", "encounters", "conditions", "observations", "observation_components", "medication_requests"];
    for part in ["ndjson", "bundles"] {
        let mut rows = BTreeMap::new();
        let accepted: u64 =
            files(&folder.path().join(part)).into_iter().map(|path| read(fs::read(path).unwrap(), &tables, &mut rows)).sum();
        assert_eq!(accepted, truth.resources, "{part}");
        let components = truth.vital_signs["8480-6"].count + truth.vital_signs["8462-4"].count;
        let of = |kind: &str| truth.by_type[kind];
        for (table, expected) in [
            ("patients", of("Patient")),
            ("encounters", of("Encounter")),
            ("conditions", of("Condition")),
            ("observations", of("Observation")),
            ("observation_components", components),
            ("medication_requests", of("MedicationRequest")),
        ] {
            assert_eq!(rows[table], expected, "{part} {table}");
        }
    }
}

fn references<'j>(value: &'j Value, found: &mut Vec<&'j str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "reference" => found.push(text),
                    other => references(other, found),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_reference_resolves() {
    let (folder, truth) = write(options(60));
    let resources = lines(folder.path());
    let key = |resource: &Value| format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
    let known: BTreeSet<String> = resources.iter().map(key).collect();
    assert_eq!(known.len(), resources.len());
    let mut found = Vec::new();
    for resource in &resources {
        references(resource, &mut found);
    }
    assert_eq!(found.len() as u64, truth.references);
    assert!(found.iter().all(|reference| known.contains(*reference)));

    let bundles = bundles(folder.path());
    assert_eq!(bundles.len() as u64, truth.bundles);
    let put = |bundle: &Value| {
        let entries = bundle["entry"].as_array().unwrap();
        entries.iter().map(|entry| entry["request"]["url"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    // The shared one sorts behind the folders of patients.
    let shared = put(bundles.last().unwrap());
    let mut all = 0;
    for bundle in &bundles {
        let own: BTreeSet<&str> = bundle["entry"].as_array().unwrap().iter().map(|entry| entry["fullUrl"].as_str().unwrap()).collect();
        all += own.len();
        for entry in bundle["entry"].as_array().unwrap() {
            let resource = &entry["resource"];
            assert_eq!(entry["fullUrl"], format!("urn:uuid:{}", resource["id"].as_str().unwrap()));
            assert_eq!(entry["request"]["url"], key(resource));
            let mut found = Vec::new();
            references(resource, &mut found);
            assert!(found.iter().all(|reference| own.contains(reference) || shared.contains(*reference)), "{found:?}");
        }
        if put(bundle) != shared {
            assert_eq!(bundle["entry"][0]["resource"]["resourceType"], "Patient");
        }
    }
    assert_eq!(all as u64, truth.resources);
}

#[test]
fn bundles_and_lines_hold_the_same() {
    let (folder, _) = write(options(15));
    let mut from_bundles = BTreeSet::new();
    for bundle in bundles(folder.path()) {
        let entries = bundle["entry"].as_array().unwrap();
        let types: BTreeMap<&str, &str> =
            entries.iter().map(|entry| (entry["fullUrl"].as_str().unwrap(), entry["request"]["url"].as_str().unwrap())).collect();
        for entry in entries {
            let mut text = entry["resource"].to_string();
            for (from, to) in &types {
                if text.contains(from) {
                    text = text.replace(from, to);
                }
            }
            from_bundles.insert(text);
        }
    }
    assert!(from_bundles == lines(folder.path()).iter().map(Value::to_string).collect());
}

fn count(map: &mut BTreeMap<String, u64>, key: &Value) {
    *map.entry(key.as_str().unwrap().to_owned()).or_default() += 1;
}

fn owned(map: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    map.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
}

#[test]
fn the_truth_is_what_a_plain_recount_finds() {
    let (folder, truth) = write(FhirOptions { layout: Layout::Ndjson, ..options(400) });
    assert_eq!((truth.patients, truth.bundles), (400, 0));
    let mut by: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let (mut abnormal, mut numeric) = (0, 0);
    for resource in lines(folder.path()) {
        count(by.entry("type").or_default(), &resource["resourceType"]);
        let mut add = |what: &'static str, key: &Value| count(by.entry(what).or_default(), key);
        match resource["resourceType"].as_str().unwrap() {
            "Patient" => {
                add("gender", &resource["gender"]);
                add("state", &resource["address"][0]["state"]);
                for (name, what) in [("us-core-race", "race"), ("us-core-ethnicity", "ethnicity")] {
                    let extensions = resource["extension"].as_array().unwrap();
                    let extension = extensions.iter().find(|extension| extension["url"].as_str().unwrap().ends_with(name)).unwrap();
                    let text = extension["extension"].as_array().unwrap().iter().find(|part| part["url"] == "text").unwrap();
                    add(what, &text["valueString"]);
                }
            }
            "Encounter" => add("class", &resource["class"]["code"]),
            "Condition" => add("condition", &resource["code"]["coding"][0]["code"]),
            "AllergyIntolerance" => add("allergy", &resource["code"]["coding"][0]["code"]),
            "Immunization" => add("vaccine", &resource["vaccineCode"]["coding"][0]["code"]),
            "Procedure" => add("procedure", &resource["code"]["coding"][0]["code"]),
            "DiagnosticReport" => add("report", &resource["code"]["coding"][0]["code"]),
            "MedicationRequest" => add("order", &resource["medicationCodeableConcept"]["coding"][0]["code"]),
            "Observation" => {
                let code = &resource["code"]["coding"][0]["code"];
                add("observation", code);
                let mut measured = |code: &Value, quantity: &Value| {
                    if let Some(value) = quantity["value"].as_f64() {
                        values.entry(code.as_str().unwrap().to_owned()).or_default().push(value);
                    }
                };
                measured(code, &resource["valueQuantity"]);
                for component in resource["component"].as_array().into_iter().flatten() {
                    measured(&component["code"]["coding"][0]["code"], &component["valueQuantity"]);
                }
                if resource["category"][0]["coding"][0]["code"] == "laboratory" {
                    numeric += 1;
                    let range = &resource["referenceRange"][0];
                    let value = resource["valueQuantity"]["value"].as_f64().unwrap();
                    let is_normal = (range["low"]["value"].as_f64().unwrap()..=range["high"]["value"].as_f64().unwrap()).contains(&value);
                    assert_eq!(resource["interpretation"][0]["coding"][0]["code"] == "N", is_normal, "{resource}");
                    abnormal += u64::from(!is_normal);
                }
                if resource["category"][2]["coding"][0]["system"].as_str().is_some_and(|system| system.contains("sdoh-clinicalcare"))
                    && !["88121-9", "88122-7", "88123-5"].contains(&code.as_str().unwrap())
                {
                    add("screening", &resource["category"][2]["coding"][0]["code"]);
                }
            }
            _ => {}
        }
    }
    for (what, expected) in [
        ("type", &truth.by_type),
        ("gender", &truth.by_gender),
        ("state", &truth.by_state),
        ("race", &truth.by_race),
        ("ethnicity", &truth.by_ethnicity),
        ("class", &truth.encounters),
        ("condition", &truth.conditions),
        ("allergy", &truth.allergies),
        ("vaccine", &truth.immunizations),
        ("procedure", &truth.procedures),
        ("report", &truth.reports),
        ("order", &truth.medication_requests),
        ("observation", &truth.observations),
        ("screening", &truth.screenings),
    ] {
        assert_eq!(by[what], owned(expected), "{what}");
    }
    assert_eq!(truth.by_type.len(), 18);
    assert_eq!(truth.by_age_group.values().sum::<u64>(), 400);
    assert_eq!((numeric, abnormal), (truth.results.numeric, truth.results.abnormal));
    assert!(abnormal * 100 > numeric * 3 && abnormal * 100 < numeric * 35, "{abnormal} of {numeric}");
    for (code, sums) in truth.labs.iter().chain(&truth.vital_signs) {
        let found = &values[*code];
        assert_eq!(found.len() as u64, sums.count, "{code}");
        assert!((found.iter().sum::<f64>() - sums.sum).abs() < 1e-6, "{code}");
        assert_eq!(found.iter().copied().fold(f64::INFINITY, f64::min).to_bits(), sums.min.to_bits(), "{code}");
        assert_eq!(found.iter().copied().fold(f64::NEG_INFINITY, f64::max).to_bits(), sums.max.to_bits(), "{code}");
    }
    assert_eq!(values.len(), truth.labs.len() + truth.vital_signs.len());
    for file in &truth.files {
        let text = fs::read_to_string(folder.path().join(&file.name)).unwrap();
        assert_eq!((text.len() as u64, text.lines().count() as u64), (file.bytes, file.resources), "{}", file.name);
    }
    // Every domain is screened for; and needs are found, but not in most people.
    assert_eq!(truth.screenings.len(), 6);
    assert!(truth.positive_screenings.values().all(|count| *count > 5), "{:?}", truth.positive_screenings);
    assert!(truth.by_type["ServiceRequest"] == truth.by_type["Goal"] && truth.by_type["Goal"] > 50);
    let written: Value = serde_json::from_slice(&fs::read(folder.path().join("truth.json")).unwrap()).unwrap();
    assert_eq!(written, serde_json::to_value(&truth).unwrap());
}

#[test]
fn feeds_and_records_are_of_the_same_people() {
    let feed_folder = tempfile::tempdir().unwrap();
    let feed = FeedOptions { messages: 600, seed: 11, population: Some(80), malformed_share: 0.0, ..FeedOptions::default() };
    let feed = Feed::new(feed).unwrap().write_to(feed_folder.path(), &|_| {}).unwrap();
    let (folder, _) = write(FhirOptions { layout: Layout::Ndjson, ..options(80) });
    let facilities = ["NORTHGATE", "STBRIGID", "LAKEVIEW", "RIVERBEND", "HARBORHLTH"];
    let mut by_number = BTreeMap::new();
    let mut clinicians = BTreeMap::new();
    for resource in lines(folder.path()) {
        if resource["resourceType"] == "Patient" {
            for identifier in resource["identifier"].as_array().unwrap() {
                let system = identifier["system"].as_str().unwrap().to_owned();
                by_number.insert((system, identifier["value"].as_str().unwrap().to_owned()), resource.clone());
            }
        }
        if resource["resourceType"] == "Practitioner" {
            let identifier = &resource["identifier"][0];
            assert_eq!(identifier["system"], CLINICIAN_SYSTEM);
            clinicians.insert(identifier["value"].as_str().unwrap().to_owned(), resource["name"][0]["family"].as_str().unwrap().to_owned());
        }
    }
    let text = fs::read_to_string(feed_folder.path().join(&feed.files[0].name)).unwrap();
    let mut joined = BTreeSet::new();
    for line in text.split(['\r', '\n']) {
        let fields: Vec<&str> = line.split('|').collect();
        match fields[0] {
            "PID" => {
                for repetition in fields[3].split('~').filter(|repetition| repetition.ends_with("^MR")) {
                    let parts: Vec<&str> = repetition.split('^').collect();
                    let facility = facilities.iter().position(|facility| *facility == parts[3]).unwrap();
                    let patient = &by_number[&(mrn_system(facility), parts[0].to_owned())];
                    let name: Vec<&str> = fields[5].split('~').next().unwrap().split('^').collect();
                    let birth = patient["birthDate"].as_str().unwrap().replace('-', "");
                    assert_eq!(
                        (patient["name"][0]["family"].as_str(), patient["name"][0]["given"][0].as_str()),
                        (Some(name[0]), Some(name[1]))
                    );
                    assert_eq!(birth, &fields[7][..8]);
                    let sex = match patient["gender"].as_str().unwrap() {
                        "female" => "F",
                        "male" => "M",
                        "other" => "O",
                        _ => "U",
                    };
                    assert_eq!(sex, fields[8]);
                    let address: Vec<&str> = fields[11].split('^').collect();
                    let home = &patient["address"][0];
                    assert_eq!((home["line"][0].as_str(), home["postalCode"].as_str()), (Some(address[0]), Some(address[4])));
                    let race = &patient["extension"][0]["extension"][0]["valueCoding"]["code"];
                    assert_eq!(race, fields[10].split('^').next().unwrap());
                    joined.insert(patient["id"].as_str().unwrap().to_owned());
                }
            }
            "PV1" => {
                let attending: Vec<&str> = fields[7].split('^').collect();
                assert_eq!(clinicians[attending[0]], attending[1]);
            }
            _ => {}
        }
    }
    assert_eq!(joined.len() as u64, feed.patients);
    assert!(joined.len() > 40);
}

#[test]
fn values_follow_the_person_and_the_condition() {
    let (folder, _) = write(FhirOptions { layout: Layout::Ndjson, years: 6, ..options(200) });
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_code = |kind, code: &str| {
        let mut found = lines_of(folder.path(), kind);
        found.retain(|resource| resource["code"]["coding"][0]["code"] == code);
        found
    };
    let diabetics: BTreeSet<String> =
        of_code("Condition", "E11.9").iter().map(|resource| text(&resource["subject"]["reference"])).collect();
    let mut series: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    for resource in of_code("Observation", "4548-4") {
        let entry = (text(&resource["effectiveDateTime"]), resource["valueQuantity"]["value"].as_f64().unwrap());
        series.entry(text(&resource["subject"]["reference"])).or_default().push(entry);
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mut with, mut without, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    for (patient, values) in &mut series {
        values.sort_by(|a, b| a.0.cmp(&b.0));
        let bare: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
        if diabetics.contains(patient) {
            with.push(mean(&bare));
        } else {
            without.push(mean(&bare));
        }
        steps.extend(bare.windows(2).map(|pair| (pair[1] - pair[0]).abs()));
    }
    assert!(with.len() > 6 && without.len() > 50);
    assert!(mean(&with) > 6.5 && mean(&without) < 5.7, "{} {}", mean(&with), mean(&without));
    // A person's values stay near one another: the difference to the next one is far less than that between people.
    assert!(mean(&steps) < 0.4, "{}", mean(&steps));
}

#[test]
fn times_have_the_zone_of_the_facility_and_lie_in_the_record() {
    let (folder, _) = write(FhirOptions { layout: Layout::Ndjson, ..options(80) });
    for encounter in &lines_of(folder.path(), "Encounter") {
        let start = encounter["period"]["start"].as_str().unwrap();
        let end = encounter["period"]["end"].as_str().unwrap();
        let moment = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap();
        assert!(moment(start) < moment(end), "{start} {end}");
        assert!(start > "2023-01-31" && end < "2026-02-01", "{start} {end}");
        assert!(["-04:00", "-05:00", "-06:00", "-07:00", "-08:00"].contains(&&start[19..]), "{start}");
    }
}

#[test]
fn wrong_options_and_full_folders_are_refused() {
    for bad in [
        FhirOptions { patients: 0, ..options(1) },
        FhirOptions { years: 0, ..options(1) },
        FhirOptions { years: 21, ..options(1) },
        FhirOptions { first_day: "2025-02-30".to_owned(), ..options(1) },
    ] {
        assert!(matches!(FhirExport::new(bad), Err(SyntheticError::BadOption { .. })));
    }
    let (folder, _) = write(options(2));
    let again = FhirExport::new(options(2)).unwrap().write_to(folder.path(), &|_| ControlFlow::Continue(()));
    assert!(matches!(again, Err(SyntheticError::OtherFeed { .. })));
    let folder = tempfile::tempdir().unwrap();
    let stopped = FhirExport::new(options(200)).unwrap().write_to(folder.path(), &|_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(SyntheticError::Stopped)) && !folder.path().join("truth.json").exists());
}
