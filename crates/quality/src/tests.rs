//! The evaluator as a whole: what is counted, and that batches, threads and order make no difference.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray, StringViewArray,
        TimestampMicrosecondArray,
    },
    compute::concat_batches,
    datatypes::Int32Type,
};
use proptest::prelude::*;

use crate::*;

fn text(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<StringViewArray>())
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn run(check: CheckSpec, batch: &RecordBatch) -> (CheckResult, Vec<bool>) {
    let mut evaluator = QualityPlan::new(&[check], batch.schema_ref()).unwrap().evaluator();
    let outcome = evaluator.update(batch).unwrap();
    let mask = outcome.failed[0].iter().collect();
    (evaluator.finish().checks.remove(0), mask)
}

/// Numerator, denominator and the failed rows of one check on one text column `a`.
fn counts(check: CheckSpec, values: &[Option<&str>]) -> (u64, u64, Vec<usize>) {
    let (result, mask) = run(check, &batch(vec![("a", text(values))]));
    let failed: Vec<usize> = mask.iter().enumerate().filter_map(|(row, failed)| failed.then_some(row)).collect();
    (result.numerator, result.denominator, failed)
}

#[test]
fn required_counts_blank_as_missing_unless_told_otherwise() {
    let values = [Some("x"), None, Some(""), Some("  "), Some("y")];
    assert_eq!(counts(CheckSpec::of(CheckKind::Required, "a"), &values), (2, 5, vec![1, 2, 3]));
    let strict = CheckSpec { empty_is_missing: false, ..CheckSpec::of(CheckKind::Required, "a") };
    assert_eq!(counts(strict, &values), (4, 5, vec![1]));
}

#[test]
fn required_reads_any_type_of_column() {
    let dictionary: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("a")].into_iter().collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(StringArray::from(vec![Some("a"), None, Some("b")])),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None, Some(3)]).with_timezone("UTC")),
        Arc::new(dictionary),
    ];
    for column in columns {
        let rows = batch(vec![("a", column)]);
        let (result, mask) = run(CheckSpec::of(CheckKind::Required, "a"), &rows);
        assert_eq!((result.numerator, result.denominator, mask), (2, 3, vec![false, true, false]));
        let (result, _) = run(CheckSpec::of(CheckKind::Unique, "a"), &rows);
        assert_eq!(result.denominator, 2, "keys of any type");
    }
}

#[test]
fn allowed_type_and_format_apply_to_present_values() {
    let allowed = CheckSpec { values: vec!["M".into(), "F".into()], ..CheckSpec::of(CheckKind::Allowed, "a") };
    let values = [Some("M"), Some("m"), None, Some("X"), Some("")];
    assert_eq!(counts(allowed.clone(), &values), (1, 3, vec![1, 3]));
    assert_eq!(counts(CheckSpec { ignore_case: true, ..allowed }, &values), (2, 3, vec![3]));
    let number = CheckSpec { value_type: Some(ValueType::Number), ..CheckSpec::of(CheckKind::Type, "a") };
    assert_eq!(counts(number, &[Some("1.5"), Some("high"), None]), (1, 2, vec![1]));
    let format = CheckSpec { pattern: Some("[0-9]{3}".into()), ..CheckSpec::of(CheckKind::Format, "a") };
    assert_eq!(counts(format, &[Some("123"), Some("1234"), None]), (1, 2, vec![1]));
}

#[test]
fn range_per_code_leaves_other_codes_alone() {
    let rows = batch(vec![
        ("code", text(&[Some("2823-3"), Some("2823-3"), Some("718-7"), Some("x"), None])),
        ("value", Arc::new(Float64Array::from(vec![Some(4.0), Some(40.0), Some(40.0), Some(40.0), Some(1.0)]))),
    ]);
    let potassium = NumberRange { min: Some(1.0), max: Some(12.0) };
    let check = CheckSpec {
        code_column: Some("code".into()),
        ranges: BTreeMap::from([("2823-3".to_owned(), potassium)]),
        ..CheckSpec::of(CheckKind::Range, "value")
    };
    let (result, mask) = run(check.clone(), &rows);
    assert_eq!((result.numerator, result.denominator), (1, 2));
    assert_eq!(mask, [false, true, false, false, false]);
    let (result, _) = run(CheckSpec { max: Some(30.0), ..check }, &rows);
    assert_eq!((result.numerator, result.denominator), (2, 5), "the other codes get the check's own limits");
}

