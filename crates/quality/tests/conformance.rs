//! The numbers of independent peers: great_expectations and pandas on planted defects, R's Wilson intervals.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::{path::PathBuf, sync::Arc};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringViewArray};
use serde_json::Value;
use sutura_quality::{CheckDigit, CheckKind, CheckResult, CheckSpec, QualityPlan, wilson_95};

fn reference(name: &str) -> Option<Value> {
    let root = std::env::var_os("SUTURA_TEST_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = root.join("analytics").join(name);
    if !path.exists() {
        eprintln!("SKIPPED: test data not found: analytics/{name}; set SUTURA_TEST_DATA to the folder of the reference data");
        return None;
    }
    Some(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

fn table(input: &Value) -> RecordBatch {
    let rows = input["rows"].as_array().unwrap();
    let names: Vec<&str> = input["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    RecordBatch::try_from_iter_with_nullable(names.iter().enumerate().map(|(at, name)| {
        let array: ArrayRef = if *name == "value" {
            Arc::new(rows.iter().map(|row| row[at].as_f64()).collect::<Float64Array>())
        } else {
            Arc::new(rows.iter().map(|row| row[at].as_str()).collect::<StringViewArray>())
        };
        (*name, array, true)
    }))
    .unwrap()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Our checks with the peers' settings. To great_expectations an empty string is a value.
fn checks() -> Vec<(&'static str, CheckSpec)> {
    let of = |kind, column: &str| CheckSpec { empty_is_missing: false, ..CheckSpec::of(kind, column) };
    let visit = CheckSpec { earlier: Some("visit_start".into()), later: Some("visit_end".into()), ..CheckSpec::new(CheckKind::Temporal) };
    let late = CheckSpec {
        event: Some("visit_end".into()),
        received: Some("received_at".into()),
        within: Some("7d".into()),
        ..CheckSpec::new(CheckKind::Timeliness)
    };
    vec![
        ("expect_column_values_to_not_be_null:birth_date", of(CheckKind::Required, "birth_date")),
        ("expect_column_values_to_be_in_set:sex", CheckSpec { values: words(&["M", "F"]), ..of(CheckKind::Allowed, "sex") }),
        ("expect_column_values_to_be_unique:patient_id", of(CheckKind::Unique, "patient_id")),
        ("expect_column_values_to_be_between:value", CheckSpec { min: Some(0.0), max: Some(50.0), ..of(CheckKind::Range, "value") }),
        ("expect_column_values_to_match_regex:loinc", CheckSpec { pattern: Some(r"\d{1,7}-\d".into()), ..of(CheckKind::Format, "loinc") }),
        ("expect_column_values_to_be_in_set:unit", CheckSpec { values: words(&["mmol/L"]), ..of(CheckKind::Allowed, "unit") }),
        ("expect_column_pair_values_a_to_be_greater_than_b:visit_end>=visit_start", visit),
        (
            "loinc_check_digit_failures",
            CheckSpec { name: Some("loinc check digit".into()), check_digit: Some(CheckDigit::Loinc), ..of(CheckKind::Format, "loinc") },
        ),
        ("timeliness_over_7_days", late),
    ]
}

#[test]
fn planted_defects_are_counted_as_by_the_peers() {
    let Some(data) = reference("data_quality.json") else { return };
    let mut compared = 0;
    for case in data["cases"].as_array().unwrap().iter().filter(|case| case["input"]["rows"].is_array()) {
        let batch = table(&case["input"]);
        let (names, specs): (Vec<_>, Vec<_>) = checks().into_iter().unzip();
        let mut evaluator = QualityPlan::new(&specs, batch.schema_ref()).unwrap().evaluator();
        for start in (0..batch.num_rows()).step_by(7) {
            evaluator.update(&batch.slice(start, 7.min(batch.num_rows() - start))).unwrap();
        }
        let report = evaluator.finish();
        for (name, check) in names.iter().zip(&report.checks) {
            let place = format!("{} {name}", case["id"]);
            let peer = &case["expected"]["great_expectations"][name];
            if peer.is_object() {
                compare(&place, peer, check);
            } else {
                assert_eq!(Some(check.failed.total), case["expected"]["pandas"][name].as_u64(), "{place}");
            }
            compared += 1;
        }
        let unique = &report.checks[2];
        assert_eq!(unique.excess, case["expected"]["pandas"]["duplicate_key_excess"].as_u64(), "{}", case["id"]);
        compared += 1;
    }
    assert!(compared >= 20, "only {compared} numbers were compared");
}

fn compare(place: &str, peer: &Value, check: &CheckResult) {
    let missing = peer["missing_count"].as_u64().unwrap_or(0);
    assert_eq!(Some(check.failed.total), peer["unexpected_count"].as_u64(), "{place}");
    assert_eq!(Some(check.denominator + missing), peer["element_count"].as_u64(), "{place}");
    let percent = check.failed.total as f64 / check.denominator as f64 * 100.0;
    assert!((percent - peer["unexpected_percent"].as_f64().unwrap()).abs() < 1e-9, "{place}");
}

#[test]
fn wilson_intervals_are_those_of_r() {
    let Some(data) = reference("rate_intervals.json") else { return };
    let mut compared = 0;
    for case in data["cases"].as_array().unwrap().iter().filter(|case| case["kind"] == "proportion") {
        let (x, n) = (case["input"]["x"].as_u64().unwrap(), case["input"]["n"].as_u64().unwrap());
        let ours = wilson_95(x, n).unwrap();
        for (end, expected) in ours.iter().zip(case["expected"]["wilson"].as_array().unwrap()) {
            let expected = expected.as_f64().unwrap();
            assert!((end - expected).abs() <= 1e-12 + 1e-9 * expected, "{}: {end} is not {expected}", case["id"]);
        }
        compared += 1;
    }
    assert!(compared >= 6, "only {compared} intervals were compared");
}