#[test]
fn range_of_text_fails_what_is_no_number() {
    let check = CheckSpec { min: Some(0.0), ..CheckSpec::of(CheckKind::Range, "a") };
    assert_eq!(counts(check.clone(), &[Some("1"), Some("-1"), Some("high"), None, Some("")]), (1, 3, vec![1, 2]));
    let (result, _) = run(check, &batch(vec![("a", Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY, 1.0])))]));
    assert_eq!((result.numerator, result.denominator), (2, 3));
}

#[test]
fn unique_counts_every_occurrence_and_marks_the_later_ones() {
    let check = CheckSpec::of(CheckKind::Unique, "a");
    let (result, mask) = run(check, &batch(vec![("a", text(&[Some("x"), Some("y"), Some("x"), None, Some("x"), None]))]));
    assert_eq!((result.numerator, result.denominator, result.failed.total, result.excess), (1, 4, 3, Some(2)));
    assert_eq!(mask, [false, false, true, false, true, false]);
    let check = CheckSpec { columns: vec!["a".into(), "b".into()], ..CheckSpec::new(CheckKind::Unique) };
    let rows = batch(vec![("a", text(&[Some("ab"), Some("a"), Some("ab")])), ("b", text(&[Some("c"), Some("bc"), Some("c")]))]);
    assert_eq!(run(check, &rows).0.numerator, 1, "parts of a key do not run together");
}

/// Rows with the identity columns; one row a letter of `hashes`, at offset 10 times the digit in `offsets`.
fn with_identity(source: &str, offsets: &[i64], hashes: &[&str]) -> RecordBatch {
    let rows = offsets.len();
    batch(vec![
        ("_source", text(&vec![Some(source); rows])),
        ("_offset", Arc::new(Int64Array::from(offsets.iter().map(|offset| offset * 10).collect::<Vec<_>>()))),
        ("_length", Arc::new(Int64Array::from(vec![10; rows]))),
        ("_sha256", text(&hashes.iter().copied().map(Some).collect::<Vec<_>>())),
    ])
}

#[test]
fn duplicates_are_counted_by_record_not_by_row() {
    let plan = QualityPlan::new(&[CheckSpec::new(CheckKind::Duplicate)], with_identity("f", &[0], &["a"]).schema_ref()).unwrap();
    let parts = [
        with_identity("f", &[0, 0, 1], &["a", "a", "b"]),
        with_identity("f", &[1, 2, 2], &["b", "a", "a"]),
        with_identity("e", &[7], &["a"]),
        with_identity("f", &[3], &["c"]),
    ];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
        let mut whole = plan.evaluator();
        for part in order {
            let mut evaluator = plan.evaluator();
            evaluator.update(&parts[part]).unwrap();
            whole.merge(evaluator).unwrap();
        }
        let report = whole.finish();
        let check = &report.checks[0];
        assert_eq!((check.numerator, check.denominator, check.excess), (2, 5, Some(2)), "records a, a, a, b, c");
        assert_eq!(check.failed.total, 3);
        assert_eq!(check.failed.sample.len(), 1);
        assert_eq!((check.failed.sample[0].source.as_str(), check.failed.sample[0].offset), ("e", 70));
    }
}

#[test]
fn many_keys_are_estimated_and_say_so() {
    let keys: Vec<String> = (0..40_000).map(|row| format!("k{}", if row % 10 == 0 { row - row % 20 } else { row })).collect();
    let rows = batch(vec![("a", Arc::new(StringViewArray::from_iter_values(&keys)))]);
    let options = PlanOptions { exact_keys: 4_000, ..PlanOptions::default() };
    let checks = [CheckSpec::of(CheckKind::Unique, "a")];
    let report = |options| {
        let plan = QualityPlan::with(&checks, rows.schema_ref(), &ReferenceSets::new(), options).unwrap();
        let (mut first, mut second) = (plan.evaluator(), plan.evaluator());
        for start in (0..40_000).step_by(1_000) {
            let evaluator = if start % 3_000 == 0 { &mut first } else { &mut second };
            evaluator.update(&rows.slice(start, 1_000)).unwrap();
        }
        first.merge(second).unwrap();
        first.finish().checks.remove(0)
    };
    let (exact, estimate) = (report(PlanOptions::default()), report(options));
    assert_eq!((exact.numerator, exact.denominator, exact.estimated), (36_000, 40_000, false));
    assert!(estimate.estimated);
    assert_eq!(estimate.denominator, 40_000);
    let [low, high] = estimate.interval.unwrap();
    assert!((estimate.rate.unwrap() - 0.9).abs() < 0.02 && low < 0.9 && 0.9 < high, "{estimate:?}");
}

#[test]
fn many_copies_of_few_records_stay_bounded() {
    let checks = [CheckSpec::new(CheckKind::Duplicate)];
    let rows = 5_000usize;
    let hash = vec!["same"; rows];
    let offsets: Vec<i64> = (0..rows as i64).collect();
    let data = with_identity("f", &offsets, &hash);
    let options = PlanOptions { exact_keys: 100, ..PlanOptions::default() };
    let plan = QualityPlan::with(&checks, data.schema_ref(), &ReferenceSets::new(), options).unwrap();
    let mut evaluator = plan.evaluator();
    evaluator.update(&data).unwrap();
    let check = evaluator.finish().checks.remove(0);
    assert!(check.estimated);
    assert_eq!((check.numerator, check.denominator), (0, 5_000));
}

#[test]
fn references_and_accuracy() {
    let set: ReferenceSet = ["P1", "P2"].into_iter().collect();
    let rows =
        batch(vec![("a", text(&[Some("P1"), Some("p2"), Some("P9"), None])), ("truth", text(&[Some("P1"), Some("P2"), None, Some("x")]))]);
    let references = ReferenceSets::from([("patients.id".to_owned(), Arc::new(set))]);
    let check = CheckSpec { reference: Some("patients.id".into()), ..CheckSpec::of(CheckKind::Reference, "a") };
    let checks = [
        check.clone(),
        CheckSpec { name: Some("any case".into()), ignore_case: true, ..check.clone() },
        CheckSpec { reference: Some("nowhere".into()), name: Some("unknown set".into()), ..check },
        CheckSpec { values: vec!["P9".into()], name: Some("inline".into()), ..CheckSpec::of(CheckKind::Reference, "a") },
        CheckSpec { reference_column: Some("truth".into()), ..CheckSpec::of(CheckKind::Accuracy, "a") },
        CheckSpec { name: Some("no truth".into()), ..CheckSpec::of(CheckKind::Accuracy, "a") },
    ];
    let plan = QualityPlan::with(&checks, rows.schema_ref(), &references, PlanOptions::default()).unwrap();
    let mut evaluator = plan.evaluator();
    evaluator.update(&rows).unwrap();
    let report = evaluator.finish();
    let numbers: Vec<_> = report.checks.iter().map(|check| (check.numerator, check.denominator, check.status)).collect();
    assert_eq!(
        numbers,
        [
            (1, 3, CheckStatus::Fail),
            (2, 3, CheckStatus::Fail),
            (0, 0, CheckStatus::Error),
            (1, 3, CheckStatus::Fail),
            (1, 2, CheckStatus::Fail),
            (0, 0, CheckStatus::NotApplicable),
        ]
    );
    assert_eq!(report.dimension_score(Dimension::Accuracy), Some(0.5), "the unmeasured check does not count");
}

#[test]
fn accuracy_of_numbers_takes_a_tolerance() {
    let rows = batch(vec![
        ("a", text(&[Some("5.0"), Some("5.2"), Some("x"), None])),
        ("truth", Arc::new(Float64Array::from(vec![5.05, 5.0, 5.0, 5.0]))),
    ]);
    let check = CheckSpec { reference_column: Some("truth".into()), tolerance: Some(0.1), ..CheckSpec::of(CheckKind::Accuracy, "a") };
    let (result, mask) = run(check, &rows);
    assert_eq!((result.numerator, result.denominator), (1, 3));
    assert_eq!(mask, [false, true, true, false]);
}

#[test]
fn accuracy_is_not_measured_without_a_reference() {
    let rows = batch(vec![("a", text(&[Some("x")]))]);
    let plan = QualityPlan::new(&[CheckSpec::of(CheckKind::Required, "a")], rows.schema_ref()).unwrap();
    let mut evaluator = plan.evaluator();
    evaluator.update(&rows).unwrap();
    let report = evaluator.finish();
    let accuracy = report.dimensions.iter().find(|score| score.dimension == Dimension::Accuracy).unwrap();
    assert_eq!((accuracy.status, accuracy.score), (DimensionStatus::NotMeasured, None));
    assert_eq!(report.overall, Some(1.0), "only measured dimensions count");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["dimensions"][4]["status"], "not-measured");
}

#[test]
fn times_in_order_and_in_time() {
    let rows = batch(vec![
        ("from", text(&[Some("2026-03-14"), Some("2026-03-14T12:00"), Some("2026-03-15"), Some("2026"), None, Some("junk")])),
        (
            "to",
            text(&[Some("2026-03-14T08:00"), Some("2026-03-14T11:59"), Some("2026-03-25"), Some("2026-03"), Some("2026"), Some("2026")]),
        ),
    ]);
    let temporal = CheckSpec { earlier: Some("from".into()), later: Some("to".into()), ..CheckSpec::new(CheckKind::Temporal) };
    let (result, mask) = run(temporal, &rows);
    assert_eq!((result.numerator, result.denominator), (3, 4));
    assert_eq!(mask, [false, true, false, false, false, false]);
    let timeliness = CheckSpec {
        event: Some("from".into()),
        received: Some("to".into()),
        within: Some("7d".into()),
        ..CheckSpec::new(CheckKind::Timeliness)
    };
    let (result, mask) = run(timeliness, &rows);
    assert_eq!((result.numerator, result.denominator), (2, 3), "a year is too coarse to be late");
    assert_eq!(mask, [false, false, true, false, false, false]);
}

#[test]
fn instants_are_not_compared_with_local_times_that_could_be_either() {
    let instant = 1_773_480_000_000_000; // 2026-03-14T09:20:00Z
    let rows = batch(vec![
        ("utc", Arc::new(TimestampMicrosecondArray::from(vec![instant; 3]).with_timezone("UTC"))),
        ("local", text(&[Some("2026-03-14T09:20"), Some("2026-03-16T00:00"), Some("2026-03-13T00:00:00")])),
    ]);
    let temporal = CheckSpec { earlier: Some("utc".into()), later: Some("local".into()), ..CheckSpec::new(CheckKind::Temporal) };
    let (result, mask) = run(temporal, &rows);
    assert_eq!((result.numerator, result.denominator), (1, 2));
    assert_eq!(mask, [false, false, true]);
}

#[test]
fn only_where_limits_the_rows() {
    let rows = batch(vec![("status", text(&[Some("F"), Some("P"), None, Some("F")])), ("value", text(&[Some("1"), None, None, None]))]);
    let check = |values: Vec<String>| CheckSpec {
        only_where: Some(Condition { column: "status".into(), values }),
        ..CheckSpec::of(CheckKind::Required, "value")
    };
    assert_eq!(run(check(vec!["F".into()]), &rows).0.denominator, 2);
    assert_eq!(run(check(vec![]), &rows).0.denominator, 3);
}

#[test]
fn what_cannot_run_is_an_error_result() {
    let list: ArrayRef = Arc::new(arrow::array::BinaryArray::from_iter_values([b"x"]));
    let rows = batch(vec![("a", list), ("flag", Arc::new(BooleanArray::from(vec![true])))]);
    let temporal = CheckSpec { earlier: Some("flag".into()), later: Some("a".into()), ..CheckSpec::new(CheckKind::Temporal) };
    for check in [
        CheckSpec::of(CheckKind::Required, "missing"),
        CheckSpec { values: vec!["x".into()], ..CheckSpec::of(CheckKind::Allowed, "a") },
        CheckSpec { min: Some(0.0), ..CheckSpec::of(CheckKind::Range, "flag") },
        CheckSpec::new(CheckKind::Duplicate),
        temporal,
        CheckSpec { only_where: Some(Condition { column: "no".into(), values: vec![] }), ..CheckSpec::of(CheckKind::Required, "flag") },
    ] {
        let (result, mask) = run(check, &rows);
        assert_eq!((result.status, result.rate, mask), (CheckStatus::Error, None, vec![false]), "{}", result.name);
        assert!(result.reason.unwrap().contains("column"));
    }
}

#[test]
fn another_schema_and_another_plan_are_refused() {
    let rows = batch(vec![("a", text(&[Some("x")]))]);
    let plan = QualityPlan::new(&[CheckSpec::of(CheckKind::Required, "a")], rows.schema_ref()).unwrap();
    let mut evaluator = plan.evaluator();
    for other in [
        batch(vec![("b", text(&[Some("x")]))]),
        batch(vec![("a", Arc::new(Int64Array::from(vec![1])))]),
        batch(vec![("a", text(&[Some("x")])), ("b", text(&[Some("x")]))]),
    ] {
        assert!(matches!(evaluator.update(&other), Err(QualityError::SchemaMismatch { .. })));
    }
    let other = QualityPlan::new(&[CheckSpec::of(CheckKind::Required, "a")], rows.schema_ref()).unwrap().evaluator();
    assert!(matches!(evaluator.merge(other), Err(QualityError::DifferentPlan)));
}

#[test]
fn specifications_are_checked_before_any_data() {
    let spec = |text: &str| toml::from_str::<CheckSpec>(text);
    assert!(spec("kind = \"required\"\ncolumn = \"a\"\ntreshold = 1.0").is_err(), "unknown keys are refused");
    let range = spec("kind = \"range\"\ncolumn = \"v\"\ncode_column = \"c\"\nranges = { \"2823-3\" = { min = 1.0, max = 12.0 } }").unwrap();
    assert!(range.problems().is_empty());
    assert_eq!((range.threshold, range.weight, range.display_name().as_str()), (0.95, 1.0, "range:v"));
    for (text, key) in [
        ("kind = \"required\"", "column"),
        ("kind = \"required\"\ncolumn = \"a\"\npattern = \"x\"", "pattern"),
        ("kind = \"required\"\ncolumn = \"a\"\nthreshold = 95.0", "threshold"),
        ("kind = \"required\"\ncolumn = \"a\"\nthreshold = nan", "threshold"),
        ("kind = \"required\"\ncolumn = \"a\"\nweight = 0.0", "weight"),
        ("kind = \"type\"\ncolumn = \"a\"", "value_type"),
        ("kind = \"allowed\"\ncolumn = \"a\"", "values"),
        ("kind = \"format\"\ncolumn = \"a\"", "pattern"),
        ("kind = \"format\"\ncolumn = \"a\"\npattern = \"(\"", "pattern"),
        ("kind = \"range\"\ncolumn = \"a\"", "min"),
        ("kind = \"range\"\ncolumn = \"a\"\nmin = 2.0\nmax = 1.0", "ranges"),
        ("kind = \"range\"\ncolumn = \"a\"\nmin = 2.0\ncode_column = \"c\"", "ranges"),
        ("kind = \"unique\"", "columns"),
        ("kind = \"reference\"\ncolumn = \"a\"", "reference"),
        ("kind = \"temporal\"\nearlier = \"a\"", "later"),
        ("kind = \"timeliness\"\nevent = \"a\"\nreceived = \"b\"\nwithin = \"soon\"", "within"),
        ("kind = \"accuracy\"\ncolumn = \"a\"\nvalues = [\"x\"]\nreference = \"y\"", "reference"),
        ("kind = \"accuracy\"\ncolumn = \"a\"\ntolerance = 1.0", "tolerance"),
    ] {
        let problems = spec(text).unwrap().problems();
        assert!(problems.iter().any(|problem| problem.key == key), "{text}: {problems:?}");
    }
    let twice = [CheckSpec::of(CheckKind::Required, "a"), CheckSpec::of(CheckKind::Required, "a")];
    assert_eq!(check_specs(&twice)[0].key, "name");
    assert!(matches!(QualityPlan::new(&twice, &arrow::datatypes::Schema::empty()), Err(QualityError::BadSpec(_))));
}

#[test]
fn the_schema_of_specifications_names_every_key() {
    let schema = serde_json::to_value(schemars::schema_for!(CheckSpec)).unwrap();
    let written = serde_json::to_value(CheckSpec {
        only_where: Some(Condition { column: "c".into(), values: vec!["x".into()] }),
        ..CheckSpec::of(CheckKind::Required, "a")
    })
    .unwrap();
    for key in written.as_object().unwrap().keys() {
        assert!(schema["properties"][key]["description"].is_string(), "{key} has no description");
    }
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn scores_recommendations_and_no_content() {
    let rows = batch(vec![
        ("_source", text(&[Some("s"); 4])),
        ("_offset", Arc::new(Int64Array::from(vec![0, 1, 2, 3]))),
        ("name", text(&[Some("Okonkwo"), None, Some("Lindqvist"), Some("Lindqvist")])),
        ("sex", text(&[Some("M"), Some("F"), Some("UNHEARD"), Some("F")])),
    ]);
    let checks = [
        CheckSpec { threshold: 0.5, ..CheckSpec::of(CheckKind::Required, "name") },
        CheckSpec { weight: 3.0, ..CheckSpec::of(CheckKind::Required, "sex") },
        CheckSpec { values: vec!["M".into(), "F".into()], ..CheckSpec::of(CheckKind::Allowed, "sex") },
        CheckSpec::of(CheckKind::Unique, "name"),
        CheckSpec::of(CheckKind::Required, "gone"),
    ];
    let mut evaluator = QualityPlan::new(&checks, rows.schema_ref()).unwrap().evaluator();
    evaluator.update(&rows).unwrap();
    let report = evaluator.finish();
    assert_eq!(report.dimension_score(Dimension::Completeness), Some((3.0 + 3.0 * 4.0) / (4.0 + 3.0 * 4.0)));
    assert_eq!(report.dimension_score(Dimension::Validity), Some(0.75));
    assert_eq!(report.dimension_score(Dimension::Consistency), Some(1.0 / 3.0));
    let expected = (0.3 * 0.9375 + 0.3 * 0.75 + 0.2 / 3.0) / 0.8;
    assert!((report.overall.unwrap() - expected).abs() < 1e-12);
    assert_eq!(report.level, Some(Level::Acceptable));
    let order: Vec<&str> = report.recommendations.iter().map(|advice| advice.check.as_str()).collect();
    assert_eq!(order, ["required:gone", "unique:name", "allowed:sex"]);
    assert!(report.recommendations[2].text.contains("75 %") && report.recommendations[2].text.contains("95 %"));
    let json = serde_json::to_string(&report).unwrap();
    for content in ["Okonkwo", "Lindqvist", "UNHEARD"] {
        assert!(!json.contains(content), "the report holds field content");
    }
    assert_eq!(serde_json::from_str::<QualityReport>(&json).unwrap().recommendations, report.recommendations);
    assert_eq!(report.checks[2].failed.sample[0].offset, 2);
    let bare = report.without_samples();
    assert!(bare.checks.iter().all(|check| check.failed.sample.is_empty()) && bare.checks[2].failed.total == 1);
}

fn messages() -> RecordBatch {
    batch(vec![
        ("patient_id", text(&[Some("1"), None, Some("3"), Some("4"), Some("")])),
        ("message_datetime", text(&[Some("2026-03-14"), Some("2026"), Some("soon"), Some("2026-03"), None])),
        ("known_message_type", Arc::new(BooleanArray::from(vec![Some(true), Some(true), Some(true), Some(false), None]))),
        ("missing_segments", text(&[None, None, Some("PV1,EVN"), None, None])),
    ])
}

#[test]
fn records_score_a_quarter_a_point() {
    let rows = messages();
    let scored = RecordScoreSpec::default().score(&rows).unwrap();
    assert_eq!(scored.validation_score.values().to_vec(), [1.0, 0.75, 0.5, 0.5, 0.0]);
    assert_eq!(scored.is_valid.iter().flatten().collect::<Vec<_>>(), [true, true, false, false, false]);
    assert_eq!(scored.summary.by_score, [1, 0, 2, 1, 1]);
    assert_eq!((scored.summary.valid_rate(), scored.summary.mean_score()), (Some(0.4), Some(0.55)));
    let appended = scored.append_to(&rows).unwrap();
    for name in [COL_VALIDATION_SCORE, COL_IS_VALID] {
        let meta = sutura_core::ColumnMeta::from_field(appended.schema().field_with_name(name).unwrap());
        assert_eq!(meta.phi, Some(sutura_core::PhiClass::Operational));
        assert!(!meta.must_refuse());
    }
    assert!(RecordScoreSpec { patient_id: "gone".into(), ..RecordScoreSpec::default() }.score(&rows).is_err());
}

#[test]
fn gates_decide_and_divide() {
    let rows = messages();
    let checks = [CheckSpec::of(CheckKind::Required, "patient_id"), CheckSpec::of(CheckKind::Required, "message_datetime")];
    let plan = QualityPlan::new(&checks, rows.schema_ref()).unwrap();
    let mut evaluator = plan.evaluator();
    let outcome = evaluator.update(&rows).unwrap();
    let scored = RecordScoreSpec::default().score(&rows).unwrap();
    let report = evaluator.finish().with_records(scored.summary);

    let gate = GateSpec { check: Some("required:patient_id".into()), ..GateSpec::new(Gate::Stop, GateMeasure::Check) };
    assert!(gate.problems(plan.check_names()).is_empty());
    let decision = gate.decide(&report);
    assert!(decision.stops() && decision.measured == Some(0.6) && decision.minimum == 0.95);
    assert!(!GateSpec { minimum: Some(0.6), ..gate.clone() }.decide(&report).stops());
    assert!(GateSpec::new(Gate::Stop, GateMeasure::Overall).decide(&report).passed, "0.7 reaches the default");
    let accuracy = GateSpec { dimension: Some(Dimension::Accuracy), ..GateSpec::new(Gate::Stop, GateMeasure::Dimension) };
    assert!(accuracy.decide(&report).stops(), "what was not measured does not pass");
    assert!(GateSpec::new(Gate::Stop, GateMeasure::Dimension).problems([])[0].key == "dimension");
    assert!(GateSpec { check: Some("no".into()), ..gate.clone() }.problems(plan.check_names())[0].key == "check");
    assert!(gate.divider(&plan).is_none());

    let divider = GateSpec::new(Gate::Quarantine, GateMeasure::Overall).divider(&plan).unwrap();
    let split = divider.split(&rows, &outcome, None).unwrap();
    assert_eq!((split.kept.num_rows(), split.quarantined.num_rows()), (3, 2));
    let reasons = split.quarantined.column_by_name(COL_QUARANTINE_REASONS).unwrap();
    let reasons: Vec<_> = reasons.as_any().downcast_ref::<StringViewArray>().unwrap().iter().flatten().collect();
    assert_eq!(reasons, ["required:patient_id", "required:patient_id,required:message_datetime"]);

    let divider = GateSpec::new(Gate::Quarantine, GateMeasure::Record).divider(&plan).unwrap();
    let split = divider.split(&rows, &outcome, Some(&scored.is_valid)).unwrap();
    assert_eq!((split.kept.num_rows(), split.quarantined.num_rows()), (2, 3));
    assert!(divider.split(&rows, &outcome, None).is_err());
    assert!(divider.split(&rows.slice(0, 2), &outcome, Some(&scored.is_valid)).is_err());
    assert_eq!(outcome.any_failed([0, 1]).unwrap().true_count(), 2);
}

#[test]
fn an_empty_table_is_not_applicable() {
    let rows = messages().slice(0, 0);
    let (result, _) = run(CheckSpec::of(CheckKind::Required, "patient_id"), &rows);
    assert_eq!((result.status, result.rate, result.interval), (CheckStatus::NotApplicable, None, None));
}

fn all_checks() -> Vec<CheckSpec> {
    vec![
        CheckSpec::of(CheckKind::Required, "a"),
        CheckSpec { value_type: Some(ValueType::Date), ..CheckSpec::of(CheckKind::Type, "t") },
        CheckSpec { values: vec!["a".into(), "b".into()], ..CheckSpec::of(CheckKind::Allowed, "a") },
        CheckSpec { min: Some(0.0), max: Some(50.0), ..CheckSpec::of(CheckKind::Range, "v") },
        CheckSpec::of(CheckKind::Unique, "a"),
        CheckSpec { columns: vec!["a".into(), "t".into()], ..CheckSpec::new(CheckKind::Unique) },
        CheckSpec { earlier: Some("t".into()), later: Some("u".into()), ..CheckSpec::new(CheckKind::Temporal) },
        CheckSpec::new(CheckKind::Duplicate),
    ]
}

fn any_rows() -> impl Strategy<Value = RecordBatch> {
    let time = || proptest::option::of("20[0-2][0-9](-0[1-9](-[0-3][0-9](T1[0-9]:[0-5][0-9](Z|-05:00)?)?)?)?");
    let row = (proptest::option::of("[a-e]{0,2}"), time(), time(), proptest::option::of(-10.0..100.0f64), 0..4i64, 0..30i64, "[0-9a-f]");
    proptest::collection::vec(row, 0..60).prop_map(|rows| {
        let column =
            |value: &dyn Fn(usize) -> Option<String>| -> ArrayRef { Arc::new((0..rows.len()).map(value).collect::<StringViewArray>()) };
        batch(vec![
            ("_source", column(&|row| Some(format!("file{}", rows[row].4)))),
            ("_offset", Arc::new(rows.iter().map(|row| Some(row.5)).collect::<Int64Array>())),
            ("_length", Arc::new(rows.iter().map(|_| Some(1)).collect::<Int64Array>())),
            ("_sha256", column(&|row| Some(rows[row].6.clone()))),
            ("a", column(&|row| rows[row].0.clone())),
            ("t", column(&|row| rows[row].1.clone())),
            ("u", column(&|row| rows[row].2.clone())),
            ("v", Arc::new(rows.iter().map(|row| row.3).collect::<Float64Array>())),
        ])
    })
}

proptest! {
    #[test]
    fn batches_threads_and_order_make_no_difference(
        rows in any_rows(),
        cuts in proptest::collection::vec((0..60usize, 0..3usize), 0..8),
        backwards: bool,
        exact_keys in 1..40usize,
        sample in 0..6usize,
    ) {
        let options = PlanOptions { sample, exact_keys };
        let plan = QualityPlan::with(&all_checks(), rows.schema_ref(), &ReferenceSets::new(), options).unwrap();
        let mut whole = plan.evaluator();
        whole.update(&rows).unwrap();
        let whole = whole.finish();

        let mut ends: Vec<(usize, usize)> = cuts.into_iter().map(|(at, thread)| (at.min(rows.num_rows()), thread)).collect();
        ends.push((rows.num_rows(), 0));
        ends.sort_unstable();
        let mut evaluators: Vec<Evaluator> = (0..3).map(|_| plan.evaluator()).collect();
        let mut start = 0;
        for (end, thread) in ends {
            evaluators[thread].update(&rows.slice(start, end - start)).unwrap();
            start = end;
        }
        if backwards {
            evaluators.reverse();
        }
        let merged = evaluators.into_iter().reduce(|mut left, right| { left.merge(right).unwrap(); left }).unwrap().finish();
        for (one, other) in whole.checks.iter().zip(&merged.checks) {
            // Copies of a record beyond the limit are counted as they come: an estimate of its own.
            if !(one.kind == CheckKind::Duplicate && one.estimated) {
                prop_assert_eq!(one, other);
            }
        }
        prop_assert_eq!(whole.rows, merged.rows);
    }

    #[test]
    fn masks_agree_with_counts_and_repeats_in_two_passes_agree(rows in any_rows()) {
        let plan = QualityPlan::new(&all_checks(), rows.schema_ref()).unwrap();
        let mut evaluator = plan.evaluator();
        let outcome = evaluator.update(&rows).unwrap();
        let report = evaluator.finish();
        for (check, mask) in report.checks.iter().zip(&outcome.failed) {
            prop_assert!(check.numerator <= check.denominator && check.denominator <= rows.num_rows() as u64);
            prop_assert_eq!(check.numerator + check.failed.total, check.denominator);
            match check.kind {
                CheckKind::Unique => prop_assert_eq!(mask.count_set_bits() as u64, check.excess.unwrap()),
                CheckKind::Duplicate => {}
                _ => prop_assert_eq!(mask.count_set_bits() as u64, check.failed.total),
            }
        }
        let doubled = concat_batches(rows.schema_ref(), [&rows, &rows]).unwrap();
        let mut evaluator = plan.evaluator();
        evaluator.update(&doubled).unwrap();
        let doubled = evaluator.finish();
        // The same rows again are the same records: no duplicates arise from reading twice.
        prop_assert_eq!(&doubled.checks[7], &report.checks[7]);
        prop_assert_eq!(doubled.checks[0].denominator, 2 * report.checks[0].denominator);
    }
}
